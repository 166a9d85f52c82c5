"""Answers to comments: approved by a person, sent once.

A reply is visible and no platform takes an idempotency key for it, so it has the ledger of a post:
an attempt is committed before the call, every write carries the lease's number, and what is unknown
afterwards is only decided by reading. Retries are due times in the row.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import (
    AccountStopped,
    CircuitOpen,
    InvalidCommand,
    LeaseLost,
    NotSent,
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    RetryLater,
    Throttled,
)
from engine.ports import AccountAccess, Clock, FoundComment, InboxClient
from engine.rules.doubt import next_look_s
from engine.rules.explaining import explain_reply
from engine.rules.matching import CLOCK_MARGIN, normalise
from engine.rules.retry import backoff_s
from engine.services.disconnecting import disconnect
from engine.services.ending import TOKEN_WAIT, hold, stop_account
from engine.services.notifying import notify
from engine.services.outboxing import consume
from engine.services.storing import InboxAccount, store
from models.accounts import Platform, TokenUnreadable, TokenVault
from models.events import Reference
from models.words import Priority, ReplyStatus

log = structlog.get_logger(__name__)

SWEEP_S: Final = 2.0
AT_ONCE: Final = 8
LEASE_MARGIN_S: Final = 45.0  # beyond the call's own time-out, so that no lease ends under a call
RETRY_BASE_S: Final = 60.0
UNREADABLE_LIMIT: Final = timedelta(hours=24)
"""A platform that is down is asked for this long before a person is."""

_ASK = text("""
UPDATE comment_replies
SET is_asked = true, act_at = CASE WHEN is_asked THEN act_at ELSE now() END, updated_at = now()
WHERE id = :id AND status = 'approved'
RETURNING id
""")

_RESCUE = text("""
UPDATE comment_replies
SET status = 'in_doubt', lease_owner = NULL, lease_expires_at = NULL, act_at = now(),
    updated_at = now()
WHERE status = 'sending' AND lease_expires_at < now()
""")

# What cannot be sent now waits: its account is not active, or that or its platform is held. What is
# in doubt is looked at all the same.
_CLAIM = text("""
WITH due AS (
    SELECT r.id
    FROM comment_replies r
    JOIN comments_inbox c ON c.id = r.comment_id
    JOIN platform_accounts a ON a.id = c.platform_account_id
    LEFT JOIN platform_holds h ON h.platform = a.platform AND h.held_until > now()
    WHERE r.act_at <= now() AND (r.lease_owner IS NULL OR r.lease_expires_at < now())
      AND (r.status = 'in_doubt'
           OR r.status = 'approved' AND r.is_asked AND a.status = 'active'
              AND (a.held_until IS NULL OR a.held_until <= now()) AND h.platform IS NULL)
    ORDER BY r.act_at
    LIMIT :limit
    FOR UPDATE OF r SKIP LOCKED
)
UPDATE comment_replies r
SET lease_owner = :owner, lease_number = r.lease_number + 1,
    lease_expires_at = now() + make_interval(secs => :lease_s), updated_at = now()
FROM due, comments_inbox c, platform_accounts a
WHERE r.id = due.id AND c.id = r.comment_id AND a.id = c.platform_account_id
RETURNING r.id, r.message, r.status, r.retry_count, r.sent_at, r.lease_number, r.parts, r.trace_id,
    r.created_by AS author_id, c.platform_comment_id AS comment_id, c.platform_post_id AS post_id,
    c.thread_id, c.author_name, c.deleted_at IS NOT NULL AS is_gone, c.is_hidden,
    a.id AS account_id, a.client_id, a.platform, a.platform_user_id, a.sealed_token
""")

# The token is read again with the step: it may have been renewed since the claim.
_BEGIN = text("""
WITH moved AS (
    UPDATE comment_replies r
    SET status = 'sending', sent_at = clock_timestamp(), updated_at = now()
    FROM comments_inbox c, platform_accounts a
    WHERE r.id = :id AND r.lease_number = :lease_number AND r.status = 'approved'
      AND r.lease_expires_at > clock_timestamp()
      AND c.id = r.comment_id AND a.id = c.platform_account_id AND a.status = 'active'
    RETURNING r.id, a.sealed_token
), begun AS (
    INSERT INTO reply_attempts (reply_id, number, lease_number, started_at)
    SELECT id, 1 + coalesce((SELECT max(number) FROM reply_attempts WHERE reply_id = :id), 0),
           :lease_number, clock_timestamp()
    FROM moved
    RETURNING id
)
SELECT begun.id, moved.sealed_token FROM begun, moved
""")

_MOVE = text("""
UPDATE comment_replies
SET status = :after, act_at = coalesce(CAST(:act_at AS timestamptz), act_at),
    retry_count = :retry_count,
    platform_comment_id = coalesce(:reply_id, platform_comment_id),
    error_code = :error_code, error_message = :error_message,
    lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
