"""An account's figures for a period, against the period before it. Reads only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import InvalidCommand
from engine.rules.best_times import BestTimes, NotEnough, ScoredPost, best_times
from engine.rules.calendar import day_of
from engine.rules.figures import (
    Change,
    Delta,
    Rate,
    change_of,
    days_of,
    deltas,
    engagement_rate,
    totals_of,
)

SETTLED_AFTER: Final = timedelta(days=2)  # a younger post cannot be held against older ones
POSTS_OF_BEST_TIMES: Final = timedelta(days=180)

_ACCOUNT = text("SELECT id, platform, username FROM platform_accounts WHERE id = :account_id")

_ACCOUNTS = text("SELECT id FROM platform_accounts WHERE client_id = :client_id ORDER BY id")

_DAYS = text("""
SELECT day, figures, unavailable, fetched_at FROM analytics_snapshots
WHERE platform_account_id = :account_id AND platform_post_id = '' AND day BETWEEN :start AND :end
ORDER BY day
""")

_POSTS = text("""
SELECT DISTINCT ON (s.platform_post_id) s.platform_post_id AS post_id, s.content_id, s.figures,
       coalesce(l.sent_at, l.due_at, w.posted_at) AS posted_at
FROM analytics_snapshots s
LEFT JOIN publishing_logs l ON l.platform_account_id = s.platform_account_id
    AND l.content_id = s.content_id AND l.platform_post_id = s.platform_post_id
LEFT JOIN watched_posts w ON w.platform_account_id = s.platform_account_id
    AND w.platform_post_id = s.platform_post_id
WHERE s.platform_account_id = :account_id AND s.platform_post_id <> ''
  AND coalesce(l.sent_at, l.due_at, w.posted_at) >= :since
ORDER BY s.platform_post_id, s.day DESC
""")

_COUNTER = text("""
SELECT day, figures -> CAST(:name AS text) AS value FROM analytics_snapshots
WHERE platform_account_id = :account_id AND platform_post_id = :post_id AND day <= :end
ORDER BY day
""")


@dataclass(frozen=True, slots=True)
class Period:
    """Sums of an account's days from ``start`` to ``end``, both inclusive.

    ``days`` is how many of them are known; ``followers`` the last count known in it.
    """

    start: date
    end: date
    days: int
    totals: Mapping[str, float | None]
    engagement: Rate | None
    followers: float | None


@dataclass(frozen=True, slots=True)
class PostFigures:
    """A post's latest counters."""

    post_id: str
    content_id: int | None
    posted_at: datetime
    figures: Mapping[str, float | None]
    engagement: Rate | None


@dataclass(frozen=True, slots=True)
class Report:
    """An account's period, the one before, and what differs.

    Attributes:
        changes: by name, those of the totals and ``followers``.
        days: figures of each day of the period; None for a day that nobody read.
        followers: the count at the end of each day, None where nobody read it.
        followers_gained: what each day added to it, corrections apart.
        posts: that went live in the period, best rate first.
        unavailable: what the platform refused on the last day, by its code.
        fetched_at: of the newest reading; None when there is none.
    """

    account_id: int
    platform: str
    username: str
    now: Period
    before: Period
    changes: Mapping[str, Change]
    days: Mapping[date, Mapping[str, float | None] | None]
    followers: Mapping[date, float | None]
    followers_gained: Sequence[Delta]
    posts: Sequence[PostFigures]
    best: BestTimes | NotEnough
    unavailable: Mapping[str, str]
    fetched_at: datetime | None


