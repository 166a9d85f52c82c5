"""A consumer that fails or is replaced loses nothing."""

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from engine.brokers import PriorityBroker, Tiers
from engine.brokers.connections import Line
from tests.workers import working

pytestmark = pytest.mark.integration


def declare(broker: dramatiq.Broker, queue: str) -> dramatiq.Actor:
    @dramatiq.actor(broker=broker, queue_name=queue)
    def work(number: int) -> None:
        raise AssertionError("only queued here, never run")

    return work


def drain(broker: dramatiq.Broker, queue: str) -> list[int]:
    consumer = broker.consume(queue, prefetch=10, timeout=100)
    numbers = []
    while (message := next(consumer)) is not None:
        numbers.append(message.args[0])
        consumer.ack(message)
    consumer.close()
    return numbers


def test_prefetched_messages_survive_their_consumer(tiers: Tiers, redis_url: str) -> None:
    """Fault 4: they stay acknowledged to a broker that lives on, and nobody runs them."""
    stock = RedisBroker(url=redis_url)
    for broker, queue in ((stock, "default"), (tiers["low"], "low")):
        work = declare(broker, queue)
        for number in range(3):
            work.send(number)
        consumer = broker.consume(queue, prefetch=10, timeout=100)
        message = next(consumer)
        consumer.ack(message)
        consumer.close()
        consumer.close()
    assert drain(stock, "default") == []
    assert drain(tiers["low"], "low") == [1, 2]


def test_message_whose_handler_failed_comes_back(tiers: Tiers) -> None:
    """The consumer thread may fail between taking a message and queueing it."""
    broker = tiers["low"]
    declare(broker, "low").send(7)
    consumer = broker.consume("low", prefetch=1, timeout=100)
    assert next(consumer) is not None
    consumer.close()
    assert drain(broker, "low") == [7]


def test_message_under_way_is_not_given_back_by_close(tiers: Tiers) -> None:
    broker = tiers["low"]
    declare(broker, "low").send(7)
    consumer = broker.consume("low", prefetch=1, timeout=100)
    message = next(consumer)
    broker.emit_before("process_message", message)
    consumer.close()
    assert drain(broker, "low") == []
    consumer.ack(message)  # the thread outlived the consumer
    assert broker.pending() == 0


def test_messages_whose_answer_was_lost_come_back(
    tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch happened, its answer did not arrive: Redis says so, and the worker compares."""
    broker = tiers["low"]
    work = declare(broker, "low")
    run = Line.run
    lose = [True]

    def run_and_lose(line: Line, *args: object) -> object:
        answer = run(line, *args)
        if lose and isinstance(answer, list) and answer[0]:
            lose.pop()
            raise ConnectionResetError
        return answer

    monkeypatch.setattr(Line, "run", run_and_lose)
    work.send(1)
    work.send(2)
    assert sorted(drain(broker, "low")) == [1, 2]
    assert not lose


def test_repeated_report_does_no_harm(tiers: Tiers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The acknowledgement happened, its answer did not arrive, and it is sent again."""
    broker = tiers["low"]
    declare(broker, "low").send(1)
    consumer = broker.consume("low", prefetch=1, timeout=100)
    message = next(consumer)
    run = Line.run
    lose = [True]

    def run_and_lose(line: Line, *args: object) -> object:
        answer = run(line, *args)
        if lose:
            lose.pop()
            raise ConnectionResetError
        return answer

    monkeypatch.setattr(Line, "run", run_and_lose)
    consumer.ack(message)
    assert next(consumer) is None
    assert broker.pending() == 0
    consumer.close()


def test_consumer_survives_a_crash_of_its_thread(
    tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dramatiq starts a new consumer after an error it did not expect."""
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.05)
    broker: PriorityBroker = tiers["low"]
    seen = []

    @broker.actor
    def note(number: int) -> None:
        seen.append(number)

    get_actor = broker.get_actor
    fail = [True]

    def fail_once(name: str) -> dramatiq.Actor:
        if fail:
            fail.pop()
            raise ZeroDivisionError
        return get_actor(name)

    with working(broker):
        broker.get_actor = fail_once  # type: ignore[method-assign]
        for number in range(20):
            note.send(number)
        broker.join("low", timeout=5000)
    assert sorted(seen) == list(range(20))


def test_messages_given_back_on_shutdown_keep_their_order(tiers: Tiers) -> None:
    broker = tiers["low"]
    work = declare(broker, "low")
    for number in range(4):
        work.send(number)
    consumer = broker.consume("low", prefetch=3, timeout=100)
    consumer.requeue([next(consumer) for _ in range(3)])
    consumer.close()
    assert drain(broker, "low") == [0, 1, 2, 3]


def test_empty_payload_is_dropped(tiers: Tiers, caplog: pytest.LogCaptureFixture) -> None:
    broker = tiers["low"]
    broker.client.rpush("{test}:low", "ghost")
    declare(broker, "low").send(1)
    assert drain(broker, "low") == [1]
    assert "ghost" in caplog.text
    assert broker.client.keys("*ghost*") == []
