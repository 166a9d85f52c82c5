"""A retry, a callback, the next step: they leave with the acknowledgement or not at all."""

import threading
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import pipeline
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from engine.brokers import Tiers, connect
from tests.servers import server
from tests.workers import eventually, working

pytestmark = pytest.mark.integration


def test_retry_waits_in_the_delayed_set(tiers: Tiers) -> None:
    broker = tiers["low"]

    @broker.actor
    def fail() -> None:
        raise RuntimeError

    with working(broker):
        fail.send()
        eventually(lambda: broker.client.zcard("{test}:low.DQ"))
    ((_, due_ms),) = broker.client.zrange("{test}:low.DQ", 0, -1, withscores=True)
    seconds, _ = broker.client.time()
    assert 55 < due_ms / 1000 - seconds < 125  # from 60 s, with jitter
    assert broker.pending() == 1
    assert broker.client.keys("*.held.*") == []


def test_retry_is_not_lost_when_redis_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    """Fault 3: the stock one swallows the error of the enqueue and acknowledges the message."""
    stock = RedisBroker(url=redis_url)
    stock_runs = []

    @dramatiq.actor(broker=stock, min_backoff=1, max_backoff=2)
    def fail_there() -> None:
        stock_runs.append(1)
        monkeypatch.setattr(stock, "do_enqueue", refuse, raising=False)
        raise RuntimeError

    def refuse(*_: Any) -> None:
        raise redis.ConnectionError

    fail_there.send()
    with working(stock):
        stock.join("default", timeout=5000)
    assert stock_runs == [1]

    with server(tmp_path) as valkey:
        tiers = Tiers(connect=lambda: connect(valkey.url), beat_s=0.1, dead_after_s=0.6)
        broker = tiers["low"]
        runs = []

        @broker.actor(min_backoff=1, max_backoff=2)
        def fail_here() -> None:
            runs.append(1)
            if len(runs) == 1:
                valkey.kill()
                raise RuntimeError

        fail_here.send()
        with working(broker):
            eventually(lambda: runs)
            valkey.start()
            broker.join("low", timeout=10_000)
        assert runs == [1, 1]
        tiers.close()


def test_next_step_is_not_lost_when_redis_is_down(tmp_path: Path) -> None:
    with server(tmp_path) as valkey:
        tiers = Tiers(connect=lambda: connect(valkey.url), beat_s=0.1, dead_after_s=0.6)

        @tiers["low"].actor
        def step() -> int:
            valkey.kill()
            return 1

        @tiers["high"].actor
        def next_step(value: int) -> None: ...

        pipeline([step.message(), next_step.message()], broker=tiers["low"]).run()
        with working(tiers["low"]):
            eventually(lambda: not is_up(valkey.url))
            valkey.start()
            tiers["low"].join("low", timeout=10_000)
        assert tiers["high"].pending() == 1
        tiers.close()


def is_up(url: str) -> bool:
    with redis.Redis.from_url(url, retry=None) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def test_message_sent_by_an_actor_itself_leaves_at_once(tiers: Tiers) -> None:
    release = threading.Event()

    @tiers["low"].actor
    def other() -> None: ...

    @tiers["critical"].actor
    def work() -> None:
        other.send()
        release.wait(10)

    with working(tiers["critical"]):
        work.send()
        eventually(lambda: tiers["low"].pending())
        assert tiers["critical"].pending() == 1
        release.set()
        tiers["critical"].join("critical", timeout=5000)


def test_results_work_as_usual(tiers: Tiers, redis_url: str) -> None:
    backend = RedisBackend(url=redis_url)
    broker = tiers["high"]
    broker.add_middleware(Results(backend=backend))

    @broker.actor(store_results=True)
    def add(x: int, y: int) -> int:
        return x + y

    with working(broker):
        message = add.send(1, 2)
        assert message.get_result(backend=backend, block=True, timeout=5000) == 3
    backend.client.close()


def test_message_that_middleware_refuses_is_a_dead_letter(tiers: Tiers) -> None:
    broker = tiers["low"]
    broker.add_middleware(AgeLimit())

    @broker.actor(max_age=1)
    def old() -> None:
        raise AssertionError

    message = old.message()
    broker.enqueue(message.copy(), delay=20)
    with working(broker):
        broker.join("low", timeout=5000)
    (dead,) = broker.dead_letters()
    assert dead.reason.startswith("SkipMessage: ")
