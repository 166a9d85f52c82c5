"""Deliveries reach the inbox whole, once, and in whatever order they come."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.actors import all as actors
from engine.errors import InvalidCommand
from engine.platforms.meta_webhooks import read_delivery
from engine.runtime import tier_of
from engine.services.hearing import keep_pruning, prune, take_webhook
from engine.services.outboxing import put_message
from engine.services.storing import Stored
from models.comments import WatchedPost
from models.database import open_database
from models.people import ClientMember
from models.words import Platform
from tests.factories import Factory
from tests.integration.collecting.conftest import Inbox, found
from tests.meta_pushes import (
    POST,
    entry,
    envelope,
    facebook_comment,
    instagram_comment,
    written,
)

WRITTEN_AT = datetime(2025, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
async def page(database_url: str) -> AsyncIterator[Inbox]:
    """The inbox of a Page."""
    database = open_database(database_url)
    make = Factory(database)
    account = await make.account(platform=Platform.FACEBOOK)
    operator = await make.user()
    await make.add(ClientMember(client_id=account.client_id, user_id=operator.id))
    yield Inbox(database, make, account, operator)
    await database.dispose()


async def deliver(database: AsyncEngine, body: bytes) -> int:
    """What the edge does with a body."""
    async with database.begin() as connection:
        result = await connection.execute(
            text(
                "INSERT INTO webhook_deliveries (digest, body) VALUES (:digest, :body) RETURNING id"
            ),
            {"digest": hashlib.sha256(body).hexdigest(), "body": body},
        )
        id_: int = result.scalar_one()
        await put_message(
            connection,
            key=f"take_webhook:{id_}",
            actor="take_webhook",
            args=[id_],
            trace_id="t",
        )
    return id_


async def take(database: AsyncEngine, id_: int) -> Stored:
    return await take_webhook(
        database, delivery_id=id_, read=read_delivery, message_key=f"take_webhook:{id_}"
    )


async def push(inbox: Inbox, *changes: Any, at: datetime = WRITTEN_AT) -> Stored:
    """Deliver changes of the inbox's account and take them."""
    object_ = {Platform.INSTAGRAM: "instagram", Platform.FACEBOOK: "page"}
    whole = envelope(
        object_[inbox.account.platform], entry(inbox.account.platform_user_id, *changes, at=at)
    )
    return await take(inbox.database, await deliver(inbox.database, written(whole)))


async def note(inbox: Inbox) -> str | None:
    rows = await inbox.rows("SELECT note, processed_at FROM webhook_deliveries ORDER BY id DESC")
    assert rows[0].processed_at is not None
    said: str | None = rows[0].note
    return said


def after(seconds: float) -> datetime:
    return WRITTEN_AT + timedelta(seconds=seconds)


async def test_a_pushed_comment_is_stored_analysed_and_told_like_any_other(inbox: Inbox) -> None:
    stored = await push(inbox, instagram_comment())
    (row,) = await inbox.comments()
    assert stored == Stored((row.id,), ())
    assert (row.platform_comment_id, row.platform_post_id, row.message) == (
        "17901",
        "1800",
        "예뻐요",
    )
    assert (row.author_id, row.author_name, row.commented_at) == ("u1", "guest.1", WRITTEN_AT)
    assert [event["comment_id"] for event in await inbox.events()] == [row.id]
    assert len(await inbox.analyses()) == 1
    (message,) = await inbox.rows("SELECT consumed_at FROM outbox WHERE actor = 'take_webhook'")
    assert message.consumed_at is not None
    assert await note(inbox) is None


async def test_a_delivery_that_is_taken_twice_changes_nothing(inbox: Inbox) -> None:
    whole = envelope(
        "instagram", entry(inbox.account.platform_user_id, instagram_comment(), at=WRITTEN_AT)
    )
    id_ = await deliver(inbox.database, written(whole))
    taken = await asyncio.gather(*(take(inbox.database, id_) for _ in range(5)))
    assert sum(len(one.new) for one in taken) == 1
    assert not await take(inbox.database, id_)
    assert len(await inbox.comments()) == len(await inbox.events()) == 1


