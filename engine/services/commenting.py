"""First comments: what an account writes under its own post, once that is live.

A comment is visible and no platform takes an idempotency key for it, so it has the same ledger as a
post: an attempt is committed before the call, and what is unknown afterwards is only decided by
reading. It never touches the post, which stays published whatever becomes of its comment.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import (
    AccountStopped,
    CircuitOpen,
    NotSent,
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    RetryLater,
    Throttled,
    Unsupported,
)
from engine.ports import AccountAccess, Clock, PlatformClient
from engine.rules.doubt import next_look_s
from engine.rules.explaining import explain_comment
from engine.rules.matching import CLOCK_MARGIN, normalise
from engine.rules.retry import backoff_s
from engine.services.disconnecting import disconnect
from engine.services.ending import TOKEN_WAIT
from engine.services.ledger import close_attempt
from engine.services.notifying import notify
from models.accounts import Platform, TokenUnreadable, TokenVault
from models.events import Reference
from models.publishing import CommentStatus
from models.words import Priority

log = structlog.get_logger(__name__)

SWEEP_S: Final = 2.0
AT_ONCE: Final = 8
LEASE_MARGIN_S: Final = 30.0  # beyond the call's own time-out, so that no lease ends under a call

UNREADABLE_LIMIT: Final = timedelta(hours=24)
"""A platform that is down is asked for this long before a person is."""

OWNER_PATIENCE: Final = timedelta(hours=24)
"""An account's owner has this long to connect it again before the comment counts as failed."""

_RESCUE = text("""
UPDATE first_comments
SET status = 'in_doubt', lease_owner = NULL, lease_expires_at = NULL, act_at = now(),
    updated_at = now()
WHERE status = 'sending' AND lease_expires_at < now()
""")

_CLAIM = text("""
WITH due AS (
    SELECT f.publishing_log_id AS id
    FROM first_comments f
    JOIN publishing_logs p ON p.id = f.publishing_log_id
    JOIN platform_accounts w ON w.id = p.platform_account_id
    WHERE f.status IN ('pending', 'in_doubt') AND f.act_at <= now()
      -- One whose account waits for its owner waits with it, for a day.
      AND NOT (f.status = 'pending' AND w.status = 'reconnect_needed'
               AND f.created_at > now() - make_interval(secs => :patience_s))
      AND (f.lease_owner IS NULL OR f.lease_expires_at < now())
    ORDER BY f.act_at
    LIMIT :limit
    FOR UPDATE OF f SKIP LOCKED
)
UPDATE first_comments f
SET lease_owner = :owner, lease_number = f.lease_number + 1,
    lease_expires_at = now() + make_interval(secs => :lease_s), updated_at = now()
FROM due, publishing_logs l, contents c, platform_accounts a
WHERE f.publishing_log_id = due.id AND l.id = due.id AND c.id = l.content_id
  AND a.id = l.platform_account_id
RETURNING f.publishing_log_id AS id, f.message, f.status, f.retry_count, f.sent_at, f.lease_number,
    f.created_at, l.platform_account_id AS account_id,
    l.content_id, l.platform_post_id AS post_id, l.status = 'success' AS is_live, l.kind,
    l.trace_id, c.title, c.created_by AS author_id, a.platform, a.platform_user_id, a.sealed_token
""")

_BEGIN = text("""
WITH moved AS (
    UPDATE first_comments
    SET status = 'sending', sent_at = clock_timestamp(), updated_at = now()
    WHERE publishing_log_id = :id AND lease_number = :lease_number AND status = 'pending'
      AND lease_expires_at > clock_timestamp()
    RETURNING publishing_log_id
)
INSERT INTO publishing_attempts
    (publishing_log_id, number, lease_number, call, is_visible, started_at)
SELECT publishing_log_id,
       1 + coalesce((SELECT max(number) FROM publishing_attempts WHERE publishing_log_id = :id), 0),
       :lease_number, 'first comment', true, clock_timestamp()
FROM moved
RETURNING id
""")

