"""One short visit to the database by a command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from engine.cli.faults import CommandFailed
from models import tables  # noqa: F401  # a flush needs every table that a foreign key names
from models.database import open_database

Answer = TypeVar("Answer")


def visit(url: str, work: Callable[[AsyncSession], Awaitable[Answer]]) -> Answer:
    """Do ``work`` in one transaction and give its answer.

    Raises:
        CommandFailed: the database is away, or not migrated.
    """

    async def in_session(database: AsyncEngine) -> Answer:
        async with AsyncSession(database, expire_on_commit=False) as session, session.begin():
            return await work(session)

    return call(url, in_session)


def call(url: str, service: Callable[[AsyncEngine], Awaitable[Answer]]) -> Answer:
    """Let a service work on the database and give its answer.

    Raises:
        CommandFailed: the database is away, or not migrated.
    """
    return asyncio.run(_call(url, service))


async def _call(url: str, service: Callable[[AsyncEngine], Awaitable[Answer]]) -> Answer:
    database = open_database(url, pool_size=2)
    try:
        return await service(database)
    except (OSError, asyncpg.PostgresError) as error:
        raise CommandFailed(
            f"cannot reach the database ({error}); start it with `sns up`, "
            "or check SNS_DATABASE_URL"
        ) from error
    except SQLAlchemyError as error:
        if "does not exist" in str(error):
            raise CommandFailed("the database is not migrated; run `sns migrate`") from error
        raise CommandFailed(f"the database refuses: {str(error).splitlines()[0]}") from error
    finally:
        await database.dispose()
