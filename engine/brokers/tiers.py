"""A set of sibling brokers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import redis
from dramatiq import Middleware

from engine.brokers.broker import PriorityBroker
from engine.brokers.connections import connect as connect_to
from engine.brokers.defaults import default_middleware
from engine.brokers.siblings import NAMESPACE, Siblings
from engine.settings import Settings

TIER_NAMES = ("critical", "high", "medium", "low")


def connect_from_settings() -> redis.Redis:
    """A client for the Redis of the settings.

    Raises:
        BootFailed: a setting is missing or bad.
    """
    return connect_to(Settings.load().redis_url)


class Tiers:
    """One broker per tier, in one namespace, with one client and one registry of actors.

    Tests make their own: ``Tiers(connect=lambda: connect(redis_url), namespace="{test}")``.

    Args:
        names: the tiers, most urgent first.
        connect: makes the client on first use; by default from the settings.
        namespace: what every key begins with; braces keep a cluster's slot.
        middleware: makes the list for one broker.
        **figures: ``beat_s``, ``dead_after_s``, ``dead_letters_kept_s`` of ``PriorityBroker``.
    """

    def __init__(
        self,
        names: Iterable[str] = TIER_NAMES,
        *,
        connect: Callable[[], redis.Redis] = connect_from_settings,
        namespace: str = NAMESPACE,
        middleware: Callable[[], list[Middleware]] = default_middleware,
        **figures: Any,
    ) -> None:
        self.siblings = Siblings(connect, namespace=namespace)
        for name in names:
            PriorityBroker(name, siblings=self.siblings, middleware=middleware(), **figures)

    def __getitem__(self, tier: str) -> PriorityBroker:
        return self.siblings.brokers[tier]

    def __iter__(self) -> Iterator[PriorityBroker]:
        return iter(self.siblings.brokers.values())

    def close(self) -> None:
        """Close every broker; idempotent."""
        for broker in self:
            broker.close()
