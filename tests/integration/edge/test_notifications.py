"""The notification centre, on a real database."""

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from edge.server import Server
from engine.services.notifying import notify
from models import channels
from models.delivery import Delivery
from models.events import Reference
from models.words import Priority
from tests.factories import Factory
from tests.integration.edge.calling import calling, notify_user, relay
from tests.integration.edge.harness import serving, signed_in

pytestmark = pytest.mark.integration


async def test_list_is_newest_first_and_paged_without_a_gap(
    api_edge: Server, database: AsyncEngine, make: Factory
) -> None:
    user, other = (await make.user()).id, (await make.user()).id
    assert user
    assert other
    ids = [await notify_user(database, user, f"n{number}") for number in range(7)]
    await notify_user(database, other, "of another")
    found: list[int] = []
    query: dict[str, Any] = {"limit": 3}
    async with calling(api_edge.port, user) as client:
        while True:
            page = (await client.get("/notifications", params=query)).json()
            found += [item["notification_id"] for item in page["items"]]
            assert len(page["items"]) <= 3
            if page["next"] is None:
                break
            query["before"] = page["next"]
            # What arrives meanwhile is newer, and moves no page.
            await notify_user(database, user, f"late {page['next']}")

    assert found == ids[::-1]
    assert page["items"][0].keys() == {
        "notification_id", "title", "message", "priority", "reference", "read_at", "created_at",
    }  # fmt: skip


async def test_filters_narrow_the_list_together(
    api_edge: Server, database: AsyncEngine, make: Factory
) -> None:
    user = (await make.user()).id
    assert user
    report = Reference(kind="report", id="r-1")
    plain = await notify_user(database, user, "a", reference=None)
    urgent = await notify_user(database, user, "b", priority=Priority.URGENT)
    filed = await notify_user(database, user, "c", priority=Priority.HIGH, reference=report)

    async with calling(api_edge.port, user) as client:

        async def ids(query: str) -> list[int]:
            items = (await client.get(f"/notifications?{query}")).json()["items"]
            return [item["notification_id"] for item in items]

        await client.post("/notifications/read", json={"ids": [urgent]})
        assert await ids("unread=true") == [filed, plain]
        assert await ids("unread=false") == [urgent]
        assert await ids("priority=urgent") == [urgent]
        assert await ids("priority=high&priority=urgent") == [filed, urgent]
        assert await ids("kind=report") == [filed]
        assert await ids("kind=content&unread=true") == []


async def test_reading_marks_only_what_is_mine_and_tells_my_other_tabs_once(
    api_edge: Server, database: AsyncEngine, make: Factory, client: Redis
) -> None:
    user, other = (await make.user()).id, (await make.user()).id
    assert user
    assert other
    mine = [await notify_user(database, user, f"n{number}") for number in range(3)]
    theirs = await notify_user(database, other, "theirs")
    await relay(database, client)

    async with calling(api_edge.port, user) as page, signed_in(api_edge.port, user) as tab:
        first = await page.post("/notifications/read", json={"ids": [mine[0], mine[0], theirs, 99]})
        again = await page.post("/notifications/read", json={"ids": [mine[0]]})
        await relay(database, client)
        told = json.loads(await tab.socket.recv())
        await page.post("/notifications/read-all", json={"up_to": mine[1]})
        await relay(database, client)
        told_all = json.loads(await tab.socket.recv())

    assert first.json() == {"read": 1, "unread": 2}
    assert again.json() == {"read": 0, "unread": 2}
    assert told["type"] == "notifications_read"
    assert (told["notification_ids"], told["unread"]) == ([mine[0]], 2)
    assert "up_to" not in told
    assert (told_all["up_to"], told_all["unread"]) == (mine[1], 1)
    assert "notification_ids" not in told_all
    async with calling(api_edge.port, other) as page:
        assert (await page.get("/notifications/unread")).json()["unread"] == 1


async def test_two_tabs_that_read_at_once_agree_on_what_is_left(
    api_edge: Server, database: AsyncEngine, make: Factory
) -> None:
    user = (await make.user()).id
    assert user
    ids = [await notify_user(database, user, f"n{number}") for number in range(10)]
    async with calling(api_edge.port, user) as page:
        answers = await asyncio.gather(
            *(page.post("/notifications/read", json={"ids": [one]}) for one in ids)
        )

    assert sorted(answer.json()["unread"] for answer in answers) == list(range(10))


async def test_count_is_kept_in_redis_and_follows_each_event_once(
    redis_url: str, database_url: str, database: AsyncEngine, make: Factory, client: Redis
) -> None:
    user = (await make.user()).id
    assert user
    delivery = Delivery(client, settle_s=0)
    await notify_user(database, user, "one")
    await relay(database, client)
    place, unread = await delivery.count_unread(user)
    assert unread is None
    assert await delivery.recount(user, place, 1)

    await notify_user(database, user, "two")
    await relay(database, client)
    async with database.begin() as connection:
        await connection.execute(text("UPDATE outbox SET sent_at = NULL"))  # another relay's turn
    await relay(database, client)

    assert await client.get(channels.unread(user)) == b"2"
    assert (await delivery.count_unread(user)).unread == 2


