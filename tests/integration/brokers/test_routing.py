"""Every message reaches the tier of its actor, whoever sends it."""

import threading
from typing import Any

import dramatiq
import pytest
from dramatiq import Message, group, pipeline
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend

from engine.brokers import Tiers, connect
from tests.workers import eventually, without_event_loop, working

pytestmark = pytest.mark.integration


def test_urgent_message_does_not_queue_behind_others(tiers: Tiers, redis_url: str) -> None:
    """Fault 7: the stock ``priority`` orders only what a worker has fetched already."""
    stock = RedisBroker(url=redis_url)
    stock.declare_queue("default")

    @dramatiq.actor(broker=stock, priority=10)
    def report() -> None: ...

    @dramatiq.actor(broker=stock, priority=0)
    def publish() -> None: ...

    report.send()
    publish.send()
    consumer = stock.consume("default", prefetch=1)
    assert next(consumer).actor_name == "report"

    ran = threading.Event()
    low, critical = tiers["low"], tiers["critical"]

    @low.actor(actor_name="slow_report")
    def slow_report() -> None: ...

    @critical.actor(actor_name="publish_now")
    def publish_now() -> None:
        ran.set()

    for _ in range(100):
        slow_report.send()
    with working(critical):
        publish_now.send()
        assert ran.wait(5)
    assert low.pending() == 100


def test_pipeline_continues_in_the_other_tier(tiers: Tiers) -> None:
    """Fault 8: with a broker per namespace, its tail lands where nobody reads."""
    seen: list[Any] = []

    @tiers["medium"].actor
    def fetch() -> int:
        return 20

    @tiers["low"].actor
    def store(extra: int, value: int) -> None:
        seen.append((extra, value))

    pipeline([fetch.message(), store.message(1)], broker=tiers["medium"]).run()
    with working(tiers["medium"]):
        tiers["medium"].join("medium", timeout=5000)
    assert tiers["low"].pending() == 1
    with working(tiers["low"]):
        tiers["low"].join("low", timeout=5000)
    assert seen == [(1, 20)]


def test_callbacks_go_to_their_own_tier(tiers: Tiers) -> None:
    @tiers["low"].actor
    def applaud(message: dict[str, Any], result: Any) -> None: ...

    @tiers["high"].actor
    def mourn(message: dict[str, Any], error: dict[str, str]) -> None: ...

    @tiers["high"].actor
    def bury(message: dict[str, Any], retries: dict[str, int]) -> None: ...

    @tiers["critical"].actor(on_success="applaud")
    def succeed() -> None: ...

    @tiers["critical"].actor(on_failure="mourn", on_retry_exhausted="bury", max_retries=0)
    def fail() -> None:
        raise RuntimeError("no")

    with working(tiers["critical"]):
        succeed.send()
        fail.send()
        tiers["critical"].join("critical", timeout=5000)
    assert tiers["low"].pending() == 1
    assert tiers["high"].pending() == 2


def test_group_callback_goes_to_its_own_tier(tiers: Tiers, redis_url: str) -> None:
    backend = RedisBackend(url=redis_url)
    tiers["medium"].add_middleware(GroupCallbacks(backend))

    @tiers["medium"].actor
    def part(number: int) -> None: ...

    @tiers["low"].actor
    def whole() -> None: ...

    parts = group([part.message(n) for n in range(3)], broker=tiers["medium"])
    parts.add_completion_callback(whole.message())
    parts.run()
    with working(tiers["medium"]):
        tiers["medium"].join("medium", timeout=5000)
    assert tiers["low"].pending() == 1
    backend.client.close()


def test_message_in_the_wrong_queue_is_moved_not_run(tiers: Tiers) -> None:
    ran = []

    @tiers["low"].actor
    def report() -> None:
        ran.append(1)

    lost = report.message().copy(queue_name="critical", options={"redis_message_id": "lost"})
    client = tiers["critical"].client
    client.hset("{test}:critical.msgs", "lost", lost.encode())
    client.rpush("{test}:critical", "lost")
    with working(tiers["critical"]):
        tiers["critical"].join("critical", timeout=5000)
    assert not ran
    assert tiers["low"].pending() == 1
    with working(tiers["low"]):
        tiers["low"].join("low", timeout=5000)
    assert ran


def test_message_to_an_actor_of_another_program_keeps_its_queue(tiers: Tiers) -> None:
    """A process that has not imported the actor trusts the sender's queue name."""
    tiers["critical"].enqueue(Message("high", "elsewhere", (), {}, {}))
    assert tiers["high"].pending() == 1


def test_two_releases_that_disagree_do_not_pass_a_message_to_and_fro(
    tiers: Tiers, redis_url: str
) -> None:
    other = Tiers(connect=lambda: connect(redis_url), namespace="{test}")

    @tiers["low"].actor(actor_name="report")
    def here() -> None: ...

    @other["high"].actor(actor_name="report")
    def there() -> None: ...

    other["high"].enqueue(there.message())
    with working(tiers["high"]):
        tiers["high"].join("high", timeout=5000)
    with working(other["low"]):
        other["low"].join("low", timeout=5000)
    (dead,) = tiers["low"].dead_letters()
    assert dead.reason == "ActorNotFound: report"
    other.close()


def test_actor_with_a_foreign_queue_is_refused(tiers: Tiers) -> None:
    with pytest.raises(ValueError, match="asks for queue 'default', but broker 'low' serves"):

        @dramatiq.actor(broker=tiers["low"])
        def stray() -> None: ...

    assert "stray" not in tiers["low"].actors


def test_one_name_in_two_tiers_is_refused(tiers: Tiers) -> None:
    @tiers["low"].actor(actor_name="twin")
    def first() -> None: ...

    with pytest.raises(ValueError, match="declared in tier 'low' already"):

        @tiers["high"].actor(actor_name="twin")
        def second() -> None: ...


def test_two_workers_share_a_burst(tiers: Tiers, redis_url: str) -> None:
    """A token wakes one worker; that one passes it on while messages remain."""
    other = Tiers(connect=lambda: connect(redis_url), namespace="{test}")
    without_event_loop(other["low"])
    both = threading.Barrier(4)
    for broker in (tiers["low"], other["low"]):

        @broker.actor(actor_name="meet")
        def meet() -> None:
            both.wait(10)

    with working(tiers["low"], threads=2), working(other["low"], threads=2):
        eventually(lambda: tiers["low"].client.zcard("{test}:low.beats") == 2)
        for _ in range(4):
            tiers["low"].actors["meet"].send()
        tiers["low"].join("low", timeout=5000)
    other.close()
    assert not both.broken


def test_long_messages_that_were_fetched_ahead_are_given_back(tiers: Tiers, redis_url: str) -> None:
    """A worker fetches ahead while messages are short; when they turn long, others get them."""
    other = Tiers(connect=lambda: connect(redis_url), namespace="{test}")
    without_event_loop(other["low"])
    release, ran_there = threading.Event(), threading.Event()

    @tiers["low"].actor(actor_name="work")
    def here(seconds: bool) -> None:
        if seconds:
            release.wait(10)

    @other["low"].actor(actor_name="work")
    def there(seconds: bool) -> None:
        ran_there.set()

    for _ in range(400):
        here.send(False)
    for _ in range(20):
        here.send(True)
    with working(tiers["low"], threads=2):
        # Both threads are in a long message, and some more are held.
        eventually(lambda: tiers["low"].pending() <= 20)
        with working(other["low"], threads=2):
            eventually(lambda: tiers["low"].pending() == 2)
            assert ran_there.is_set()
            release.set()
            tiers["low"].join("low", timeout=5000)
    other.close()
