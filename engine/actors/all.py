"""Every actor, loaded: what workers run and relays address."""

from engine.actors import ai, checking, publishing

__all__ = ["ai", "checking", "publishing"]
