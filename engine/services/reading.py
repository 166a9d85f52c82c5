"""Reads the comments of one account: which posts, how much of each, and what an absence means.

What to read is decided by ``engine.rules.watching``; here it is read, stored page by page, and the
progress kept. Nothing depends on two readings not overlapping: a comment is new by its row's key.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import AccountStopped, CircuitOpen, PlatformError, ReconnectNeeded, Throttled
from engine.ports import AccountAccess, Clock, CommentPage, FoundComment, InboxClient, SeenPost
from engine.rules.watching import (
    Reading,
    Watch,
    absences_of,
    is_explained,
    is_known_ground,
    may_read_whole,
    reading_of,
)
from engine.services.storing import InboxAccount, Stored, store
from engine.services.turns import Turns
from models.accounts import Platform

log = structlog.get_logger(__name__)

LEASE_S: Final = 90.0
RENEW_S: Final = 20.0
PAGE_LIMIT: Final = 2000  # of one list: 100,000 comments
FAULTS_LIMIT: Final = 3  # posts in a row that cannot be read end an account's run
STORE_TRIES: Final = 3  # two writers that bring the same comments may meet in a deadlock
DEADLOCK: Final = "40P01"

_RENEW = text("""
UPDATE collection_states SET lease_expires_at = now() + make_interval(secs => :lease_s)
WHERE platform_account_id = :id AND lease_number = :lease_number
RETURNING platform_account_id
""")

_WATCHES = text("""
SELECT platform_post_id, mark, comment_count, unexplained, calls, last_comment_at, read_at, swept_at
FROM watched_posts WHERE platform_account_id = :id AND posted_at >= :since
ORDER BY posted_at DESC
""")

_SAVE_WATCH = text("""
INSERT INTO watched_posts (platform_account_id, platform_post_id, posted_at, mark, comment_count,
    unexplained, calls, last_comment_at, read_at, swept_at, is_closed)
VALUES (:account_id, :post_id, :posted_at, :mark, :comment_count, :unexplained, :calls,
    (SELECT max(commented_at) FROM comments_inbox
     WHERE platform_account_id = :account_id AND platform_post_id = :post_id),
    :read_at, :swept_at, :is_closed)
ON CONFLICT (platform_account_id, platform_post_id) DO UPDATE
SET mark = excluded.mark, comment_count = excluded.comment_count,
    unexplained = excluded.unexplained, calls = excluded.calls,
    last_comment_at = excluded.last_comment_at, read_at = excluded.read_at,
    swept_at = excluded.swept_at, is_closed = excluded.is_closed
""")

_KNOWN = text("""
SELECT platform_comment_id AS id, missing_since IS NOT NULL AS is_suspected
FROM comments_inbox
WHERE platform_account_id = :account_id AND platform_post_id = :post_id AND deleted_at IS NULL
  AND first_seen_at < :before
  AND NOT is_hidden  -- YouTube lists none that is hidden, and it is there all the same
""")

_COUNT = text("""
SELECT count(*) FROM comments_inbox
WHERE platform_account_id = :account_id AND platform_post_id = :post_id AND deleted_at IS NULL
""")

_COUNT_THREADS = text("""
SELECT thread_id, count(*) AS replies FROM comments_inbox
WHERE platform_account_id = :account_id AND thread_id = ANY(CAST(:threads AS text[]))
  AND platform_comment_id <> thread_id AND deleted_at IS NULL
GROUP BY thread_id
""")

_MARK_ABSENT = text("""
UPDATE comments_inbox
SET deleted_at = CASE WHEN platform_comment_id = ANY(CAST(:gone AS text[])) THEN now() END,
    missing_since = coalesce(missing_since, now()), updated_at = now()
WHERE platform_account_id = :account_id
  AND platform_comment_id = ANY(CAST(:gone AS text[]) || CAST(:suspect AS text[]))
