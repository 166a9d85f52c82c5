"""Collects the comments of every account, page by page, until known ground.

``sync_comments`` sends a message per account; the message only asks for the account
(:func:`ask_for_account`), and a :class:`Collector` takes it: one worker per account by a lease, any
number of accounts at once, one page at a time by turns that are fair between clients. A worker that
dies leaves the account asked for, and its lease runs out.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import InvalidCommand, PlatformError, ReconnectNeeded, Throttled
from engine.ports import AccountAccess, Clock, InboxClient
from engine.services.disconnecting import disconnect
from engine.services.ending import hold
from engine.services.outboxing import consume
from engine.services.reading import (
    LEASE_S,
    AccountReader,
    Claimed,
    CollectingRules,
    LeaseOver,
)
from engine.services.turns import Turns
from models.accounts import Platform, TokenUnreadable, TokenVault
from models.outbox import COLLECT_CHANNEL

log = structlog.get_logger(__name__)

SWEEP_S: Final = 2.0
PAGES_AT_ONCE: Final = 8  # being stored
ACCOUNTS_AT_ONCE: Final = 256
STALE_QUEUE: Final = timedelta(minutes=30)
"""An account that was asked for so long ago and not collected is asked for again."""

_QUEUE_ALL = text("""
INSERT INTO outbox (kind, key, actor, payload, trace_id)
SELECT 'message', :key || ':' || asked.id, 'sync_account',
       jsonb_build_object('args', jsonb_build_array(asked.id), 'kwargs', '{}'::jsonb), :trace_id
FROM (
    SELECT a.id, c.collect_weight, a.client_id,
           row_number() OVER (PARTITION BY a.client_id ORDER BY s.finished_at NULLS FIRST, a.id)
               AS place
    FROM platform_accounts a
    JOIN clients c ON c.id = a.client_id
    LEFT JOIN collection_states s ON s.platform_account_id = a.id
    WHERE a.status = 'active' AND a.sealed_token IS NOT NULL
      AND (a.held_until IS NULL OR a.held_until <= now())
      AND NOT EXISTS (
          SELECT 1 FROM platform_holds h WHERE h.platform = a.platform AND h.held_until > now()
      )
      -- One that waits for a collector will see what is new; one that is being read may not.
      AND (s.queued_at IS NULL OR s.lease_expires_at > now()
           OR s.queued_at < now() - CAST(:stale AS interval))
) AS asked
ORDER BY ceil(asked.place::numeric / greatest(asked.collect_weight, 1)),
    asked.client_id, asked.place
