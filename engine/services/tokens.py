"""Tokens that never die silently: renewed ahead, looked at daily, and warned of in time.

One renewal at a time per account, over all processes: whoever moves ``token_retry_at`` into the
future first has the account for :data:`LEASE_S`, and nothing is locked while the platform is asked.
The new token is written before anybody uses it, and only over the token that it was made from.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, Final
from uuid import uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import CircuitOpen, PlatformError, ReconnectNeeded, Throttled
from engine.ports import AccountAccess, Clock, Grant, TokenClient, TokenHealth, TokenRules
from engine.rules.reconnecting import WARN_DAYS, explain_ending, mark_of
from engine.rules.retry import backoff_s
from engine.services.disconnecting import disconnect, tell_caretakers
from models.accounts import AccountStatus, Platform, TokenUnreadable, TokenVault
from models.words import Priority

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 60.0  # fifteen looks before the end of a token that lives an hour
LEASE_S: Final = 60.0  # more than connecting and reading may take together
AT_ONCE: Final = 8
BATCH: Final = 50
RETRY_BASE_S: Final = 30.0
LONGEST_RETRY_S: Final = 6 * 3600.0
TRIES_IN_WINDOW: Final = 10  # retries come at least so often between the window's start and the end
DOUBLINGS: Final = 12
UNREADABLE_WAIT_S: Final = 3600.0
CHECK_EVERY: Final = timedelta(hours=24)
CHECK_AGAIN: Final = timedelta(hours=1)  # after a check that met a transient fault

# Without an end on record, a token counts as due once its account is old enough to renew it: its
# end is then known. One that only a refresh token renews is not due without that.
_CLAIM_RENEWALS = text("""
WITH due AS (
    SELECT a.id FROM platform_accounts a
    WHERE a.platform = :platform AND a.status = 'active' AND a.sealed_token IS NOT NULL
      AND (CAST(:id AS bigint) IS NULL OR a.id = :id)
      AND (a.token_retry_at IS NULL OR a.token_retry_at <= now()
           OR (:is_forced AND a.token_failures > 0))
      AND coalesce(a.token_issued_at <= :started_at, true)
      AND (:is_forced OR (
          coalesce(a.token_issued_at, a.created_at) <= now() - make_interval(secs => :min_age_s)
          AND CASE WHEN a.token_expires_at IS NULL
                   THEN NOT :has_refresh_token OR a.sealed_refresh_token IS NOT NULL
                   ELSE a.token_expires_at <= now() + make_interval(secs => :before_s) END))
    ORDER BY a.token_expires_at NULLS LAST, a.id
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE platform_accounts a SET token_retry_at = now() + make_interval(secs => :lease_s)
FROM due WHERE a.id = due.id
RETURNING a.id, a.platform, a.status, a.platform_user_id, a.username, a.sealed_token,
          a.sealed_refresh_token, a.token_failures
""")

_CLAIM_CHECKS = text("""
WITH due AS (
    SELECT a.id FROM platform_accounts a
    WHERE a.platform = :platform AND a.sealed_token IS NOT NULL
      AND (CAST(:id AS bigint) IS NULL OR a.id = :id)
      AND (:is_forced OR (a.status = 'active'
           AND coalesce(a.token_checked_at <= now() - CAST(:every AS interval), true)))
    ORDER BY a.token_checked_at NULLS FIRST, a.id
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE platform_accounts a SET token_checked_at = now()
FROM due WHERE a.id = due.id
RETURNING a.id, a.platform, a.status, a.platform_user_id, a.username, a.sealed_token,
          a.sealed_refresh_token, a.token_failures
""")

_STORE = text("""
UPDATE platform_accounts
SET sealed_token = :sealed, sealed_refresh_token = coalesce(:sealed_refresh, sealed_refresh_token),
    token_issued_at = :now, token_expires_at = :expires_at,
    scopes = coalesce(to_jsonb(CAST(:scopes AS text[])), scopes),
    token_retry_at = NULL, token_failures = 0, token_warned_days = NULL
WHERE id = :id
""")

_ENDING = text("""
SELECT id, client_id, platform, username, token_warned_days,
       least(token_expires_at, data_access_expires_at) AS ends_at
FROM platform_accounts
WHERE status = 'active' AND sealed_token IS NOT NULL
  AND platform = ANY(CAST(:platforms AS text[]))
  -- One that renews itself and has not failed is being renewed, or will be within the minute.
  AND (token_failures > 0 OR platform <> ALL(CAST(:renewing AS text[])))
  AND least(token_expires_at, data_access_expires_at) > :now
  AND least(token_expires_at, data_access_expires_at) <= :until
ORDER BY id
""")


class Outcome(StrEnum):
    """What came of asking after one account's token."""

    RENEWED = "renewed"
    VALID = "valid"
    PUT_OFF = "put_off"  # a transient fault, or one of our own: tried again
    DISCONNECTED = "disconnected"
    SUPERSEDED = "superseded"  # another token was stored meanwhile, and stays


@dataclass(frozen=True, slots=True)
class Result:
    """An account, what came of it, and the platform's word if it was not good."""

    account_id: int
    platform: Platform
    username: str
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: int
    platform: Platform
    status: AccountStatus
    platform_user_id: str
    username: str
    token_failures: int
    sealed_token: bytes = field(repr=False)
    sealed_refresh_token: bytes | None = field(repr=False)


class TokenKeeper:
    """Renews, checks and warns.

    Args:
        database: PostgreSQL.
        clients: of each platform; accounts of others are left alone.
        vault: opens and seals tokens.
        clock: when a token was made.
        random: source of jitter.
    """

    def __init__(
        self,
        *,
        database: AsyncEngine,
        clients: Mapping[Platform, TokenClient],
        vault: TokenVault,
        clock: Clock,
        random: Random,
    ) -> None:
        self._database = database
        self._clients = clients
        self._vault = vault
        self._clock = clock
        self._random = random
        self._stopping = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Renew what is due, every minute until ``stopping`` is set.

        Then a renewal that is on the wire is finished, since its answer may be the only one that
        the platform gives, and no other is begun.
        """
        self._stopping = stopping
        while not stopping.is_set():
            try:
                await self.renew()
            except Exception as error:  # noqa: BLE001  # the database is away: the next look tries
                log.warning("cannot renew tokens", error=str(error).splitlines()[:1])
            try:
                await asyncio.wait_for(stopping.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def look_after_all(self) -> list[Result]:
        """Renew what is due, check what was not checked for a day, warn of what ends."""
        results = [*await self.renew(), *await self.check()]
        await self.warn()
        return results

    async def renew(self, account_id: int | None = None) -> list[Result]:
        """Renew tokens whose time has come, or one account's now, whatever its time."""
        results: list[Result] = []
        # Whatever life a platform gives, none is renewed twice in one round.
        started_at = self._clock.now()
        for platform, client in self._clients.items():
            rules = client.rules
            if not rules.is_refreshable:
                continue
            while claimed := await self._claim(
                _CLAIM_RENEWALS,
                platform=platform,
                id=account_id,
                is_forced=account_id is not None,
                min_age_s=rules.min_age_s,
                before_s=rules.refresh_before_s,
                has_refresh_token=rules.has_refresh_token,
                lease_s=LEASE_S,
                started_at=started_at,
            ):
                results += await self._each(claimed, client, self._renew_one)
                if account_id is not None:
                    break
        return results

    async def check(self, account_id: int | None = None) -> list[Result]:
        """Ask whether tokens are good that nobody asked after for a day, or one account's now.

        An account that needed a reconnect and turns out to be good when a person asks is active
        again: some locks end by signing in at the platform.
        """
        results: list[Result] = []
        for platform, client in self._clients.items():
            while claimed := await self._claim(
                _CLAIM_CHECKS,
                platform=platform,
                id=account_id,
                is_forced=account_id is not None,
                every=CHECK_EVERY,
            ):
                results += await self._each(claimed, client, self._check_one)
                if account_id is not None:
                    break
        return results

    async def check_all(self) -> list[Result]:
        """Ask now after every account that has a token, whatever its state."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                text("SELECT id FROM platform_accounts WHERE sealed_token IS NOT NULL ORDER BY id")
            )
            ids = list(rows.scalars())
        return [result for account_id in ids for result in await self.check(account_id)]

    async def warn(self) -> int:
        """Tell people of connections that end within 7, 3 and 1 days; gives how many accounts.

        Those that renew themselves are there only when that failed until now; tokens of an hour
        never are.
        """
        now = self._clock.now()
        until = now + timedelta(days=max(WARN_DAYS))
        lasting = [
            platform
            for platform, client in self._clients.items()
            if not client.rules.has_refresh_token
        ]
        async with self._database.begin() as connection:
            await connection.execute(
                text("""
                    UPDATE platform_accounts SET token_warned_days = NULL
                    WHERE token_warned_days IS NOT NULL
                      AND least(token_expires_at, data_access_expires_at) > :until
                """),
                {"until": until},
            )
            rows = (
                await connection.execute(
                    _ENDING,
                    {
                        "platforms": lasting,
                        "renewing": [
                            platform
                            for platform, client in self._clients.items()
                            if client.rules.is_refreshable
                        ],
                        "now": now,
                        "until": until,
                    },
                )
            ).all()
        return sum([await self._warn_one(row, now) for row in rows])

    async def _warn_one(self, row: Any, now: datetime) -> bool:
        mark = mark_of((row.ends_at - now) / timedelta(days=1))
        if mark is None or (row.token_warned_days or max(WARN_DAYS) + 1) <= mark:
            return False
        platform = Platform(row.platform)
        title, message = explain_ending(platform, row.username, row.ends_at, mark)
        async with self._database.begin() as connection:
            moved = await connection.execute(
                text("""
                    UPDATE platform_accounts SET token_warned_days = :mark
                    WHERE id = :id AND token_warned_days IS NOT DISTINCT FROM :before
                """),
                {"id": row.id, "mark": mark, "before": row.token_warned_days},
            )
            if not moved.rowcount:
                return False
            await tell_caretakers(
                connection,
                account_id=row.id,
                client_id=row.client_id,
                key=f"token_ends:{row.id}:{row.ends_at.isoformat()}:{mark}",
                title=title,
                message=message,
                priority=Priority.URGENT if mark == min(WARN_DAYS) else Priority.HIGH,
                trace_id=uuid4().hex,
            )
        return True

    async def _claim(self, statement: Any, **values: Any) -> list[_Claimed]:
        async with self._database.begin() as connection:
            rows = await connection.execute(statement, {"limit": BATCH, **values})
            return [
                _Claimed(
                    **{
                        **row,
                        "platform": Platform(row["platform"]),
                        "status": AccountStatus(row["status"]),
                    }
                )
                for row in rows.mappings()
            ]

    async def _each(self, claimed: list[_Claimed], client: TokenClient, act: Any) -> list[Result]:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(account: _Claimed) -> Result:
            async with places:
                if self._stopping.is_set():  # the lease ends, and another process goes on
                    return _result(account, Outcome.PUT_OFF, "stopping")
                try:
                    outcome, reason = await act(account, client)
                except Exception as error:
                    # One bad row must not stop the others; the lease brings it back.
                    log.exception("token not looked after", account_id=account.id)
                    outcome, reason = Outcome.PUT_OFF, type(error).__name__
            return _result(account, outcome, reason)

        return list(await asyncio.gather(*(one(account) for account in claimed)))

    async def _renew_one(
        self, account: _Claimed, client: TokenClient
    ) -> tuple[Outcome, str | None]:
        try:
            access = self._access(account)
            second = account.sealed_refresh_token
            refresh_token = None if second is None else self._vault.open(second)
        except TokenUnreadable:
            log.error("no key of ours opens this token", account_id=account.id)
            await self._put_off(account, UNREADABLE_WAIT_S)
            return Outcome.PUT_OFF, "token_unreadable"
        try:
            grant = await client.refresh(access, refresh_token)
        except ReconnectNeeded as error:
            return await self._disconnect(account, error.code), error.code
        except PlatformError as error:
            await self._put_off(account, self._wait_s(account, error, client.rules))
            log.warning(
                "token not renewed",
                account_id=account.id,
                code=error.code,
                failures=account.token_failures + 1,
            )
            return Outcome.PUT_OFF, error.code
        if not await self._store(account, access, grant):
            return Outcome.SUPERSEDED, None
        log.info("token renewed", account_id=account.id, expires_at=str(grant.expires_at))
        return Outcome.RENEWED, None

    async def _store(self, account: _Claimed, access: AccountAccess, grant: Grant) -> bool:
        """Write a renewed token over the one that it was made from, and over no other.

        Compared opened: a key may have been changed meanwhile, which is no other token.
        """
        async with self._database.begin() as connection:
            held: bytes | None = await connection.scalar(
                text("SELECT sealed_token FROM platform_accounts WHERE id = :id FOR NO KEY UPDATE"),
                {"id": account.id},
            )
            if held is None or not self._is_same(held, access):
                return False
            second = grant.refresh_token
            await connection.execute(
                _STORE,
                {
                    "id": account.id,
                    "sealed": self._vault.seal(grant.token),
                    "sealed_refresh": None if second is None else self._vault.seal(second),
                    "now": self._clock.now(),
                    "expires_at": grant.expires_at,
                    "scopes": None if grant.scopes is None else list(grant.scopes),
                },
            )
        return True

    def _is_same(self, held: bytes, access: AccountAccess) -> bool:
        try:
            return self._vault.open(held).reveal() == access.token.reveal()
        except TokenUnreadable:
            # Sealed meanwhile by a key that this process was started without: it cannot be compared
            # and is not overwritten.
            log.error("a newer key is in use; start this process anew with it")
            return False

    async def _check_one(
        self, account: _Claimed, client: TokenClient
    ) -> tuple[Outcome, str | None]:
        try:
            health = await client.check(self._access(account))
        except TokenUnreadable:
            return Outcome.PUT_OFF, "token_unreadable"
        except PlatformError as error:
            async with self._database.begin() as connection:
                await connection.execute(
                    text("UPDATE platform_accounts SET token_checked_at = :at WHERE id = :id"),
                    {"id": account.id, "at": self._clock.now() - CHECK_EVERY + CHECK_AGAIN},
                )
            return Outcome.PUT_OFF, error.code
        await self._note(account, health)
        if health.is_valid:
            return Outcome.VALID, None
        code = health.reason or "190"
        return await self._disconnect(account, code), code

    async def _note(self, account: _Claimed, health: TokenHealth) -> None:
        """Keep what the platform told; nothing, if the token was replaced meanwhile."""
        async with self._database.begin() as connection:
            await connection.execute(
                text("""
                    UPDATE platform_accounts
                    SET token_expires_at = coalesce(:expires_at, token_expires_at),
                        data_access_expires_at = coalesce(:data_at, data_access_expires_at),
                        scopes = coalesce(to_jsonb(CAST(:scopes AS text[])), scopes),
                        status = CASE WHEN :is_mended THEN 'active' ELSE status END
                    WHERE id = :id AND sealed_token = :sealed
                """),
                {
                    "id": account.id,
                    "sealed": account.sealed_token,
                    "expires_at": health.expires_at,
                    "data_at": health.data_access_expires_at,
                    "scopes": None if health.scopes is None else list(health.scopes),
                    "is_mended": health.is_valid
                    and account.status is AccountStatus.RECONNECT_NEEDED,
                },
            )

    async def _disconnect(self, account: _Claimed, code: str) -> Outcome:
        async with self._database.begin() as connection:
            status = await disconnect(
                connection,
                account_id=account.id,
                used=account.sealed_token,
                code=code,
                now=self._clock.now(),
                trace_id=uuid4().hex,
            )
        if status is AccountStatus.ACTIVE:
            # Another token is there by now, or this one is renewed at the next look.
            return Outcome.SUPERSEDED
        return Outcome.DISCONNECTED

    async def _put_off(self, account: _Claimed, wait_s: float) -> None:
        async with self._database.begin() as connection:
            await connection.execute(
                text("""
                    UPDATE platform_accounts
                    SET token_retry_at = now() + make_interval(secs => :wait_s),
                        token_failures = token_failures + 1
                    WHERE id = :id AND sealed_token = :sealed
                """),
                {"id": account.id, "sealed": account.sealed_token, "wait_s": wait_s},
            )

    def _wait_s(self, account: _Claimed, error: PlatformError, rules: TokenRules) -> float:
        if isinstance(error, Throttled | CircuitOpen):
            return error.retry_after_s
        most_s = min(LONGEST_RETRY_S, rules.refresh_before_s / TRIES_IN_WINDOW)
        tries = min(account.token_failures, DOUBLINGS)
        return min(most_s, backoff_s(tries, base_s=RETRY_BASE_S, random=self._random))

    def _access(self, account: _Claimed) -> AccountAccess:
        return AccountAccess(account.platform_user_id, self._vault.open(account.sealed_token))


def _result(account: _Claimed, outcome: Outcome, reason: str | None) -> Result:
    return Result(account.id, account.platform, account.username, outcome, reason)
