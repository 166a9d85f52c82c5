"""Accounts whose token is dead: marked once, told once, and never by a token that was replaced."""

from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.rules.reconnecting import explain_lost, why_lost
from engine.services.notifying import notify
from models.accounts import AccountStatus, Platform
from models.events import Reference
from models.words import Priority

log = structlog.get_logger(__name__)

ENDED_TOKEN: Final = frozenset({"authError", "http/401"})
"""What Google answers to a token of an hour that has ended, and also to one that is dead."""

FRESH: Final = timedelta(seconds=60)
"""A renewed token that is refused so soon after was not refused for its age."""

_LOCK = text("""
SELECT client_id, platform, username, status, sealed_token,
       sealed_refresh_token IS NOT NULL AS is_renewable, token_issued_at
FROM platform_accounts WHERE id = :id FOR NO KEY UPDATE
""")

_WAITING = text("""
SELECT count(*) FROM content_targets t
JOIN contents c ON c.id = t.content_id AND c.status = 'approved' AND c.scheduled_at IS NOT NULL
LEFT JOIN publishing_logs l
       ON l.content_id = t.content_id AND l.platform_account_id = t.platform_account_id
WHERE t.platform_account_id = :id
  AND coalesce(l.status, 'pending') IN ('pending', 'staged', 'sending')
""")

_CARETAKERS = text("""
SELECT id FROM users WHERE role = 'admin'
UNION
SELECT u.id FROM client_members m JOIN users u ON u.id = m.user_id
WHERE m.client_id = :client_id AND u.role = 'manager'
ORDER BY id
""")


async def disconnect(
    connection: AsyncConnection,
    *,
    account_id: int,
    used: bytes | None,
    code: str,
    now: datetime,
    trace_id: str,
) -> AccountStatus:
    """Take note that the platform no longer accepts an account's token; gives how it stands now.

    An account is marked, and its administrators are told, by the one call that finds it active and
    with the very token that was refused; a late word against a token that was replaced meanwhile
    changes nothing. Where a second token renews the first, the first may just have ended: it is
    renewed, and only a fresh one that is refused counts.

    Args:
        connection: in the transaction that also puts back what could not be done.
        account_id: whose token.
        used: the sealed token that was refused.
        code: the platform's.
        now: aware.
        trace_id: of whatever met the refusal.
    """
    row = (await connection.execute(_LOCK, {"id": account_id})).one()
    if row.status != AccountStatus.ACTIVE or row.sealed_token != used:
        return AccountStatus(row.status)
    is_old = row.token_issued_at is None or now - row.token_issued_at > FRESH
    if code in ENDED_TOKEN and row.is_renewable and is_old:
        await connection.execute(
            text("UPDATE platform_accounts SET token_expires_at = :now WHERE id = :id"),
            {"id": account_id, "now": now},
        )
        return AccountStatus.ACTIVE
    await connection.execute(
        text("""
            UPDATE platform_accounts SET status = 'reconnect_needed', stopped_reason = :reason
            WHERE id = :id
        """),
        {"id": account_id, "reason": f"{why_lost(code)} ({code})"},
    )
    waiting: int = (await connection.execute(_WAITING, {"id": account_id})).scalar_one()
    platform = Platform(row.platform)
    title, message = explain_lost(platform, row.username, code, waiting)
    await tell_caretakers(
        connection,
        account_id=account_id,
        client_id=row.client_id,
        key=f"reconnect:{account_id}:{now.isoformat()}",
        title=title,
        message=message,
        priority=Priority.URGENT if waiting else Priority.HIGH,
        trace_id=trace_id,
    )
    log.warning("account disconnected", account_id=account_id, code=code, waiting=waiting)
    return AccountStatus.RECONNECT_NEEDED


async def tell_caretakers(
    connection: AsyncConnection,
    *,
    account_id: int,
    client_id: int,
    key: str,
    title: str,
    message: str,
    priority: Priority,
    trace_id: str,
) -> None:
    """Notify every administrator and the client's managers, each once by ``key``."""
    for user_id in (await connection.execute(_CARETAKERS, {"client_id": client_id})).scalars():
        await notify(
            connection,
            key=f"{key}:{user_id}",
            user_id=user_id,
            title=title,
            message=message,
            priority=priority,
            reference=Reference(kind="platform_account", id=account_id),
            trace_id=trace_id,
        )
