"""Every actor, loaded: what workers run and relays address."""

from engine.actors import ai, checking, collection, publishing, webhooks

__all__ = ["ai", "checking", "collection", "publishing", "webhooks"]
