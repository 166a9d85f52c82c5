"""One road out of a transaction: nothing lost, nothing twice at the reader, in row order."""

import asyncio

import pytest
from redis.asyncio import Redis

from engine.services.outboxing import consume, put_event, put_message
from models.events import Event
from tests.integration.outbox.conftest import Post

UNSENT = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"


async def write_events(post: Post, user_id: int, count: int, *, first: int = 0) -> None:
    async with post.database.begin() as connection:
        for number in range(first, first + count):
            await put_event(
                connection,
                key=f"e{user_id}:{number}",
                user_id=user_id,
                event=Event(number=number),
                trace_id="t",
            )


async def test_what_a_transaction_wrote_arrives_in_row_order_and_what_it_undid_never(
    post: Post,
) -> None:
    user = await post.make.user()
    async with post.running(), post.running():
        await write_events(post, user.id, 500)

        async def undone() -> None:
            async with post.database.begin() as connection:
                await put_event(connection, key="no", user_id=user.id, event=Event(), trace_id="t")
                raise RuntimeError("undo")

        with pytest.raises(RuntimeError, match="undo"):
            await undone()
        await post.until(UNSENT, 0)
    assert [event["number"] for event in await post.stream(user.id)] == list(range(500))


async def test_a_relay_that_dies_between_sending_and_marking_doubles_nothing_at_the_reader(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await post.make.user()
    await write_events(post, user.id, 3)
    async with Redis.from_url(post.redis_url) as redis:
        relay = post.relay(redis)
        real_send = relay._send

        async def die_before_the_commit(connection: object, rows: object) -> None:
            await real_send(connection, rows)  # type: ignore[arg-type]
            raise RuntimeError("killed")

        monkeypatch.setattr(relay, "_send", die_before_the_commit)
        with pytest.raises(RuntimeError, match="killed"):
            await relay.send_batch()
    assert len(await post.stream(user.id)) == 3  # sent, and not marked
    async with post.running():
        await post.until(UNSENT, 0)
    assert [event["number"] for event in await post.stream(user.id)] == [0, 1, 2]


async def test_a_message_stays_open_until_its_receiver_consumes_it(post: Post) -> None:
    async with post.database.begin() as connection:
        await put_message(connection, key="m1", actor="known", args=[1], trace_id="t")
    async with post.running(overdue_s=0.2):
        await post.until("SELECT sends >= 2 FROM outbox", True)
        async with post.database.begin() as connection:
            assert await consume(connection, "m1")
        async with post.database.begin() as connection:
            assert not await consume(connection, "m1")
        [row] = await post.rows("SELECT sends FROM outbox")
    async with post.running(overdue_s=0.2):
        await asyncio.sleep(1.3)  # longer than a sweep and the time after which it is overdue
    assert await post.rows("SELECT sends FROM outbox") == [row]
    assert {message.key for message in post.messages} == {"m1"}
    assert post.messages[0].args == (1,)


async def test_a_redis_that_lost_everything_is_told_everything_again(post: Post) -> None:
    user = await post.make.user()
    await write_events(post, user.id, 2)
    async with post.database.begin() as connection:
        await put_message(connection, key="m1", actor="known", args=[], trace_id="t")
    async with Redis.from_url(post.redis_url) as redis:
        relay = post.relay(redis)
        assert await relay.send_batch() == 3
        await redis.flushall()
        # A restart without its file shows as another replication id; here the row is made to
        # have gone to another server.
        await post.rows("UPDATE outbox SET sent_to = 'the server before'")
        assert await relay.reopen() == 3
        assert await relay.send_batch() == 3
        assert await relay.reopen() == 0
    assert [event["number"] for event in await post.stream(user.id)] == [0, 1]
    assert [message.key for message in post.messages] == ["m1", "m1"]


async def test_a_row_that_can_never_be_sent_becomes_a_dead_letter_and_stops_nobody(
    post: Post,
) -> None:
    user = await post.make.user()
    async with post.database.begin() as connection:
        await put_message(connection, key="bad", actor="nobody", args=[], trace_id="t")
        await put_event(
            connection, key="bad2", user_id=user.id, event=Event(id="mine"), trace_id="t"
        )
    await write_events(post, user.id, 1)
    async with post.running():
        await post.until(UNSENT, 0)
    assert len(await post.stream(user.id)) == 1
    letters = await post.rows("SELECT redis_message_id, reason FROM dead_letters ORDER BY id")
    assert letters == [
        {"redis_message_id": "bad", "reason": "there is no actor 'nobody'"},
        {"redis_message_id": "bad2", "reason": "a frame that is empty or has an id"},
    ]


async def test_an_event_waits_for_its_link_and_no_longer_than_it_may(post: Post) -> None:
    user = await post.make.user()
    await write_events(post, user.id, 1)
    await post.rows("UPDATE outbox SET not_before = now() + interval '0.5 seconds'")
    async with Redis.from_url(post.redis_url) as redis:
        assert await post.relay(redis).send_batch() == 0
    async with post.running():
        await post.until(UNSENT, 0, within_s=4)


async def test_rows_of_one_lane_leave_in_row_order_and_hold_up_no_other_lane(post: Post) -> None:
    user = await post.make.user()
    await write_events(post, user.id, 4)
    await post.rows("UPDATE outbox SET lane = CASE id % 2 WHEN 1 THEN 'odd' ELSE 'even' END")
    ids = [row["id"] for row in await post.rows("SELECT id FROM outbox ORDER BY id")]
    await post.rows(
        "UPDATE outbox SET not_before = now() + interval '1 hour' WHERE id = :id", id=ids[0]
    )
    async with Redis.from_url(post.redis_url) as redis:
        relay = post.relay(redis)
        while await relay.send_batch():
            pass
        assert [event["number"] for event in await post.stream(user.id)] == [1, 3]
        await post.rows("UPDATE outbox SET not_before = NULL")
        while await relay.send_batch():
            pass
    assert [event["number"] for event in await post.stream(user.id)] == [1, 3, 0, 2]


async def test_done_rows_are_pruned_and_open_ones_never(post: Post) -> None:
    user = await post.make.user()
    await write_events(post, user.id, 1)
    async with post.database.begin() as connection:
        await put_message(connection, key="open", actor="known", args=[], trace_id="t")
    async with Redis.from_url(post.redis_url) as redis:
        relay = post.relay(redis, keep_s=0)
        await relay.send_batch()
        await relay._prune()
    assert [row["key"] for row in await post.rows("SELECT key FROM outbox")] == ["open"]
