"""What fails for good is kept with its reason, listable, replayable, and swept in two steps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker
from pydantic import TypeAdapter

from engine.brokers import DeadMessage, PriorityBroker, Tiers, connect
from engine.errors import InvalidCommand
from tests.workers import eventually, working

pytestmark = pytest.mark.integration


def run_dead(broker: PriorityBroker, *args: Any) -> DeadMessage:
    """The one dead letter after running what is queued."""
    with working(broker):
        broker.join(broker.tier, timeout=5000)
    (dead,) = broker.dead_letters()
    return dead


def test_exhausted_retries_leave_reason_and_traceback(tiers: Tiers) -> None:
    broker = tiers["low"]
    runs = []

    @broker.actor(max_retries=2, min_backoff=1, max_backoff=2)
    def fail(number: int) -> None:
        runs.append(number)
        raise RuntimeError("the printer\nis on fire")

    before = datetime.now(UTC) - timedelta(seconds=1)
    fail.send(7)
    dead = run_dead(broker)
    assert runs == [7, 7, 7]
    assert dead.reason == "RuntimeError: the printer is on fire"
    assert 'raise RuntimeError("the printer' in dead.traceback
    assert (dead.queue, dead.actor, tuple(dead.message["args"])) == ("low", "fail", (7,))
    assert before < dead.died_at < datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize("fault", ["invalid command", "invalid arguments", "declared by actor"])
def test_hopeless_errors_are_not_retried(tiers: Tiers, fault: str) -> None:
    broker = tiers["low"]
    runs = []

    @broker.actor(throws=KeyError)
    def fail() -> None:
        runs.append(1)
        if fault == "invalid command":
            raise InvalidCommand("no content 7")
        if fault == "invalid arguments":
            TypeAdapter(int).validate_python("seven")
        raise KeyError("seven")

    fail.send()
    dead = run_dead(broker)
    assert runs == [1]
    assert dead.reason.split(":")[0] in {"InvalidCommand", "ValidationError", "KeyError"}
    assert "in fail" in dead.traceback


def test_unknown_actor_is_a_dead_letter(tiers: Tiers) -> None:
    broker = tiers["low"]
    broker.enqueue(dramatiq.Message("low", "nobody", (), {}, {}))
    assert run_dead(broker).reason == "ActorNotFound: nobody"


ODD_ACTOR = b'{"queue_name":"low","actor_name":[],"args":[],"kwargs":{},"options":{}}'


@pytest.mark.parametrize("payload", [b"\xff\xfe", b"{", b"[]", b"3", b'{"actor_name": "x"}'])
def test_undecodable_message_is_a_dead_letter(
    tiers: Tiers, redis_url: str, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """On the stock broker it stops the consumer for three seconds, and is lost with it."""
    stock = RedisBroker(url=redis_url)
    stock.declare_queue("default")
    stock.do_enqueue("default", "id", payload)
    with pytest.raises(Exception):  # noqa: B017, PT011
        next(stock.consume("default"))

    broker = tiers["low"]
    ran = []

    @broker.actor
    def note() -> None:
        ran.append(1)

    broker.client.hset("{test}:low.msgs", "odd", payload)
    broker.client.rpush("{test}:low", "odd")
    note.send()
    dead = run_dead(broker)
    assert ran
    assert dead.redis_message_id == "odd"
    assert dead.actor == ""
    assert dead.reason
    assert set(dead.message) == {"base64"}
    with pytest.raises(LookupError, match="cannot be decoded"):
        broker.replay("odd")


def test_message_with_fields_of_the_wrong_kind_is_a_dead_letter(tiers: Tiers) -> None:
    broker = tiers["low"]
    broker.client.hset("{test}:low.msgs", "odd", ODD_ACTOR)
    broker.client.rpush("{test}:low", "odd")
    assert run_dead(broker).reason == "DecodeError: TypeError: actor_name is list, not str"


def test_replayed_message_starts_a_new_life(tiers: Tiers) -> None:
    broker = tiers["low"]
    fail = [True]
    options = []

    @broker.actor(max_retries=1, min_backoff=1, max_backoff=2)
    def work() -> None:
        options.append(dict(dramatiq.middleware.CurrentMessage.get_current_message().options))
        if fail:
            raise RuntimeError

    work.send()
    dead = run_dead(broker)
    fail.clear()
    broker.replay(dead.redis_message_id)
    assert broker.dead_letters() == []
    with working(broker):
        broker.join("low", timeout=5000)
    assert not {"retries", "traceback", "reason"} & options[-1].keys()
    with pytest.raises(LookupError, match="no dead letter"):
        broker.replay(dead.redis_message_id)


def test_sweeper_reads_then_forgets(tiers: Tiers) -> None:
    """A sweeper that dies after reading finds the same dead letters again."""
    broker = tiers["low"]

    @broker.actor(max_retries=0)
    def fail(number: int) -> None:
        raise RuntimeError

    for number in range(3):
        fail.send(number)
    with working(broker, threads=1):
        broker.join("low", timeout=5000)
    first = broker.take_dead_letters(2)
    assert broker.take_dead_letters(2) == first
    assert len(first) == 2
    assert broker.forget(letter.redis_message_id for letter in first) == 2
    assert broker.forget(letter.redis_message_id for letter in first) == 0
    (last,) = broker.dead_letters("low")
    assert {letter.message["args"][0] for letter in (*first, last)} == {0, 1, 2}
    assert tiers["high"].dead_letters("low") == broker.dead_letters()
    assert broker.forget([]) == 0


def test_dead_letters_are_dropped_after_their_time(redis_url: str) -> None:
    tiers = Tiers(connect=lambda: connect(redis_url), namespace="{test}", dead_letters_kept_s=0.05)
    broker = tiers["low"]

    @broker.actor(max_retries=0)
    def fail() -> None:
        raise RuntimeError

    with working(broker):
        fail.send()
        eventually(lambda: broker.client.hlen("{test}:low.XQ.msgs"))
        eventually(lambda: broker.dead_letters() == [])
        fail.send()
        broker.join("low", timeout=5000)
    assert broker.client.hlen("{test}:low.XQ.msgs") == 1
    tiers.close()


def test_callback_of_a_dead_message_leaves_with_it(tiers: Tiers) -> None:
    @tiers["high"].actor
    def tell(message: dict[str, Any], retries: dict[str, int]) -> None: ...

    @tiers["low"].actor(max_retries=0, on_retry_exhausted="tell")
    def fail() -> None:
        raise RuntimeError

    fail.send()
    run_dead(tiers["low"])
    assert tiers["high"].pending() == 1
