"""Messages of a dead worker run again soon; those of a busy one are left alone."""

import threading
import time

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from engine.brokers import PriorityBroker, Tiers, connect
from engine.brokers.scripts import BEAT
from tests.integration.brokers.conftest import BEAT_S, DEAD_AFTER_S
from tests.workers import eventually, without_event_loop, working

pytestmark = pytest.mark.integration


def work_on(broker: PriorityBroker, runs: list[str], name: str, until: threading.Event) -> None:
    @broker.actor(actor_name="work")
    def work() -> None:
        runs.append(name)
        until.wait(10)


@pytest.fixture
def other(redis_url: str) -> PriorityBroker:
    tiers = Tiers(
        connect=lambda: connect(redis_url),
        namespace="{test}",
        beat_s=BEAT_S,
        dead_after_s=DEAD_AFTER_S,
    )
    yield without_event_loop(tiers["low"])
    tiers.close()


def test_busy_worker_is_not_robbed(tiers: Tiers, other: PriorityBroker, redis_url: str) -> None:
    """Fault 6: the stock heartbeat is a side effect of fetching, which a full worker does not."""
    stock = [
        RedisBroker(url=redis_url, heartbeat_timeout=50, maintenance_chance=1_000_000)
        for _ in range(2)
    ]
    for one in stock:
        one.declare_queue("default")
    stock[0].enqueue(dramatiq.Message("default", "work", (), {}, {}))
    assert next(stock[0].consume("default", prefetch=1)) is not None
    robber = stock[1].consume("default", prefetch=1, timeout=10)
    assert eventually(lambda: next(robber)) is not None

    runs: list[str] = []
    release = threading.Event()
    work_on(tiers["low"], runs, "busy", release)
    work_on(other, runs, "robber", release)
    with working(tiers["low"], threads=2):
        for _ in range(2):
            tiers["low"].actors["work"].send()
        eventually(lambda: len(runs) == 2)
        with working(other):
            begun = time.monotonic()
            eventually(lambda: time.monotonic() - begun > 2.5 * DEAD_AFTER_S)
            assert runs == ["busy", "busy"]
            release.set()
            tiers["low"].join("low", timeout=5000)
    assert runs == ["busy", "busy"]


def test_dead_workers_messages_run_again(tiers: Tiers, other: PriorityBroker) -> None:
    """Fault 2: on the stock broker after 60 s, and then by chance."""
    broker = tiers["low"]
    runs: list[str] = []
    release = threading.Event()
    release.set()
    work_on(other, runs, "successor", release)
    other.actors["work"].send()
    consumer = broker.consume("low", prefetch=1, timeout=5000)
    assert next(consumer) is not None
    broker._heartbeat._stop_asked.set()  # as if it had been killed: it holds, and beats no more
    broker._heartbeat.join()
    with working(other):
        begun = time.monotonic()
        eventually(lambda: runs)
        assert time.monotonic() - begun < DEAD_AFTER_S + 10 * BEAT_S
    assert runs == ["successor"]


def beat(broker: PriorityBroker, holder: str) -> int:
    dead_after_ms, grace_ms = int(DEAD_AFTER_S * 1000), int(BEAT_S * 2000)
    return int(broker.siblings.run(BEAT, "low", holder, dead_after_ms, grace_ms))


def hold(broker: PriorityBroker, holder: str, redis_message_id: str) -> None:
    broker.client.hset("{test}:low.msgs", redis_message_id, b"x")
    broker.client.sadd(f"{{test}}:low.held.{holder}", redis_message_id)


def last_beat(broker: PriorityBroker, holder: str, ago_s: float) -> None:
    seconds, micros = broker.client.time()
    now_ms = seconds * 1000 + micros // 1000
    broker.client.zadd("{test}:low.beats", {holder: now_ms - ago_s * 1000})


def test_after_an_outage_nobody_is_dead_until_all_could_beat(tiers: Tiers) -> None:
    """Redis was away, so every heartbeat is old; the first one back must not rob the others."""
    broker = tiers["low"]
    hold(broker, "b", "1")
    last_beat(broker, "a", 5)
    last_beat(broker, "b", 5)
    assert beat(broker, "a") == 0
    assert beat(broker, "b") == 0
    assert beat(broker, "a") == 0
    assert broker.client.scard("{test}:low.held.b") == 1


def test_who_stays_silent_after_an_outage_is_dead(tiers: Tiers) -> None:
    broker = tiers["low"]
    hold(broker, "b", "1")
    last_beat(broker, "b", 5)
    assert beat(broker, "a") == 0
    assert eventually(lambda: beat(broker, "a")) == 1
    assert broker.client.lrange("{test}:low", 0, -1) == [b"1"]
    assert broker.client.zscore("{test}:low.beats", "b") is None


def test_heartbeat_mends_a_lost_wake_token(tiers: Tiers) -> None:
    """The worker that took the token was killed before it fetched."""
    broker = tiers["low"]
    runs: list[str] = []
    release = threading.Event()
    release.set()
    work_on(broker, runs, "a", release)
    with working(broker, timeout_ms=200):
        eventually(lambda: broker.client.zcard("{test}:low.beats"))
        message = broker.actors["work"].message()
        broker.client.hset("{test}:low.msgs", "1", message.encode())
        broker.client.rpush("{test}:low", "1")
        eventually(lambda: runs, within_s=3)


def test_late_report_of_a_worker_taken_for_dead(tiers: Tiers, other: PriorityBroker) -> None:
    """What it finished is not run again; what another runs by then is left to that one."""
    broker = tiers["low"]
    until = threading.Event()
    work_on(other, [], "b", until)
    for _ in range(2):
        other.actors["work"].send()
    slow = broker.consume("low", prefetch=2, timeout=100)
    finished, shared = next(slow), next(slow)
    # Robbed of both; another fetches one of them.
    last_beat(broker, broker._holdings.holder, 60)
    broker._heartbeat.stop()
    last_beat(broker, broker._holdings.holder, 60)
    eventually(lambda: beat(broker, "robber"))
    quick = other.consume("low", prefetch=1, timeout=100)
    taken = next(quick)
    if taken.redis_message_id == finished.redis_message_id:
        finished, shared = shared, finished
    shared.follow_ups = []
    slow.ack(finished)
    slow.ack(shared)
    assert next(slow) is None
    assert other.pending() == 1, "the one that the other worker holds"
    assert next(quick) is None
    quick.ack(taken)
    quick.close()
    slow.close()
    assert other.pending() == 0


def test_redis_that_lost_everything_gets_going_again(tiers: Tiers) -> None:
    broker = tiers["low"]
    runs: list[str] = []
    release = threading.Event()
    work_on(broker, runs, "a", release)
    with working(broker, timeout_ms=200):
        broker.actors["work"].send()
        eventually(lambda: runs)
        broker.client.flushall()
        broker.client.script_flush()
        release.set()
        broker.actors["work"].send()
        broker.join("low", timeout=5000)
        eventually(lambda: len(runs) == 2)
        eventually(lambda: broker.client.zcard("{test}:low.beats"))
    assert broker.client.keys("*") == []


def test_retry_survives_a_redis_that_lost_everything(tiers: Tiers) -> None:
    broker = tiers["low"]
    runs = []

    @broker.actor(min_backoff=1, max_backoff=2)
    def fail() -> None:
        runs.append(1)
        if len(runs) == 1:
            broker.client.flushall()
            raise RuntimeError

    with working(broker):
        fail.send()
        eventually(lambda: len(runs) == 2)
        broker.join("low", timeout=5000)
