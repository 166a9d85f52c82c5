"""From Redis to the right sockets."""

import json

import pytest
from redis.asyncio import Redis

from edge.server import Server
from models import channels
from models.delivery import Delivery
from tests.integration.edge.harness import event, serving, signed_in, until_true

pytestmark = pytest.mark.integration


async def test_event_reaches_every_socket_of_its_user_and_no_other(
    edge: Server, delivery: Delivery
) -> None:
    async with (
        signed_in(edge.port, 7) as first,
        signed_in(edge.port, 7) as second,
        signed_in(edge.port, 8) as other,
    ):
        await delivery.deliver([event("a"), event("b"), event("c", user_id=8)])

        assert await first.receive(2) == ["소식 a", "소식 b"]
        assert await second.receive(2) == ["소식 a", "소식 b"]
        assert await other.receive(1) == ["소식 c"]


async def test_message_without_an_event_id_is_delivered_live(edge: Server, client: Redis) -> None:
    async with signed_in(edge.port, 7) as browser:
        message = {"user_id": 7, "type": "notification", "title": "안녕", "campaign": [1]}
        await client.publish(channels.NOTIFICATIONS, json.dumps(message))
        frame = await browser.next()

    assert frame.pop("ts").endswith("Z")
    assert frame == {"type": "notification", "title": "안녕", "campaign": [1], "v": 1}
    assert await client.xlen(channels.stream(7)) == 0


async def test_message_with_an_event_id_is_kept_once_over_all_edges(
    redis_url: str, client: Redis
) -> None:
    async with (
        serving(redis_url) as one,
        serving(redis_url) as another,
        signed_in(one.port, 7) as here,
        signed_in(another.port, 7) as there,
    ):
        message = {"user_id": "7", "type": "notification", "title": "한 번", "event_id": "e1"}
        await client.publish(channels.NOTIFICATIONS, json.dumps(message))
        await client.publish(channels.NOTIFICATIONS, json.dumps(message | {"event_id": "e2"}))

        assert await here.receive(2) == ["한 번", "한 번"]
        assert await there.receive(2) == ["한 번", "한 번"]
        assert here.position == there.position
    assert await client.xlen(channels.stream(7)) == 2


async def test_message_to_a_role_reaches_those_who_have_it(edge: Server, client: Redis) -> None:
    async with (
        signed_in(edge.port, 7, roles=["manager", "admin"]) as manager,
        signed_in(edge.port, 8, roles=["client"]) as guest,
    ):
        await until_true(lambda: _has_listener(client, channels.role("client")))
        for role in ("manager", "client"):
            await client.publish(channels.role(role), json.dumps({"type": "news", "for": role}))

        assert (await manager.next())["for"] == "manager"
        assert (await guest.next())["for"] == "client"


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b"\xff",
        b"[]",
        b"{}",
        b'{"user_id":7}',
        b'{"type":"x"}',
        b'{"type":"x","user_id":true}',
        b'{"type":"x","user_id":-7}',
        b'{"type":"x","user_id":1e99}',
        b'{"type":5,"user_id":7}',
        b'{"type":"x","user_id":7,"event_id":5}',
    ],
)
async def test_message_that_cannot_be_read_is_skipped(
    edge: Server, client: Redis, bad: bytes
) -> None:
    async with signed_in(edge.port, 7) as browser:
        await client.publish(channels.NOTIFICATIONS, bad)
        await client.publish(channels.live(7), b'{"id":"nonsense","type":"x"}')
        await client.publish(channels.live(7), b'{"id":"')
        await client.publish(channels.NOTIFICATIONS, '{"user_id":7,"type":"good"}')
        assert (await browser.next())["type"] == "good"


async def test_channel_is_subscribed_only_while_its_user_is_here(
    edge: Server, client: Redis
) -> None:
    async with signed_in(edge.port, 7, roles=["manager"]) as first:
        async with signed_in(edge.port, 7):
            pass
        assert await _has_listener(client, channels.live(7))
        await first.say(type="ping")
        assert await first.next() == {"type": "pong"}

    for channel in (channels.live(7), channels.role("manager")):
        await until_true(lambda channel=channel: _has_no_listener(client, channel))  # type: ignore[misc]


async def _has_listener(client: Redis, channel: str) -> bool:
    return bool((await client.pubsub_numsub(channel))[0][1])


async def _has_no_listener(client: Redis, channel: str) -> bool:
    return not await _has_listener(client, channel)
