"""Every actor, loaded: what workers run and relays address."""

from engine.actors import (
    ai,
    analytics,
    checking,
    collection,
    publishing,
    replies,
    tokens,
    webhooks,
)

__all__ = [
    "ai",
    "analytics",
    "checking",
    "collection",
    "publishing",
    "replies",
    "tokens",
    "webhooks",
]