WHERE id = :id AND lease_number = :lease_number AND status = :before
""")

_KEEP = text("""
UPDATE comment_replies SET parts = parts || CAST(:parts AS jsonb), updated_at = now()
WHERE id = :id AND lease_number = :lease_number
""")

_CLOSE = text("""
UPDATE reply_attempts
SET outcome = :outcome, finished_at = clock_timestamp(),
    evidence = evidence || CAST(:evidence AS jsonb)
WHERE id = :id
""")

# Whoever binds a live reply to one of several doubts in a thread does so alone.
_LOCK_THREAD = text("""
SELECT pg_advisory_xact_lock(hashtextextended('replies:' || :account_id || ':' || :thread_id, 0))
""")

# One statement, so that another reply is seen either on the wire or with what came of it.
_SIBLINGS = text("""
SELECT coalesce(array_agg(r.platform_comment_id)
                FILTER (WHERE r.platform_comment_id = ANY(CAST(:ids AS text[]))), '{}') AS bound,
       coalesce(bool_or(r.status = 'sending'), false) AS is_one_on_the_wire
FROM comment_replies r JOIN comments_inbox c ON c.id = r.comment_id
WHERE r.id <> :id AND c.platform_account_id = :account_id AND c.thread_id = :thread_id
""")


@dataclass(slots=True)
class ClaimedReply:
    """A reply that this worker holds, and the comment that it answers."""

    id: int
    message: str
    status: ReplyStatus
    retry_count: int
    sent_at: datetime | None
    lease_number: int
    parts: dict[str, Any]
    trace_id: str
    author_id: int
    comment_id: str
    post_id: str
    thread_id: str
    author_name: str | None
    is_gone: bool
    is_hidden: bool
    account_id: int
    client_id: int
    platform: Platform
    platform_user_id: str
    sealed_token: bytes | None = field(repr=False)


class Match(Enum):
    """What a list of the account's own replies says of one in doubt."""

    NONE = "none"
    BOUND = "bound"
    UNCERTAIN = "uncertain"  # another of the thread is on the wire, and may be the one that is seen
    SEVERAL = "several"


class ReplyParts:
    """``engine.ports.Parts`` of one reply, kept in its row."""

    def __init__(self, database: AsyncEngine, claimed: ClaimedReply) -> None:
        self._database = database
        self._claimed = claimed

    def get(self, name: str) -> Any:
        """See the port."""
        return self._claimed.parts.get(name)

    async def keep(self, **parts: Any) -> None:
        """See the port."""
        async with self._database.begin() as connection:
            kept = await connection.execute(
                _KEEP,
                {
                    "id": self._claimed.id,
                    "lease_number": self._claimed.lease_number,
                    "parts": json.dumps(parts, ensure_ascii=False),
                },
            )
            if not kept.rowcount:
                raise LeaseLost(f"reply {self._claimed.id} is somebody else's by now")
        self._claimed.parts.update(parts)


async def ask_to_send(database: AsyncEngine, *, reply_id: int, message_key: str | None) -> bool:
    """Have an approved reply sent as soon as a worker is free.

    Returns:
        False when there is nothing to do: it is on its way, or out.

    Raises:
        InvalidCommand: there is none, or nobody approved it.
    """
    async with database.begin() as connection:
        status = await connection.scalar(
            text("SELECT status FROM comment_replies WHERE id = :id FOR UPDATE"), {"id": reply_id}
        )
        if status is None:
            raise InvalidCommand(f"there is no reply {reply_id}")
        if status in (ReplyStatus.DRAFT, ReplyStatus.CANCELLED, ReplyStatus.FAILED):
            raise InvalidCommand(f"reply {reply_id} is {status}; only an approved one is sent")
        if not await consume(connection, message_key):
            return False
        return (await connection.execute(_ASK, {"id": reply_id})).first() is not None


