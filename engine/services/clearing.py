"""Clears away what was prepared and never published: unpublished posts, private videos.

Containers of Instagram and Threads expire by themselves; elsewhere a withdrawn post would leave
something behind in the account. What was withdrawn may come back in a moment, moved to another
time, so nothing is cleared at once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import PlatformError
from engine.ports import AccountAccess, Container, PlatformClient
from models.accounts import Platform, TokenUnreadable, TokenVault

log = structlog.get_logger(__name__)

SWEEP_S: Final = 60.0
REST_S: Final = 3600.0  # how long a withdrawn post keeps its container
AT_ONCE: Final = 10

# The row forgets its container first. A crash after that leaves an unpublished thing behind, which
# harms nobody; the other order could clear away what a post that came back is published from.
_TAKE = text("""
WITH old AS (
    SELECT l.id, l.container_id
    FROM publishing_logs l
    WHERE l.status IN ('cancelled', 'failed') AND l.container_id IS NOT NULL
      AND l.updated_at < now() - make_interval(secs => :rest_s)
    ORDER BY l.id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
)
UPDATE publishing_logs l
SET container_id = NULL, container_expires_at = NULL, payload_hash = NULL, parts = '{}',
    updated_at = now()
FROM old, platform_accounts a
WHERE l.id = old.id AND a.id = l.platform_account_id
RETURNING l.id, old.container_id, l.kind, a.platform, a.platform_user_id, a.sealed_token
""")


@dataclass(slots=True)
class _Leftover:
    id: int
    container_id: str
    kind: str | None
    platform: str
    platform_user_id: str
    sealed_token: bytes | None = field(repr=False)


async def clear(
    database: AsyncEngine,
    *,
    platforms: Mapping[Platform, PlatformClient],
    vault: TokenVault,
    rest_s: float = REST_S,
) -> int:
    """Clear away a few leftovers that have rested for long enough; gives how many it took."""
    async with database.begin() as connection:
        rows = await connection.execute(_TAKE, {"rest_s": rest_s, "limit": AT_ONCE})
        leftovers = [_Leftover(**row) for row in rows.mappings()]
    for leftover in leftovers:
        platform = platforms.get(Platform(leftover.platform))
        if platform is None or leftover.sealed_token is None or leftover.kind is None:
            log.warning("not cleared away: no access", container=leftover.container_id)
            continue
        try:
            access = AccountAccess(leftover.platform_user_id, vault.open(leftover.sealed_token))
            await platform.discard(access, Container(leftover.container_id, leftover.kind))
        except (PlatformError, TokenUnreadable) as error:
            log.warning("not cleared away", container=leftover.container_id, error=str(error))
    return len(leftovers)


async def keep_clearing(
    database: AsyncEngine,
    stopping: asyncio.Event,
    *,
    platforms: Mapping[Platform, PlatformClient],
    vault: TokenVault,
) -> None:
    """Clear every minute until ``stopping`` is set."""
    while not stopping.is_set():
        try:
            taken = await clear(database, platforms=platforms, vault=vault)
        except Exception as error:  # noqa: BLE001  # the database is away: the next sweep tries
            log.warning("cannot clear", error=str(error).splitlines()[:1])
            taken = 0
        if taken < AT_ONCE:
            try:
                await asyncio.wait_for(stopping.wait(), SWEEP_S)
            except TimeoutError:
                continue
