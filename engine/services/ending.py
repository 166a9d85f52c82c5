"""How a post ends, or is put off, when it did not go live, and who is told."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import (
    AccountStopped,
    CircuitOpen,
    ContainerGone,
    InputInvalid,
    NotReady,
    NotSent,
    PlatformError,
    QuotaSpent,
    ReconnectNeeded,
    SeveralFound,
    Throttled,
)
from engine.rules.explaining import explain, explain_doubt, explain_quota
from engine.rules.reconnecting import explain_waiting
from engine.rules.retry import backoff_s
from engine.services.claiming import Claim
from engine.services.disconnecting import disconnect
from engine.services.ledger import close_attempt, lock_contents, move, result_key
from engine.services.notifying import notify
from engine.services.outboxing import put_event
from engine.services.settling import settle
from models.accounts import AccountStatus, Platform
from models.events import PublishResult, Reference
from models.publishing import PublishingStatus
from models.words import Priority, PublishResultStatus

NOT_READY_WAIT = timedelta(seconds=5)
TOKEN_WAIT = timedelta(seconds=5)  # until a token is looked for that was renewed meanwhile
BLOCKED_WAIT = timedelta(seconds=1)
MOST_DETAIL = 300  # characters of a platform's own words that an author is shown


async def fail(connection: AsyncConnection, claimed: Claim, *, code: str, detail: str = "") -> bool:
    """End the post for good, in a way that proves nothing is visible, and tell its author.

    What was prepared stays in the row: should a person ask again, the same container is used, which
    a platform publishes once; otherwise ``services.clearing`` clears it away.
    """
    message = explain(code, detail[:MOST_DETAIL])
    await lock_contents(connection, [claimed.content_id])
    moved = await move(
        connection,
        claimed,
        PublishingStatus.FAILED,
        error_code=code,
        error_message=message,
    )
    if moved:
        await put_event(
            connection,
            key=result_key(claimed),
            user_id=claimed.author_id,
            event=PublishResult(
                content_id=claimed.content_id,
                platform=claimed.platform,
                status=PublishResultStatus.FAILED,
                error=message,
                trace_id=claimed.trace_id,
            ),
            trace_id=claimed.trace_id,
        )
        await settle(connection, [claimed.content_id])
    return moved


async def ask_person(connection: AsyncConnection, claimed: Claim, *, code: str) -> bool:
    """Stop guessing: a person has to look, and the author is asked to."""
    title, message = explain_doubt(claimed.title, claimed.platform, code)
    await lock_contents(connection, [claimed.content_id])
    moved = await move(
        connection,
        claimed,
        PublishingStatus.NEEDS_PERSON,
        error_code=code,
        error_message=message,
    )
    if moved:
        await notify(
            connection,
            key=f"needs_person:{claimed.id}:{claimed.lease_number}",
            user_id=claimed.author_id,
            title=title,
            message=message,
            priority=Priority.URGENT,
            reference=Reference(kind="content", id=claimed.content_id),
            trace_id=claimed.trace_id,
        )
        await settle(connection, [claimed.content_id])
    return moved


async def stop_account(connection: AsyncConnection, account_id: int, reason: str) -> None:
    """Take note that the platform restricts an account: every further call would make it worse."""
    await connection.execute(
        text("""
            UPDATE platform_accounts SET status = 'stopped', stopped_reason = :reason
            WHERE id = :id AND status = 'active'
        """),
        {"id": account_id, "reason": reason},
    )


async def refuse(
    database: AsyncEngine,
    claimed: Claim,
    error: PlatformError,
    *,
    now: datetime,
    retry_base_s: float,
    retry_max: int,
    random: Random,
    attempt_id: int | None = None,
    outcome: str = "refused",
    evidence: dict[str, Any] | None = None,
) -> bool:
    """Decide what follows an answer (or a road) by which nothing became visible.

    Throttling, an open circuit and a container that is still being made before its time burn no
    retry. A throttled account, or platform, is held: nothing of it is claimed meanwhile. A dead
    token marks the account, and the post waits until its owner has connected it again. A blocked
    account ends the post and marks the account; the rest is tried again ``retry_max`` times.
    """
    waiting = (
        PublishingStatus.STAGED if claimed.status is PublishingStatus.SENDING else claimed.status
    )
    async with database.begin() as connection:
        if attempt_id is not None:
            await lock_contents(connection, [claimed.content_id])
            seen = {"code": error.code, "message": str(error), **error.evidence}
            await close_attempt(connection, attempt_id, outcome, {**seen, **(evidence or {})})
        match error:
            case InputInvalid():
                return await fail(connection, claimed, code="input_invalid", detail=str(error))
            case SeveralFound():
                return await fail(connection, claimed, code="several_found", detail=str(error))
            case ReconnectNeeded():
                status = await disconnect(
                    connection,
                    account_id=claimed.account_id,
                    used=claimed.sealed_token,
                    code=error.code,
                    now=now,
                    trace_id=claimed.trace_id,
                )
                if status is AccountStatus.RECONNECT_NEEDED:
                    return await wait_for_owner(connection, claimed, now=now)
                again_at = now + TOKEN_WAIT
                return await _put_off(connection, claimed, waiting, error, act_at=again_at)
            case NotSent(code="account_blocked"):
                again_at = now + BLOCKED_WAIT
                return await _put_off(connection, claimed, waiting, error, act_at=again_at)
            case AccountStopped():
                await stop_account(connection, claimed.account_id, str(error))
                return await fail(connection, claimed, code="account_stopped")
            case Throttled():
                until = now + timedelta(seconds=error.retry_after_s)
                await hold(connection, claimed.account_id, claimed.platform, error, until=until)
                if isinstance(error, QuotaSpent):
                    await _tell_parked(connection, claimed, until=until)
                return await _put_off(connection, claimed, waiting, error, act_at=until)
            case CircuitOpen():
                again_at = now + timedelta(seconds=error.retry_after_s)
                return await _put_off(connection, claimed, waiting, error, act_at=again_at)
            case NotReady() if now < claimed.due_at:
                again_at = now + NOT_READY_WAIT
                return await _put_off(connection, claimed, waiting, error, act_at=again_at)
        if claimed.retry_count >= retry_max:
            return await fail(connection, claimed, code="retries_exhausted", detail=str(error))
        gone = isinstance(error, ContainerGone)
        wait = (
            NOT_READY_WAIT
            if isinstance(error, NotReady)
            else timedelta(
                seconds=backoff_s(claimed.retry_count, base_s=retry_base_s, random=random)
            )
        )
        return await move(
            connection,
            claimed,
            PublishingStatus.PENDING if gone else waiting,
            act_at=now + wait,
            retry_count=claimed.retry_count + 1,
            drop_container=gone,
            error_code=error.code,
            error_message=str(error),
        )


async def wait_for_owner(connection: AsyncConnection, claimed: Claim, *, now: datetime) -> bool:
    """Let a post wait until its account is connected again, and tell its author so, once.

    No retry is burnt. Nobody claims it again while its account is not active, until it is too late
    for it; then it is acted on at once.
    """
    waiting = (
        PublishingStatus.STAGED if claimed.status is PublishingStatus.SENDING else claimed.status
    )
    moved = await move(
        connection,
        claimed,
        waiting,
        act_at=now,
        error_code="account_reconnect",
        error_message=explain("account_waits"),
    )
    if moved:
        title, message = explain_waiting(claimed.title, claimed.platform, claimed.username)
        await notify(
            connection,
            key=f"account_waits:{claimed.id}:{claimed.revision}",
            user_id=claimed.author_id,
            title=title,
            message=message,
            priority=Priority.HIGH,
            reference=Reference(kind="content", id=claimed.content_id),
            trace_id=claimed.trace_id,
        )
    return moved


async def _put_off(
    connection: AsyncConnection,
    claimed: Claim,
    waiting: PublishingStatus,
    error: PlatformError,
    *,
    act_at: datetime,
) -> bool:
    """Wait, at no cost to the post's retries."""
    return await move(
        connection,
        claimed,
        waiting,
        act_at=act_at,
        error_code=error.code,
        error_message=str(error),
    )


