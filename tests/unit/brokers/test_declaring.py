"""What brokers know before they ever meet Redis."""

from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import ActorNotFound, QueueNotFound
from dramatiq.middleware import AsyncIO, Retries
from pydantic import ValidationError

from engine.brokers import TIER_NAMES, PriorityBroker, Tiers, critical, high, low, medium
from engine.brokers.processes import _once
from engine.errors import InvalidCommand


def refuse() -> redis.Redis:
    raise AssertionError("Redis is not needed yet")


@pytest.fixture
def tiers() -> Tiers:
    return Tiers(connect=refuse)


def test_four_brokers_of_one_namespace() -> None:
    assert [broker.tier for broker in (critical, high, medium, low)] == [*TIER_NAMES]
    assert {broker.siblings for broker in (critical, high, medium, low)} == {low.siblings}
    assert low.siblings.namespace == "{sns}"
    assert critical.get_declared_queues() == {"critical"}
    assert critical.get_declared_delay_queues() == set()


def test_pipe_of_messages_goes_to_our_brokers() -> None:
    message = dramatiq.Message("low", "work", (), {}, {})
    assert (message | message).broker is critical


def test_client_is_made_once_on_first_use() -> None:
    made: list[redis.Redis] = []

    def connect() -> redis.Redis:
        made.append(redis.Redis())
        return made[-1]

    tiers = Tiers(connect=connect)
    assert not made
    assert tiers["low"].client is tiers["high"].client is made[0]
    assert len(made) == 1
    tiers.close()
    tiers.close()


def test_siblings_know_each_others_actors(tiers: Tiers) -> None:
    @tiers["low"].actor
    def report() -> None: ...

    assert tiers["critical"].get_actor("report") is report
    with pytest.raises(ActorNotFound, match="nobody"):
        tiers["critical"].get_actor("nobody")


def test_two_sets_of_tiers_know_nothing_of_each_other(tiers: Tiers) -> None:
    @tiers["low"].actor
    def report() -> None: ...

    with pytest.raises(ActorNotFound):
        Tiers(connect=refuse)["low"].get_actor("report")


def test_hopeless_errors_are_added_to_the_actors_own(tiers: Tiers) -> None:
    @tiers["low"].actor(throws=KeyError)
    def one() -> None: ...

    @tiers["low"].actor(throws=(KeyError, OSError))
    def two() -> None: ...

    hopeless = (ValidationError, InvalidCommand)
    assert one.options["throws"] == (KeyError, *hopeless)
    assert two.options["throws"] == (KeyError, OSError, *hopeless)


def test_middleware_is_each_brokers_own_and_can_be_added_to(tiers: Tiers) -> None:
    class Mine(dramatiq.Middleware):
        @property
        def actor_options(self) -> set[str]:
            return {"colour"}

    low = tiers["low"]
    low.add_middleware(Mine(), after=AsyncIO)
    assert isinstance(low.middleware[-1], Mine)

    @low.actor(colour="blue")
    def paint() -> None: ...

    assert not {*map(id, low.middleware)} & {*map(id, tiers["high"].middleware)}
    (retries,) = (m for m in low.middleware if isinstance(m, Retries))
    assert (retries.max_retries, retries.min_backoff) == (3, 60_000)


def test_only_the_tiers_own_queue_can_be_consumed(tiers: Tiers) -> None:
    with pytest.raises(QueueNotFound):
        tiers["low"].consume("high")
    with pytest.raises(ValueError, match="one queue of that name"):
        tiers["low"].declare_queue("high")


@pytest.mark.parametrize("figures", [{"beat_s": 2, "dead_after_s": 3}, {}])
def test_broker_that_cannot_work_is_refused(figures: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"heartbeats|client"):
        PriorityBroker("low", **figures)


def test_signals_in_quick_succession_are_one() -> None:
    handled: list[int] = []
    handle = _once(lambda signum, frame: handled.append(signum))
    handle(15, None)
    handle(15, None)
    assert handled == [15]
