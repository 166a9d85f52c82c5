"""An edge in the test's event loop, and a browser to talk to it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from edge.server import Server
from edge.settings import Settings
from models.channels import Position, decode_event_id
from models.delivery import OutgoingEvent

SECRET = "forty characters that no one else uses .."
PATIENCE_S = 10  # a loaded machine is slow, a hanging test is a failure


def token(user_id: int = 7, *, expires_in_s: float = 600, **claims: Any) -> str:
    claims = {
        "sub": str(user_id),
        "iss": "sns",
        "aud": "sns-edge",
        "exp": time.time() + expires_in_s,
    } | claims
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, SECRET, "HS256")


def environment(redis_url: str, **own: Any) -> dict[str, str]:
    return {
        "SNS_REDIS_URL": redis_url,
        "SNS_JWT_SECRET": SECRET,
        "SNS_EDGE_PORT": "0",
    } | {f"SNS_{name.upper()}": str(value) for name, value in own.items()}


def event(event_id: object, user_id: int = 7, **fields: Any) -> OutgoingEvent:
    frame = {"type": "notification", "title": f"소식 {event_id}"} | fields
    return OutgoingEvent(user_id, str(event_id), frame)


class QuietServer(Server):
    """An edge that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
        yield


@asynccontextmanager
async def serving(redis_url: str, **own: Any) -> AsyncIterator[Server]:
    """An edge on a free port; the names of its settings are without ``SNS_``."""
    server = QuietServer(Settings.load(environment(redis_url, **own)))
    before = asyncio.all_tasks()
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started or task.done())
    try:
        yield server
    finally:
        server.should_exit = True
        await task
        left = {other for other in asyncio.all_tasks() - before if not other.done()}
        assert {other for other in left if "edge/" in str(other.get_coro())} == set()


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that gives no signal."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def until_true(condition: Callable[[], Awaitable[Any]]) -> None:
    """Wait for something on another machine, so to say."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.01)


class Browser:
    """One open tab: what it received, and where it is in its history."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.position: Position | None = None
        self.titles: list[str] = []

    async def next(self) -> dict[str, Any]:
        """The next frame; events move the position, by exactly one."""
        async with asyncio.timeout(PATIENCE_S):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        if frame["type"] == "hello":
            self.position = Position(frame["epoch"], frame["seq"])
        elif "id" in frame:
            position = decode_event_id(frame["id"])
            assert self.position is not None
            assert position.seq == self.position.seq + 1
            self.position = position
            self.titles.append(frame["title"])
        return frame

    async def hello(self) -> dict[str, Any]:
        frame = await self.next()
        assert frame["type"] == "hello"
        return frame

    async def receive(self, count: int) -> list[str]:
        """Titles of the next events."""
        return [(await self.next())["title"] for _ in range(count)]

    async def say(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def close_code(self) -> int | None:
        """Wait for the end; frames on the way are dropped."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None

    @property
    def resume(self) -> str:
        assert self.position is not None
        return f"{self.position.epoch}-{self.position.seq}"


@asynccontextmanager
async def browsing(port: int, query: str = "", **options: Any) -> AsyncIterator[Browser]:
    """A connection with a query as it is."""
    # A full queue would make the client stop reading, and then miss the answer to its close.
    async with connect(
        f"ws://127.0.0.1:{port}/ws{query}",
        proxy=None,
        ping_interval=None,
        max_queue=None,
        **options,
    ) as socket:
        yield Browser(socket)


@asynccontextmanager
async def signed_in(
    port: int, user_id: int = 7, *, resume: str | None = None, **claims: Any
) -> AsyncIterator[Browser]:
    """A connection that has had its hello."""
    query = f"?token={token(user_id, **claims)}" + (f"&resume={resume}" if resume else "")
    async with browsing(port, query) as browser:
        await browser.hello()
        yield browser
