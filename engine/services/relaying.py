"""Sends what waits in the outbox: events to their users' streams, messages to their queues.

Any number of relays may run; one at a time sends, so that rows leave in their order, and the
next takes over when it dies. A row that was sent and not marked is sent again: every receiver
drops what it has seen.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.metrics import RELAY_SECONDS, RELAYED
from models.delivery import Delivery, OutgoingEvent, replication_id
from models.outbox import OutboxKind

log = structlog.get_logger(__name__)

RELAY_LOCK: Final = 0x534E5302
BATCH: Final = 200
SWEEP_S: Final = 1.0
PRUNE_EVERY: Final = 60  # sweeps
PRUNE_BATCH: Final = 5000
RESEND_EVENTS_S: Final = 600
"""After a Redis that came back, events of this long are sent again. What it still has, it drops."""

# Should this process freeze with the turn in its hands, the others wait ten seconds, not for ever.
_TAKE_TURN = text("""
SELECT pg_try_advisory_xact_lock(:key) AS is_mine,
       set_config('idle_in_transaction_session_timeout', '10s', true) AS timeout
""")

_TAKE = text("""
SELECT id, kind, key, user_id, actor, payload, trace_id, created_at
FROM outbox o
WHERE sent_at IS NULL AND (not_before IS NULL OR not_before <= now())
  AND (lane IS NULL OR NOT EXISTS (
      SELECT 1 FROM outbox e
      WHERE e.lane = o.lane AND e.id < o.id AND e.sent_at IS NULL AND e.not_before > now()
  ))
ORDER BY id
LIMIT :limit
FOR UPDATE SKIP LOCKED
""")

_MARK = text("""
UPDATE outbox SET sent_at = clock_timestamp(), sent_to = :sent_to, sends = sends + 1
WHERE id = ANY(CAST(:ids AS bigint[]))
""")

_REOPEN = text("""
UPDATE outbox SET sent_at = NULL
WHERE sent_at IS NOT NULL AND (
    (kind = 'message' AND consumed_at IS NULL
        AND (sent_at < now() - make_interval(secs => :overdue_s) OR sent_to <> :server))
    OR (kind = 'event' AND sent_to <> :server
        AND sent_at > now() - make_interval(secs => :resend_s))
)
""")

_PRUNE = text("""
DELETE FROM outbox WHERE id IN (
    SELECT id FROM outbox
    WHERE sent_at < now() - make_interval(secs => :keep_s)
      AND (kind = 'event' OR consumed_at IS NOT NULL)
    LIMIT :limit
)
""")


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message as the outbox has it, on its way to an actor's queue."""

    key: str
    actor: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    trace_id: str


SendMessages = Callable[[Sequence[OutboxMessage]], Awaitable[None]]
"""Puts messages into their actors' queues, in order; a repeated key does no harm."""


