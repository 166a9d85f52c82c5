"""Reading figures into the table: replaced and never added, one refusal at a time."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import InvalidCommand, ReconnectNeeded, RetryLater, Throttled
from engine.rules.calendar import bounds_of, day_of
from engine.services.measuring import ask_for_all
from models.accounts import AccountStatus, Platform
from tests.fakes.insights_client import FakeInsightsClient


def days_back(days: int):
    return day_of(datetime.now(UTC)) - timedelta(days=days)


@pytest.mark.parametrize(
    ("platform", "kind"),
    [
        (Platform.INSTAGRAM, "instagram image"),
        (Platform.FACEBOOK, "facebook photo"),
        (Platform.THREADS, "threads text"),
        (Platform.YOUTUBE, "youtube video"),
    ],
)
async def test_account_and_its_posts_have_rows(desk, platform, kind):
    account = await desk.make.account(platform=platform)
    post_id = await desk.published(account, kind)
    measured = await desk.measure(account)
    assert (measured.days, measured.posts, measured.error) == (3, 1, None)
    days = await desk.snapshots(account)
    assert set(days) == {days_back(0), days_back(1), days_back(2)}
    assert days[days_back(1)]["figures"]["views"] > 0
    assert days[days_back(0)]["figures"]["followers"] > 0
    [post] = (await desk.snapshots(account, post_id)).values()
    assert post["figures"]["likes"] is not None
    assert post["content_id"] is not None
    assert post["client_id"] == account.client_id


async def test_late_correction_replaces_and_nothing_is_counted_twice(desk):
    account = await desk.make.account()
    yesterday, user = days_back(1), account.platform_user_id
    desk.set_figures(account=user, day=yesterday.isoformat(), values={"reach": 100})
    await desk.measure(account)
    desk.set_figures(account=user, day=yesterday.isoformat(), values={"reach": 112})
    await desk.measure(account)
    days = await desk.snapshots(account)
    assert len(days) == 3
    assert days[yesterday]["figures"]["reach"] == 112
    [[total]] = [
        row.values()
        for row in await desk.rows(
            "SELECT sum((figures->>'reach')::float) FROM analytics_snapshots WHERE day = :day",
            day=yesterday,
        )
    ]
    assert total == 112


async def test_day_that_is_no_longer_corrected_stays_as_it_is(desk):
    account = await desk.make.account()
    client, now = FakeInsightsClient(), datetime.now(UTC)
    oldest = days_back(2)
    client.days[bounds_of(oldest)[0]] = {"reach": 50}
    await desk.measure(account, client=client, now=now)
    client.days[bounds_of(oldest)[0]] = {"reach": 99}
    await desk.measure(account, client=client, now=now + timedelta(days=1))
    assert (await desk.snapshots(account))[oldest]["figures"] == {"reach": 50}


async def test_same_run_twice_changes_nothing_but_when_it_was_read(desk):
    account = await desk.make.account()
    desk.sandbox.freeze()
    await desk.published(account)
    everything = """SELECT id, platform_post_id, content_id, day, figures, unavailable
                    FROM analytics_snapshots ORDER BY id"""
    await desk.measure(account)
    first = await desk.rows(everything)
    await desk.measure(account)
    assert await desk.rows(everything) == first


async def test_slow_reading_never_replaces_a_later_one(desk):
    account = await desk.make.account()
    client, now = FakeInsightsClient(), datetime.now(UTC)
    start = bounds_of(day_of(now))[0]
    client.days[start] = {"reach": 20}
    await desk.measure(account, client=client, now=now)
    client.days[start] = {"reach": 10}
    await desk.measure(account, client=client, now=now - timedelta(seconds=1))
    assert (await desk.snapshots(account))[day_of(now)]["figures"]["reach"] == 20


async def test_followers_of_yesterday_stay_when_yesterday_is_read_again(desk):
    account = await desk.make.account()
    client, now = FakeInsightsClient(), datetime.now(UTC)
    start = bounds_of(day_of(now))[0]
    client.days[start] = {"reach": 20, "followers": 900}
    await desk.measure(account, client=client, now=now)
    client.days[start] = {"reach": 25}  # a past day has no count of followers any more
    await desk.measure(account, client=client, now=now + timedelta(days=1))
    figures = (await desk.snapshots(account))[day_of(now)]["figures"]
    assert figures == {"reach": 25, "followers": 900}


async def test_withdrawn_metric_is_dropped_alone_and_recorded(desk):
    account = await desk.make.account()
    desk.sandbox.switch(withdrawn_metrics="views")
    post_id = await desk.published(account)
    measured = await desk.measure(account)
    assert measured.error is None
    row = (await desk.snapshots(account))[days_back(0)]
    assert row["unavailable"] == {"views": "100"}
    assert "views" not in row["figures"]
    assert row["figures"]["likes"] is not None
    [post] = (await desk.snapshots(account, post_id)).values()
    assert post["unavailable"] == {"views": "100"}
    assert post["figures"]["reach"] is not None


async def test_withdrawal_wipes_nothing_that_was_known_of_the_days_before(desk):
    account = await desk.make.account()
    await desk.measure(account)
    before = (await desk.snapshots(account))[days_back(1)]["figures"]
    desk.sandbox.switch(withdrawn_metrics="views")
    await desk.measure(account)
    row = (await desk.snapshots(account))[days_back(1)]
    assert row["figures"]["views"] == before["views"]
    assert row["unavailable"] == {"views": "100"}


async def test_story_with_too_few_viewers_has_no_figures_and_ends_nothing(desk):
    account = await desk.make.account()
    story = await desk.published(account, "instagram story")
    desk.sandbox.fault("error", carry_out=0, code=10, path=f"/{story}/insights", times=9)
    measured = await desk.measure(account)
    assert (measured.posts, measured.error) == (1, None)
    [row] = (await desk.snapshots(account, story)).values()
    assert set(row["figures"].values()) == {None}


async def test_refused_metric_is_asked_for_again_the_next_day(desk):
    account = await desk.make.account()
    client, now = FakeInsightsClient(), datetime.now(UTC)
    for back in (0, 1, -1):
        client.days[bounds_of(days_back(back))[0]] = {"reach": 1, "views": 2}
    client.withdrawn = {"views": "100"}
    await desk.measure(account, client=client, now=now)
    assert client.asked == [set(), {"views"}, {"views"}]
    client.asked.clear()
    await desk.measure(account, client=client, now=now + timedelta(seconds=1))
    assert client.asked == [{"views"}] * 3
    client.asked.clear()
    client.withdrawn = {}
    await desk.measure(account, client=client, now=now + timedelta(days=1))
    assert client.asked == [set()] * 3
    assert (await desk.snapshots(account))[days_back(-1)]["figures"]["views"] == 2


async def test_watched_post_that_we_did_not_publish_is_read_too(desk):
    account = await desk.make.account()
    post_id = await desk.published(account)
    await desk.rows("DELETE FROM publishing_logs")
    await desk.watch(account, post_id)
    assert (await desk.measure(account)).posts == 1
    [row] = (await desk.snapshots(account, post_id)).values()
    assert row["content_id"] is None


async def test_post_both_published_and_watched_has_one_row(desk):
    account = await desk.make.account()
    post_id = await desk.published(account)
    await desk.watch(account, post_id)
    assert (await desk.measure(account)).posts == 1
    [row] = (await desk.snapshots(account, post_id)).values()
    assert row["content_id"] is not None


async def test_old_post_is_read_once_a_day_and_a_very_old_one_never(desk):
    account = await desk.make.account()
    client, now = FakeInsightsClient(), datetime.now(UTC)
    client.posts = {"old": {"likes": 1}, "ancient": {"likes": 1}}
    await desk.log(account, "old", kind="image", at=now - timedelta(days=30))
    await desk.log(account, "ancient", kind="image", at=now - timedelta(days=91))
    assert (await desk.measure(account, client=client, now=now)).posts == 1
    later = now + timedelta(seconds=1)
    assert (await desk.measure(account, client=client, now=later)).posts == 0


async def test_throttled_account_is_held_and_what_was_read_is_kept(desk):
    account = await desk.make.account()

    class Impatient(FakeInsightsClient):
        async def read_posts(self, *args, **kwargs):
            raise Throttled("slow down", code="17", retry_after_s=600)

    client = Impatient()
    await desk.log(account, "1", kind="image")
    measured = await desk.measure(account, client=client)
    assert measured.error is not None
    assert measured.days == 3
    [row] = await desk.rows("SELECT held_until, status FROM platform_accounts")
    assert row["held_until"] > datetime.now(UTC) + timedelta(seconds=500)
    assert row["status"] == "active"
    client.asked.clear()
    assert (await desk.measure(account, client=client)).days == 0
    assert client.asked == []


async def test_app_wide_throttle_holds_the_platform(desk):
    account = await desk.make.account()
    desk.sandbox.switch(throttle=4)
    await desk.measure(account)
    [hold] = await desk.rows("SELECT platform FROM platform_holds")
    assert hold["platform"] == "instagram"
    assert await ask_for_all(desk.database, now=datetime.now(UTC)) == 0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ReconnectNeeded("dead", code="190"), "reconnect_needed"),
        (RetryLater("lost", code="connection-lost"), "active"),
    ],
)
async def test_other_faults_end_the_reading_and_write_nothing(desk, error, status):
    account = await desk.make.account()
    client = FakeInsightsClient()
    client.error = error
    measured = await desk.measure(account, client=client)
    assert (measured.days, measured.error) == (0, error)
    assert await desk.snapshots(account) == {}
    [row] = await desk.rows("SELECT status, held_until FROM platform_accounts")
    assert (row["status"], row["held_until"]) == (status, None)


async def test_unknown_account_is_an_invalid_command(desk):
    account = await desk.make.account()
    account.id = 999_999
    with pytest.raises(InvalidCommand):
        await desk.measure(account)


async def test_every_usable_account_is_asked_for_fairly_between_clients(desk):
    big, small = await desk.make.client(), await desk.make.client()
    of_big = [await desk.make.account(client=big) for _ in range(3)]
    of_small = await desk.make.account(client=small)
    await desk.make.account(client=big, status=AccountStatus.STOPPED)
    held = await desk.make.account(client=big)
    await desk.rows(
        "UPDATE platform_accounts SET held_until = now() + interval '1 hour' WHERE id = :id",
        id=held.id,
    )
    now = datetime.now(UTC)
    assert await ask_for_all(desk.database, now=now) == 4
    assert await ask_for_all(desk.database, now=now) == 0  # the same run tells nobody twice
    rows = await desk.rows("SELECT actor, payload FROM outbox ORDER BY id")
    assert {row["actor"] for row in rows} == {"collect_account_analytics"}
    order = [row["payload"]["args"][0] for row in rows]
    assert order == [of_big[0].id, of_small.id, of_big[1].id, of_big[2].id]
