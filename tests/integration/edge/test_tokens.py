"""What becomes of a connection when its token expires, is replaced, or is taken back."""

import asyncio
import http.server
import json
import socketserver
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed

from edge.server import Server
from models import channels
from models.delivery import Delivery
from models.revocation import revoke_token, revoke_user
from tests.integration.edge.conftest import OwnValkey
from tests.integration.edge.harness import (
    Browser,
    browsing,
    event,
    serving,
    signed_in,
    token,
    until_true,
)

pytestmark = pytest.mark.integration


async def test_token_that_expires_in_mid_stream_is_warned_of_and_ends_after_the_grace(
    redis_url: str, delivery: Delivery
) -> None:
    async with (
        serving(redis_url, edge_refresh_grace_s=0.5) as edge,
        signed_in(edge.port, expires_in_s=1.5) as browser,
    ):
        async with publishing(delivery, browser):
            types, code = await listen_to_the_end(browser)

        assert code == 4001
        assert types.count("token_expiring") == 1
        assert types[-1] == "notification"
        await delivery.deliver([event("later")])
        async with signed_in(edge.port, resume=browser.resume) as back:
            titles = browser.titles
            while titles[-1] != "소식 later":
                titles += await back.receive(1)
    assert titles[:-1] == [f"소식 {number}" for number in range(len(titles) - 1)]


async def listen_to_the_end(browser: Browser) -> tuple[list[str], int | None]:
    """Types of all frames, and the close code."""
    types: list[str] = []
    try:
        while True:
            types.append((await browser.next())["type"])
    except ConnectionClosed as closed:
        return types, closed.rcvd.code if closed.rcvd else None


@asynccontextmanager
async def publishing(delivery: Delivery, reader: Browser) -> AsyncIterator[None]:
    """A steady stream of events, the next as soon as one of the last twenty has been read."""

    is_over = False

    async def publish() -> None:
        for number in count():
            while number > len(reader.titles) + 20 and not is_over:
                await asyncio.sleep(0.001)
            if is_over:
                return
            await delivery.deliver([event(number)])

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        # Not cancelled: redis-py may swallow a cancellation while it takes a connection.
        is_over = True
        await task


async def test_refresh_in_the_grace_keeps_the_connection(redis_url: str) -> None:
    async with (
        serving(redis_url, edge_refresh_grace_s=3) as edge,
        signed_in(edge.port, expires_in_s=2) as browser,
    ):
        warning = await browser.next()
        assert warning["type"] == "token_expiring"
        assert warning["expires_at"] < warning["closes_at"]
        await browser.say(type="refresh", token=token(expires_in_s=600))
        answer = await browser.next()

        assert answer["type"] == "refreshed"
        assert answer["expires_at"] > warning["closes_at"]
        await browser.say(type="ping")
        assert await browser.next() == {"type": "pong"}


@pytest.mark.parametrize(
    ("fresh", "code"),
    [
        (token(expires_in_s=-1), 4001),
        ("nonsense", 4001),
        (token(8), 4003),
    ],
)
async def test_refresh_with_a_wrong_token_ends_the_connection(
    edge: Server, fresh: str, code: int
) -> None:
    async with signed_in(edge.port) as browser:
        await browser.say(type="refresh", token=fresh)
        assert await browser.close_code() == code


async def test_refresh_brings_the_roles_of_the_new_token(edge: Server, client: Redis) -> None:
    async with signed_in(edge.port, roles=["operator"]) as browser:
        await browser.say(type="refresh", token=token(roles=["manager"]))
        assert (await browser.next())["type"] == "refreshed"
        await until_true(lambda: listeners(client, "manager", 1))
        await until_true(lambda: listeners(client, "operator", 0))
        await client.publish(channels.role("manager"), '{"type":"news"}')
        assert (await browser.next())["type"] == "news"


async def listeners(client: Redis, role: str, count: int) -> bool:
    return bool((await client.pubsub_numsub(channels.role(role)))[0][1] == count)


async def test_logout_closes_at_once_on_every_edge(redis_url: str, client: Redis) -> None:
    before, after = time.time() - 10, time.time() + 10
    async with (
        serving(redis_url) as one,
        serving(redis_url) as another,
        signed_in(one.port, iat=before) as here,
        signed_in(another.port, iat=before) as there,
        signed_in(one.port, iat=after) as newer,
        signed_in(one.port, 8, iat=before) as somebody_else,
    ):
        assert await revoke_user(client, 7) >= 2  # and the shared edge
        started = time.monotonic()

        assert await here.close_code() == await there.close_code() == 4010
        assert time.monotonic() - started < 1
        for stays in (newer, somebody_else):
            await stays.say(type="ping")
            assert await stays.next() == {"type": "pong"}

        async with browsing(another.port, f"?token={token(iat=before)}") as back:
            assert await back.close_code() == 4010
        assert 0 < await client.ttl(channels.revoked_user(7)) <= 30 * 86_400


