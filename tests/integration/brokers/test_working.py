"""What a worker does with messages, on a real Valkey."""

import threading
import time
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from engine.brokers import Tiers
from tests.workers import eventually, working

pytestmark = pytest.mark.integration


def test_message_runs_with_its_arguments(tiers: Tiers) -> None:
    seen: list[Any] = []
    broker = tiers["critical"]

    @broker.actor
    def publish(content_id: int, *, account: int) -> None:
        seen.append((content_id, account))

    with working(broker):
        publish.send(1, account=2)
        broker.join("critical", timeout=5000)
    assert seen == [(1, 2)]


def test_async_actor_runs_on_the_workers_loop(tiers: Tiers) -> None:
    seen: list[str] = []
    broker = tiers["high"]

    @broker.actor
    async def analyse() -> None:
        seen.append(threading.current_thread().__class__.__name__)

    with working(broker):
        analyse.send()
        broker.join("high", timeout=5000)
    assert seen == ["EventLoopThread"]


def pick_ups(broker: dramatiq.Broker, queue: str, count: int) -> list[float]:
    started = threading.Event()

    @dramatiq.actor(broker=broker, queue_name=queue)
    def note() -> None:
        started.set()

    times = []
    with working(broker, timeout_ms=200):
        for _ in range(count):
            # Long enough for the stock consumer's back-off to grow.
            time.sleep(0.15)
            started.clear()
            begun = time.monotonic()
            note.send()
            assert started.wait(5)
            times.append(time.monotonic() - begun)
    return sorted(times)


def test_idle_worker_wakes_on_enqueue(tiers: Tiers, redis_url: str) -> None:
    """Fault 1: the stock consumer sleeps between polls, up to its time-out."""
    ours = pick_ups(tiers["low"], "low", 5)
    stock = pick_ups(RedisBroker(url=redis_url), "default", 5)
    assert ours[2] < stock[2]
    assert ours[2] < 0.05  # the median; the benchmark has the figure


def test_idle_worker_asks_redis_next_to_nothing(redis_url: str) -> None:
    """Measured with the heartbeat of production, which is most of it."""
    tiers = Tiers(connect=lambda: Redis.from_url(redis_url), namespace="{test}")
    with Redis.from_url(redis_url) as redis, working(tiers["low"], timeout_ms=200):
        eventually(lambda: redis.zcard("{test}:low.beats"))
        before = redis.info("stats")["total_commands_processed"]
        begun = time.monotonic()
        eventually(lambda: time.monotonic() - begun > 1.5)
        commands = redis.info("stats")["total_commands_processed"] - before - 1
    tiers.close()
    assert commands / 1.5 < 6


def test_worker_stops_within_its_time_out(tiers: Tiers) -> None:
    with working(tiers["low"], timeout_ms=100) as worker:
        eventually(lambda: worker.consumers["low"].consumer)
        begun = time.monotonic()
        worker.stop()
        assert time.monotonic() - begun < 2


def test_stopped_worker_leaves_nothing_behind(tiers: Tiers, redis_url: str) -> None:
    broker = tiers["low"]
    with working(broker):
        eventually(lambda: broker.client.zcard("{test}:low.beats"))
    assert broker.client.keys("*") == []
