"""Anything at all, sent at the edge: it answers or closes, and is the same afterwards."""

import asyncio
import contextlib
import json
import os
import random
import string
import time
from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import WebSocketException

from edge.close_codes import CloseCode
from edge.server import Server
from tests.integration.edge.harness import PATIENCE_S, browsing, serving, signed_in, token, until

pytestmark = pytest.mark.integration

FUZZ_S = 3
SEED = int(os.environ.get("FUZZ_SEED", "20261123"))
OPEN_LIMITS = {
    "edge_frames_per_s": 10_000,
    "edge_frames_burst": 10_000,
    "edge_user_connections": 1000,
    "edge_auth_timeout_s": 1,
    "edge_presence_grace_s": 0,
}
KINDS = ["ping", "auth", "refresh", "resume", "hello", "chat_stream", "", "가", 5, None]


def value(chance: random.Random, depth: int = 0) -> object:
    """Any JSON value."""
    kind = chance.randrange(8 if depth < 3 else 6)
    if kind == 6:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 7:
        return {word(chance): value(chance, depth + 1) for _ in range(chance.randrange(4))}
    choices: list[object] = [None, True, chance.randrange(-(2**70), 2**70), chance.random(), "", 0]
    return chance.choice([*choices, word(chance), "0" * 20 + "-" + str(chance.randrange(10))])


def word(chance: random.Random) -> str:
    letters = string.printable + "가나다\u0000\ud7ff\U0001f600"
    return "".join(chance.choices(letters, k=chance.randrange(12)))


def frame(chance: random.Random) -> str | bytes:
    """Something that a client might send; mostly near to what it should."""
    match chance.randrange(6):
        case 0:
            return chance.randbytes(chance.randrange(200))
        case 1:
            return word(chance)
        case 2:
            return json.dumps(value(chance))
        case 3:
            good = json.dumps({"type": chance.choice(KINDS), "id": word(chance)})
            place = chance.randrange(len(good))
            return good[:place] + word(chance) + good[place + 1 :]
        case 4:
            good_token = token(chance.randrange(1, 4))
            place = chance.randrange(len(good_token))
            text = chance.choice([good_token, good_token[:place], good_token[:place] + "A"])
            return json.dumps({"type": chance.choice(["auth", "refresh"]), "token": text})
    fields = {"type": chance.choice(KINDS), "token": value(chance), "id": value(chance)}
    return json.dumps(fields | {word(chance): value(chance)})


@contextlib.asynccontextmanager
async def unharmed(redis_url: str, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Server]:
    """An edge that has nothing open and nothing running at the end that was not at the start."""
    async with serving(redis_url, **OPEN_LIMITS) as edge:
        async with signed_in(edge.port):
            pass
        await until(lambda: not edge.server_state.connections)
        before = len(asyncio.all_tasks())
        yield edge
        await until(lambda: not edge.server_state.connections)
        # The edge's own loops start a short task now and then; a leak would be one per connection.
        await until(lambda: len(asyncio.all_tasks()) <= before + 3)
        assert b"sns_edge_connections 0.0" in edge.edge.metrics.render()
        async with signed_in(edge.port) as browser:
            await browser.say(type="ping")
            assert await browser.next() == {"type": "pong"}
    assert not [record for record in caplog.records if record.exc_info]


async def test_random_frames_get_an_answer_or_a_code(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(SEED)
    codes: set[int | None] = set()
    async with unharmed(redis_url, caplog) as edge:
        end = time.monotonic() + FUZZ_S
        while time.monotonic() < end:
            query = chance.choice(["", f"?token={token()}", f"?token={token()}&resume=%00x"])
            async with browsing(edge.port, query) as browser:
                with contextlib.suppress(WebSocketException):
                    for _ in range(chance.randrange(1, 8)):
                        message = frame(chance)
                        await browser.socket.send(message, text=chance.random() < 0.8)
                if chance.random() < 0.5:
                    browser.socket.transport.abort()
                else:
                    with contextlib.suppress(WebSocketException):
                        await browser.socket.send(b"", text=False)  # if nothing else was wrong
                    codes.add(await browser.close_code())

    assert codes <= {int(code) for code in CloseCode}, f"seed {SEED}"
    assert {1003, 1007} <= codes


async def test_random_http_gets_no_500(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(SEED)
    statuses: set[int] = set()
    async with unharmed(redis_url, caplog) as edge:
        end = time.monotonic() + FUZZ_S
        while time.monotonic() < end:
            status = await request(edge.port, chance)
            if status is not None:
                statuses.add(status)

    assert {status for status in statuses if status == 500} == set(), f"seed {SEED}"
    assert {200, 400, 404, 405} <= statuses


PATHS = ["/ws", "/sse", "/healthz", "/readyz", "/metrics", "/notifications", "/chat", "/", "*"]
HEADERS = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Connection: close",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Version: 8",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Key: short",
    "Sec-WebSocket-Protocol: sns.v1, auth.!!!",
    "Content-Type: application/json",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Authorization: Bearer x",
    "Origin: http://[",
    "Expect: 100-continue",
]


async def request(port: int, chance: random.Random) -> int | None:
    """The status of something like an HTTP request, if there was an answer."""
    method = chance.choice(["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "가", "get"])
    path = chance.choice([*PATHS, "/" + word(chance)]) + chance.choice(
        ["", "?" + word(chance), f"?token={token()}", "?token=%ff&resume=%00"]
    )
    headers = ["Host: edge", *chance.sample(HEADERS, chance.randrange(len(HEADERS)))]
    text = "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "", word(chance)])
    data = text.encode()
    if chance.random() < 0.2:
        place = chance.randrange(len(data))
        data = data[:place] + chance.randbytes(3) + data[place:]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        if chance.random() < 0.8:
            writer.write_eof()
        async with asyncio.timeout(0.05):
            line = await reader.readline()
        return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else None
    except (OSError, TimeoutError):
        return None  # it waits for the rest of a request, which never comes
    finally:
        writer.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(OSError):
                await writer.wait_closed()