async def test_count_that_is_lost_heals_from_the_database(
    api_edge: Server, database: AsyncEngine, make: Factory, client: Redis
) -> None:
    user = (await make.user()).id
    assert user
    api_edge.edge.desk._delivery = Delivery(client, settle_s=0)
    for number in range(3):
        await notify_user(database, user, f"n{number}")
    await relay(database, client)
    async with calling(api_edge.port, user) as page:
        counts = [(await page.get("/notifications/unread")).json() for _ in range(2)]
        await client.delete(channels.unread(user))
        counts += [(await page.get("/notifications/unread")).json() for _ in range(2)]
        await page.post("/notifications/read-all", json={})
        await relay(database, client)
        counts += [(await page.get("/notifications/unread")).json() for _ in range(2)]

    known = [(3, "database"), (3, "cache")] * 2 + [(0, "database"), (0, "cache")]
    assert [(count["unread"], count["source"]) for count in counts] == known


async def test_count_is_not_kept_while_an_event_is_on_its_way(
    api_edge: Server, database: AsyncEngine, make: Factory, client: Redis
) -> None:
    """Kept now, it would be raised once more when that event is delivered."""
    user = (await make.user()).id
    assert user
    api_edge.edge.desk._delivery = Delivery(client, settle_s=0)
    await notify_user(database, user, "waits")
    async with calling(api_edge.port, user) as page:
        assert (await page.get("/notifications/unread")).json()["unread"] == 1
        assert await client.get(channels.unread(user)) is None
        await relay(database, client)
        assert (await page.get("/notifications/unread")).json() == {
            "unread": 1, "source": "database",
        }  # fmt: skip
    assert await client.get(channels.unread(user)) == b"1"


async def test_count_of_a_young_or_moved_history_is_not_kept(client: Redis) -> None:
    young, settled = Delivery(client), Delivery(client, settle_s=0)
    place, _ = await young.count_unread(7)

    assert not await young.recount(7, place, 5)
    assert not await settled.recount(7, place._replace(seq=place.seq + 1), 5)
    assert not await settled.recount(7, place._replace(epoch="f" * 20), 5)
    assert await settled.recount(7, place, 5)
    assert 0 < await client.ttl(channels.unread(7)) <= 3600


async def test_count_from_before_a_history_was_lost_is_not_believed(client: Redis) -> None:
    delivery = Delivery(client, settle_s=0)
    place, _ = await delivery.count_unread(7)
    await delivery.recount(7, place, 5)
    await client.delete(channels.meta(7))

    assert (await delivery.count_unread(7)).unread is None


async def test_notifying_again_by_the_same_key_writes_nothing(
    database: AsyncEngine, make: Factory
) -> None:
    user = (await make.user()).id
    assert user
    ids = await asyncio.gather(*(notify_user(database, user, "same") for _ in range(5)))

    async with database.connect() as connection:
        rows = await connection.scalar(text("SELECT count(*) FROM notifications"))
        events = await connection.scalar(text("SELECT count(*) FROM outbox"))
    assert len(set(ids)) == 1
    assert (rows, events) == (1, 1)


async def test_row_and_event_come_together_or_not_at_all(
    database: AsyncEngine, make: Factory
) -> None:
    user = (await make.user()).id
    assert user
    async with database.connect() as connection:
        await notify(
            connection,
            key="k",
            user_id=user,
            title="",
            message="",
            priority=Priority.LOW,
            trace_id="t",
        )
        await connection.rollback()

    async with database.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM notifications")) == 0
        assert await connection.scalar(text("SELECT count(*) FROM outbox")) == 0


async def test_notification_reaches_every_tab_once_over_edges_and_relays(
    redis_url: str, database_url: str, database: AsyncEngine, make: Factory, client: Redis
) -> None:
    user = (await make.user()).id or 0
    delivery = Delivery(client, settle_s=0)
    await delivery.recount(user, (await delivery.count_unread(user)).position, 0)
    async with (
        serving(redis_url, database_url=database_url) as one,
        serving(redis_url, database_url=database_url) as two,
        signed_in(one.port, user) as first,
        signed_in(one.port, user) as second,
        signed_in(two.port, user) as third,
    ):
        for number in range(5):
            await notify_user(database, user, f"n{number}")
            await asyncio.gather(*(relay(database, client) for _ in range(3)))
            async with database.begin() as connection:
                await connection.execute(text("UPDATE outbox SET sent_at = NULL"))
        await relay(database, client)
        await notify_user(database, user, "last")
        await relay(database, client)
        received = [await tab.receive(6) for tab in (first, second, third)]

    assert received == [[*(f"알림 n{number}" for number in range(5)), "알림 last"]] * 3
    assert await client.get(channels.unread(user)) == b"6"
