"""The delivery script on a real server."""

import json

import pytest
from redis.asyncio import Redis

from models import channels
from models.channels import Position
from models.delivery import Delivery, OutgoingEvent, Reading, replication_id
from tests.integration.edge.harness import event

pytestmark = pytest.mark.integration


async def read(delivery: Delivery, position: Position | None, limit: int = 100) -> Reading:
    (reading,) = await delivery.read([(7, position)], limit=limit)
    return reading


def titles(reading: Reading) -> list[str]:
    return [json.loads(frame)["title"] for frame in reading.frames]


async def test_event_gets_the_next_number_and_carries_it_as_its_id(client: Redis) -> None:
    delivery = Delivery(client)

    first, second = await delivery.deliver([event("a"), event("b")])
    reading = await read(delivery, Position(first.epoch, 0))

    assert (first.seq, first.is_new, second.seq) == (1, True, 2)
    assert [json.loads(frame)["id"] for frame in reading.frames] == [
        channels.encode_event_id(Position(first.epoch, 1)),
        channels.encode_event_id(Position(first.epoch, 2)),
    ]
    assert first.epoch.startswith((await replication_id(client))[:12])


async def test_repeated_event_id_is_written_once(client: Redis) -> None:
    delivery = Delivery(client)

    first, repeated = await delivery.deliver([event("a"), event("a")])

    assert repeated == first._replace(is_new=False)
    assert (await read(delivery, None)).head == 1


async def test_published_frame_is_the_one_kept_in_history(client: Redis) -> None:
    delivery = Delivery(client)
    async with client.pubsub() as listener:
        await listener.subscribe(channels.live(7))
        (delivered,) = await delivery.deliver([event("a")])
        while (message := await listener.get_message(timeout=5)) is not None:
            if message["type"] == "message":
                break

    assert message is not None
    reading = await read(delivery, Position(delivered.epoch, 0))
    assert reading.frames == [message["data"]]


async def test_history_and_seen_ids_are_trimmed_together(client: Redis) -> None:
    delivery = Delivery(client, history_events=3)
    delivered = await delivery.deliver([event(str(number)) for number in range(10)])
    epoch = delivered[0].epoch

    assert await client.xlen(channels.stream(7)) == 3
    assert await client.zcard(channels.seen(7)) == 3
    assert titles(await read(delivery, Position(epoch, 7))) == [
        "소식 7",
        "소식 8",
        "소식 9",
    ]
    assert not (await read(delivery, Position(epoch, 6))).is_whole


async def test_position_ahead_or_of_another_epoch_is_not_whole(client: Redis) -> None:
    delivery = Delivery(client)
    (delivered,) = await delivery.deliver([event("a")])

    assert not (await read(delivery, Position(delivered.epoch, 2))).is_whole
    assert not (await read(delivery, Position("f" * 20, 1))).is_whole


async def test_reading_begins_a_history_for_a_user_without_events(client: Redis) -> None:
    delivery = Delivery(client)

    before = await read(delivery, None)
    (delivered,) = await delivery.deliver([event("a")])

    assert (before.head, before.is_whole) == (0, False)
    assert delivered.epoch == before.epoch
    assert titles(await read(delivery, Position(before.epoch, 0))) == ["소식 a"]


async def test_long_history_is_read_in_pages(client: Redis) -> None:
    delivery = Delivery(client)
    delivered = await delivery.deliver([event(str(number)) for number in range(25)])
    position, found = Position(delivered[0].epoch, 0), 0

    while (reading := await read(delivery, position, limit=10)).frames:
        assert reading.is_whole
        found += len(reading.frames)
        position = Position(position.epoch, position.seq + len(reading.frames))

    assert found == 25
    assert reading.is_whole


@pytest.mark.parametrize("lost", [channels.meta, channels.stream, channels.seen])
async def test_history_that_lost_a_part_begins_anew(client: Redis, lost: object) -> None:
    delivery = Delivery(client)
    (old,) = await delivery.deliver([event("a")])
    await client.delete(lost(7))  # type: ignore[operator]

    (new,) = await delivery.deliver([event("b")])

    assert new.epoch != old.epoch
    assert new.seq == 1
    assert not (await read(delivery, Position(old.epoch, 0))).is_whole


async def test_history_expires_as_a_whole(client: Redis) -> None:
    delivery = Delivery(client, history_s=1000)
    await delivery.deliver([event("a")])

    for key in (channels.meta(7), channels.stream(7), channels.seen(7)):
        assert 990 < await client.ttl(key) <= 1000


async def test_server_that_forgot_its_scripts_is_taught_again(client: Redis) -> None:
    delivery = Delivery(client)
    await delivery.deliver([event("a"), event("b")])
    await client.script_flush()

    delivered = await delivery.deliver([event("c"), event("d")])

    assert [item.seq for item in delivered] == [3, 4]


@pytest.mark.parametrize("frame", [{}, {"id": "mine", "type": "notification"}])
async def test_frame_that_cannot_take_an_id_is_refused_before_anything_is_written(
    client: Redis, frame: dict[str, object]
) -> None:
    delivery = Delivery(client)

    with pytest.raises(ValueError, match="no id of its own"):
        await delivery.deliver([event("a"), OutgoingEvent(7, "b", frame)])

    assert await client.dbsize() == 0