_MOVE = text("""
UPDATE first_comments
SET status = :after, act_at = coalesce(CAST(:act_at AS timestamptz), act_at),
    retry_count = :retry_count,
    platform_comment_id = coalesce(:comment_id, platform_comment_id),
    error_code = :error_code, error_message = :error_message,
    lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
WHERE publishing_log_id = :id AND lease_number = :lease_number AND status = :before
""")


@dataclass(slots=True)
class ClaimedComment:
    """A first comment that this worker holds, and the live post that it belongs under."""

    id: int
    message: str
    status: CommentStatus
    retry_count: int
    sent_at: datetime | None
    lease_number: int
    created_at: datetime
    account_id: int
    content_id: int
    post_id: str
    is_live: bool
    kind: str
    trace_id: str
    title: str
    author_id: int
    platform: Platform
    platform_user_id: str
    sealed_token: bytes | None = field(repr=False)


class Commenter:
    """Writes first comments, and finds out what became of those whose answer was lost.

    Args:
        database: PostgreSQL.
        platforms: the client of each platform.
        vault: opens the accounts' tokens.
        clock: compared with the times of comments.
        owner: this process's name in leases.
        publish_timeout_s: how long a call may take.
        retry_base_s: seconds before the first retry.
        retry_max: retries after a refusal that may pass.
        give_up_s: no comment in the list after this long means that there is none.
        random: source of jitter.
    """

    def __init__(
        self,
        *,
        database: AsyncEngine,
        platforms: Mapping[Platform, PlatformClient],
        vault: TokenVault,
        clock: Clock,
        owner: str,
        publish_timeout_s: float,
        retry_base_s: float,
        retry_max: int,
        give_up_s: float,
        random: Random,
    ) -> None:
        self._database = database
        self._platforms = platforms
        self._vault = vault
        self._clock = clock
        self._owner = owner
        self._lease_s = publish_timeout_s + LEASE_MARGIN_S
        self._retry_base_s = retry_base_s
        self._retry_max = retry_max
        self._give_up = timedelta(seconds=give_up_s)
        self._random = random

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set; a comment on the wire is finished first."""
        while not stopping.is_set():
            try:
                found = await self.work_once()
            except Exception as error:  # noqa: BLE001  # the database is away: the next sweep tries
                log.warning("cannot write first comments", error=str(error).splitlines()[:1])
                found = 0
            if not found:
                try:
                    await asyncio.wait_for(stopping.wait(), SWEEP_S)
                except TimeoutError:
                    continue

    async def work_once(self) -> int:
        """Act on every first comment that is due, a handful at once; gives how many."""
        async with self._database.begin() as connection:
            await connection.execute(_RESCUE)
            rows = await connection.execute(
                _CLAIM,
                {
                    "owner": self._owner,
                    "lease_s": self._lease_s,
                    "limit": AT_ONCE,
                    "patience_s": OWNER_PATIENCE.total_seconds(),
                },
            )
            claims = [
                ClaimedComment(
                    **{
                        **row,
                        "status": CommentStatus(row["status"]),
                        "platform": Platform(row["platform"]),
                        "kind": row["kind"] or "",
                    }
                )
                for row in rows.mappings()
            ]
        await asyncio.gather(*(self._carry(claimed) for claimed in claims))
        return len(claims)

    async def _carry(self, claimed: ClaimedComment) -> None:
        with structlog.contextvars.bound_contextvars(
            trace_id=claimed.trace_id, content_id=claimed.content_id, log_id=claimed.id
        ):
            try:
                await self._act(claimed)
            except Exception:  # one bad row must not stop the others; its lease brings it back
                log.exception("first comment put off after a fault of ours")

    async def _act(self, claimed: ClaimedComment) -> None:
        platform, access = self._platforms.get(claimed.platform), self._access(claimed)
        is_in_doubt = claimed.status is CommentStatus.IN_DOUBT
        if not claimed.is_live:
            await self._end(claimed, CommentStatus.FAILED, code="post_deleted")
        elif platform is None or access is None:
            if is_in_doubt:  # it may well stand there: that nobody can look proves nothing
                await self._cannot_look(claimed, is_lasting=True)
            else:
                await self._end(claimed, CommentStatus.FAILED, code="account_without_token")
        elif is_in_doubt:
            await self._look(claimed, platform, access)
        elif not platform.traits_of(claimed.kind).takes_comments:
            await self._end(claimed, CommentStatus.FAILED, code="comments_unsupported")
        else:
            await self._send(claimed, platform, access)

    def _access(self, claimed: ClaimedComment) -> AccountAccess | None:
        if claimed.sealed_token is None:
            return None
        try:
            return AccountAccess(claimed.platform_user_id, self._vault.open(claimed.sealed_token))
        except TokenUnreadable:
            return None

    async def _send(
        self, claimed: ClaimedComment, platform: PlatformClient, access: AccountAccess
    ) -> None:
        async with self._database.begin() as connection:
            begun = await connection.execute(
                _BEGIN, {"id": claimed.id, "lease_number": claimed.lease_number}
            )
            attempt_id: int | None = begun.scalar_one_or_none()
        if attempt_id is None:
            return
        claimed.status = CommentStatus.SENDING
        try:
            comment_id = await platform.comment(access, claimed.post_id, claimed.message)
        except PlatformError as error:
            await self._end_badly(claimed, error, attempt_id)
            return
        async with self._database.begin() as connection:
            await close_attempt(connection, attempt_id, "accepted", {"comment_id": comment_id})
            await self._move(connection, claimed, CommentStatus.SUCCESS, comment_id=comment_id)
        log.info("first comment written", comment_id=comment_id)

    async def _end_badly(
        self, claimed: ClaimedComment, error: PlatformError, attempt_id: int
    ) -> None:
        log.warning("first comment not written", code=error.code, error=str(error))
        now = self._clock.now()
        is_unknown = isinstance(error, OutcomeUnknown)
        outcome = "unknown" if is_unknown else "refused"
        seen = {"code": error.code, "message": str(error), **error.evidence}
        async with self._database.begin() as connection:
            await close_attempt(
                connection, attempt_id, "not_sent" if isinstance(error, NotSent) else outcome, seen
            )
            match error:
                case OutcomeUnknown():
                    await self._move(connection, claimed, CommentStatus.IN_DOUBT, act_at=now)
                case Throttled() | CircuitOpen():
                    wait = timedelta(seconds=error.retry_after_s)
                    await self._move(connection, claimed, CommentStatus.PENDING, act_at=now + wait)
                case ReconnectNeeded() if now - claimed.created_at < OWNER_PATIENCE:
                    await disconnect(
                        connection,
                        account_id=claimed.account_id,
                        used=claimed.sealed_token,
                        code=error.code,
                        now=now,
                        trace_id=claimed.trace_id,
                    )
                    await self._move(
                        connection, claimed, CommentStatus.PENDING, act_at=now + TOKEN_WAIT
                    )
                case RetryLater() | NotSent() if claimed.retry_count < self._retry_max:
                    await self._retry(connection, claimed)
                case _:
                    await self._finish(
                        connection, claimed, CommentStatus.FAILED, code=error.code, why=str(error)
                    )

    async def _look(
        self, claimed: ClaimedComment, platform: PlatformClient, access: AccountAccess
    ) -> None:
        in_doubt_for = self._in_doubt_for(claimed)
        sent_at = claimed.sent_at or self._clock.now()
        try:
            comments = await platform.list_comments(access, claimed.post_id, sent_at - CLOCK_MARGIN)
        except Unsupported:
            await self._end(claimed, CommentStatus.NEEDS_PERSON, code="comment_undecidable")
            return
        except PlatformError as error:
            log.info("cannot look for the first comment", code=error.code)
            is_lasting = isinstance(error, ReconnectNeeded | AccountStopped)
            await self._cannot_look(claimed, is_lasting=is_lasting)
            return
        wanted = normalise(claimed.message)
        matches = [one.comment_id for one in comments if normalise(one.text) == wanted]
        if len(matches) > 1:
            await self._end(claimed, CommentStatus.NEEDS_PERSON, code="comment_undecidable")
        elif matches:
            async with self._database.begin() as connection:
                await self._move(connection, claimed, CommentStatus.SUCCESS, comment_id=matches[0])
            log.info("first comment found", comment_id=matches[0])
        elif in_doubt_for < self._give_up:
            await self._look_again(claimed, in_doubt_for)
        elif claimed.retry_count < self._retry_max:
            async with self._database.begin() as connection:
                await self._retry(connection, claimed)
        else:
            await self._end(claimed, CommentStatus.FAILED, code="retries_exhausted")

    async def _cannot_look(self, claimed: ClaimedComment, *, is_lasting: bool) -> None:
        in_doubt_for = self._in_doubt_for(claimed)
        if in_doubt_for >= (self._give_up if is_lasting else UNREADABLE_LIMIT):
            await self._end(claimed, CommentStatus.NEEDS_PERSON, code="comment_undecidable")
        else:
            await self._look_again(claimed, in_doubt_for)

    def _in_doubt_for(self, claimed: ClaimedComment) -> timedelta:
        now = self._clock.now()
        return now - (claimed.sent_at or now)

    async def _look_again(self, claimed: ClaimedComment, in_doubt_for: timedelta) -> None:
        pause = timedelta(seconds=next_look_s(in_doubt_for, wait=self._give_up))
        async with self._database.begin() as connection:
            await self._move(
                connection, claimed, CommentStatus.IN_DOUBT, act_at=self._clock.now() + pause
            )

    async def _retry(self, connection: AsyncConnection, claimed: ClaimedComment) -> None:
        wait_s = backoff_s(claimed.retry_count, base_s=self._retry_base_s, random=self._random)
        await self._move(
            connection,
            claimed,
            CommentStatus.PENDING,
            act_at=self._clock.now() + timedelta(seconds=wait_s),
            retry_count=claimed.retry_count + 1,
        )

    async def _end(self, claimed: ClaimedComment, after: CommentStatus, *, code: str) -> None:
        async with self._database.begin() as connection:
            await self._finish(connection, claimed, after, code=code)

    async def _finish(
        self,
        connection: AsyncConnection,
        claimed: ClaimedComment,
        after: CommentStatus,
        *,
        code: str,
        why: str = "",
    ) -> None:
        """End it without a comment, or without knowing, and tell the post's author."""
        title, message = explain_comment(claimed.title, claimed.platform, code, why)
        if await self._move(connection, claimed, after, error_code=code, error_message=message):
            await notify(
                connection,
                key=f"first_comment:{claimed.id}:{claimed.lease_number}",
                user_id=claimed.author_id,
                title=title,
                message=message,
                priority=Priority.NORMAL,
                reference=Reference(kind="content", id=claimed.content_id),
                trace_id=claimed.trace_id,
            )

    async def _move(
        self,
        connection: AsyncConnection,
        claimed: ClaimedComment,
        after: CommentStatus,
        *,
        act_at: datetime | None = None,
        retry_count: int | None = None,
        comment_id: str | None = None,
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> bool:
        values: dict[str, Any] = {
            "id": claimed.id,
            "lease_number": claimed.lease_number,
            "before": claimed.status,
            "after": after,
            "act_at": act_at,
            "retry_count": claimed.retry_count if retry_count is None else retry_count,
            "comment_id": comment_id,
            "error_code": error_code,
            "error_message": error_message,
        }
        return bool((await connection.execute(_MOVE, values)).rowcount)
