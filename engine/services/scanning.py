"""Turns approved contents that become due into publishing logs, and follows what changed since.

Idempotent, so it may run as often as anybody likes: by tick, by a content's ``NOTIFY``, at boot.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import InvalidCommand
from engine.services.outboxing import consume
from models.contents import ContentStatus
from models.outbox import WORK_CHANNEL

LATE_AFTER: Final = timedelta(seconds=5)
"""A post that is first seen this long after its time is marked late."""

# What was prepared or planned from an older revision, for a content that is no longer approved, or
# for an account that was taken off it. The lease number fences whoever holds it. The container
# stays: a post that is only moved to another time is published from it.
_WITHDRAW = text("""
UPDATE publishing_logs l
SET status = 'cancelled',
    lease_number = l.lease_number + 1, lease_owner = NULL, lease_expires_at = NULL,
    updated_at = now()
FROM contents c
WHERE c.id = l.content_id AND l.status IN ('pending', 'staged')
  AND (c.status NOT IN ('approved', 'published') OR c.revision <> l.revision OR NOT EXISTS (
      SELECT 1 FROM content_targets t
      WHERE t.content_id = l.content_id AND t.platform_account_id = l.platform_account_id
  ))
RETURNING l.id
""")

_TAKE_DUE = text("""
SELECT id FROM contents
WHERE status = 'approved' AND armed_revision IS DISTINCT FROM revision
  AND scheduled_at <= :until_video
  AND (scheduled_at <= :until OR media @> '[{"kind": "video"}]')
ORDER BY scheduled_at, id
FOR NO KEY UPDATE
""")

_ARM = text("""
INSERT INTO publishing_logs
    (content_id, platform_account_id, status, due_at, act_at, is_late, revision, trace_id)
SELECT c.id, a.id, 'pending', c.scheduled_at, :now, c.scheduled_at < :late, c.revision,
       replace(CAST(gen_random_uuid() AS text), '-', '')
FROM contents c
JOIN content_targets t ON t.content_id = c.id
JOIN platform_accounts a ON a.id = t.platform_account_id AND a.client_id = c.client_id
WHERE c.id = ANY(CAST(:content_ids AS bigint[]))
ORDER BY c.scheduled_at, c.id
ON CONFLICT (content_id, platform_account_id) DO UPDATE
SET status = 'pending', due_at = excluded.due_at, act_at = excluded.act_at,
    is_late = excluded.is_late, revision = excluded.revision, retry_count = 0,
    error_code = NULL, error_message = NULL,
    lease_number = publishing_logs.lease_number + 1, lease_owner = NULL, lease_expires_at = NULL,
    updated_at = now()
WHERE publishing_logs.status = 'cancelled'
   OR (publishing_logs.status = 'failed' AND publishing_logs.revision <> excluded.revision)
RETURNING id
""")

_MARK_ARMED = text("""
UPDATE contents SET armed_revision = revision WHERE id = ANY(CAST(:content_ids AS bigint[]))
""")

_ASK = text("""
INSERT INTO publishing_logs
    (content_id, platform_account_id, status, due_at, act_at, revision, trace_id)
VALUES (:content_id, :account_id, 'pending', :now, :now, :revision,
        replace(CAST(gen_random_uuid() AS text), '-', ''))
ON CONFLICT (content_id, platform_account_id) DO UPDATE
SET status = CASE WHEN publishing_logs.status = 'staged'
                   AND publishing_logs.revision = excluded.revision
                  THEN 'staged' ELSE 'pending' END,
    due_at = :now, act_at = :now, revision = excluded.revision, retry_count = 0,
    error_code = NULL, error_message = NULL,
    lease_number = publishing_logs.lease_number + 1, lease_owner = NULL, lease_expires_at = NULL,
    updated_at = now()
WHERE publishing_logs.status IN ('pending', 'staged', 'cancelled', 'failed')
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan changed: posts that are now on their way, posts that no longer are."""

    armed: int
    withdrawn: int


async def scan(
    database: AsyncEngine,
    *,
    now: datetime,
    look_ahead_s: float,
    look_ahead_video_s: float | None = None,
    message_key: str | None = None,
) -> Scan:
    """Arm every approved content that is due within the look-ahead, and follow what changed.

    Its cost is that of what is new to it, not of what waits or has been.

    Args:
        database: PostgreSQL.
        now: aware; what due times are compared with.
        look_ahead_s: how far to look; containers are made this early.
        look_ahead_video_s: the same for contents with a video; never less than the other.
        message_key: consumed in the same transaction when the scan was asked for by a message.
    """
    until = now + timedelta(seconds=look_ahead_s)
    until_video = max(until, now + timedelta(seconds=look_ahead_video_s or 0))
    armed = 0
    # Two transactions, because a sender locks the content first and its log second: one that held
    # logs here and then waited for a content would deadlock with it.
    async with database.begin() as connection:
        withdrawn = len((await connection.execute(_WITHDRAW)).all())
    async with database.begin() as connection:
        await consume(connection, message_key)  # scanning once more would do no harm
        due = list(
            (
                await connection.execute(_TAKE_DUE, {"until": until, "until_video": until_video})
            ).scalars()
        )
        if due:
            times = {"now": now, "late": now - LATE_AFTER}
            rows = await connection.execute(_ARM, {**times, "content_ids": due})
            armed = len(rows.all())
            await connection.execute(_MARK_ARMED, {"content_ids": due})
        if armed:
            await _wake_workers(connection)
    return Scan(armed, withdrawn)


async def publish_now(
    database: AsyncEngine,
    *,
    content_id: int,
    account_id: int,
    now: datetime,
    message_key: str | None = None,
) -> bool:
    """Have one content published on one account at once, on the same road as a scheduled one.

    Returns:
        False when there is nothing to do: it is live, on its way, or waits for a person.

    Raises:
        InvalidCommand: the content or the account is unknown, they belong to different clients,
            or the content is not approved.
    """
    async with database.begin() as connection:
        row = (
            await connection.execute(
                text("""
                    SELECT c.status, c.revision, c.client_id, a.client_id AS account_client_id
                    FROM (SELECT 1) AS one
                    LEFT JOIN contents c ON c.id = :content_id
                    LEFT JOIN platform_accounts a ON a.id = :account_id
                """),
                {"content_id": content_id, "account_id": account_id},
            )
        ).one()
        if row.status is None:
            raise InvalidCommand(f"there is no content {content_id}")
        if row.account_client_id is None:
            raise InvalidCommand(f"there is no platform account {account_id}")
        if row.client_id != row.account_client_id:
            raise InvalidCommand(
                f"content {content_id} and account {account_id} belong to different clients"
            )
        if row.status not in (ContentStatus.APPROVED, ContentStatus.PUBLISHED):
            raise InvalidCommand(
                f"content {content_id} is {row.status}; only an approved one is published"
            )
        if not await consume(connection, message_key) or row.status == ContentStatus.PUBLISHED:
            return False
        await connection.execute(
            text("""
                INSERT INTO content_targets (content_id, platform_account_id)
                VALUES (:content_id, :account_id) ON CONFLICT DO NOTHING
            """),
            {"content_id": content_id, "account_id": account_id},
        )
        asked = await connection.execute(
            _ASK,
            {
                "content_id": content_id,
                "account_id": account_id,
                "now": now,
                "revision": row.revision,
            },
        )
        if asked.first() is None:
            return False
        await _wake_workers(connection)
    return True


async def _wake_workers(connection: AsyncConnection) -> None:
    await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": WORK_CHANNEL})
