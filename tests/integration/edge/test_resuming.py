"""Nothing missed, nothing doubled, or ``recovered: false``."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge.server import Server
from models import channels
from models.delivery import Delivery, OutgoingEvent
from tests.integration.edge.conftest import OwnValkey
from tests.integration.edge.harness import (
    browsing,
    event,
    serving,
    signed_in,
    token,
    until_true,
)

pytestmark = pytest.mark.integration


async def test_client_that_comes_back_gets_what_it_missed_before_anything_newer(
    edge: Server, delivery: Delivery
) -> None:
    async with signed_in(edge.port) as browser:
        await delivery.deliver([event(1), event(2)])
        await browser.receive(2)
    await delivery.deliver([event(number) for number in range(3, 6)])

    async with browsing(edge.port, f"?token={token()}&resume={browser.resume}") as back:
        hello = await back.hello()
        await delivery.deliver([event(6)])

        assert (hello["recovered"], hello["seq"]) == (True, 2)
        assert await back.receive(4) == ["소식 3", "소식 4", "소식 5", "소식 6"]


async def test_position_may_come_in_the_auth_frame(edge: Server, delivery: Delivery) -> None:
    async with signed_in(edge.port) as browser:
        pass
    await delivery.deliver([event(1)])

    async with browsing(edge.port) as back:
        await back.say(type="auth", token=token(), resume=browser.resume)
        assert (await back.hello())["recovered"]
        assert await back.receive(1) == ["소식 1"]


async def test_resume_frame_moves_the_client_back_and_is_answered_by_a_hello(
    edge: Server, delivery: Delivery
) -> None:
    async with signed_in(edge.port) as browser:
        start = browser.resume
        await delivery.deliver([event(1), event(2)])
        await browser.receive(2)
        await browser.say(type="resume", id=start)

        assert (await browser.hello())["recovered"]
        assert await browser.receive(2) == ["소식 1", "소식 2"]

        await browser.say(type="resume", id="nowhere")
        hello = await browser.hello()
        assert (hello["recovered"], hello["seq"]) == (False, 2)


async def test_history_longer_than_a_queue_is_replayed_whole(
    redis_url: str, delivery: Delivery
) -> None:
    async with serving(redis_url, edge_queue_frames=101) as edge:
        async with signed_in(edge.port) as browser:
            pass
        await delivery.deliver([event(number) for number in range(450)])

        async with signed_in(edge.port, resume=browser.resume) as back:
            assert await back.receive(450) == [f"소식 {number}" for number in range(450)]


@pytest.mark.parametrize("fault", ["another epoch", "ahead", "trimmed", "unreadable"])
async def test_position_that_cannot_be_found_again_is_told(
    edge: Server, client: Redis, fault: str
) -> None:
    delivery = Delivery(client, history_events=2)
    (first, *_, last) = await delivery.deliver([event(number) for number in range(4)])
    resume = {
        "another epoch": f"{'f' * 20}-{last.seq}",
        "ahead": f"{last.epoch}-{last.seq + 1}",
        "trimmed": f"{first.epoch}-{first.seq}",
        "unreadable": "%00",
    }[fault]

    async with browsing(edge.port, f"?token={token()}&resume={resume}") as browser:
        hello = await browser.hello()
        await delivery.deliver([event("next")])

        assert (hello["recovered"], hello["epoch"], hello["seq"]) == (False, last.epoch, 4)
        assert await browser.receive(1) == ["소식 next"]


async def test_clients_that_keep_coming_back_miss_and_double_nothing(
    redis_url: str, delivery: Delivery
) -> None:
    """Each reconnect goes to the other of two edges, while events keep coming."""
    total = 300
    async with serving(redis_url) as one, serving(redis_url) as another:
        async with signed_in(one.port) as browser:
            resume = browser.resume
        publishing = asyncio.create_task(_publish(delivery, total))
        titles: list[str] = []
        turn = 0
        while len(titles) < total:
            turn += 1
            edge = (one, another)[turn % 2]
            async with signed_in(edge.port, resume=resume) as back:
                await back.receive(min(1 + turn % 7, total - len(titles)))
            titles += back.titles
            resume = back.resume
        await publishing

    assert titles == [f"소식 {number}" for number in range(total)]


async def test_reader_cut_off_by_redis_misses_nothing(
    edge: Server, delivery: Delivery, client: Redis
) -> None:
    total = 300
    async with signed_in(edge.port, 7) as first, signed_in(edge.port, 7) as second:
        publishing = asyncio.create_task(_publish(delivery, total))
        for _ in range(3):
            await first.receive(total // 4)
            await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await first.receive(total - 3 * (total // 4))
        await second.receive(total)
        await publishing

    assert first.titles == second.titles == [f"소식 {number}" for number in range(total)]


async def test_lost_push_is_noticed_by_the_next_one(
    edge: Server, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(edge.port) as browser:
        await _deliver_unheard(delivery, monkeypatch, event("lost"))
        await delivery.deliver([event("next")])

        assert await browser.receive(2) == ["소식 lost", "소식 next"]


async def test_lost_push_is_noticed_when_positions_are_compared(
    redis_url: str, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(redis_url, edge_compare_s=0.2) as edge, signed_in(edge.port) as browser:
        await _deliver_unheard(delivery, monkeypatch, event("lost"))

        assert await browser.receive(1) == ["소식 lost"]


async def test_gap_that_history_cannot_fill_closes_the_connection(
    edge: Server, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery(client, history_events=1)
    async with signed_in(edge.port) as browser:
        await _deliver_unheard(delivery, monkeypatch, event(1))
        await delivery.deliver([event(2)])

        assert await browser.close_code() == 4202


async def test_history_that_vanished_while_connected_closes_the_connection(
    edge: Server, client: Redis, delivery: Delivery
) -> None:
    async with signed_in(edge.port) as browser:
        await delivery.deliver([event(1)])
        await browser.receive(1)
        await client.flushall()
        await delivery.deliver([event(2)])

        assert await browser.close_code() == 4202


async def test_restart_of_redis_costs_no_one_a_place(own_valkey: OwnValkey) -> None:
    """Sockets stay, events go on, and a client that was away meanwhile is recovered."""
    async with (
        Redis.from_url(own_valkey.url) as client,
        serving(own_valkey.url, edge_hello_timeout_s=30) as edge,
        signed_in(edge.port) as staying,
    ):
        delivery = Delivery(client)
        async with signed_in(edge.port) as leaving:
            await delivery.deliver([event(1)])
            await staying.receive(1)
            await leaving.receive(1)
        await delivery.deliver([event(2)])
        await own_valkey.stop()
        await staying.say(type="ping")
        await own_valkey.start()
        await _deliver_when_back(delivery, [event(2), event(3)])

        assert [(await staying.next())["type"] for _ in range(3)].count("pong") == 1
        assert staying.titles == ["소식 1", "소식 2", "소식 3"]
        async with signed_in(edge.port, resume=leaving.resume) as back:
            assert await back.receive(2) == ["소식 2", "소식 3"]


async def test_client_that_connects_while_redis_is_away_is_served_when_it_is_back(
    own_valkey: OwnValkey,
) -> None:
    async with serving(own_valkey.url, edge_hello_timeout_s=30) as edge:
        await own_valkey.stop()
        async with browsing(edge.port, f"?token={token()}") as browser:
            await own_valkey.start()
            await browser.hello()


async def test_client_that_connects_while_redis_stays_away_is_told_to_try_later(
    own_valkey: OwnValkey,
) -> None:
    async with serving(own_valkey.url, edge_hello_timeout_s=0.2) as edge:
        await own_valkey.stop()
        async with browsing(edge.port, f"?token={token()}") as browser:
            assert await browser.close_code() == 1013


async def test_redis_that_came_back_older_is_told(own_valkey: OwnValkey) -> None:
    """The client has seen an event that the server no longer knows of."""
    async with Redis.from_url(own_valkey.url) as client, serving(own_valkey.url) as edge:
        delivery = Delivery(client)
        await delivery.deliver([event(1)])
        await client.config_set("appendonly", "no")
        async with signed_in(edge.port) as browser:
            await delivery.deliver([event(2)])
            await browser.receive(1)
        await own_valkey.stop()
        await own_valkey.start()
        await _deliver_when_back(delivery, [event(3)])

        query = f"?token={token()}&resume={browser.resume}"
        async with browsing(edge.port, query) as back:
            hello = await back.hello()

    assert browser.position is not None
    assert hello["recovered"] is False
    assert hello["epoch"] != browser.position.epoch


async def _publish(delivery: Delivery, total: int) -> None:
    for number in range(total):
        await delivery.deliver([event(number)])


async def _deliver_unheard(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, lost: OutgoingEvent
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(channels, "live", lambda user_id: "nowhere")
        await delivery.deliver([lost])


async def _deliver_when_back(delivery: Delivery, events: list[OutgoingEvent]) -> None:
    async def is_delivered() -> bool:
        try:
            await delivery.deliver(events)
        except RedisError:
            return False
        return True

    await until_true(is_delivered)
