"""State changes that engine and edge share: rows and outbox, in one transaction.

Each function is called inside the caller's transaction and commits nothing itself.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from models.events import NotificationEvent, NotificationsRead, Reference
from models.outgoing import event_payload, put_event
from models.statements import Row, Statements
from models.words import Priority


async def notify(
    connection: Statements,
    *,
    key: str,
    user_id: int,
    title: str,
    message: str,
    priority: Priority,
    trace_id: str,
    reference: Reference | None = None,
) -> int:
    """Write a notification for ``user_id`` and tell their browsers; gives its id.

    Idempotent by ``key``, for as long as the outbox keeps its row: a repeated one writes nothing
    and gives the id of the first. Two at once with one key wait for each other.
    """
    event = NotificationEvent(
        notification_id=0,  # not known before the row is; the statement puts it in
        title=title,
        message=message,
        priority=priority,
        reference=reference,
        trace_id=trace_id,
    )
    # The outbox goes first: its unique key decides whether there is anything to write at all.
    written = await connection.fetch(
        """
        WITH numbered AS (
            SELECT nextval(pg_get_serial_sequence('notifications', 'id')) AS id
        ), told AS (
            INSERT INTO outbox (kind, key, user_id, payload, trace_id)
            SELECT 'event', $1::text, $2::bigint,
                   $3::jsonb || jsonb_build_object('notification_id', id), $4::text
            FROM numbered
            ON CONFLICT (key) DO NOTHING
            RETURNING (payload->>'notification_id')::bigint AS id
        )
        INSERT INTO notifications (id, user_id, title, message, priority, reference)
        SELECT id, $2::bigint, $5::text, $6::text, $7::text, $8::jsonb FROM told
        RETURNING id
        """,
        key,
        user_id,
        event_payload(event),
        trace_id,
        title,
        message,
        priority,
        reference.model_dump_json() if reference else None,
    )
    if not written:
        written = await connection.fetch(
            "SELECT (payload->>'notification_id')::bigint AS id FROM outbox WHERE key = $1::text",
            key,
        )
    return int(written[0]["id"])


class Marked(NamedTuple):
    """What a reading changed: how many became read by it, and how many are unread after it."""

    read: int
    unread: int


async def mark_read(connection: Statements, *, user_id: int, ids: Sequence[int]) -> Marked:
    """Mark notifications of ``user_id`` read and tell their other tabs.

    Ids of others, unknown ones and those that were read before are passed over; when nothing
    changes, nobody is told.
    """
    await _take_turn(connection, user_id)
    changed = await connection.fetch(
        """
        UPDATE notifications SET read_at = now()
        WHERE user_id = $1::bigint AND id = ANY($2::bigint[]) AND read_at IS NULL
        RETURNING id
        """,
        user_id,
        list(ids),
    )
    return await _tell_read(
        connection, user_id, read=len(changed), ids=sorted(row["id"] for row in changed)
    )


async def mark_all_read(
    connection: Statements, *, user_id: int, up_to: int | None = None
) -> Marked:
    """Mark every notification of ``user_id`` read, or those up to an id, and tell their other tabs.

    Args:
        connection: in a transaction.
        user_id: whose.
        up_to: the newest that the user had on the screen, so that one which arrived in the moment
            of the click stays unread.
    """
    await _take_turn(connection, user_id)
    changed = await connection.fetch(
        """
        WITH changed AS (
            UPDATE notifications SET read_at = now()
            WHERE user_id = $1::bigint AND read_at IS NULL
              AND ($2::bigint IS NULL OR id <= $2::bigint)
            RETURNING id
        )
        SELECT count(*) AS read, max(id) AS newest FROM changed
        """,
        user_id,
        up_to,
    )
    return await _tell_read(
        connection, user_id, read=changed[0]["read"], up_to=changed[0]["newest"]
    )


async def _take_turn(connection: Statements, user_id: int) -> None:
    """Let two tabs that read at once count one after the other.

    Not FOR UPDATE: rows that refer to the user may be inserted meanwhile.
    """
    await connection.fetch("SELECT 1 FROM users WHERE id = $1::bigint FOR NO KEY UPDATE", user_id)


async def _tell_read(
    connection: Statements,
    user_id: int,
    *,
    read: int,
    ids: list[int] | None = None,
    up_to: int | None = None,
) -> Marked:
    unread = await count_unread(connection, user_id)
    if read:
        trace_id = uuid4().hex
        await put_event(
            connection,
            key=f"notifications_read:{trace_id}",
            user_id=user_id,
            event=NotificationsRead(
                notification_ids=ids, up_to=up_to, unread=unread, trace_id=trace_id
            ),
            trace_id=trace_id,
        )
    return Marked(read, unread)


async def count_unread(connection: Statements, user_id: int) -> int:
    """How many notifications a user has not read: the truth that Redis keeps a copy of."""
    rows = await connection.fetch(
        """
        SELECT count(*) AS unread FROM notifications
        WHERE user_id = $1::bigint AND read_at IS NULL
        """,
        user_id,
    )
    unread: int = rows[0]["unread"]
    return unread


async def are_all_delivered(connection: Statements, user_id: int) -> bool:
    """Whether Redis has been told of all that is in the user's notifications now."""
    waiting = await connection.fetch(
        """
        SELECT 1 FROM outbox
        WHERE sent_at IS NULL AND user_id = $1::bigint
          AND payload->>'type' IN ('notification', 'notifications_read')
        LIMIT 1
        """,
        user_id,
    )
    return not waiting


async def list_notifications(
    connection: Statements,
    *,
    user_id: int,
    before: int | None,
    limit: int,
    is_unread: bool | None = None,
    priorities: Sequence[Priority] | None = None,
    reference_kind: str | None = None,
) -> Sequence[Row]:
    """Notifications of a user before an id, newest first; ``None`` does not filter."""
    return await connection.fetch(
        """
        SELECT id, title, message, priority, reference::text AS reference, read_at, created_at
        FROM notifications
        WHERE user_id = $1::bigint
          AND ($2::bigint IS NULL OR id < $2::bigint)
          AND ($3::boolean IS NULL OR (read_at IS NULL) = $3::boolean)
          AND ($4::text[] IS NULL OR priority = ANY($4::text[]))
          AND ($5::text IS NULL OR reference->>'kind' = $5::text)
        ORDER BY id DESC
        LIMIT $6::int
        """,
        user_id,
        before,
        is_unread,
        None if priorities is None else list(priorities),
        reference_kind,
        limit,
    )
