"""The migrations and the declared tables say the same."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from engine.cli.servers import Postgres
from models import migrations
from models.database import DatabaseNotReady, check_schema, open_database
from models.migrations import newest_revision, upgrade
from models.tables import METADATA


async def test_migrations_from_zero_equal_the_declared_tables(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, METADATA))

    database = create_async_engine(database_url)
    async with database.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.dispose()


async def test_a_database_that_is_not_migrated_is_named_with_what_to_do(
    postgres: Postgres,
) -> None:
    postgres.execute("CREATE DATABASE bare")
    database = open_database(postgres.url("bare"))
    with pytest.raises(DatabaseNotReady) as caught:
        await check_schema(database, newest_revision())
    assert str(caught.value) == (
        f"the database is at schema none, this code needs {newest_revision()}; run `sns migrate`"
    )
    await database.dispose()


def test_the_newest_revision_is_the_head_of_the_history() -> None:
    folder = Path(migrations.__file__).parent
    assert newest_revision() == ScriptDirectory(str(folder)).get_current_head()


def test_migrating_twice_changes_nothing(postgres: Postgres) -> None:
    postgres.execute("CREATE DATABASE twice")
    upgrade(postgres.url("twice"))
    upgrade(postgres.url("twice"))
