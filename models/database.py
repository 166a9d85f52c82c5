"""How a process reaches PostgreSQL; nothing opens at import.

SQLAlchemy for everyday work, a bare asyncpg connection for ``LISTEN``.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from models.statements import Row


class DatabaseNotReady(Exception):
    """The database cannot be reached, or its schema is not the one this code was written for."""


def open_database(url: str, *, pool_size: int = 5, **options: Any) -> AsyncEngine:
    """An engine that connects on first use.

    Args:
        url: ``postgresql+asyncpg://…``; a Unix socket goes into ``?host=/folder``.
        pool_size: connections kept; as many again may be opened under load.
        options: passed to SQLAlchemy's ``create_async_engine``.
    """
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # what people wrote has no place in the log of a fault
        **options,
    )


class PlainStatements:
    """Shared steps (``models.steps``) on an SQLAlchemy connection, inside its transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Row]:
        """Run one statement as it is; its ``$1`` are what asyncpg takes."""
        result = await self._connection.exec_driver_sql(query, arguments or None)
        return [*result.mappings()] if result.returns_rows else []


async def open_listener(url: str) -> asyncpg.Connection:
    """A bare connection for ``LISTEN``, which a pool would hand to somebody else.

    Raises:
        OSError, asyncpg.PostgresError: the server does not answer or refuses.
    """
    parts = make_url(url)
    return await asyncpg.connect(
        host=parts.query.get("host", parts.host),
        port=parts.port,
        user=parts.username,
        password=parts.password,
        database=parts.database,
        timeout=5,  # seconds; a listener that hangs is worse than one that fails
    )


async def check_schema(database: AsyncEngine, expected_revision: str) -> None:
    """Prove that the database answers and is migrated to the revision this code needs.

    Raises:
        DatabaseNotReady: one line that says what to do.
    """
    try:
        async with database.connect() as connection:
            found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidCatalogNameError) as error:
        raise DatabaseNotReady(
            f"cannot reach the database ({error}); check SNS_DATABASE_URL and that it is running"
        ) from error
    except SQLAlchemyError as error:
        if "alembic_version" not in str(error):
            raise DatabaseNotReady(f"the database refuses ({error}); check its state") from error
        found = None
    if found != expected_revision:
        raise DatabaseNotReady(
            f"the database is at schema {found or 'none'}, this code needs {expected_revision}; "
            "run `sns migrate`"
        )
