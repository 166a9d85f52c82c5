"""The embedded servers that the tests and `sns up` stand on."""

from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from engine.cli.faults import CommandFailed
from engine.cli.servers import Postgres

pytestmark = pytest.mark.integration


async def test_postgres_speaks_utf8_in_utc_and_listens_on_its_socket_only(
    postgres: Postgres,
) -> None:
    connection = await asyncpg.connect(host=str(postgres.sockets), user="sns", database="postgres")
    try:
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW listen_addresses") == ""
        assert await connection.fetchval("SELECT upper('é') || '한글'") == "É한글"
    finally:
        await connection.close()


def test_a_refused_statement_is_one_clear_line(postgres: Postgres) -> None:
    with pytest.raises(CommandFailed, match="PostgreSQL refuses: ERROR"):
        postgres.execute("SELECT nonsense")


def test_preparing_twice_changes_nothing(postgres: Postgres) -> None:
    before = (postgres.data / "PG_VERSION").stat().st_mtime_ns
    postgres.prepare()
    assert (postgres.data / "PG_VERSION").stat().st_mtime_ns == before
    assert postgres.postmaster() is not None


def test_a_socket_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    server = Postgres(data=tmp_path / "data", sockets=tmp_path / ("x" * 90))
    with pytest.raises(CommandFailed, match="shorter --data"):
        server.prepare()


def test_each_test_has_a_migrated_database_of_its_own(
    database_url: str, postgres: Postgres
) -> None:
    name = make_url(database_url).database
    assert postgres.execute("SELECT count(*) FROM alembic_version", database=str(name)) == "1"
