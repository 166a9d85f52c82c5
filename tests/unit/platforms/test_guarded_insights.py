from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import CircuitOpen, RetryLater
from engine.platforms.guarded_insights import GuardedInsights
from engine.ports import AccountAccess, PostReference
from models.accounts import AccessToken
from tests.fakes.insights_client import FakeInsightsClient

START = datetime(2026, 11, 26, tzinfo=UTC)


def access(number: int = 0) -> AccountAccess:
    return AccountAccess(str(number), AccessToken("t"))


async def read(client: GuardedInsights, number: int = 0) -> object:
    return await client.read_account(
        access(number), start=START, end=START + timedelta(days=1), without={}
    )


async def test_road_that_is_broken_for_several_accounts_rests():
    behind = FakeInsightsClient()
    now = 0.0
    client = GuardedInsights(behind, "threads", open_s=10, monotonic=lambda: now)
    behind.error = RetryLater("lost", code="connection-lost")
    for number in range(5):
        with pytest.raises(RetryLater):
            await read(client, number)
    behind.error = None
    with pytest.raises(CircuitOpen):
        await read(client)
    assert len(behind.asked) == 5
    # Posts go another road, and the account's is tried again after a while.
    behind.posts = {"1": {"likes": 2}}
    found = await client.read_posts(access(), [PostReference("1")], without={})
    assert found["1"].values == {"likes": 2}
    now = 11.0
    await read(client)


async def test_closing_closes_what_is_behind():
    behind = FakeInsightsClient()
    await GuardedInsights(behind, "threads").close()
    assert behind.is_closed
