"""The edge's few connections to PostgreSQL, for its HTTP side alone.

Bare asyncpg: SQLAlchemy would take 20 MiB of a process that is all memory for sockets. Nothing is
opened before the first request needs it, and a server that restarted is simply connected to again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

_CONNECT_S: Final = 3
_STATEMENT_S: Final = 5
"""Longer than any statement of the edge takes on a healthy server."""

_IDLE_S: Final = 60

_AWAY: Final = (
    OSError,  # and TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # its connection was closed under it
    asyncpg.OperatorInterventionError,  # shutting down, starting up, cancelled for its duration
    asyncpg.InsufficientResourcesError,  # too many connections
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


class DatabaseAway(Exception):
    """PostgreSQL does not answer, or not in time; the transaction has changed nothing.

    Unless its commit was on the way: then nobody knows, and the caller may ask again, because every
    step of the edge can be repeated.
    """


class Database:
    """A pool that opens with its first use.

    Args:
        url: as the engine has it, ``postgresql+asyncpg://…``.
        connections: most at a time; more requests wait for one.
    """

    def __init__(self, url: str, *, connections: int) -> None:
        self._url = url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._connections = connections
        self._pool: Any = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection inside a transaction, which commits when the block ends well.

        Raises:
            DatabaseAway: see there.
        """
        try:
            pool = await self._open()
            async with pool.acquire(timeout=_CONNECT_S) as connection, connection.transaction():
                yield connection
        except _AWAY as error:
            raise DatabaseAway(type(error).__name__) from error

    async def probe(self) -> None:
        """Prove that it answers.

        Raises:
            DatabaseAway: it does not.
        """
        async with self.transaction() as connection:
            await connection.fetch("SELECT 1")

    async def close(self) -> None:
        """Close what is open; requests have ended by now."""
        if self._pool is not None:
            self._pool.terminate()

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,  # connects when something is asked for
                    max_size=self._connections,
                    max_inactive_connection_lifetime=_IDLE_S,
                    timeout=_CONNECT_S,
                    command_timeout=_STATEMENT_S,
                    server_settings={
                        "application_name": "sns-edge",
                        # Should this process freeze, its locks do not outlive it for long.
                        "idle_in_transaction_session_timeout": "10s",
                    },
                )
            return self._pool
