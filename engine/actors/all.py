"""Every actor, loaded: what workers run and relays address."""

from engine.actors import checking, collection, publishing

__all__ = ["checking", "collection", "publishing"]