async def hold(
    connection: AsyncConnection,
    account_id: int,
    platform: Platform,
    error: Throttled,
    *,
    until: datetime,
) -> None:
    """Let nothing of an account, or of its whole platform, be claimed or read until then."""
    if error.scope == "app":
        await connection.execute(
            text("""
                INSERT INTO platform_holds (platform, held_until, reason)
                VALUES (:platform, :until, :reason)
                ON CONFLICT (platform) DO UPDATE
                SET held_until = greatest(platform_holds.held_until, excluded.held_until),
                    reason = excluded.reason
            """),
            {"platform": platform, "until": until, "reason": str(error)},
        )
        return
    await connection.execute(
        text("""
            UPDATE platform_accounts
            SET held_until = greatest(held_until, :until), held_reason = :reason
            WHERE id = :id
        """),
        {"id": account_id, "until": until, "reason": str(error)},
    )


async def _tell_parked(connection: AsyncConnection, claimed: Claim, *, until: datetime) -> None:
    """Once a post: it waits for the platform's quota, and nobody has to do anything."""
    title, message = explain_quota(claimed.title, claimed.platform, until)
    await notify(
        connection,
        key=f"quota:{claimed.id}:{claimed.revision}",
        user_id=claimed.author_id,
        title=title,
        message=message,
        priority=Priority.HIGH,
        reference=Reference(kind="content", id=claimed.content_id),
        trace_id=claimed.trace_id,
    )
