"""``sns validate`` as a person sees it."""

import asyncio
from pathlib import Path

import pytest

from engine.cli.folder import Folder
from engine.cli.stack import sandbox_addresses
from models.database import open_database
from tests.factories import TOKEN_KEY, Factory
from tests.running_command import sns
from tests.running_sandbox import RunningSandbox

pytestmark = pytest.mark.integration


async def test_validate_says_what_to_fix_and_fails(
    database_url: str, redis_url: str, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = {
        **Folder.at(tmp_path).secrets(),
        **sandbox_addresses(sandbox.base_url),
        "SNS_DATABASE_URL": database_url,
        "SNS_REDIS_URL": redis_url,
        "SNS_TOKEN_KEYS": TOKEN_KEY,
        "SNS_MEDIA_ALLOW_PRIVATE": "True",
    }
    database = open_database(database_url)
    make = Factory(database, picture=sandbox.picture())
    account = await make.account()
    good = await make.content(account)
    tall = [{"kind": "image", "url": sandbox.picture(1080, 2000)}]
    bad = await make.content(account, media=tall)
    await database.dispose()

    done = await asyncio.to_thread(sns, "validate", str(good.id), settings=settings, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"instagram @{account.username} (account {account.id}): good" in done.stdout

    done = await asyncio.to_thread(sns, "validate", str(bad.id), settings=settings, cwd=tmp_path)
    assert done.returncode == 1
    assert "1 to fix" in done.stdout
    assert "media[0]: 가로세로 비율(가로÷세로)을" in done.stdout
    assert "Crop it so that width ÷ height is" in done.stdout

    done = await asyncio.to_thread(sns, "validate", "4711", settings=settings, cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no content 4711" in done.stderr
