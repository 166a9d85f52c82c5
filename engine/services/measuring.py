"""Reads figures of accounts and posts from the platforms into ``analytics_snapshots``.

A row is what one day is known to have been, so reading again replaces and never adds: today, and
the two days before for as long as platforms correct them. Posts' counters are kept as they stand;
what a day added is worked out when reading (:mod:`engine.rules.figures`).
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import InvalidCommand, PlatformError, ReconnectNeeded, Throttled
from engine.ports import AccountAccess, Figures, InsightsClient, PostReference
from engine.rules.calendar import bounds_of, day_of
from engine.rules.figures import CUMULATIVE_OF_ACCOUNT, merged
from engine.services import current_figures
from engine.services.disconnecting import disconnect
from engine.services.ending import hold
from engine.services.outboxing import consume
from models.accounts import Platform, TokenUnreadable, TokenVault

log = structlog.get_logger(__name__)

CORRECTED_DAYS: Final = 2  # Meta's figures are up to 48 hours late; read 2026-11-23
POSTS_FOR: Final = timedelta(days=90)
POSTS_OF_A_CALL: Final = 50  # what was read is kept when a later page is refused
# Old posts hardly change and would take most of the calls, so they are read once a day.
FRESH_FOR: Final = timedelta(days=7)
# A story is gone after a day, and its figures a day after that.
STORY_FOR: Final = timedelta(days=2)

_ASK = text("""
INSERT INTO outbox (kind, key, actor, payload, trace_id)
SELECT 'message', 'figures:' || usable.id || ':' || CAST(:run AS text),
       'collect_account_analytics',
       jsonb_build_object('args', jsonb_build_array(usable.id), 'kwargs', '{}'::jsonb),
       replace(CAST(gen_random_uuid() AS text), '-', '')
FROM (
    SELECT a.id, row_number() OVER (PARTITION BY a.client_id ORDER BY a.id) AS turn
    FROM platform_accounts a
    LEFT JOIN platform_holds h ON h.platform = a.platform AND h.held_until > :now
    WHERE a.status = 'active' AND a.sealed_token IS NOT NULL AND h.platform IS NULL
      AND (a.held_until IS NULL OR a.held_until <= :now)
) AS usable
ORDER BY usable.turn, usable.id
ON CONFLICT (key) DO NOTHING
RETURNING id
""")

_ACCOUNT = text("""
SELECT a.id, a.client_id, a.platform, a.platform_user_id, a.status, a.sealed_token,
       greatest(a.held_until, h.held_until) AS held_until
FROM platform_accounts a LEFT JOIN platform_holds h ON h.platform = a.platform
WHERE a.id = :account_id
""")

_KNOWN = text("""
SELECT platform_post_id AS post_id, day, figures, unavailable FROM analytics_snapshots
WHERE platform_account_id = :account_id AND day >= :oldest
""")

_POSTS = text("""
SELECT DISTINCT ON (post_id) post_id, kind, content_id, posted_at FROM (
    SELECT l.platform_post_id AS post_id, l.kind, l.content_id,
           coalesce(l.sent_at, l.due_at) AS posted_at
    FROM publishing_logs l JOIN contents c ON c.id = l.content_id
    WHERE l.platform_account_id = :account_id AND l.status = 'success'
      AND l.platform_post_id IS NOT NULL
      AND coalesce(l.sent_at, l.due_at) >= CASE WHEN c.format = 'story'
          THEN CAST(:oldest_story AS timestamptz) ELSE CAST(:oldest AS timestamptz) END
    UNION ALL
    SELECT w.platform_post_id, NULL, NULL, w.posted_at FROM watched_posts w
    WHERE w.platform_account_id = :account_id AND w.posted_at >= :oldest
) AS posts
ORDER BY post_id, content_id NULLS LAST
""")

# A reading that began earlier never replaces a later one, whichever worker ends first.
_WRITE = text("""
INSERT INTO analytics_snapshots AS known (client_id, platform_account_id, platform_post_id,
    content_id, day, figures, unavailable, fetched_at)
