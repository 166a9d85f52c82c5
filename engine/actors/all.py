"""Every actor, loaded: what workers run and relays address."""

from engine.actors import analytics, checking, collection, publishing, tokens, webhooks

__all__ = ["analytics", "checking", "collection", "publishing", "tokens", "webhooks"]