ON CONFLICT (key) DO NOTHING
""")

_ASK = text("""
INSERT INTO collection_states (platform_account_id, queued_at)
SELECT id, clock_timestamp() FROM platform_accounts WHERE id = :id
ON CONFLICT (platform_account_id) DO UPDATE SET queued_at = excluded.queued_at
RETURNING platform_account_id
""")

_CLAIM = text("""
WITH due AS (
    SELECT s.platform_account_id AS id
    FROM collection_states s
    WHERE s.queued_at IS NOT NULL
      AND (s.lease_expires_at IS NULL OR s.lease_expires_at < now())
    ORDER BY s.queued_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
UPDATE collection_states s
SET lease_number = s.lease_number + 1,
    lease_expires_at = now() + make_interval(secs => :lease_s)
FROM due, platform_accounts a, clients c
WHERE s.platform_account_id = due.id AND a.id = due.id AND c.id = a.client_id
RETURNING s.platform_account_id AS id, s.lease_number, s.queued_at AS asked_at, a.client_id,
    c.collect_weight AS weight,
    a.platform, a.platform_user_id, a.sealed_token,
    a.status = 'active' AND (a.held_until IS NULL OR a.held_until <= now()) AND NOT EXISTS (
        SELECT 1 FROM platform_holds h WHERE h.platform = a.platform AND h.held_until > now()
    ) AS is_open
""")

_FINISH = text("""
UPDATE collection_states
SET queued_at = CASE WHEN queued_at > :asked_at THEN queued_at END, lease_expires_at = NULL,
    finished_at = CASE WHEN CAST(:code AS text) IS NULL THEN clock_timestamp() ELSE finished_at END,
    failures = CASE WHEN CAST(:code AS text) IS NULL THEN 0 ELSE failures + 1 END,
    error_code = :code, error_message = :message
WHERE platform_account_id = :id AND lease_number = :lease_number
""")


async def ask_for_all(database: AsyncEngine, *, key: str, message_key: str | None) -> int:
    """Have every active account collected, a message each; gives how many were asked for.

    In the order of the messages no client has a second turn before every client had its first, by
    weight. An account that still waits is not asked for once more; one that is being collected is,
    because what is new may stand where it was read already.

    Args:
        database: PostgreSQL.
        key: what makes this round's messages its own.
        message_key: of the message that asks for it.
    """
    async with database.begin() as connection:
        if not await consume(connection, message_key):
            return 0
        asked = await connection.execute(
            _QUEUE_ALL, {"key": f"sync_account:{key}", "trace_id": key, "stale": STALE_QUEUE}
        )
        return asked.rowcount


async def ask_for_account(
    database: AsyncEngine, *, account_id: int, message_key: str | None
) -> None:
    """Have one account collected as soon as a collector has a place.

    Raises:
        InvalidCommand: there is no such account.
    """
    async with database.begin() as connection:
        if not await consume(connection, message_key):
            return
        asked = await connection.execute(_ASK, {"id": account_id})
        if asked.first() is None:
            raise InvalidCommand(f"there is no platform account {account_id}")
        await connection.execute(
            text("SELECT pg_notify(:channel, '')"), {"channel": COLLECT_CHANNEL}
        )


class Collector:
    """Collects the accounts that were asked for.

    Args:
        database: PostgreSQL.
        inboxes: the client of each platform.
        vault: opens the accounts' tokens.
        clock: the present.
        rules: how far and how often.
    """

    def __init__(
        self,
        *,
        database: AsyncEngine,
        inboxes: Mapping[Platform, InboxClient],
        vault: TokenVault,
        clock: Clock,
        rules: CollectingRules,
    ) -> None:
        self._database = database
        self._inboxes = inboxes
        self._vault = vault
        self._clock = clock
        self._rules = rules
        self._turns = Turns(PAGES_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """An account may have been asked for."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Collect until ``stopping``; a page that is being stored is finished, the rest is left."""
        stop = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                self._wake.clear()
                try:
                    await self.claim()
                except Exception as error:  # noqa: BLE001  # the database is away
                    log.warning("cannot claim accounts", error=str(error).splitlines()[:1])
                woken = asyncio.create_task(self._wake.wait())
                await asyncio.wait(
                    {stop, woken}, timeout=SWEEP_S, return_when=asyncio.FIRST_COMPLETED
                )
                woken.cancel()
        finally:
            stop.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def claim(self) -> int:
        """Begin with the accounts that wait, as far as there are places; gives how many."""
        limit = ACCOUNTS_AT_ONCE - len(self._running)
        if limit <= 0:
            return 0
        async with self._database.begin() as connection:
            rows = await connection.execute(_CLAIM, {"limit": limit, "lease_s": LEASE_S})
            claims = [
                Claimed(**{**row, "platform": Platform(row["platform"])}) for row in rows.mappings()
            ]
        for claimed in claims:
            task = asyncio.create_task(self._carry(claimed))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            task.add_done_callback(lambda _: self._wake.set())
        return len(claims)

    async def collect_all(self) -> None:
        """Collect what waits now, and return when all of it is done."""
        while await self.claim():
            await asyncio.gather(*self._running)

    async def _carry(self, claimed: Claimed) -> None:
        with structlog.contextvars.bound_contextvars(account_id=claimed.id):
            failed: PlatformError | None = None
            try:
                await self._collect(claimed)
            except LeaseOver:
                return
            except PlatformError as error:
                failed = error
                await self._hold_back(claimed, error)
            except Exception:  # one account's fault must not stop the others; it is done again
                log.exception("collecting failed after a fault of ours")
                return
            await self._finish(claimed, failed)
            log.info(
                "collected",
                new=claimed.new,
                changed=claimed.changed,
                gone=claimed.gone,
                calls=claimed.calls,
                sweep_calls=claimed.sweep_calls,
                code=None if failed is None else failed.code,
            )

    async def _collect(self, claimed: Claimed) -> None:
        inbox = self._inboxes.get(claimed.platform)
        if inbox is None or claimed.sealed_token is None or not claimed.is_open:
            return
        try:
            token = self._vault.open(claimed.sealed_token)
        except TokenUnreadable:
            raise ReconnectNeeded(
                "the stored token cannot be opened", code="token-unreadable"
            ) from None
        await AccountReader(
            database=self._database,
            inbox=inbox,
            access=AccountAccess(claimed.platform_user_id, token),
            claimed=claimed,
            turns=self._turns,
            clock=self._clock,
            rules=self._rules,
        ).run()

    async def _hold_back(self, claimed: Claimed, error: PlatformError) -> None:
        """Do what an error asks of the account as a whole."""
        log.warning("collecting ended early", code=error.code, error=str(error))
        if isinstance(error, ReconnectNeeded) and claimed.sealed_token is not None:
            async with self._database.begin() as connection:
                await disconnect(
                    connection,
                    account_id=claimed.id,
                    used=claimed.sealed_token,
                    code=error.code,
                    now=self._clock.now(),
                    trace_id=uuid4().hex,
                )
        if isinstance(error, Throttled):
            until = self._clock.now() + timedelta(seconds=error.retry_after_s)
            async with self._database.begin() as connection:
                await hold(connection, claimed.id, claimed.platform, error, until=until)

    async def _finish(self, claimed: Claimed, error: PlatformError | None) -> None:
        try:
            async with self._database.begin() as connection:
                await connection.execute(
                    _FINISH,
                    {
                        "id": claimed.id,
                        "lease_number": claimed.lease_number,
                        "asked_at": claimed.asked_at,
                        "code": None if error is None else error.code,
                        "message": None if error is None else str(error),
                    },
                )
        except Exception as away:  # noqa: BLE001  # the lease runs out, and it is done again
            log.warning("cannot finish", error=str(away).splitlines()[:1])
