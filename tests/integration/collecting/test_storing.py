"""A comment is new exactly once, whoever brings it and however often."""

import asyncio
from datetime import timedelta

from engine.services.announcing import let_go
from models.events import NewComment
from models.people import ClientMember, Role
from models.words import Platform, Sentiment
from tests.integration.collecting.conftest import NOON, Inbox, found


async def test_a_comment_is_new_once_though_it_is_brought_twice(inbox: Inbox) -> None:
    first = await inbox.store(found(1))
    again = await inbox.store(found(1))
    assert (len(first.new), first.changed) == (1, ())
    assert not again
    (row,) = await inbox.comments()
    assert (row.message, row.author_name, row.commented_at) == (
        "댓글 1",
        "손님1",
        NOON + timedelta(seconds=1),
    )
    assert await inbox.analyses() == [f"analyze_sentiment:{row.id}"]
    assert len(await inbox.events()) == 1


async def test_two_overlapping_runs_tell_each_comment_once(inbox: Inbox) -> None:
    batches = [[found(number) for number in range(200)] for _ in range(4)]
    stored = await asyncio.gather(*(inbox.store(*batch) for batch in batches))
    assert sorted(id_ for one in stored for id_ in one.new) == [
        row.id for row in await inbox.comments()
    ]
    assert len(await inbox.comments()) == 200
    assert len(await inbox.events()) == len(await inbox.analyses()) == 200


async def test_the_event_is_the_one_that_the_contract_names(inbox: Inbox) -> None:
    await inbox.store(found(1))
    (payload,) = await inbox.events()
    (row,) = await inbox.comments()
    event = NewComment.model_validate(payload)
    assert event.to_wire() == {**payload, "ts": event.to_wire()["ts"]}
    assert (event.comment_id, event.platform, event.author, event.message, event.sentiment) == (
        row.id,
        Platform.INSTAGRAM,
        "손님1",
        "댓글 1",
        None,
    )


async def test_the_operators_of_the_client_are_told_and_nobody_else(inbox: Inbox) -> None:
    second = await inbox.make.user()
    manager = await inbox.make.user(role=Role.MANAGER)
    stranger = await inbox.make.user()
    for user in (second, manager):
        await inbox.make.add(ClientMember(client_id=inbox.account.client_id, user_id=user.id))
    await inbox.store(found(1))
    rows = await inbox.rows("SELECT user_id FROM outbox WHERE kind = 'event' ORDER BY user_id")
    assert [row.user_id for row in rows] == [inbox.operator.id, second.id]
    assert stranger.id not in [row.user_id for row in rows]


async def test_a_comment_of_our_own_is_kept_and_announced_to_nobody(inbox: Inbox) -> None:
    await inbox.store(found(1, is_own=True))
    assert [row.is_own for row in await inbox.comments()] == [True]
    assert (await inbox.events(), await inbox.analyses()) == ([], [])


async def test_an_edit_changes_the_text_and_is_analysed_anew_but_is_not_new(inbox: Inbox) -> None:
    (id_,) = (await inbox.store(found(1))).new
    stored = await inbox.store(found(1, "고친 댓글"))
    assert (stored.new, stored.changed) == ((), (id_,))
    (row,) = await inbox.comments()
    assert row.message == "고친 댓글"
    assert row.edited_at is not None
    assert len(await inbox.events()) == 1
    assert len(await inbox.analyses()) == 2


async def test_a_list_that_shows_a_deleted_comment_brings_it_back(inbox: Inbox) -> None:
    await inbox.store(found(1))
    async with inbox.database.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE comments_inbox SET deleted_at = now(), missing_since = now()"
        )
    await inbox.store(found(1))
    (row,) = await inbox.comments()
    assert (row.deleted_at, row.missing_since) == (None, None)
    assert len(await inbox.events()) == 1


async def test_rows_rise_with_the_time_of_the_comments(inbox: Inbox) -> None:
    await inbox.store(*(found(number) for number in reversed(range(50))))
    assert [row.platform_comment_id for row in await inbox.comments()] == [
        f"c{number:05d}" for number in range(50)
    ]


async def test_the_event_waits_for_the_sentiment_and_leaves_with_it(inbox: Inbox) -> None:
    first, second = (await inbox.store(found(1), found(2))).new
    async with inbox.database.begin() as connection:
        await let_go(connection, {first: Sentiment.NEGATIVE})
    rows = await inbox.rows(
        "SELECT payload, not_before - created_at AS wait FROM outbox WHERE kind = 'event'"
        " ORDER BY id"
    )
    assert [row.payload["sentiment"] for row in rows] == ["negative", None]
    assert rows[0].wait is None
    assert timedelta(seconds=2) < rows[1].wait <= timedelta(seconds=3)
    assert second


async def test_what_was_told_already_is_not_told_again_with_its_sentiment(inbox: Inbox) -> None:
    (id_,) = (await inbox.store(found(1))).new
    async with inbox.database.begin() as connection:
        await connection.exec_driver_sql("UPDATE outbox SET sent_at = now()")
        await let_go(connection, {id_: Sentiment.POSITIVE})
    (payload,) = await inbox.events()
    assert payload["sentiment"] is None


async def test_a_second_run_over_unchanged_comments_writes_nothing(inbox: Inbox) -> None:
    comments = [found(number) for number in range(300)]
    await inbox.store(*comments)
    before = await inbox.rows("SELECT xmin::text, xmax::text FROM comments_inbox ORDER BY id")
    await inbox.store(*comments)
    after = await inbox.rows("SELECT xmin::text, xmax::text FROM comments_inbox ORDER BY id")
    assert after == before
