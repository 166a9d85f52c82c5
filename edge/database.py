"""The edge's few connections to PostgreSQL, for its HTTP side alone.

Bare asyncpg: SQLAlchemy would take 20 MiB of a process that is all memory for sockets. Nothing is
opened before the first request needs it, and a server that restarted is simply connected to again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

_CONNECT_S: Final = 3
_STATEMENT_S: Final = 5
"""Longer than any statement of the edge takes on a healthy server."""

_IDLE_S: Final = 60

_OPTIONS: Final = {"statement_cache_size"}  # 0 before a pooler such as pgbouncer
_RENAMED: Final = {"ssl": "sslmode"}
_NOT_ASYNCPGS: Final = {"prepared_statement_cache_size"}

_DIED: Final = (
    OSError,  # and TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that ends while it is used confuses the driver
    asyncpg.OperatorInterventionError,  # shutting down, starting up, cancelled for its duration
)
"""What becomes of a connection that was closed under its user."""

_AWAY: Final = (
    *_DIED,
    asyncpg.InsufficientResourcesError,  # too many connections
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


class DatabaseAway(Exception):
    """PostgreSQL does not answer, or not in time; the transaction has changed nothing.

    Unless its commit was on the way: then nobody knows, and the caller may ask again, because every
    step of the edge can be repeated.
    """


def as_asyncpg_takes_it(url: str) -> tuple[str, dict[str, int]]:
    """A URL in SQLAlchemy's form, as asyncpg's DSN and options.

    SQLAlchemy says ``ssl`` where a DSN says ``sslmode``, and takes options of the driver and of its
    own in the query, which a DSN would pass on to the server.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    options = {name: int(query.pop(name)) for name in _OPTIONS & query.keys()}
    query = {_RENAMED.get(name, name): query[name] for name in query if name not in _NOT_ASYNCPGS}
    # The host of a Unix socket is a folder, and its slashes are to stay.
    written = urlencode(query, safe="/")
    return urlunsplit(("postgresql", parts.netloc, parts.path, written, "")), options


class Database:
    """A pool that opens with its first use.

    Args:
        url: as the engine has it, ``postgresql+asyncpg://…``.
        connections: most at a time; more requests wait for one.
    """

    def __init__(self, url: str, *, connections: int) -> None:
        self._dsn, self._options = as_asyncpg_takes_it(url)
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
            async with AsyncExitStack() as held:
                yield await self._begin(held)
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

    async def _begin(self, held: AsyncExitStack) -> Any:
        """A connection on which a transaction has begun; ``held`` ends both.

        Where the first one died with a server that is back, another is taken: nothing was asked of
        it yet.
        """
        pool = await self._open()
        for is_last in (False, True):
            async with AsyncExitStack() as trying:
                connection = await trying.enter_async_context(pool.acquire(timeout=_CONNECT_S))
                try:
                    await trying.enter_async_context(connection.transaction())
                except _DIED:
                    if is_last:
                        raise
                    continue
                held.push_async_exit(trying.pop_all())
                return connection
        raise RuntimeError("the last try has returned or raised")

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    **self._options,
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