async def test_a_delivery_that_is_not_there_is_an_invalid_command(inbox: Inbox) -> None:
    with pytest.raises(InvalidCommand, match="99"):
        await take(inbox.database, 99)


async def test_a_comment_that_a_list_brought_is_not_brought_again(inbox: Inbox) -> None:
    await inbox.store(found(1, comment_id="17901", thread_id="17901", post_id="1800"))
    (before,) = await inbox.comments()
    assert not await push(inbox, instagram_comment(text="예뻐요!"), at=datetime.now(UTC))
    (row,) = await inbox.comments()
    assert row == before
    assert len(await inbox.events()) == 1


async def test_a_list_corrects_the_time_that_a_webhook_could_not_say(inbox: Inbox) -> None:
    await push(inbox, instagram_comment())
    late = found(1, "예뻐요", comment_id="17901", thread_id="17901", post_id="1800")
    await inbox.store(late)
    (row,) = await inbox.comments()
    assert row.commented_at == late.commented_at
    assert len(await inbox.events()) == 1


async def test_own_comments_are_known_by_id_or_by_name(inbox: Inbox) -> None:
    own_id, own_name = inbox.account.platform_user_id, inbox.account.username.upper()
    await push(
        inbox,
        instagram_comment(1, **{"from": {"id": own_id, "username": "other"}}),
        instagram_comment(2, **{"from": {"id": "scoped", "username": own_name}}),
        instagram_comment(3),
    )
    assert [row.is_own for row in await inbox.comments()] == [True, True, False]
    assert len(await inbox.events()) == 1


STORY = [
    (facebook_comment("add", text="처음"), after(0)),
    (facebook_comment("edited", text="고침"), after(10)),
    (facebook_comment("hide", text=None), after(20)),
    (facebook_comment("edited", text="또 고침"), after(30)),
]


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_every_order_of_deliveries_ends_in_the_same_comment_and_one_event(
    page: Inbox, order: tuple[int, ...]
) -> None:
    for at in [*order, order[0]]:
        await push_anew(page, *STORY[at])
    (row,) = await page.comments()
    assert (row.message, row.is_hidden, row.deleted_at) == ("또 고침", True, None)
    assert (row.commented_at, row.edited_at) == (after(0), after(30))
    assert len(await page.events()) == 1


PARCELS = iter(range(10**6))


async def push_anew(inbox: Inbox, change: Any, at: datetime) -> Stored:
    """In a parcel of its own: the same change in another body is another delivery."""
    return await push(inbox, change, {"field": "ratings", "value": {"n": next(PARCELS)}}, at=at)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_a_removed_comment_stays_away_in_every_order(
    page: Inbox, order: tuple[int, ...]
) -> None:
    story = [*STORY[:2], (facebook_comment("remove", text=None), after(60))]
    for at in [*order, *order]:
        await push_anew(page, *story[at])
    rows = await page.comments()
    assert [row for row in rows if row.deleted_at is None] == []
    assert [row.deleted_at for row in rows] in ([], [after(60)])
    if order[0] == 2:
        assert await page.events() == []


async def test_everything_of_one_comment_may_come_in_one_delivery(page: Inbox) -> None:
    stored = await push(page, *(change for change, _ in reversed(STORY)), at=after(50))
    (row,) = await page.comments()
    assert stored == Stored((row.id,), ())
    assert row.is_hidden
    stored = await push(page, facebook_comment("unhide", text=None), at=after(70))
    assert stored == Stored((), (row.id,))
    (row,) = await page.comments()
    assert not row.is_hidden


async def test_deliveries_of_one_comment_at_the_same_time_follow_each_other(page: Inbox) -> None:
    story = [*STORY, (facebook_comment("unhide", text=None), after(40))] * 3
    await asyncio.gather(*(push_anew(page, change, when) for change, when in story))
    (row,) = await page.comments()
    assert (row.message, row.is_hidden) == ("또 고침", False)
    assert len(await page.events()) == 1