async def read_report(
    database: AsyncEngine, account_id: int, *, days: int, now: datetime
) -> Report:
    """An account's last ``days`` days up to today in Asia/Seoul, and as many before them.

    Raises:
        InvalidCommand: there is no such account.
    """
    end = day_of(now)
    start = end - timedelta(days=days - 1)
    earlier = start - timedelta(days=days)
    async with database.connect() as connection:
        account = (await connection.execute(_ACCOUNT, {"account_id": account_id})).one_or_none()
        if account is None:
            raise InvalidCommand(f"there is no account {account_id}")
        rows = (
            await connection.execute(
                _DAYS, {"account_id": account_id, "start": earlier, "end": end}
            )
        ).all()
        posts = await _read_posts(connection, account_id, since=now - POSTS_OF_BEST_TIMES)
    known = {row.day: row.figures for row in rows}
    current = _period(known, start, end)
    before = _period(known, earlier, start - timedelta(days=1))
    changes = {
        name: change_of(value, before.totals.get(name)) for name, value in current.totals.items()
    }
    changes["followers"] = change_of(current.followers, before.followers)
    counts = {day: figures.get("followers") for day, figures in known.items()}
    return Report(
        account_id=account.id,
        platform=account.platform,
        username=account.username,
        now=current,
        before=before,
        changes=changes,
        days={day: known.get(day) for day in days_of(start, end)},
        followers={day: counts.get(day) for day in days_of(start, end)},
        followers_gained=deltas(counts, start=start, end=end),
        posts=sorted(
            (post for post in posts if day_of(post.posted_at) >= start), key=_rate, reverse=True
        ),
        best=best_times(_scored(posts, now)),
        unavailable=rows[-1].unavailable if rows else {},
        fetched_at=max((row.fetched_at for row in rows), default=None),
    )


async def read_client_reports(
    database: AsyncEngine, client_id: int, *, days: int, now: datetime
) -> list[Report]:
    """The report of each account of a client, in the order in which they were connected."""
    async with database.connect() as connection:
        found = await connection.execute(_ACCOUNTS, {"client_id": client_id})
        account_ids = found.scalars().all()
    return [await read_report(database, one, days=days, now=now) for one in account_ids]


async def read_post_deltas(
    database: AsyncEngine,
    *,
    account_id: int,
    post_id: str,
    name: str,
    start: date,
    end: date,
    went_live_on: date | None = None,
) -> list[Delta]:
    """What each day added to one counter of a post.

    Args:
        database: PostgreSQL.
        account_id: whose post.
        post_id: the platform's.
        name: of the counter, such as ``"likes"``.
        start: the first day.
        end: the last one, inclusive.
        went_live_on: when given and not before the first reading, the counter began at 0 there.
    """
    async with database.connect() as connection:
        rows = await connection.execute(
            _COUNTER, {"account_id": account_id, "post_id": post_id, "name": name, "end": end}
        )
        readings = {row.day: row.value for row in rows}
    is_whole = went_live_on is not None and min(readings, default=end) <= went_live_on
    return deltas(readings, start=start, end=end, baseline=0 if is_whole else None)


async def _read_posts(
    connection: AsyncConnection, account_id: int, *, since: datetime
) -> list[PostFigures]:
    rows = await connection.execute(_POSTS, {"account_id": account_id, "since": since})
    return [
        PostFigures(
            row.post_id,
            row.content_id,
            row.posted_at,
            row.figures,
            engagement_rate([row.figures]),
        )
        for row in rows
    ]


def _period(known: Mapping[date, Mapping[str, Any]], start: date, end: date) -> Period:
    days = [known[day] for day in days_of(start, end) if day in known]
    counts = [count for day in days if (count := day.get("followers")) is not None]
    return Period(
        start,
        end,
        len(days),
        totals_of(days),
        engagement_rate(days),
        counts[-1] if counts else None,
    )


def _rate(post: PostFigures) -> float:
    return -1.0 if post.engagement is None else post.engagement.value


def _scored(posts: Sequence[PostFigures], now: datetime) -> list[ScoredPost]:
    """Settled posts with their rates, all by the denominator that most of them have."""
    rated = [
        (post, post.engagement)
        for post in posts
        if post.engagement is not None and post.posted_at <= now - SETTLED_AFTER
    ]
    if not rated:
        return []
    ((by, _),) = Counter(rate.by for _, rate in rated).most_common(1)
    return [ScoredPost(post.posted_at, rate.value) for post, rate in rated if rate.by is by]
