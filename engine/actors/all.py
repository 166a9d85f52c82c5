"""Every actor, loaded: what workers run and relays address."""

from engine.actors import checking, publishing, webhooks

__all__ = ["checking", "publishing", "webhooks"]
