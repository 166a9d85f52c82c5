"""``sns figures``: an account's figures of some days, against as many before them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from engine.cli.configure import DataOption, configure
from engine.cli.faults import CommandFailed
from engine.cli.folder import DEFAULT

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from engine.rules.best_times import BestTimes, NotEnough
    from engine.rules.figures import Change, Rate
    from engine.services.figures import Report

LABELS: Final = {
    "reach": "도달",
    "views": "조회",
    "interactions": "반응",
    "likes": "좋아요",
    "comments": "댓글",
    "replies": "답글",
    "shares": "공유",
    "saves": "저장",
    "reposts": "리포스트",
    "quotes": "인용",
    "clicks": "링크 클릭",
    "profile_visits": "프로필 방문",
    "follows_gained": "신규 팔로워",
    "follows_lost": "이탈 팔로워",
}
DENOMINATORS: Final = {"reach": "도달 기준", "views": "조회 기준", "followers": "팔로워 기준"}
WEEKDAYS: Final = "월화수목금토일"
UNKNOWN: Final = "–"
POSTS_SHOWN: Final = 5


def figures(
    account: Annotated[int, typer.Argument(help="Which account, by our id.")],
    days: Annotated[int, typer.Option(min=1, max=365, help="How many, up to today.")] = 30,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    data: DataOption = DEFAULT,
) -> None:
    """Show an account's reach, views, interactions, followers and best hours.

    Days are those of Asia/Seoul. A dash is a figure that nobody knows, which is not 0.
    """
    settings = configure(data)
    from engine.cli.session import call

    report = call(settings.database_url, lambda database: _read(database, account, days))
    if json:
        from orjson import OPT_INDENT_2, dumps

        print(dumps(as_json(report), option=OPT_INDENT_2).decode())
        return
    show(report)


async def _read(database: "AsyncEngine", account_id: int, days: int) -> "Report":
    from engine.clock import SystemClock
    from engine.errors import InvalidCommand
    from engine.services.figures import read_report

    try:
        return await read_report(database, account_id, days=days, now=SystemClock().now())
    except InvalidCommand as error:
        raise CommandFailed(str(error)) from error


def show(report: "Report") -> None:
    """Print a report in Korean."""
    from rich.table import Table

    from engine.cli.seoul import day_and_clock
    from engine.cli.terminal import table_console

    console = table_console()
    now, before = report.now, report.before
    console.print(
        f"{report.platform} @{report.username} (계정 {report.account_id})  "
        f"{now.start} ~ {now.end}, 수집된 날 {now.days}일  "
        f"(비교 기간 {before.start} ~ {before.end}, {before.days}일)",
        highlight=False,
    )
    if report.fetched_at is None:
        console.print("아직 수집된 지표가 없습니다.")
        return
    table = Table("지표", "이번 기간", "이전 기간", "증감")
    for name, label in LABELS.items():
        if now.totals.get(name) is None and before.totals.get(name) is None:
            continue
        table.add_row(
            label,
            number(now.totals.get(name)),
            number(before.totals.get(name)),
            changed(report.changes[name]),
        )
    table.add_row(
        "참여율",
        rate(now.engagement),
        rate(before.engagement),
        rate_changed(now.engagement, before.engagement),
    )
    table.add_row(
        "팔로워",
        number(now.followers),
        number(before.followers),
        changed(report.changes["followers"]),
    )
    console.print(table)
    if now.days != before.days:
        console.print("두 기간의 수집된 날 수가 다르므로 증감은 참고만 하세요.")
    if report.posts:
        posts = Table("게시물", "게시 시각", "도달", "조회", "참여율", title="참여율 상위 게시물")
        for post in report.posts[:POSTS_SHOWN]:
            posts.add_row(
                post.post_id,
                day_and_clock(post.posted_at)[:16],
                number(post.figures.get("reach")),
                number(post.figures.get("views")),
                rate(post.engagement),
            )
        console.print(posts)
    console.print(best_hours(report.best), highlight=False)
    if report.unavailable:
        names = ", ".join(LABELS.get(name, name) for name in sorted(report.unavailable))
        console.print(f"플랫폼이 제공하지 않는 지표: {names}", highlight=False)
    console.print(f"마지막 수집 {day_and_clock(report.fetched_at)[:16]}", highlight=False)


def number(value: float | None) -> str:
    """A figure with its thousands apart; a dash when nobody knows it."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def changed(change: "Change") -> str:
    """A difference with its sign, and in percent where there is something to divide by."""
    if change.difference is None:
        return UNKNOWN
    share = "" if change.share is None else f" ({change.share:+.1%})"
    return f"{change.difference:+,.0f}{share}"


def rate(found: "Rate | None") -> str:
    """An engagement rate and what it is by."""
    return UNKNOWN if found is None else f"{found.value:.2%} ({DENOMINATORS[found.by]})"


def rate_changed(now: "Rate | None", before: "Rate | None") -> str:
    """The difference in percentage points; rates by different denominators are not compared."""
    if now is None or before is None or now.by is not before.by:
        return UNKNOWN
    return f"{(now.value - before.value) * 100:+.2f}%p"


def best_hours(best: "BestTimes | NotEnough") -> str:
    """When posts do best, in a sentence."""
    from engine.rules.best_times import NotEnough

    if isinstance(best, NotEnough):
        return (
            f"추천 시간대: 아직 판단할 수 없습니다 (게시물 {best.posts}개, "
            f"최소 {best.needed}개 필요)."
        )
    if not best.slots:
        return f"추천 시간대: 눈에 띄게 나은 시간대가 없습니다 (게시물 {best.posts}개 기준)."
    slots = ", ".join(
        f"{WEEKDAYS[slot.weekday]}요일 {slot.hour}시({slot.posts}개)" for slot in best.slots
    )
    return f"추천 시간대: {slots}, 게시물 {best.posts}개 기준."


def as_json(report: "Report") -> dict[str, Any]:
    """The report with days and instants as text."""
    from dataclasses import asdict

    found: dict[str, Any] = _plain(asdict(report))
    return found


def _plain(value: Any) -> Any:
    """JSON's own types: keys that are dates become text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
