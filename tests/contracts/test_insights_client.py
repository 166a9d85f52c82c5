"""What every InsightsClient promises: the fake, and each adapter over HTTP against the sandbox."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from engine.cli.stack import sandbox_addresses
from engine.errors import ReconnectNeeded, RetryLater, Throttled
from engine.platforms.registry import open_insights
from engine.ports import AccountAccess, InsightsClient, PostReference
from engine.rules.calendar import bounds_of, day_of
from engine.rules.pacific import day_covering_most
from engine.settings import Settings
from models.accounts import AccessToken, Platform
from tests.contracts.levers import KINDS
from tests.factories import TOKEN_KEY
from tests.fakes.insights_client import FakeInsightsClient
from tests.fakes.parts import prepared
from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"
NAMES = {
    "followers", "follows_gained", "follows_lost", "views", "reach", "likes", "comments", "shares",
    "saves", "reposts", "quotes", "replies", "clicks", "engaged_accounts", "interactions",
    "profile_visits", "watch_time_s", "average_watch_s",
}  # fmt: skip
# Of each kind: a metric of the account's, one of a post's, both in our word and the platform's.
METRICS = {
    "fake": (("views", "views"), ("likes", "likes")),
    "instagram image": (("views", "views"), ("saves", "saved")),
    "instagram reel": (("views", "views"), ("watch_time_s", "ig_reels_video_view_total_time")),
    "facebook text": (("views", "page_media_view"), ("views", "post_media_view")),
    "facebook reel": (("views", "page_media_view"), ("views", "total_video_views")),
    "threads text": (("views", "views"), ("quotes", "quotes")),
    "youtube video": (("views", "views"), ("likes", None)),
}


@dataclass
class Readers:
    """A reader and the levers of what stands behind it."""

    name: str
    client: InsightsClient
    sandbox: RunningSandbox | None

    @property
    def access(self) -> AccountAccess:
        return AccountAccess(ACCOUNT, AccessToken(f"sandbox-token-{ACCOUNT}"))

    @property
    def kind(self) -> str:
        return self.name.partition(" ")[2] or "image"

    @property
    def counts_pacific_days(self) -> bool:
        return self.name.startswith(("facebook", "youtube"))

    async def post(self) -> str:
        """A live post."""
        if self.sandbox is None:
            post_id = f"post{len(self.client.posts)}"
            self.client.posts[post_id] = {"views": 0, "likes": 0}
            return post_id
        open_platform, kind = KINDS[self.name]
        async with open_platform(self.sandbox, **kind) as platform:
            access, post = platform.access(ACCOUNT), platform.post()
            container = await prepared(platform.client, access, post)
            return await platform.client.publish(access, container, post)

    def set_day(self, day: date, **values: float | None) -> None:
        if self.sandbox is None:
            self.client.days.setdefault(bounds_of(day)[0], {}).update(values)
            return
        if self.counts_pacific_days:
            day = day_covering_most(*bounds_of(day))
        followers = values.pop("followers", None)
        if followers is not None:
            body: dict[str, Any] = {"account": ACCOUNT, "values": {"followers": followers}}
            self.sandbox.ask("POST", "/sandbox/insights", body)
        body = {"account": ACCOUNT, "day": day.isoformat(), "values": values}
        self.sandbox.ask("POST", "/sandbox/insights", body)

    def set_post(self, post_id: str, **values: float | None) -> None:
        if self.sandbox is None:
            self.client.posts[post_id].update(values)
        else:
            body = {"post": post_id, "values": values}
            self.sandbox.ask("POST", "/sandbox/insights", body)

    def withdraw(self, ours: str, theirs: str) -> None:
        if self.sandbox is None:
            self.client.withdrawn[ours] = "100"
        else:
            self.sandbox.switch(withdrawn_metrics=theirs)

    async def read_day(self, day: date, without: dict[str, str] | None = None) -> Any:
        start, end = bounds_of(day)
        return await self.client.read_account(
            self.access, start=start, end=end, without=without or {}
        )

    async def read_posts(self, *ids: str, without: dict[str, str] | None = None) -> Any:
        posts = [PostReference(post_id, self.kind) for post_id in ids]
        return await self.client.read_posts(self.access, posts, without=without or {})


def settings_of(sandbox: RunningSandbox) -> Settings:
    return Settings.load(
        {
            **sandbox_addresses(sandbox.base_url),
            "SNS_TOKEN_KEYS": TOKEN_KEY,
            "SNS_JWT_SECRET": "x" * 32,
        }
    )


@pytest.fixture(params=METRICS)
async def readers(request: pytest.FixtureRequest) -> AsyncIterator[Readers]:
    if request.param == "fake":
        yield Readers("fake", FakeInsightsClient(), None)
        return
    sandbox: RunningSandbox = request.getfixturevalue("sandbox")
    sandbox.switch(container_ready_s=0, fetch_media=False)
    opened = open_insights(settings_of(sandbox))
    yield Readers(request.param, opened[Platform(request.param.split()[0])], sandbox)
    for client in opened.values():
        await client.close()


@pytest.fixture
def today() -> date:
    return day_of(datetime.now(UTC))


async def test_figures_of_a_day_are_those_that_were_set(readers, today):
    (ours, _), _ = METRICS[readers.name]
    yesterday = today - timedelta(days=1)
    readers.set_day(today, **{ours: 41, "followers": 1200})
    readers.set_day(yesterday, **{ours: 40})
    running = await readers.read_day(today)
    assert (running.values[ours], running.values["followers"]) == (41, 1200)
    assert (await readers.read_day(yesterday)).values[ours] == 40


async def test_followers_of_a_past_day_are_not_invented(readers, today):
    readers.set_day(today, followers=1200)
    figures = await readers.read_day(today - timedelta(days=1))
    assert "followers" not in figures.values


async def test_names_are_the_shared_ones(readers, today):
    readers.set_day(today, views=3)
    post_id = await readers.post()
    figures = await readers.read_day(today)
    of_post = (await readers.read_posts(post_id))[post_id]
    assert set(figures.values) <= NAMES
    assert set(of_post.values) <= NAMES
    assert not figures.unavailable
    assert not of_post.unavailable
    assert of_post.values


async def test_missing_data_is_none_and_not_zero(readers, today):
    (ours, _), _ = METRICS[readers.name]
    if readers.name.startswith("youtube"):
        readers.sandbox.switch(analytics_lag_s=10 * 86_400)  # no rows at all
    readers.set_day(today - timedelta(days=1), **{ours: None})
    assert (await readers.read_day(today - timedelta(days=1))).values[ours] is None


async def test_withdrawn_metric_of_an_account_is_dropped_alone(readers, today):
    (ours, theirs), _ = METRICS[readers.name]
    readers.set_day(today, views=1, likes=7, follows_gained=3)
    readers.withdraw(ours, theirs)
    figures = await readers.read_day(today)
    assert set(figures.unavailable) == {ours}
    assert ours not in figures.values
    assert len(figures.values) >= 2


async def test_withdrawn_metric_of_a_post_is_dropped_alone(readers):
    _, (ours, theirs) = METRICS[readers.name]
    post_id = await readers.post()
    if theirs is None:
        return  # counters of videos are no metrics, and none is ever refused
    readers.withdraw(ours, theirs)
    figures = (await readers.read_posts(post_id))[post_id]
    assert set(figures.unavailable) == {ours}
    assert ours not in figures.values
    assert any(value is not None for value in figures.values.values())


async def test_refused_metric_is_not_asked_for_again(readers, today):
    (ours, theirs), _ = METRICS[readers.name]
    readers.set_day(today, views=1, likes=7)
    readers.withdraw(ours, theirs)
    refused = (await readers.read_day(today)).unavailable
    before = 0 if readers.sandbox is None else len(readers.sandbox.requests())
    again = await readers.read_day(today, without=dict(refused))
    assert again.unavailable == refused
    assert ours not in again.values
    if readers.sandbox is not None:
        answers = [seen["status"] for seen in readers.sandbox.requests()[before:]]
        assert answers == [200] * len(answers)


async def test_figures_of_several_posts_are_by_id(readers):
    _, (ours, theirs) = METRICS[readers.name]
    first, second = await readers.post(), await readers.post()
    readers.set_post(first, **{ours: 5})
    readers.set_post(second, **{ours: 9})
    found = await readers.read_posts(first, second)
    assert (found[first].values[ours], found[second].values[ours]) == (5, 9)
    assert theirs is None or ours not in found[first].unavailable


async def test_post_that_is_gone_is_left_out(readers):
    post_id = await readers.post()
    gone = f"{ACCOUNT}_999" if readers.name == "facebook text" else "999"
    assert set(await readers.read_posts(post_id, gone)) == {post_id}


async def test_dead_token_is_reconnect_needed(readers, today):
    if readers.sandbox is None:
        readers.client.error = ReconnectNeeded("dead", code="190/460")
    else:
        readers.sandbox.add_account(ACCOUNT, token=f"sandbox-token-{ACCOUNT}")
        readers.sandbox.change_token(ACCOUNT, subcode=460)
    with pytest.raises(ReconnectNeeded):
        await readers.read_day(today)


async def test_throttled_reading_is_throttled_and_no_metric_is_blamed(readers, today):
    if readers.sandbox is None:
        readers.client.error = Throttled("slow down", code="4", retry_after_s=60)
    elif readers.name.startswith("youtube"):
        readers.sandbox.fault(
            "error", carry_out=0, status=403, reason="rateLimitExceeded", call="read_report"
        )
    else:
        readers.sandbox.switch(throttle=17)
    with pytest.raises(Throttled):
        await readers.read_day(today)


async def test_lost_answer_is_retry_later(readers, today):
    if readers.sandbox is None:
        readers.client.error = RetryLater("lost", code="connection-lost")
    else:
        call = "read_report" if readers.name.startswith("youtube") else "read_insights"
        readers.sandbox.fault("close", carry_out=1, call=call, times=2)
    with pytest.raises(RetryLater):
        await readers.read_day(today)


async def test_fifty_posts_cost_one_call_where_the_platform_takes_many(readers):
    if not readers.name.startswith(("facebook", "youtube")):
        return
    ids = [await readers.post() for _ in range(3)]
    before = len(readers.sandbox.requests())
    assert len(await readers.read_posts(*ids)) == 3
    assert len(readers.sandbox.requests()) == before + 1
