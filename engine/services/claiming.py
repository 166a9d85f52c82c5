"""Claims and leases on publishing logs.

A claim gives a worker the right to work on a post until the lease expires; its number grows with
every claim, and every later write carries it, so a worker that lost its lease writes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.ports import Container
from models.accounts import AccountStatus, Platform
from models.contents import PostFormat
from models.publishing import PublishingStatus

# Claims are short and rare (one statement, at most a few a second), so one at a time is cheap
# and makes "one worker per account" a plain condition instead of a race.
CLAIM_LOCK: Final = 0x534E5301
TOO_LATE_S: Final = 86_400.0

_CLAIM = text("""
WITH due AS (
    SELECT l.id
    FROM publishing_logs l
    WHERE l.status IN ('pending', 'staged', 'in_doubt')
      AND l.act_at <= now()
      AND (l.lease_owner IS NULL OR l.lease_expires_at < now())
      AND NOT EXISTS (
          SELECT 1 FROM platform_accounts h
          LEFT JOIN platform_holds p ON p.platform = h.platform
          WHERE h.id = l.platform_account_id
            AND (h.held_until > now() OR p.held_until > now())
      )
      -- Its account waits for a reconnect and its author was told: nothing to do until that is
      -- done, or until it is too late.
      AND NOT EXISTS (
          SELECT 1 FROM platform_accounts w
          WHERE w.id = l.platform_account_id AND w.status = 'reconnect_needed'
            AND l.status IN ('pending', 'staged') AND l.error_code = 'account_reconnect'
            AND l.due_at > now() - make_interval(secs => :too_late_s)
      )
      AND NOT EXISTS (
          SELECT 1 FROM publishing_logs o
          WHERE o.platform_account_id = l.platform_account_id
            AND o.status IN ('pending', 'staged', 'sending', 'in_doubt')
            AND o.lease_owner <> :owner AND o.lease_expires_at >= now()
      )
    ORDER BY l.due_at, l.id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
UPDATE publishing_logs l
SET lease_owner = :owner,
    lease_number = l.lease_number + 1,
    lease_expires_at = now() + make_interval(secs => :lease_s),
    updated_at = now()
FROM due, contents c, platform_accounts a
WHERE l.id = due.id AND c.id = l.content_id AND a.id = l.platform_account_id
RETURNING l.id, l.content_id, l.platform_account_id AS account_id, l.status, l.due_at, l.is_late,
    l.revision, l.kind, l.parts, l.container_id, l.container_expires_at, l.payload_hash,
    l.retry_count, l.sent_at, l.lease_number, l.trace_id, c.title, c.body, c.media, c.format,
    c.options, c.created_by AS author_id, a.platform, a.platform_user_id, a.username,
    a.status AS account_status, a.scopes, a.sealed_token,
    a.sealed_refresh_token IS NOT NULL AND coalesce(a.token_expires_at <= now(), false)
        AS is_token_over
""")

_RENEW = text("""
UPDATE publishing_logs l
SET lease_expires_at = now() + make_interval(secs => :lease_s)
FROM unnest(CAST(:ids AS bigint[]), CAST(:numbers AS bigint[])) AS held (id, lease_number)
WHERE l.id = held.id AND l.lease_number = held.lease_number AND l.lease_owner = :owner
RETURNING l.id, l.lease_number
""")

_RESCUE = text("""
UPDATE publishing_logs
SET status = 'in_doubt', lease_owner = NULL, lease_expires_at = NULL, act_at = now(),
    updated_at = now()
WHERE status = 'sending' AND (lease_expires_at IS NULL OR lease_expires_at < now())
RETURNING id, trace_id
""")


@dataclass(slots=True)
class Claim:
    """A claimed post: its row as of the claim, its content and its account.

    ``status``, the container fields and the token follow the rows while this worker holds it.
    ``is_token_over``: the token has ended, and one that renews it is there.
    """

    id: int
    content_id: int
    account_id: int
    status: PublishingStatus
    due_at: datetime
    is_late: bool
    revision: int
    kind: str | None
    parts: dict[str, Any]
    container_id: str | None
    container_expires_at: datetime | None
    payload_hash: str | None
    retry_count: int
    sent_at: datetime | None
    lease_number: int
    trace_id: str
    title: str
    body: str
    media: list[dict[str, Any]]
    format: PostFormat
    options: dict[str, Any]
    author_id: int
    platform: Platform
    platform_user_id: str
    username: str
    account_status: AccountStatus
    scopes: list[str] | None
    is_token_over: bool
    sealed_token: bytes | None = field(repr=False)

    @property
    def lease(self) -> tuple[int, int]:
        """Which row, and which claim of it."""
        return self.id, self.lease_number

    @property
    def first_comment(self) -> str | None:
        """What the account is to write under its own post, if anything."""
        message = self.options.get("first_comment")
        return message if isinstance(message, str) and message.strip() else None

    @property
    def container(self) -> Container | None:
        """What was prepared, once there is something that can be published."""
        if self.container_id is None or self.kind is None:
            return None
        return Container(self.container_id, self.kind)

    @classmethod
    def from_row(cls, row: RowMapping) -> "Claim":
        """Type a row of the claim statement."""
        return cls(
            **{
                **row,
                "status": PublishingStatus(row["status"]),
                "platform": Platform(row["platform"]),
                "format": PostFormat(row["format"]),
                "account_status": AccountStatus(row["account_status"]),
            }
        )


async def claim(
    database: AsyncEngine,
    *,
    owner: str,
    lease_s: float,
    limit: int,
    too_late_s: float = TOO_LATE_S,
) -> list[Claim]:
    """Take up to ``limit`` posts that somebody has to act on now, earliest due first.

    An account whose posts another living worker holds is left to that worker. A post that waits for
    its account's owner is taken again when that is done, or ``too_late_s`` after its time.
    """
    async with database.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLAIM_LOCK})
        rows = await connection.execute(
            _CLAIM,
            {"owner": owner, "lease_s": lease_s, "limit": limit, "too_late_s": too_late_s},
        )
        claims = [Claim.from_row(row) for row in rows.mappings()]
    return sorted(claims, key=lambda claimed: (claimed.due_at, claimed.id))


async def renew(
    database: AsyncEngine, *, owner: str, lease_s: float, held: Iterable[Claim]
) -> set[tuple[int, int]]:
    """Lengthen the leases of ``held``; gives those that are still ours, as ``Claim.lease``."""
    pairs = [claimed.lease for claimed in held]
    async with database.begin() as connection:
        rows = await connection.execute(
            _RENEW,
            {
                "owner": owner,
                "lease_s": lease_s,
                "ids": [id_ for id_, _ in pairs],
                "numbers": [number for _, number in pairs],
            },
        )
        return {(row.id, row.lease_number) for row in rows}


async def rescue(database: AsyncEngine) -> int:
    """Put posts whose sender vanished in mid-call in doubt; gives how many.

    Posts that were not yet being sent need no rescue: an expired lease makes them claimable.
    """
    async with database.begin() as connection:
        return len((await connection.execute(_RESCUE)).all())


async def release(
    connection: AsyncConnection, claimed: Claim, *, act_at: datetime | None = None
) -> bool:
    """Give a post back for any worker, to be acted on at ``act_at`` (now when None)."""
    result = await connection.execute(
        text("""
            UPDATE publishing_logs
            SET lease_owner = NULL, lease_expires_at = NULL,
                act_at = coalesce(CAST(:act_at AS timestamptz), now()), updated_at = now()
            WHERE id = :id AND lease_number = :lease_number AND status <> 'sending'
        """),
        {"id": claimed.id, "lease_number": claimed.lease_number, "act_at": act_at},
    )
    return bool(result.rowcount)
