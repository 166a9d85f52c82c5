"""Who gets in, how, and with which code the others are sent away."""

import asyncio
import base64
import json
import time
from typing import Any

import jwt
import pytest

from edge.server import Server
from tests.integration.edge.harness import PATIENCE_S, SECRET, browsing, serving, signed_in, token

pytestmark = pytest.mark.integration


async def test_hello_comes_first_and_says_where_the_client_stands(edge: Server) -> None:
    async with browsing(edge.port, f"?token={token()}") as browser:
        hello = await browser.next()

    assert set(hello) == {"type", "epoch", "seq", "recovered", "server_time", "connection_id"}
    assert (hello["type"], hello["seq"], hello["recovered"]) == ("hello", 0, False)
    assert hello["server_time"].endswith("Z")


async def test_token_may_come_as_a_subprotocol(edge: Server) -> None:
    encoded = base64.urlsafe_b64encode(token().encode()).decode().rstrip("=")

    async with browsing(edge.port, subprotocols=["sns.v1", f"auth.{encoded}"]) as browser:
        await browser.hello()
        assert browser.socket.subprotocol == "sns.v1"


async def test_token_may_come_in_the_first_frame(edge: Server) -> None:
    async with browsing(edge.port) as browser:
        await browser.say(type="auth", token=token())
        await browser.hello()


async def test_client_without_a_token_is_given_up_in_time(redis_url: str) -> None:
    async with serving(redis_url, edge_auth_timeout_s=0.1) as edge, browsing(edge.port) as browser:
        await browser.say(type="ping")
        assert await browser.close_code() == 4008


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, "none")


def signed_otherwise(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, SECRET * 2, "HS512")


def signed_with_another_secret(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "x" * 40, "HS256")


@pytest.mark.parametrize(
    "query",
    [
        "?token=",
        "?token=nonsense",
        "?token=%ff%00",
        f"?token={token(expires_in_s=-1)}",
        f"?token={token(aud='someone-else')}",
        f"?token={token(aud=None)}",
        f"?token={token(iss='someone-else')}",
        f"?token={token(iss=None)}",
        f"?token={token(exp=None)}",
        f"?token={token(sub=None)}",
        f"?token={token(sub='0')}",
        f"?token={token(sub='kim')}",
        f"?token={token(sub='7 ')}",
        f"?token={token(roles='manager')}",
        f"?token={token(clients=['1'])}",
    ]
    + [
        "?token=" + sign({"sub": "7", "iss": "sns", "aud": "sns-edge", "exp": time.time() + 600})
        for sign in (unsigned, signed_otherwise, signed_with_another_secret)
    ],
)
async def test_token_that_proves_nothing_is_refused_after_the_handshake(
    edge: Server, query: str
) -> None:
    async with browsing(edge.port, query) as browser:
        assert await browser.close_code() == 4001


async def test_page_of_another_origin_is_refused(edge: Server) -> None:
    async with browsing(edge.port, f"?token={token()}", origin="https://evil.example") as browser:
        assert await browser.close_code() == 4003


async def test_page_of_a_listed_origin_is_let_in(redis_url: str) -> None:
    origins = "https://app.example.com, https://www.example.com"
    async with (
        serving(redis_url, edge_allowed_origins=origins) as edge,
        browsing(edge.port, f"?token={token()}", origin="https://www.example.com") as browser,
    ):
        await browser.hello()


async def test_ping_is_answered(edge: Server) -> None:
    async with signed_in(edge.port) as browser:
        await browser.say(type="ping")
        assert await browser.next() == {"type": "pong"}


async def test_silent_client_is_cut_and_a_pinging_one_is_not(redis_url: str) -> None:
    async with (
        serving(redis_url, edge_silence_s=0.5, edge_frames_per_s=1_000_000) as edge,
        signed_in(edge.port) as silent,
        signed_in(edge.port) as pinging,
    ):
        started = time.monotonic()
        while time.monotonic() < started + 1:
            await pinging.say(type="ping")
            assert await pinging.next() == {"type": "pong"}
        assert await silent.close_code() == 4201
        await pinging.say(type="ping")
        assert await pinging.next() == {"type": "pong"}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param(b"\x00", 1003, id="binary"),
        pytest.param("", 1007, id="empty"),
        pytest.param("ping", 1007, id="bare word"),
        pytest.param("[]", 1007, id="list"),
        pytest.param("null", 1007, id="null"),
        pytest.param("{}", 1007, id="no type"),
        pytest.param('{"type":"resume"}', 1007, id="resume without id"),
        pytest.param('{"type":"auth","token":5}', 1007, id="token is a number"),
        pytest.param("[" * 20_000, 1007, id="deep list"),
        pytest.param('{"type":"ping","x":' * 3000 + "1" + "}" * 3000, 1007, id="deep object"),
        pytest.param("가" * 30_000, 1009, id="many bytes"),
        pytest.param("x" * 65_537, 1009, id="too big by one"),
    ],
)
async def test_frame_that_is_wrong_gets_a_code_and_no_traceback(
    edge: Server, caplog: pytest.LogCaptureFixture, message: str | bytes, code: int
) -> None:
    async with signed_in(edge.port) as browser:
        await browser.socket.send(message)
        assert await browser.close_code() == code

    assert not [record for record in caplog.records if record.exc_info]


async def test_client_still_sending_a_huge_frame_can_read_the_code(edge: Server) -> None:
    """Bytes on the wire: a client library would stop sending by itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(
        f"GET /ws?token={token()} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    size = 5_000_000
    writer.write(b"\x81\xff" + size.to_bytes(8, "big") + bytes(4) + bytes(size))
    async with asyncio.timeout(PATIENCE_S):
        received = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert b"\x88" in received
    assert received[received.rindex(b"\x88") + 2 :][:2] == (1009).to_bytes(2, "big")


async def test_text_that_is_not_utf8_gets_a_code_and_no_traceback(
    edge: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with signed_in(edge.port) as browser:
        await browser.socket.send(b"\xff\xfe", text=True)
        assert await browser.close_code() == 1007

    assert not [record for record in caplog.records if record.exc_info]


async def test_frame_of_a_newer_client_is_passed_over(edge: Server) -> None:
    async with signed_in(edge.port) as browser:
        await browser.say(type="typing", conversation_id=3)
        await browser.say(type="ping", battery="low")
        assert await browser.next() == {"type": "pong"}


async def test_nothing_comes_before_the_hello(edge: Server) -> None:
    async with browsing(edge.port) as browser:
        await browser.say(type="ping")
        await browser.socket.send(json.dumps({"type": "auth", "token": token()}))
        await browser.say(type="ping")
        assert [(await browser.next())["type"] for _ in range(2)] == ["hello", "pong"]