async def test_an_edit_that_is_older_than_what_a_list_showed_has_the_post_read_again(
    page: Inbox,
) -> None:
    await page.make.add(
        WatchedPost(
            platform_account_id=page.account.id,
            platform_post_id=POST,
            posted_at=WRITTEN_AT,
            mark="5:2002_1",
        )
    )
    await page.store(found(1, "새 글", comment_id="2002_1", post_id=POST, thread_id="2002_1"))
    await push(page, facebook_comment("edited", text="옛 글"), at=after(10))
    (row,) = await page.comments()
    assert row.message == "새 글"
    (watched,) = await page.rows("SELECT mark FROM watched_posts")
    assert watched.mark is None


async def test_an_answer_to_an_answer_stands_in_its_thread(page: Inbox) -> None:
    await push(page, facebook_comment(number=1))
    await push(
        page,
        facebook_comment(number=3, parent_id="2002_2", created_time=1_764_072_009),
        facebook_comment(number=2, parent_id="2002_1", created_time=1_764_072_005),
    )
    assert [(row.platform_comment_id, row.thread_id) for row in await page.comments()] == [
        ("2002_1", "2002_1"),
        ("2002_2", "2002_1"),
        ("2002_3", "2002_1"),
    ]


async def test_accounts_that_are_not_ours_are_noted_and_the_others_stored(inbox: Inbox) -> None:
    whole = envelope(
        "instagram",
        entry("999", instagram_comment(1), instagram_comment(2), at=WRITTEN_AT),
        entry(inbox.account.platform_user_id, instagram_comment(3), at=WRITTEN_AT),
    )
    await take(inbox.database, await deliver(inbox.database, written(whole)))
    assert [row.platform_comment_id for row in await inbox.comments()] == ["17903"]
    assert await note(inbox) == "unknown account instagram 999: 2"


async def test_one_delivery_may_be_of_many_accounts_and_have_a_thousand_changes(
    inbox: Inbox,
) -> None:
    accounts = [inbox.account, *[await inbox.make.account() for _ in range(9)]]
    entries = [
        entry(
            account.platform_user_id,
            *(instagram_comment(at * 1000 + number) for number in range(100)),
            at=WRITTEN_AT,
        )
        for at, account in enumerate(accounts)
    ]
    stored = await take(
        inbox.database, await deliver(inbox.database, written(envelope("instagram", *entries)))
    )
    assert len(stored.new) == 1000
    counts = await inbox.rows(
        "SELECT count(*) AS n FROM comments_inbox GROUP BY platform_account_id"
    )
    assert [row.n for row in counts] == [100] * 10


async def test_a_delivery_that_nobody_can_read_is_noted_and_not_tried_again(inbox: Inbox) -> None:
    assert not await take(inbox.database, await deliver(inbox.database, b"{"))
    assert await note(inbox) == "not JSON: 1"


async def test_what_was_taken_is_forgotten_after_days_and_what_waits_is_not(page: Inbox) -> None:
    await push(page, facebook_comment())
    await deliver(page.database, b"[]")
    async with page.database.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE webhook_deliveries SET received_at = now() - interval '8 days'"
        )
    assert await prune(page.database) == 1
    assert await prune(page.database) == 0
    (waiting,) = await page.rows("SELECT body FROM webhook_deliveries")
    assert waiting.body == b"[]"
    async with page.database.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE pushed_comments SET told_at = now() - interval '8 days'"
        )
    assert await prune(page.database) == 1
    assert len(await page.comments()) == 1


async def test_pruning_goes_on_until_it_is_told_to_stop(page: Inbox) -> None:
    await push(page, facebook_comment())
    async with page.database.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE webhook_deliveries SET received_at = now() - interval '8 days'"
        )
    stopping = asyncio.Event()
    pruning = asyncio.create_task(keep_pruning(page.database, stopping))
    async with asyncio.timeout(10):
        while await page.rows("SELECT 1 FROM webhook_deliveries"):
            await asyncio.sleep(0.01)
        stopping.set()
        await pruning


def test_webhooks_are_taken_by_workers_of_the_high_tier() -> None:
    assert actors.webhooks
    assert tier_of("take_webhook") == "high"
