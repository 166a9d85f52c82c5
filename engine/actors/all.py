"""Every actor, loaded: what workers run and relays address."""

from engine.actors import analytics, checking, publishing

__all__ = ["analytics", "checking", "publishing"]
