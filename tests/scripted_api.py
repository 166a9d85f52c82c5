"""A host that says what a test lays into its mouth, over a real socket.

For answers that no well-behaved double gives: rows of the wrong shape, halves of JSON, circles.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Said:
    """One answer. ``value`` is sent as JSON, unless it is bytes."""

    value: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        return self.value if isinstance(self.value, bytes) else json.dumps(self.value).encode()


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]


@dataclass
class ScriptedApi:
    """Answers each path in turn; the last answer stays. A path that has none gets 404.

    Attributes:
        answers: by ``"GET /path"``.
        asked: what came.
    """

    base_url: str = ""
    answers: dict[str, list[Said]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def says(self, call: str, *answers: Any) -> None:
        """Lay answers down; whatever is no :class:`Said` is the value of a good one."""
        self.answers[call] = [one if isinstance(one, Said) else Said(one) for one in answers]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                await self._answer(line.decode(), reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(
        self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method, target, _ = line.split(" ", 2)
        length = 0
        while (header := (await reader.readline()).decode().strip()) != "":
            name, _, value = header.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        body = (await reader.readexactly(length)).decode()
        parts = urlsplit(target)
        self.asked.append(
            Asked(method, parts.path, dict(parse_qsl(parts.query)), dict(parse_qsl(body)))
        )
        answers = self.answers.get(f"{method} {parts.path}", [Said({"error": "no"}, 404)])
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        sent = said.body()
        head = "".join(f"{name}: {value}\r\n" for name, value in said.headers.items())
        writer.write(
            f"HTTP/1.1 {said.status} Said\r\n{head}Content-Length: {len(sent)}\r\n\r\n".encode()
            + sent
        )
        await writer.drain()


@asynccontextmanager
async def scripted_api() -> AsyncIterator[ScriptedApi]:
    """A host on a free port."""
    api = ScriptedApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()