SELECT :client_id, :account_id, r.post_id, r.content_id, r.day, r.figures, r.unavailable,
       :fetched_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
    post_id text, content_id bigint, day date, figures jsonb, unavailable jsonb)
ORDER BY r.post_id, r.day
ON CONFLICT (platform_account_id, platform_post_id, day) DO UPDATE
SET figures = excluded.figures, unavailable = excluded.unavailable,
    content_id = coalesce(excluded.content_id, known.content_id), fetched_at = excluded.fetched_at
WHERE known.fetched_at <= excluded.fetched_at
""")


@dataclass(slots=True)
class Measurement:
    """What a reading brought: rows of the account's days and of posts, and why it ended early."""

    days: int = 0
    posts: int = 0
    error: PlatformError | None = None


@dataclass(slots=True)
class _Reading:
    """What one reading knows and finds. Rows are by post (empty for the account) and day."""

    known: Mapping[tuple[str, date], Any]
    rows: dict[tuple[str, date], dict[str, Any]] = field(default_factory=dict)

    def refused(self, post_ids: Sequence[str], day: date) -> dict[str, str]:
        """What was refused today already. It is asked for again once a day: tomorrow."""
        rows = [self.known[post_id, day] for post_id in post_ids if (post_id, day) in self.known]
        return {name: code for row in rows for name, code in row.unavailable.items()}

    def keep(self, post_id: str, day: date, figures: Figures, content_id: int | None) -> None:
        """Note the figures of a day, in place of what was known of it."""
        known = self.known.get((post_id, day))
        old = {} if known is None else known.figures
        # What is withdrawn today still was what it was, above all on the days before.
        kept = {*figures.unavailable, *(() if post_id else CUMULATIVE_OF_ACCOUNT)}
        self.rows[post_id, day] = {
            "post_id": post_id,
            "content_id": content_id,
            "day": day.isoformat(),
            "figures": merged(old, figures.values, keep=kept),
            "unavailable": dict(figures.unavailable),
        }


async def ask_for_all(
    database: AsyncEngine, *, now: datetime, message_key: str | None = None
) -> int:
    """Have every usable account measured, one message each; gives how many.

    One account of each client after another, so that a client with a hundred of them does not keep
    the others waiting. Accounts that are not active, or held, are left out.
    """
    async with database.begin() as connection:
        if not await consume(connection, message_key):
            return 0
        run = message_key or now.isoformat()
        asked = (await connection.execute(_ASK, {"run": run, "now": now})).all()
    log.info("asked for figures", accounts=len(asked))
    return len(asked)


async def measure(
    database: AsyncEngine,
    redis: Redis,
    *,
    account_id: int,
    clients: Mapping[Platform, InsightsClient],
    vault: TokenVault,
    now: datetime,
    message_key: str | None = None,
) -> Measurement:
    """Read the figures of an account and its posts, and keep them. May be repeated.

    What was read before the platform refused the rest is kept. A throttled account or platform is
    held; other faults are logged, and the next collection reads again.

    Args:
        database: PostgreSQL.
        redis: where the current figures are cached; it may be away.
        account_id: whose.
        clients: the reader of each platform.
        vault: opens the account's token.
        now: aware; says which day is today in Asia/Seoul.
        message_key: consumed with the rows when a message asked for it.

    Raises:
        InvalidCommand: there is no such account.
    """
    today = day_of(now)
    async with database.connect() as connection:
        account = (await connection.execute(_ACCOUNT, {"account_id": account_id})).one_or_none()
        if account is None:
            raise InvalidCommand(f"there is no account {account_id}")
        oldest = today - timedelta(days=CORRECTED_DAYS)
        found = await connection.execute(_KNOWN, {"account_id": account_id, "oldest": oldest})
        reading = _Reading({(row.post_id, row.day): row for row in found})
        posts = (
            await connection.execute(
                _POSTS,
                {
                    "account_id": account_id,
                    "oldest": now - POSTS_FOR,
                    "oldest_story": now - STORY_FOR,
                },
            )
        ).all()
    measurement = Measurement()
    access = _access(account, vault, now)
    client = clients.get(Platform(account.platform))
    if access is not None and client is not None:
        try:
            await _read_days(client, access, reading, today)
            await _read_posts(client, access, reading, posts, now)
        except PlatformError as error:
            measurement.error = error
            log.warning(
                "figures not read",
                account_id=account_id,
                platform=account.platform,
                code=error.code,
                fault=type(error).__name__,
            )
    await _write(database, account, reading, measurement, now=now, message_key=message_key)
    if reading.rows:
        await _refresh_cache(database, redis, account_id)
    return measurement


