"""A period for people: totals, changes, followers, best hours; and the command that shows it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.cli.folder import Folder
from engine.errors import InvalidCommand
from engine.rules.best_times import BestTimes, NotEnough
from engine.rules.calendar import SEOUL, day_of
from engine.rules.figures import Denominator
from engine.services.figures import read_client_reports, read_post_deltas, read_report
from models.analytics import AnalyticsSnapshot
from tests.running_command import sns

NOW = datetime.now(UTC)
TODAY = day_of(NOW)


async def keep(desk: Any, account: Any, back: int, post_id: str = "", **figures: Any) -> None:
    await desk.make.add(
        AnalyticsSnapshot(
            client_id=account.client_id,
            platform_account_id=account.id,
            platform_post_id=post_id,
            day=TODAY - timedelta(days=back),
            figures=figures,
        )
    )


async def keep_post(
    desk: Any, account: Any, number: int, at: datetime, *, likes: int, reach: int = 1000
) -> None:
    post_id = f"p{number}"
    log = await desk.log(account, post_id, kind="image", at=at)
    await desk.make.add(
        AnalyticsSnapshot(
            client_id=account.client_id,
            platform_account_id=account.id,
            platform_post_id=post_id,
            content_id=log.content_id,
            day=TODAY,
            figures={"likes": likes, "reach": reach},
        )
    )


async def test_period_is_held_against_the_one_before(desk):
    account = await desk.make.account()
    for back, reach, followers in ((0, 100, 510), (1, 300, 505), (7, 200, 500), (8, 0, None)):
        await keep(desk, account, back, reach=reach, interactions=10, followers=followers)
    report = await read_report(desk.database, account.id, days=7, now=NOW)
    assert (report.now.days, report.before.days) == (2, 2)
    assert report.now.totals["reach"] == 400
    assert report.before.totals["reach"] == 200
    assert report.changes["reach"].difference == 200
    assert report.changes["reach"].share == 1.0
    assert report.now.engagement.value == pytest.approx(0.05)
    assert report.now.engagement.by is Denominator.REACH
    assert (report.now.followers, report.changes["followers"].difference) == (510, 10)
    assert report.now.totals["views"] is None


async def test_day_without_a_reading_is_null(desk):
    account = await desk.make.account()
    await keep(desk, account, 0, reach=1, followers=12)
    await keep(desk, account, 3, reach=2, followers=10)
    report = await read_report(desk.database, account.id, days=4, now=NOW)
    assert list(report.followers.values()) == [10, None, None, 12]
    assert [one.gained for one in report.followers_gained] == [None, None, None, 2]
    assert report.days[TODAY - timedelta(days=1)] is None


async def test_account_that_was_never_read_has_an_empty_report(desk):
    account = await desk.make.account()
    report = await read_report(desk.database, account.id, days=30, now=NOW)
    assert report.fetched_at is None
    assert report.now.totals["reach"] is None
    assert report.best == NotEnough(0)
    with pytest.raises(InvalidCommand):
        await read_report(desk.database, 999_999, days=30, now=NOW)


async def test_client_has_a_report_for_each_of_its_accounts(desk):
    client, other = await desk.make.client(), await desk.make.client()
    accounts = [await desk.make.account(client=client) for _ in range(2)]
    await desk.make.account(client=other)
    await keep(desk, accounts[1], 0, reach=7)
    reports = await read_client_reports(desk.database, client.id, days=7, now=NOW)
    assert [report.account_id for report in reports] == [account.id for account in accounts]
    assert [report.now.totals["reach"] for report in reports] == [None, 7]


async def test_counter_of_a_post_gains_from_day_to_day(desk):
    account = await desk.make.account()
    for back, likes in ((3, 10), (2, 25), (0, 24)):
        await keep(desk, account, back, "p1", likes=likes)
    start = TODAY - timedelta(days=3)
    found = await read_post_deltas(
        desk.database,
        account_id=account.id,
        post_id="p1",
        name="likes",
        start=start,
        end=TODAY,
        went_live_on=start,
    )
    assert [one.gained for one in found] == [10, 15, None, 0]
    assert found[-1].correction == -1


async def seed_best_times(desk: Any, account: Any) -> None:
    wednesday = NOW.astimezone(SEOUL).replace(hour=19, minute=5)
    wednesday -= timedelta(days=(wednesday.weekday() - 2) % 7 + 7)
    monday = wednesday.replace(hour=9) - timedelta(days=2)
    for week in range(6):
        ago = timedelta(weeks=week)
        await keep_post(desk, account, week, wednesday - ago, likes=80 + week)
        await keep_post(desk, account, 10 + week, monday - ago, likes=20 + week)


async def test_best_hours_come_from_the_accounts_own_settled_posts(desk):
    account = await desk.make.account()
    await seed_best_times(desk, account)
    await keep_post(desk, account, 99, NOW - timedelta(hours=1), likes=900)  # too young to count
    report = await read_report(desk.database, account.id, days=30, now=NOW)
    assert isinstance(report.best, BestTimes)
    assert report.best.posts == 12
    assert [(slot.weekday, slot.hour) for slot in report.best.slots] == [(2, 19)]
    assert report.posts[0].post_id == "p99"


async def test_command_shows_the_figures_in_korean_and_as_json(
    desk, database_url: str, redis_url: str, tmp_path: Path
):
    account = await desk.make.account()
    await seed_best_times(desk, account)
    await keep(desk, account, 0, reach=1234, views=2000, interactions=61, followers=900)
    await keep(desk, account, 31, reach=1000, views=1500, interactions=50, followers=880)
    settings = {
        **Folder.at(tmp_path).secrets(),
        "SNS_DATABASE_URL": database_url,
        "SNS_REDIS_URL": redis_url,
    }

    def run(*arguments: str) -> Any:
        return sns("figures", *arguments, settings=settings, cwd=tmp_path)

    shown = run(str(account.id))
    assert shown.returncode == 0, shown.stderr
    for wanted in ("도달", "1,234", "+234 (+23.4%)", "4.94% (도달 기준)", "수요일 19시", "-0.06%p"):
        assert wanted in shown.stdout
    found = json.loads(run(str(account.id), "--days", "7", "--json").stdout)
    assert found["now"]["totals"]["reach"] == 1234
    assert found["before"]["totals"]["reach"] is None
    assert found["now"]["engagement"]["by"] == "reach"
    assert len(found["days"]) == 7
    missing = run("999999")
    assert missing.returncode == 1
    assert "no account 999999" in missing.stderr
