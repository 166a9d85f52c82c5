"""Redis refuses or restarts: nothing is lost, nothing is stuck, work goes on by itself."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest
from dramatiq.errors import ConnectionClosed

from engine.brokers import Tiers, connect
from tests.servers import Server, server
from tests.workers import eventually, working

pytestmark = pytest.mark.chaos


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Server]:
    with server(tmp_path) as one:
        yield one


@pytest.fixture
def tiers(valkey: Server) -> Iterator[Tiers]:
    tiers = Tiers(
        connect=lambda: connect(valkey.url), namespace="{test}", beat_s=0.2, dead_after_s=1.0
    )
    yield tiers
    tiers.close()


def test_idle_worker_goes_on_soon_after_redis_is_back(valkey: Server, tiers: Tiers) -> None:
    """Within a second; dramatiq would restart its consumer every three."""
    broker = tiers["low"]
    ran = threading.Event()

    @broker.actor
    def note() -> None:
        ran.set()

    with working(broker, timeout_ms=200):
        eventually(lambda: broker.client.zcard("{test}:low.beats"))
        valkey.kill()
        begun = time.monotonic()
        eventually(lambda: time.monotonic() - begun > 1.0)  # back-off at its longest
        valkey.start()
        note.send()
        begun = time.monotonic()
        assert ran.wait(5)
        assert time.monotonic() - begun < 1.5


def test_finished_messages_are_acknowledged_after_the_outage(valkey: Server, tiers: Tiers) -> None:
    broker = tiers["low"]
    runs, ready, release = [], threading.Barrier(3), threading.Event()

    @broker.actor
    def work(number: int) -> None:
        runs.append(number)
        ready.wait(10)
        release.wait(10)

    with working(broker, threads=2):
        work.send(1)
        work.send(2)
        ready.wait(10)
        valkey.kill()
        release.set()
        begun = time.monotonic()
        eventually(lambda: time.monotonic() - begun > 1.5)  # longer than "dead"
        valkey.start()
        broker.join("low", timeout=10_000)
        assert sorted(runs) == [1, 2]
        assert broker.client.keys("*.held.*") == []


def test_enqueue_rides_out_a_short_outage(valkey: Server, tiers: Tiers) -> None:
    """Fault 9: the stock client gives up at once."""

    @tiers["low"].actor
    def note() -> None: ...

    note.send()
    valkey.kill()
    back = threading.Timer(0.3, valkey.start)
    back.start()
    note.send()
    back.join()
    assert tiers["low"].pending() == 2


def test_enqueue_during_a_long_outage_is_an_error_and_the_actor_runs_again(
    valkey: Server, tiers: Tiers
) -> None:
    runs, errors = [], []

    @tiers["high"].actor
    def follow() -> None: ...

    @tiers["low"].actor(min_backoff=1, max_backoff=2)
    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            valkey.kill()
        try:
            follow.send()
        except ConnectionClosed as error:
            errors.append(error)
            raise

    work.send()
    with working(tiers["low"]):
        eventually(lambda: errors)
        valkey.start()
        tiers["low"].join("low", timeout=10_000)
    assert runs == [1, 1]
    assert tiers["high"].pending() == 1


def test_worker_can_stop_while_redis_is_away(valkey: Server, tiers: Tiers) -> None:
    broker = tiers["low"]
    with working(broker, timeout_ms=100) as worker:
        eventually(lambda: broker.client.zcard("{test}:low.beats"))
        valkey.kill()
        begun = time.monotonic()
        worker.stop()
        assert time.monotonic() - begun < 5
    valkey.start()


def test_nothing_is_lost_over_many_restarts(valkey: Server, tiers: Tiers) -> None:
    """Messages are sent, fetched, retried and acknowledged while Redis is killed again and again.

    At least once: every message runs, and what was acknowledged is gone.
    """
    broker = tiers["low"]
    lock, runs = threading.Lock(), dict.fromkeys(range(300), 0)

    @broker.actor(min_backoff=1, max_backoff=5)
    def work(number: int) -> None:
        with lock:
            runs[number] += 1
            first = runs[number] == 1
        time.sleep(0.002)
        if first and number % 10 == 0:
            raise RuntimeError("once")

    def send_all() -> None:
        for number in runs:
            while True:
                try:
                    work.send(number)
                except ConnectionClosed:
                    continue
                break

    sender = threading.Thread(target=send_all)
    with working(broker, threads=4):
        sender.start()
        for goal in (60, 120, 180):
            eventually(lambda goal=goal: sum(map(bool, runs.values())) >= goal, within_s=20)
            valkey.kill()
            valkey.start()
        sender.join(20)
        broker.join("low", timeout=20_000)
    assert all(count >= 1 for count in runs.values())
    assert all(runs[number] >= 2 for number in range(0, 300, 10))
    assert [*map(str, broker.dead_letters())] == []
    extra = sum(runs.values()) - 330
    assert extra <= 3 * 4 * 4, "only what was under way at a kill may run again"


def test_worker_starts_before_redis(tmp_path: Path) -> None:
    with server(tmp_path) as valkey:
        valkey.kill()
        tiers = Tiers(connect=lambda: connect(valkey.url), beat_s=0.2, dead_after_s=1.0)
        ran = threading.Event()

        @dramatiq.actor(broker=tiers["low"], queue_name="low")
        def note() -> None:
            ran.set()

        with working(tiers["low"]):
            valkey.start()
            note.send()
            assert ran.wait(5)
        tiers.close()