def _access(account: Row[Any], vault: TokenVault, now: datetime) -> AccountAccess | None:
    """The right to read, or None when the account is not to be used now."""
    is_held = account.held_until is not None and account.held_until > now
    if account.status != "active" or account.sealed_token is None or is_held:
        return None
    try:
        return AccountAccess(account.platform_user_id, vault.open(account.sealed_token))
    except TokenUnreadable:
        log.warning("figures not read: the token does not open", account_id=account.id)
        return None


async def _read_days(
    client: InsightsClient, access: AccountAccess, reading: _Reading, today: date
) -> None:
    """Today, and the days that platforms still correct."""
    without = reading.refused([""], today)
    for back in range(CORRECTED_DAYS + 1):
        day = today - timedelta(days=back)
        start, end = bounds_of(day)
        figures = await client.read_account(access, start=start, end=end, without=without)
        reading.keep("", day, figures, None)
        without = {**without, **figures.unavailable}


async def _read_posts(
    client: InsightsClient,
    access: AccountAccess,
    reading: _Reading,
    posts: Sequence[Row[Any]],
    now: datetime,
) -> None:
    """Each kind by itself: what one kind is refused, another may have."""
    today = day_of(now)
    by_kind: dict[str | None, list[Row[Any]]] = defaultdict(list)
    for post in posts:
        is_fresh = post.posted_at > now - FRESH_FOR
        if is_fresh or (post.post_id, today) not in reading.known:
            by_kind[post.kind].append(post)
    for kind, some in by_kind.items():
        content_of = {post.post_id: post.content_id for post in some}
        without = reading.refused(list(content_of), today)
        ids = list(content_of)
        for first in range(0, len(ids), POSTS_OF_A_CALL):
            page = [PostReference(one, kind) for one in ids[first : first + POSTS_OF_A_CALL]]
            found = await client.read_posts(access, page, without=without)
            for post_id, figures in found.items():
                reading.keep(post_id, today, figures, content_of.get(post_id))
                without = {**without, **figures.unavailable}


async def _write(
    database: AsyncEngine,
    account: Row[Any],
    reading: _Reading,
    measurement: Measurement,
    *,
    now: datetime,
    message_key: str | None,
) -> None:
    async with database.begin() as connection:
        await consume(connection, message_key)
        if reading.rows:
            await connection.execute(
                _WRITE,
                {
                    "client_id": account.client_id,
                    "account_id": account.id,
                    "rows": json.dumps(list(reading.rows.values())),
                    "fetched_at": now,
                },
            )
        if isinstance(error := measurement.error, ReconnectNeeded):
            await disconnect(
                connection,
                account_id=account.id,
                used=account.sealed_token,
                code=error.code,
                now=now,
                trace_id=uuid4().hex,
            )
        if isinstance(error := measurement.error, Throttled):
            until = now + timedelta(seconds=error.retry_after_s)
            await hold(connection, account.id, Platform(account.platform), error, until=until)
    measurement.days = sum(not post_id for post_id, _ in reading.rows)
    measurement.posts = len(reading.rows) - measurement.days


async def _refresh_cache(database: AsyncEngine, redis: Redis, account_id: int) -> None:
    """Redis holds a copy only, so that its absence costs nothing but time."""
    try:
        await current_figures.refresh(database, redis, account_id)
    except (RedisError, OSError) as error:
        log.warning("figures not cached", account_id=account_id, error=str(error))