class Replier:
    """Sends replies, and finds out what became of those whose answer was lost.

    Args:
        database: PostgreSQL.
        inboxes: the client of each platform's comments.
        vault: opens the accounts' tokens.
        clock: compared with the times of comments.
        owner: this process's name in leases.
        publish_timeout_s: how long a call may take.
        retry_max: retries after a refusal that may pass.
        give_up_s: no reply in the list after this long means that there is none.
        random: source of jitter.
        retry_base_s: seconds before the first retry.
    """

    def __init__(
        self,
        *,
        database: AsyncEngine,
        inboxes: Mapping[Platform, InboxClient],
        vault: TokenVault,
        clock: Clock,
        owner: str,
        publish_timeout_s: float,
        retry_max: int,
        give_up_s: float,
        random: Random,
        retry_base_s: float = RETRY_BASE_S,
    ) -> None:
        self._database = database
        self._inboxes = inboxes
        self._vault = vault
        self._clock = clock
        self._owner = owner
        self._lease_s = publish_timeout_s + LEASE_MARGIN_S
        self._retry_base_s = retry_base_s
        self._retry_max = retry_max
        self._give_up = timedelta(seconds=give_up_s)
        self._random = random
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A reply may be waiting."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set; a reply on the wire is finished first."""
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                self._wake.clear()
                try:
                    if await self.work_once():
                        continue
                except Exception as error:  # noqa: BLE001  # the database is away
                    log.warning("cannot send replies", error=str(error).splitlines()[:1])
                woken = asyncio.create_task(self._wake.wait())
                await asyncio.wait(
                    {stop, woken}, timeout=SWEEP_S, return_when=asyncio.FIRST_COMPLETED
                )
                woken.cancel()
        finally:
            stop.cancel()

    async def work_once(self) -> int:
        """Act on every reply that is due, a handful at once; gives how many."""
        async with self._database.begin() as connection:
            await connection.execute(_RESCUE)
            rows = await connection.execute(
                _CLAIM, {"owner": self._owner, "lease_s": self._lease_s, "limit": AT_ONCE}
            )
            claims = [
                ClaimedReply(
                    **{
                        **row,
                        "status": ReplyStatus(row["status"]),
                        "platform": Platform(row["platform"]),
                    }
                )
                for row in rows.mappings()
            ]
        await asyncio.gather(*(self._carry(claimed) for claimed in claims))
        return len(claims)

    async def _carry(self, claimed: ClaimedReply) -> None:
        with structlog.contextvars.bound_contextvars(
            trace_id=claimed.trace_id, reply_id=claimed.id
        ):
            try:
                await self._act(claimed)
            except LeaseLost:
                log.warning("a reply went to another worker")
            except Exception:  # one bad row must not stop the others; its lease brings it back
                log.exception("reply put off after a fault of ours")

    async def _act(self, claimed: ClaimedReply) -> None:
        inbox, access = self._inboxes.get(claimed.platform), self._access(claimed)
        is_in_doubt = claimed.status is ReplyStatus.IN_DOUBT
        if inbox is None or access is None:
            if is_in_doubt:  # it may well stand there: that nobody can look proves nothing
                await self._cannot_look(claimed, is_lasting=True)
            else:
                await self._end(claimed, ReplyStatus.FAILED, code="account_without_token")
        elif is_in_doubt:
            await self._look(claimed, inbox, access)
        elif claimed.is_gone:
            await self._end(claimed, ReplyStatus.FAILED, code="comment_deleted")
        elif claimed.is_hidden:
            await self._end(claimed, ReplyStatus.FAILED, code="comment_hidden")
        elif len(claimed.message) > inbox.traits.reply_limit:
            await self._end(claimed, ReplyStatus.FAILED, code="reply_too_long")
        else:
            await self._send(claimed, inbox)

    def _access(self, claimed: ClaimedReply) -> AccountAccess | None:
        if claimed.sealed_token is None:
            return None
        try:
            return AccountAccess(claimed.platform_user_id, self._vault.open(claimed.sealed_token))
        except TokenUnreadable:
            return None

    async def _send(self, claimed: ClaimedReply, inbox: InboxClient) -> None:
        async with self._database.begin() as connection:
            begun = await connection.execute(
                _BEGIN, {"id": claimed.id, "lease_number": claimed.lease_number}
            )
            row = begun.one_or_none()
        if row is None:
            return  # taken back, or its account is no longer active: nothing was sent
        claimed.status, claimed.sealed_token = ReplyStatus.SENDING, row.sealed_token
        access = self._access(claimed)
        if access is None:
            raise LeaseLost("the token went away in the moment of sending")
        try:
            reply_id = await inbox.reply(
                access,
                claimed.post_id,
                claimed.comment_id,
                claimed.message,
                ReplyParts(self._database, claimed),
            )
        except PlatformError as error:
            await self._end_badly(claimed, error, row.id)
            return
        async with self._database.begin() as connection:
            await _close(connection, row.id, "accepted", {"comment_id": reply_id})
            await self._record(connection, claimed, reply_id)

    async def _record(
        self, connection: AsyncConnection, claimed: ClaimedReply, reply_id: str
    ) -> None:
        """Keep that it is out: in its row, and in the inbox, which shows it from now on."""
        if not await self._move(connection, claimed, ReplyStatus.SUCCESS, reply_id=reply_id):
            log.warning("the reply is out, and another worker has it", comment_id=reply_id)
            return
        known = await connection.scalar(
            text("""
                SELECT 1 FROM comments_inbox
                WHERE platform_account_id = :account_id AND platform_comment_id = :id
            """),
            {"account_id": claimed.account_id, "id": reply_id},
        )
        if known is None:  # a poll may have been quicker, and knows its exact time
            await store(connection, _inbox_of(claimed), [self._as_found(claimed, reply_id)])
        log.info("reply sent", comment_id=reply_id)

    def _as_found(self, claimed: ClaimedReply, reply_id: str) -> FoundComment:
        return FoundComment(
            comment_id=reply_id,
            post_id=claimed.post_id,
            thread_id=claimed.thread_id,
            parent_id=claimed.comment_id,
            text=claimed.message,
            commented_at=self._clock.now(),
            author_id=claimed.platform_user_id,
            is_own=True,
        )

    async def _end_badly(
        self, claimed: ClaimedReply, error: PlatformError, attempt_id: int
    ) -> None:
        log.warning("reply not sent", code=error.code, error=str(error))
        now = self._clock.now()
        is_unknown = isinstance(error, OutcomeUnknown)
        outcome = "unknown" if is_unknown else "refused"
        seen = {"code": error.code, "message": str(error), **error.evidence}
        async with self._database.begin() as connection:
            await _close(
                connection, attempt_id, "not_sent" if isinstance(error, NotSent) else outcome, seen
            )
            match error:
                case OutcomeUnknown():
                    await self._move(connection, claimed, ReplyStatus.IN_DOUBT, act_at=now)
                case Throttled():
                    until = now + timedelta(seconds=error.retry_after_s)
                    await hold(connection, claimed.account_id, claimed.platform, error, until=until)
                    await self._wait(connection, claimed, error, until)
                case CircuitOpen():
                    until = now + timedelta(seconds=error.retry_after_s)
                    await self._wait(connection, claimed, error, until)
                case ReconnectNeeded():
                    await disconnect(
                        connection,
                        account_id=claimed.account_id,
                        used=claimed.sealed_token,
                        code=error.code,
                        now=now,
                        trace_id=claimed.trace_id,
                    )
                    await self._wait(connection, claimed, error, now + TOKEN_WAIT)
                case AccountStopped():
                    await stop_account(connection, claimed.account_id, str(error))
                    await self._wait(connection, claimed, error, now + TOKEN_WAIT)
                case RetryLater() | NotSent() if claimed.retry_count < self._retry_max:
                    await self._retry(connection, claimed, error)
                case RetryLater() | NotSent():
                    await self._finish(
                        connection, claimed, ReplyStatus.FAILED, code="retries_exhausted"
                    )
                case _:
                    await self._finish(
                        connection, claimed, ReplyStatus.FAILED, code=error.code, why=str(error)
                    )

    async def _look(self, claimed: ClaimedReply, inbox: InboxClient, access: AccountAccess) -> None:
        in_doubt_for = self._in_doubt_for(claimed)
        since = (claimed.sent_at or self._clock.now()) - CLOCK_MARGIN
        try:
            found = await inbox.own_replies(
                access,
                claimed.post_id,
                claimed.comment_id,
                since,
                ReplyParts(self._database, claimed),
            )
        except PlatformError as error:
            log.info("cannot look for the reply", code=error.code)
            is_lasting = isinstance(error, ReconnectNeeded | AccountStopped)
            await self._cannot_look(claimed, is_lasting=is_lasting)
            return
        wanted = normalise(claimed.message)
        ids = [one.comment_id for one in found if normalise(one.text) == wanted]
        match await self._bind(claimed, ids) if ids else Match.NONE:
            case Match.BOUND:
                return
            case Match.UNCERTAIN:
                await self._look_again(claimed, in_doubt_for)
            case Match.SEVERAL:
                await self._end(claimed, ReplyStatus.NEEDS_PERSON, code="reply_undecidable")
            case Match.NONE if in_doubt_for < self._give_up:
                await self._look_again(claimed, in_doubt_for)
            case Match.NONE if claimed.retry_count < self._retry_max:
                async with self._database.begin() as connection:
                    await self._retry(connection, claimed, None)
            case Match.NONE:
                await self._end(claimed, ReplyStatus.FAILED, code="retries_exhausted")

    async def _bind(self, claimed: ClaimedReply, ids: list[str]) -> Match:
        """Take the one live reply that can be this one; what another is known to be cannot.

        Of two doubts with the same words of which one arrived, either may take it: they read alike.
        The other then finds nothing, and is sent again.
        """
        thread = {"account_id": str(claimed.account_id), "thread_id": claimed.thread_id}
        async with self._database.begin() as connection:
            await connection.execute(_LOCK_THREAD, thread)
            asked = {**thread, "account_id": claimed.account_id, "id": claimed.id, "ids": ids}
            siblings = (await connection.execute(_SIBLINGS, asked)).one()
            left = [id_ for id_ in ids if id_ not in siblings.bound]
            if not left:
                return Match.NONE
            if siblings.is_one_on_the_wire:
                return Match.UNCERTAIN
            if len(left) > 1:
                return Match.SEVERAL
            await self._record(connection, claimed, left[0])
        return Match.BOUND

    async def _cannot_look(self, claimed: ClaimedReply, *, is_lasting: bool) -> None:
        in_doubt_for = self._in_doubt_for(claimed)
        if in_doubt_for >= (self._give_up if is_lasting else UNREADABLE_LIMIT):
            await self._end(claimed, ReplyStatus.NEEDS_PERSON, code="reply_undecidable")
        else:
            await self._look_again(claimed, in_doubt_for)

    def _in_doubt_for(self, claimed: ClaimedReply) -> timedelta:
        now = self._clock.now()
        return now - (claimed.sent_at or now)

    async def _look_again(self, claimed: ClaimedReply, in_doubt_for: timedelta) -> None:
        pause = timedelta(seconds=next_look_s(in_doubt_for, wait=self._give_up))
        async with self._database.begin() as connection:
            await self._move(
                connection, claimed, ReplyStatus.IN_DOUBT, act_at=self._clock.now() + pause
            )

    async def _wait(
        self,
        connection: AsyncConnection,
        claimed: ClaimedReply,
        error: PlatformError,
        until: datetime,
    ) -> None:
        """Put it off at no cost to its retries, and show why."""
        await self._move(
            connection,
            claimed,
            ReplyStatus.APPROVED,
            act_at=until,
            error_code=error.code,
            error_message=str(error),
        )

    async def _retry(
        self, connection: AsyncConnection, claimed: ClaimedReply, error: PlatformError | None
    ) -> None:
        wait_s = backoff_s(claimed.retry_count, base_s=self._retry_base_s, random=self._random)
        await self._move(
            connection,
            claimed,
            ReplyStatus.APPROVED,
            act_at=self._clock.now() + timedelta(seconds=wait_s),
            retry_count=claimed.retry_count + 1,
            error_code=None if error is None else error.code,
            error_message=None if error is None else str(error),
        )

    async def _end(self, claimed: ClaimedReply, after: ReplyStatus, *, code: str) -> None:
        async with self._database.begin() as connection:
            await self._finish(connection, claimed, after, code=code)

    async def _finish(
        self,
        connection: AsyncConnection,
        claimed: ClaimedReply,
        after: ReplyStatus,
        *,
        code: str,
        why: str = "",
    ) -> None:
        """End it unsent, or without knowing, and tell whoever wrote it."""
        title, message = explain_reply(claimed.author_name, claimed.platform, code, why)
        if await self._move(connection, claimed, after, error_code=code, error_message=message):
            await notify(
                connection,
                key=f"reply:{claimed.id}:{claimed.lease_number}",
                user_id=claimed.author_id,
                title=title,
                message=message,
                priority=Priority.HIGH,
                reference=Reference(kind="reply", id=claimed.id),
                trace_id=claimed.trace_id,
            )

    async def _move(
        self,
        connection: AsyncConnection,
        claimed: ClaimedReply,
        after: ReplyStatus,
        *,
        act_at: datetime | None = None,
        retry_count: int | None = None,
        reply_id: str | None = None,
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
            "reply_id": reply_id,
            "error_code": error_code,
            "error_message": error_message,
        }
        return bool((await connection.execute(_MOVE, values)).rowcount)


async def _close(
    connection: AsyncConnection, attempt_id: int, outcome: str, evidence: Mapping[str, Any]
) -> None:
    await connection.execute(
        _CLOSE,
        {
            "id": attempt_id,
            "outcome": outcome,
            "evidence": json.dumps(evidence, ensure_ascii=False, default=str),
        },
    )


def _inbox_of(claimed: ClaimedReply) -> InboxAccount:
    return InboxAccount(
        claimed.account_id, claimed.client_id, claimed.platform, claimed.platform_user_id
    )
