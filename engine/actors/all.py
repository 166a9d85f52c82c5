"""Every actor, loaded: what workers run and relays address."""

from engine.actors import checking, publishing, tokens

__all__ = ["checking", "publishing", "tokens"]
