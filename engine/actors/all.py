"""Every actor, loaded: what workers run and relays address."""

from engine.actors import checking, publishing

__all__ = ["checking", "publishing"]