async def test_revoked_token_is_closed_in_mid_stream_and_never_let_in_again(
    edge: Server, client: Redis, delivery: Delivery
) -> None:
    async with signed_in(edge.port, jti="stolen") as thief, signed_in(edge.port, jti="t") as owner:
        async with publishing(delivery, owner):
            await thief.receive(5)
            await revoke_token(client, "stolen", keep_s=60)

            assert await thief.close_code() == 4010
            await owner.receive(20)
        async with browsing(edge.port, f"?token={token(jti='stolen')}") as back:
            assert await back.close_code() == 4010
        # It may not be smuggled in either.
        await owner.say(type="refresh", token=token(jti="stolen"))
        assert await owner.close_code() == 4010


async def test_what_was_revoked_while_the_edge_heard_nothing_is_closed_when_it_hears_again(
    edge: Server, client: Redis
) -> None:
    async with signed_in(edge.port, jti="t1") as browser, signed_in(edge.port, jti="t2") as other:
        await client.set(channels.revoked_token("t1"), 1, ex=60)  # a record without its message
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        assert await browser.close_code() == 4010
        await other.say(type="ping")
        assert await other.next() == {"type": "pong"}


async def test_nobody_is_let_in_unchecked_while_redis_is_away(own_valkey: OwnValkey) -> None:
    async with (
        Redis.from_url(own_valkey.url) as client,
        serving(own_valkey.url, edge_hello_timeout_s=30) as edge,
    ):
        await revoke_token(client, "stolen", keep_s=60)
        await own_valkey.stop()
        async with browsing(edge.port, f"?token={token(jti='stolen')}") as browser:
            await browser.say(type="ping")
            await own_valkey.start()
            assert await browser.close_code() == 4010


async def test_lost_client_is_withheld_on_replay_and_the_position_moves_on(
    edge: Server, delivery: Delivery
) -> None:
    async with signed_in(edge.port, clients=[1, 2]) as browser:
        start = browser.resume
        await delivery.deliver([event(1, client_id=1), event(2, client_id=2), event(3)])
        assert await browser.receive(3) == ["소식 1", "소식 2", "소식 3"]

    async with signed_in(edge.port, clients=[2], resume=start) as back:
        withheld = json.loads(await back.socket.recv())
        position = start.replace("-0", "-1")
        assert withheld == {"type": "withheld", "id": position, "v": 1}


class Issuer:
    """An HTTP server with a JWKS."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self.jwks = json.dumps({"keys": [jwk | {"kid": "k1"}]}).encode()

    def token(self) -> str:
        claims = {"sub": "7", "iss": "sns", "aud": "sns-edge", "exp": time.time() + 60}
        return jwt.encode(claims, self.key, "ES256", {"kid": "k1"})

    @contextmanager
    def serving(self, status: int = 200) -> Iterator[str]:
        page = self.jwks

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: Any) -> None:
                pass

        # The plain server: the other one asks DNS for its own name.
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
            server.shutdown()
            thread.join()


async def test_public_keys_are_read_from_a_url_or_a_file(redis_url: str, tmp_path: Path) -> None:
    issuer = Issuer()
    path = tmp_path / "jwks.json"
    path.write_bytes(issuer.jwks)
    with issuer.serving() as url:
        for where in (url, path):
            async with (
                serving(redis_url, edge_jwks=where) as edge,
                browsing(edge.port, f"?token={issuer.token()}") as browser,
                signed_in(edge.port),  # the shared secret still counts
            ):
                await browser.hello()


@pytest.mark.parametrize("status", [500, 302])
async def test_keys_that_cannot_be_read_are_a_reason_to_come_back_later(
    redis_url: str, status: int
) -> None:
    issuer = Issuer()
    with issuer.serving(status) as url:
        async with (
            serving(redis_url, edge_jwks=url) as edge,
            browsing(edge.port, f"?token={issuer.token()}") as browser,
        ):
            assert await browser.close_code() == 1013


async def test_old_secret_is_good_while_it_is_listed(redis_url: str) -> None:
    async with (
        serving(
            redis_url,
            jwt_secret="n" * 40,
            edge_jwt_old_secrets="forty characters that no one else uses ..",
        ) as edge,
        signed_in(edge.port) as browser,
    ):
        assert isinstance(browser, Browser)