""")


@dataclass(frozen=True, slots=True)
class CollectingRules:
    """How far back posts are watched, and how often each is read whole for edits."""

    watch_days: float = 90.0
    sweep_s: float = 3600.0


@dataclass(slots=True)
class Claimed:
    """An account that this worker collects now, and what that came to so far.

    ``calls`` are those that looked for news, ``sweep_calls`` those of whole readings that were due
    for edits and late approvals alone.
    """

    id: int
    lease_number: int
    asked_at: datetime
    client_id: int
    weight: int
    platform: Platform
    platform_user_id: str
    is_open: bool
    sealed_token: bytes | None = field(repr=False)
    new: int = 0
    changed: int = 0
    gone: int = 0
    calls: int = 0
    sweep_calls: int = 0

    @property
    def account(self) -> InboxAccount:
        """Whose comments they are."""
        return InboxAccount(self.id, self.client_id, self.platform, self.platform_user_id)


class LeaseOver(Exception):
    """Another worker collects the account by now."""


class AccountReader:
    """One run over one account.

    Args:
        database: PostgreSQL.
        inbox: the platform's client.
        access: the account's.
        claimed: the account; counted in.
        turns: shared by all runs of this process; a page is stored in a turn.
        clock: the present.
        rules: how far and how often.
    """

    def __init__(
        self,
        *,
        database: AsyncEngine,
        inbox: InboxClient,
        access: AccountAccess,
        claimed: Claimed,
        turns: Turns,
        clock: Clock,
        rules: CollectingRules,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._access = access
        self._claimed = claimed
        self._turns = turns
        self._clock = clock
        self._rules = rules
        self._renewed_at = clock.monotonic()

    async def run(self) -> None:
        """Read what is new on every watched post.

        Raises:
            LeaseOver: somebody else goes on.
            PlatformError: it cannot go on now; what was read is kept.
        """
        since = self._clock.now() - timedelta(days=self._rules.watch_days)
        watches = await self._watches(since)
        faults = 0
        pages = self._inbox.watched_posts(self._access, since=since, known=list(watches))
        async for posts in self._counted(pages):
            for post in posts:
                try:
                    await self._read(post, watches.get(post.post_id))
                    faults = 0
                except (Throttled, CircuitOpen, ReconnectNeeded, AccountStopped):
                    raise
                except PlatformError as error:
                    # One post's bad luck, such as "does not exist" of one that does.
                    faults += 1
                    log.info("post not read", post_id=post.post_id, code=error.code)
                    if faults >= FAULTS_LIMIT:
                        raise

    async def _watches(self, since: datetime) -> dict[str, Watch]:
        """How far each post is read, the newest first."""
        async with self._database.connect() as connection:
            rows = await connection.execute(_WATCHES, {"id": self._claimed.id, "since": since})
            return {
                row["platform_post_id"]: Watch(
                    **{name: row[name] for name in Watch.__dataclass_fields__}
                )
                for row in rows.mappings()
            }

    async def _counted(
        self, pages: AsyncGenerator[Sequence[SeenPost], None]
    ) -> AsyncGenerator[Sequence[SeenPost], None]:
        try:
            async for posts in pages:
                self._claimed.calls += 1
                await self._renew()
                yield posts
        finally:
            await pages.aclose()

    async def _read(self, post: SeenPost, watch: Watch | None) -> None:
        now = self._clock.now()
        reading = reading_of(post, watch, now, sweep_s=self._rules.sweep_s)
        if reading is Reading.NONE:
            if watch is None:
                await self._save(post, Watch(swept_at=now), now)
            return
        if watch is None or reading is Reading.WHOLE:
            await self._read_whole(post, watch, now)
            return
        await self._read_news(post, now)
        if is_explained(post, watch, await self._count(post)):
            await self._save(post, watch, now)
        elif may_read_whole(watch, now):
            await self._read_whole(post, watch, now)
        # Otherwise its mark stays as it was, so that the next run looks again.

    async def _read_news(self, post: SeenPost, now: datetime) -> None:
        """Read from the newest on until known ground."""
        cursor: str | None = None
        for _ in range(PAGE_LIMIT):
            page = await self._page(post, cursor)
            stored = await self._store(page.comments)
            grown = await self._grown_threads(page.comments)
            for thread_id in grown:
                await self._read_thread(post, thread_id)
            times = [one.commented_at for one in page.comments if one.commented_at is not None]
            is_news = bool(stored or grown)
            oldest = min(times, default=None)
            if page.cursor is None or is_known_ground(
                post, is_news=is_news, oldest=oldest, now=now
            ):
                return
            cursor = page.cursor
        log.warning("a list without end", post_id=post.post_id)

    async def _read_whole(self, post: SeenPost, watch: Watch | None, now: datetime) -> None:
        """Read to the end, all replies too; what was not shown is looked for or gone."""
        is_sweep = watch is not None and post.mark is not None and post.mark == watch.mark
        before = self._claimed.calls
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(PAGE_LIMIT):
            page = await self._page(post, cursor)
            await self._store(page.comments)
            seen.update(one.comment_id for one in page.comments)
            for one in page.comments:
                if not one.has_all_replies:
                    seen |= await self._read_thread(post, one.thread_id)
            cursor = page.cursor
            if cursor is None:
                break
        cost = self._claimed.calls - before
        if is_sweep:
            self._claimed.calls = before
            self._claimed.sweep_calls += cost
        is_whole = cursor is None
        is_settled = is_whole and await self._settle_absences(post, seen, now)
        unexplained = 0
        if post.comment_count is not None:
            unexplained = post.comment_count - await self._count(post)
        read = Watch(swept_at=now, calls=max(1, cost), unexplained=unexplained)
        await self._save(post, read, now, is_marked=is_settled)

    async def _read_thread(self, post: SeenPost, thread_id: str) -> set[str]:
        """All replies of a thread; gives their ids."""
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(PAGE_LIMIT):
            self._claimed.calls += 1
            page = await self._inbox.read_replies(self._access, post.post_id, thread_id, cursor)
            await self._store(page.comments)
            seen.update(one.comment_id for one in page.comments)
            cursor = page.cursor
            if cursor is None:
                break
        return seen

    async def _page(self, post: SeenPost, cursor: str | None) -> CommentPage:
        await self._renew()
        self._claimed.calls += 1
        return await self._inbox.read_comments(self._access, post.post_id, cursor)

    async def _store(self, comments: Sequence[FoundComment]) -> Stored:
        if not comments:
            return Stored((), ())
        async with self._turns.turn(self._claimed.client_id, self._claimed.weight):
            stored = await store_patiently(self._database, self._claimed.account, comments)
        self._claimed.new += len(stored.new)
        self._claimed.changed += len(stored.changed)
        return stored

    async def _grown_threads(self, comments: Sequence[FoundComment]) -> Collection[str]:
        """Threads of a page of which the platform has more replies, or fewer, than we."""
        partly = [one for one in comments if not one.has_all_replies]
        if not partly:
            return ()
        async with self._database.connect() as connection:
            rows = await connection.execute(
                _COUNT_THREADS,
                {
                    "account_id": self._claimed.id,
                    "threads": [one.thread_id for one in partly],
                },
            )
            ours = {row.thread_id: row.replies for row in rows}
        return [one.thread_id for one in partly if one.reply_count != ours.get(one.thread_id, 0)]

    async def _settle_absences(self, post: SeenPost, seen: set[str], began_at: datetime) -> bool:
        """Note what the whole reading lacked; False when it has to be looked for once more."""
        async with self._database.begin() as connection:
            rows = (
                await connection.execute(
                    _KNOWN,
                    {
                        "account_id": self._claimed.id,
                        "post_id": post.post_id,
                        "before": began_at,
                    },
                )
            ).all()
            absences = absences_of(
                {row.id for row in rows},
                seen,
                {row.id for row in rows if row.is_suspected},
                post.comment_count,
            )
            if absences.gone or absences.suspect:
                await connection.execute(
                    _MARK_ABSENT,
                    {
                        "account_id": self._claimed.id,
                        "gone": sorted(absences.gone),
                        "suspect": sorted(absences.suspect),
                    },
                )
        self._claimed.gone += len(absences.gone)
        return not absences.suspect

    async def _count(self, post: SeenPost) -> int:
        async with self._database.connect() as connection:
            count = await connection.execute(
                _COUNT, {"account_id": self._claimed.id, "post_id": post.post_id}
            )
            return int(count.scalar_one())

    async def _save(
        self, post: SeenPost, read: Watch, now: datetime, *, is_marked: bool = True
    ) -> None:
        """Keep how far a post is read. Without its mark it is read once more in the next run."""
        async with self._database.begin() as connection:
            await connection.execute(
                _SAVE_WATCH,
                {
                    "account_id": self._claimed.id,
                    "post_id": post.post_id,
                    "posted_at": post.posted_at,
                    "mark": post.mark if is_marked else None,
                    "comment_count": post.comment_count,
                    "unexplained": read.unexplained,
                    "calls": read.calls,
                    "read_at": now,
                    "swept_at": read.swept_at,
                    "is_closed": post.is_closed,
                },
            )

    async def _renew(self) -> None:
        """Lengthen the lease now and then.

        Raises:
            LeaseOver: it is not ours any more.
        """
        if self._clock.monotonic() - self._renewed_at < RENEW_S:
            return
        self._renewed_at = self._clock.monotonic()
        async with self._database.begin() as connection:
            renewed = await connection.execute(
                _RENEW,
                {
                    "id": self._claimed.id,
                    "lease_number": self._claimed.lease_number,
                    "lease_s": LEASE_S,
                },
            )
            if renewed.first() is None:
                raise LeaseOver


async def store_patiently(
    database: AsyncEngine, account: InboxAccount, comments: Sequence[FoundComment]
) -> Stored:
    """Store in a transaction of its own, again if it met another writer in a deadlock."""
    for attempt in range(STORE_TRIES):
        try:
            async with database.begin() as connection:
                return await store(connection, account, comments)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != DEADLOCK or attempt == STORE_TRIES - 1:
                raise
            await asyncio.sleep(0.05 * (attempt + 1))
    raise AssertionError("the last try returns or raises")
