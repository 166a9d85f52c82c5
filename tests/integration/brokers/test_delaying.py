"""Delayed messages wait in Redis, ordered by when they are due."""

import threading
import time

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from engine.brokers import Tiers
from tests.workers import eventually, working

pytestmark = pytest.mark.integration

FAR_MS = 3_600_000


def test_far_messages_do_not_hide_a_near_one(tiers: Tiers, redis_url: str) -> None:
    """Fault 5: the stock worker takes delayed messages into memory in order of arrival."""
    stock, ours = RedisBroker(url=redis_url), tiers["low"]
    for broker, queue in ((stock, "default"), (ours, "low")):

        @dramatiq.actor(broker=broker, queue_name=queue)
        def work(name: str) -> None:
            raise AssertionError("only queued here, never run")

        for _ in range(5):
            work.send_with_options(args=("far",), delay=FAR_MS)
        work.send_with_options(args=("near",), delay=50)
    delayed = stock.consume("default.DQ", prefetch=5, timeout=20)
    assert {message.args for message in (next(delayed) for _ in range(10)) if message} == {("far",)}
    consumer = ours.consume("low", prefetch=5, timeout=3000)
    message = next(consumer)
    assert message is not None
    assert message.args == ("near",)
    assert "eta" not in message.options
    consumer.close()


def test_delayed_message_is_never_early_and_soon(tiers: Tiers) -> None:
    broker = tiers["low"]
    ran = threading.Event()

    @broker.actor
    def note() -> None:
        ran.set()

    with working(broker, timeout_ms=200):
        eventually(lambda: broker.client.zcard("{test}:low.beats"))
        begun = time.monotonic()
        note.send_with_options(delay=300)
        assert ran.wait(5)
        assert 0.29 < time.monotonic() - begun < 1.0


def test_nearer_message_shortens_the_timer(tiers: Tiers) -> None:
    """An idle worker that waits for a later one hears of it."""
    broker = tiers["low"]
    ran = threading.Event()

    @broker.actor
    def note() -> None:
        ran.set()

    with working(broker, timeout_ms=200):
        note.send_with_options(delay=FAR_MS)
        eventually(lambda: broker.client.zcard("{test}:low.beats"))
        begun = time.monotonic()
        note.send_with_options(delay=50)
        assert ran.wait(5)
        assert time.monotonic() - begun < 1.0


def test_more_due_messages_than_one_step_moves_all_run(tiers: Tiers) -> None:
    broker = tiers["low"]
    ran = []

    @broker.actor
    def note(number: int) -> None:
        ran.append(number)

    for number in range(1200):
        note.send_with_options(args=(number,), delay=1)
    with working(broker):
        broker.join("low", timeout=10_000)
    assert sorted(ran) == list(range(1200))


def test_due_message_passes_a_full_worker_by(tiers: Tiers) -> None:
    """A worker without room still tells the others that something is due."""
    broker = tiers["low"]
    ran, release = threading.Event(), threading.Event()

    @broker.actor
    def block() -> None:
        release.wait(10)

    @broker.actor
    def note() -> None:
        ran.set()

    with working(broker, threads=1):
        block.send()
        eventually(lambda: broker.client.keys("*.held.*"))
        note.send_with_options(delay=50)
        eventually(lambda: broker.client.llen("{test}:low"))
        assert not ran.is_set()
        release.set()
        assert ran.wait(5)
