"""From a stored comment to its recorded feeling, on a real database, with the shipped model."""

import asyncio
from typing import Any

import pytest

from engine.ai.sentiment import TransformersSentiment, load_sentiment
from engine.services.sentiment import SentimentAnalysis
from tests.fakes.sentiment_model import FakeSentiment
from tests.integration.collecting.conftest import Inbox, found

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture(scope="module")
def shipped() -> TransformersSentiment:
    return load_sentiment()


@pytest.fixture
def fake() -> FakeSentiment:
    return FakeSentiment()


@pytest.fixture
def analysis(inbox: Inbox, fake: FakeSentiment) -> SentimentAnalysis:
    return SentimentAnalysis(database=inbox.database, model=fake)


async def readings(inbox: Inbox) -> list[tuple[str | None, float | None]]:
    return [(row.sentiment, row.sentiment_score) for row in await inbox.comments()]


async def unconsumed(inbox: Inbox) -> list[str]:
    rows = await inbox.rows(
        "SELECT key FROM outbox WHERE kind = 'message' AND consumed_at IS NULL ORDER BY key"
    )
    return [row.key for row in rows]


async def waiting(inbox: Inbox) -> list[Any]:
    rows = await inbox.rows(
        "SELECT payload->>'sentiment' AS sentiment, not_before FROM outbox "
        "WHERE kind = 'event' ORDER BY id"
    )
    return [(row.sentiment, row.not_before is not None) for row in rows]


@pytest.mark.weights
async def test_the_shipped_model_reads_comments_and_their_events_go(
    inbox: Inbox, shipped: TransformersSentiment
) -> None:
    await inbox.store(found(1, "정말 맛있어요 최고예요!!"), found(2, "환불해 주세요 최악이네요"))
    analysis = SentimentAnalysis(database=inbox.database, model=shipped)
    comments = await inbox.comments()
    assert await waiting(inbox) == [(None, True), (None, True)]

    await asyncio.gather(
        *(
            analysis.analyze(comment.id, message_key=f"analyze_sentiment:{comment.id}")
            for comment in comments
        )
    )

    [(good, high), (bad, low)] = await readings(inbox)
    assert (good, bad) == ("positive", "negative")
    assert high is not None
    assert low is not None
    assert -1 <= low < 0 < high <= 1
    assert await unconsumed(inbox) == []
    assert await waiting(inbox) == [("positive", False), ("negative", False)]


async def test_comments_of_one_moment_are_one_batch_and_one_transaction(
    inbox: Inbox, analysis: SentimentAnalysis, fake: FakeSentiment
) -> None:
    await inbox.store(*(found(number, f"좋아요 {number}") for number in range(30)))
    ids = [comment.id for comment in await inbox.comments()]

    await asyncio.gather(
        *(analysis.analyze(id_, message_key=f"analyze_sentiment:{id_}") for id_ in ids)
    )

    assert [len(batch) for batch in fake.asked] == [30]
    times = await inbox.rows("SELECT DISTINCT updated_at FROM comments_inbox")
    assert len(times) == 1
    assert await unconsumed(inbox) == []


async def test_asking_again_changes_nothing(inbox: Inbox, analysis: SentimentAnalysis) -> None:
    await inbox.store(found(1, "좋아요"))
    [comment] = await inbox.comments()
    key = f"analyze_sentiment:{comment.id}"

    first = await analysis.analyze(comment.id, message_key=key)
    second = await analysis.analyze(comment.id, message_key=key)

    assert first == second
    assert await readings(inbox) == [("positive", 0.9)]


async def test_comments_that_are_gone_or_our_own_are_left_alone(
    inbox: Inbox, analysis: SentimentAnalysis
) -> None:
    own = inbox.account.platform_user_id
    await inbox.store(found(1, "좋아요", author_id=own, is_own=True), found(2, "좋아요"))
    ours, gone = await inbox.comments()
    async with inbox.database.begin() as connection:
        await connection.exec_driver_sql(
            f"UPDATE comments_inbox SET deleted_at = now() WHERE id = {gone.id}"
        )

    said = [await analysis.analyze(id_) for id_ in (ours.id, gone.id, 424242)]

    assert said == [None, None, None]
    assert await readings(inbox) == [(None, None), (None, None)]


async def test_the_message_of_a_comment_that_is_gone_is_consumed(
    inbox: Inbox, analysis: SentimentAnalysis
) -> None:
    await inbox.store(found(1, "좋아요"))
    [comment] = await inbox.comments()
    async with inbox.database.begin() as connection:
        await connection.exec_driver_sql("UPDATE comments_inbox SET deleted_at = now()")

    await analysis.analyze(comment.id, message_key=f"analyze_sentiment:{comment.id}")

    assert await unconsumed(inbox) == []


async def test_a_comment_edited_while_it_was_read_keeps_no_reading_of_the_old_text(
    inbox: Inbox, analysis: SentimentAnalysis, fake: FakeSentiment
) -> None:
    await inbox.store(found(1, "좋아요"))
    [comment] = await inbox.comments()

    async def edit() -> None:
        async with inbox.database.begin() as connection:
            await connection.exec_driver_sql("UPDATE comments_inbox SET message = '별로예요'")

    fake.before_reading = edit
    assert await analysis.analyze(comment.id) is None
    assert await readings(inbox) == [(None, None)]

    fake.before_reading = None
    await analysis.analyze(comment.id)
    assert await readings(inbox) == [("negative", -0.9)]
