"""The outbox relay's road: many messages at once, each once while it lives."""

import dramatiq
import pytest
import redis.asyncio
from dramatiq import Message

from engine.brokers import Tiers, deliver_messages
from tests.workers import working

pytestmark = pytest.mark.integration


def message(queue: str, key: str | None = None, **options: object) -> Message[None]:
    keyed = {} if key is None else {"message_key": key}
    return Message(queue, f"note_{queue}", (key,), {}, {**options, **keyed})


async def deliver(url: str, *messages: Message[None]) -> int:
    async with redis.asyncio.Redis.from_url(url) as client:
        return await deliver_messages(client, messages, namespace="{test}")


async def test_messages_reach_their_tiers_and_wake_workers(tiers: Tiers, redis_url: str) -> None:
    seen: list[str] = []
    for broker in tiers:

        @broker.actor(actor_name=f"note_{broker.tier}")
        def note(key: str) -> None:
            seen.append(key)

    many = [message("low", f"low{n}") for n in range(600)]
    with working(tiers["low"]), working(tiers["high"], threads=1):
        pass  # both can be started again below
    assert await deliver(redis_url, message("high", "a"), *many, message("high", "b")) == 602
    for tier in ("high", "low"):
        with working(tiers[tier], threads=1):
            tiers[tier].join(tier, timeout=10_000)
    assert seen == ["a", "b", *(f"low{n}" for n in range(600))]


async def test_living_key_is_not_added_twice(tiers: Tiers, redis_url: str) -> None:
    """Ready, delayed or held: Redis still has the message under its key."""
    broker = tiers["low"]
    assert await deliver(redis_url, message("low", "k"), message("low", "k")) == 1
    consumer = broker.consume("low", prefetch=1, timeout=100)
    held = next(consumer)
    assert await deliver(redis_url, message("low", "k")) == 0
    consumer.ack(held)
    assert next(consumer) is None
    assert await deliver(redis_url, message("low", "k", delay=3_600_000)) == 1
    assert await deliver(redis_url, message("low", "k")) == 0
    assert broker.pending() == 1
    consumer.close()


async def test_messages_without_a_key_are_all_added(tiers: Tiers, redis_url: str) -> None:
    assert await deliver(redis_url, message("low"), message("low")) == 2
    assert await deliver(redis_url) == 0


async def test_keyed_message_can_be_retried(tiers: Tiers, redis_url: str) -> None:
    """The retry takes the place of the message under the same key."""
    broker = tiers["low"]
    runs = []

    @broker.actor(actor_name="note_low", max_retries=2, min_backoff=1, max_backoff=2)
    def note(key: str) -> None:
        runs.append(dramatiq.middleware.CurrentMessage.get_current_message().options["message_key"])
        if len(runs) < 3:
            raise RuntimeError

    await deliver(redis_url, message("low", "k"))
    with working(broker):
        broker.join("low", timeout=5000)
    assert runs == ["k", "k", "k"]


async def test_redis_that_forgot_the_script_learns_it_again(tiers: Tiers, redis_url: str) -> None:
    tiers["low"].client.script_flush()
    assert await deliver(redis_url, message("low")) == 1
    tiers["low"].client.script_flush()
    tiers["low"].enqueue(message("low"))
    assert tiers["low"].pending() == 2
