"""``sns tokens`` on a database with accounts, against the sandbox."""

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from engine.cli.stack import sandbox_addresses
from models.accounts import AccountStatus, TokenVault
from models.database import open_database
from tests.factories import TOKEN_KEY, Factory
from tests.running_command import sns
from tests.running_sandbox import RunningSandbox

pytestmark = pytest.mark.integration
NEW_KEY = Fernet.generate_key().decode()


async def made(database_url: str) -> tuple[int, int]:
    """An active account with a post to come, and one that needs a reconnect."""
    database = open_database(database_url)
    make = Factory(database)
    active = await make.account()
    lost = await make.account(status=AccountStatus.RECONNECT_NEEDED)
    await make.content(active, due_in_s=3600)
    await database.dispose()
    return active.id, lost.id


async def seals(database_url: str) -> list[bytes]:
    from sqlalchemy import text

    database = open_database(database_url)
    async with database.connect() as connection:
        rows = await connection.execute(text("SELECT sealed_token FROM platform_accounts"))
        found = [bytes(seal) for seal in rows.scalars()]
    await database.dispose()
    return found


def test_accounts_are_listed_checked_renewed_and_sealed_anew(
    database_url: str, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    active, lost = asyncio.run(made(database_url))
    settings = {
        **sandbox_addresses(sandbox.base_url),
        "SNS_DATABASE_URL": database_url,
        "SNS_TOKEN_KEYS": TOKEN_KEY,
        "SNS_JWT_SECRET": "x" * 32,
    }

    def run(*arguments: str, code: int = 0, **more: str) -> str:
        done = sns("tokens", *arguments, settings={**settings, **more}, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert "sandbox-token" not in done.stdout + done.stderr
        return done.stdout

    first, second = map(json.loads, run("list", "--json").splitlines())
    assert (first["id"], first["status"], first["waiting_posts"]) == (active, "active", 1)
    assert (second["id"], second["status"]) == (lost, "reconnect_needed")
    assert "reconnect_needed" in run("list")
    assert f"account {active}, instagram" in run("refresh", str(active))
    assert "no token is due" in run("refresh")
    assert "days" in run("list")
    run("refresh", "999", code=1)
    assert run("check").count(": valid") == 2
    assert json.loads(run("list", "--json").splitlines()[1])["status"] == "active"
    both = f"{NEW_KEY},{TOKEN_KEY}"
    figures = json.loads(run("reseal", SNS_TOKEN_KEYS=both))
    assert (figures["accounts"], figures["resealed"], figures["unreadable"]) == (2, 2, [])
    assert json.loads(run("reseal", SNS_TOKEN_KEYS=both))["already"] == 2
    newest = TokenVault([NEW_KEY])
    assert all(newest.is_newest(seal) for seal in asyncio.run(seals(database_url)))
    figures = json.loads(run("reseal", code=1))  # without the new key, nothing opens
    assert len(figures["unreadable"]) == 2
