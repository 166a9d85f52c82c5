"""Sibling brokers of each test's own, with heartbeats fast enough to wait for."""

from collections.abc import Iterator

import pytest

from engine.brokers import Tiers, connect

BEAT_S = 0.1
DEAD_AFTER_S = 0.6


@pytest.fixture
def tiers(redis_url: str) -> Iterator[Tiers]:
    tiers = Tiers(
        connect=lambda: connect(redis_url),
        namespace="{test}",
        beat_s=BEAT_S,
        dead_after_s=DEAD_AFTER_S,
    )
    yield tiers
    tiers.close()