class Relay:
    """Sends the outbox.

    Args:
        database: PostgreSQL.
        redis: for the server's identity.
        delivery: writes events.
        send_messages: writes messages.
        knows_actor: whether a message to this actor can be sent at all.
        overdue_s: a message that nobody consumed for this long is sent again.
        keep_s: rows that are done are kept this long.
    """

    def __init__(
        self,
        *,
        database: AsyncEngine,
        redis: Redis,
        delivery: Delivery,
        send_messages: SendMessages,
        knows_actor: Callable[[str | None], bool],
        overdue_s: float,
        keep_s: float,
    ) -> None:
        self._database = database
        self._redis = redis
        self._delivery = delivery
        self._send_messages = send_messages
        self._knows_actor = knows_actor
        self._overdue_s = overdue_s
        self._keep_s = keep_s
        self._wake = asyncio.Event()
        self._server = ""

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Relay until cancelled; faults of Redis or PostgreSQL are logged and outlived."""
        sweeper = asyncio.create_task(self._sweep())
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    while await self.send_batch() == BATCH:
                        pass
                except Exception as error:  # noqa: BLE001  # the rows stay; the next sweep tries
                    log.warning("cannot relay", error=str(error).splitlines()[:1])
        finally:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)

    async def _sweep(self) -> None:
        sweeps = 0
        while True:
            self._wake.set()
            await asyncio.sleep(SWEEP_S)
            sweeps += 1
            try:
                await self.reopen()
                if sweeps % PRUNE_EVERY == 0:
                    await self._prune()
            except Exception as error:  # noqa: BLE001  # the next sweep tries again
                log.warning("cannot sweep the outbox", error=str(error).splitlines()[:1])

    async def send_batch(self) -> int:
        """Send the oldest rows that wait; gives how many.

        Raises:
            redis.RedisError, sqlalchemy.exc.SQLAlchemyError, OSError: nothing is marked sent.
        """
        async with self._database.begin() as connection:
            turn = (await connection.execute(_TAKE_TURN, {"key": RELAY_LOCK})).one()
            if not turn.is_mine:
                return 0
            rows = list((await connection.execute(_TAKE, {"limit": BATCH})).mappings())
            if not rows:
                return 0
            await self._send(connection, rows)
        return len(rows)

    async def _send(self, connection: AsyncConnection, rows: Sequence[RowMapping]) -> None:
        # Asked before anything is sent: a server that changes meanwhile is then seen as another
        # one, and the rows are sent again.
        server = self._server = self._server or await replication_id(self._redis)
        sound = []
        for row in rows:
            fault = self._fault_of(row)
            if fault is None:
                sound.append(row)
            else:
                await _bury(connection, row, fault)
        # Events and messages go to different readers, so order matters within each kind only.
        await self._delivery.deliver(
            [
                OutgoingEvent(row["user_id"], row["key"], row["payload"])
                for row in sound
                if row["kind"] == OutboxKind.EVENT
            ]
        )
        messages = [
            OutboxMessage(
                key=row["key"],
                actor=row["actor"],
                args=tuple(row["payload"]["args"]),
                kwargs=row["payload"]["kwargs"],
                trace_id=row["trace_id"],
            )
            for row in sound
            if row["kind"] == OutboxKind.MESSAGE
        ]
        if messages:
            await self._send_messages(messages)
        await connection.execute(_MARK, {"ids": [row["id"] for row in rows], "sent_to": server})
        now = datetime.now(UTC)
        for row in sound:
            RELAYED.labels(row["kind"]).inc()
            RELAY_SECONDS.observe(max(0.0, (now - row["created_at"]).total_seconds()))
            log.debug("relayed", key=row["key"], trace_id=row["trace_id"])

    def _fault_of(self, row: RowMapping) -> str | None:
        """Why a row can never be sent; None when it can."""
        payload = row["payload"]
        if not isinstance(payload, dict):
            return "the payload is not an object"
        if row["kind"] == OutboxKind.EVENT:
            if row["user_id"] is None:
                return "an event without a user"
            return None if payload and "id" not in payload else "a frame that is empty or has an id"
        if not self._knows_actor(row["actor"]):
            return f"there is no actor {row['actor']!r}"
        if not isinstance(payload.get("args"), list) or not isinstance(payload.get("kwargs"), dict):
            return "a message without args and kwargs"
        return None

    async def reopen(self) -> int:
        """Have sent again what Redis lost or nobody consumed; gives how many rows."""
        try:
            self._server = await replication_id(self._redis)
        except RedisError as error:
            log.warning("Redis does not answer", error=str(error))
            return 0
        async with self._database.begin() as connection:
            reopened = await connection.execute(
                _REOPEN,
                {
                    "server": self._server,
                    "overdue_s": self._overdue_s,
                    "resend_s": RESEND_EVENTS_S,
                },
            )
        if reopened.rowcount:
            log.warning("sending again", rows=reopened.rowcount)
            self._wake.set()
        return reopened.rowcount

    async def _prune(self) -> None:
        async with self._database.begin() as connection:
            await connection.execute(_PRUNE, {"keep_s": self._keep_s, "limit": PRUNE_BATCH})


async def _bury(connection: AsyncConnection, row: RowMapping, reason: str) -> None:
    """Keep a row that can never be sent as a dead letter, so that the others go on."""
    log.error("a row of the outbox cannot be sent", key=row["key"], reason=reason)
    await connection.execute(
        text("""
            INSERT INTO dead_letters (redis_message_id, queue, actor, message, reason)
            VALUES (:key, 'outbox', coalesce(CAST(:actor AS text), ''),
                    jsonb_build_object('outbox_id', CAST(:id AS bigint)), :reason)
            ON CONFLICT DO NOTHING
        """),
        {"id": row["id"], "key": row["key"], "actor": row["actor"], "reason": reason},
    )
    await connection.execute(
        text("UPDATE outbox SET consumed_at = now() WHERE id = :id"), {"id": row["id"]}
    )
