"""What Meta pushes is kept once, answered in milliseconds, and taken from nobody else."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from edge.server import Server
from edge.webhooks import MAX_DELIVERY_BYTES
from tests.integration.edge.harness import PATIENCE_S, serving, signed_in

OLD, NEW = "the old app secret", "the new app secret"
BODY = json.dumps(
    {
        "object": "instagram",
        "entry": [
            {
                "id": "17841400000000001",
                "time": 1764072000,
                "changes": [{"field": "comments", "value": {"id": "1", "text": "예뻐요"}}],
            }
        ],
    }
).encode()


def signed(body: bytes, secret: str = NEW) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


@asynccontextmanager
async def posting(redis_url: str, **own: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(redis_url, **own) as server, client_of(server) as client:
        yield client


def client_of(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=PATIENCE_S
    )


@pytest.fixture
async def server(redis_url: str, database_url: str) -> AsyncIterator[Server]:
    async with serving(
        redis_url,
        database_url=database_url,
        edge_webhook_verify_token="말해 둔 것",
        edge_webhook_secrets=f"{OLD}, {NEW}",
    ) as server:
        yield server


@pytest.fixture
async def meta(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(server) as client:
        yield client


async def rows(database: AsyncEngine, query: str) -> Sequence[Any]:
    async with database.connect() as connection:
        return (await connection.execute(text(query))).all()


async def test_the_challenge_is_given_back_bare_to_whoever_knows_the_token(
    meta: httpx.AsyncClient,
) -> None:
    query = {
        "hub.mode": "subscribe",
        "hub.verify_token": "말해 둔 것",
        "hub.challenge": "1158201444",
    }
    answer = await meta.get("/webhooks/meta", params=query)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    for wrong in (
        {"hub.verify_token": "말해 둔 것이 아님"},
        {"hub.verify_token": ""},
        {"hub.mode": "unsubscribe"},
    ):
        answer = await meta.get("/webhooks/meta", params=query | wrong)
        assert answer.status_code == 403
        assert "1158201444" not in answer.text


async def test_a_delivery_becomes_one_row_and_one_message(
    meta: httpx.AsyncClient, database: AsyncEngine
) -> None:
    answer = await meta.post("/webhooks/meta", content=BODY, headers=signed(BODY))
    assert answer.status_code == 200
    (kept,) = await rows(database, "SELECT * FROM webhook_deliveries")
    assert (kept.body, kept.digest) == (BODY, hashlib.sha256(BODY).hexdigest())
    assert (kept.processed_at, kept.note) == (None, None)
    (message,) = await rows(database, "SELECT * FROM outbox")
    assert (message.kind, message.actor) == ("message", "take_webhook")
    assert message.payload == {"args": [kept.id], "kwargs": {}}


async def test_a_repeated_delivery_is_answered_and_kept_once(
    meta: httpx.AsyncClient, database: AsyncEngine
) -> None:
    answers = await asyncio.gather(
        *(meta.post("/webhooks/meta", content=BODY, headers=signed(BODY)) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len(await rows(database, "SELECT 1 FROM webhook_deliveries")) == 1
    assert len(await rows(database, "SELECT 1 FROM outbox")) == 1


async def test_every_app_may_sign_and_so_may_an_old_secret_while_it_is_changed(
    meta: httpx.AsyncClient, database: AsyncEngine
) -> None:
    for number, secret in enumerate((OLD, NEW)):
        body = BODY + b" " * number
        answer = await meta.post("/webhooks/meta", content=body, headers=signed(body, secret))
        assert answer.status_code == 200
    assert len(await rows(database, "SELECT 1 FROM webhook_deliveries")) == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Hub-Signature-256": "sha256=12"}, 401),
        ({"X-Hub-Signature": "sha1=" + "0" * 40}, 401),
        ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, 403),
        (signed(BODY, "another app's secret"), 403),
        (signed(BODY + b" "), 403),
        (signed(BODY, ""), 403),
    ],
)
async def test_what_is_not_signed_by_an_app_of_ours_writes_nothing(
    meta: httpx.AsyncClient, database: AsyncEngine, headers: dict[str, str], status: int
) -> None:
    answer = await meta.post("/webhooks/meta", content=BODY, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert await rows(database, "SELECT 1 FROM webhook_deliveries") == []


async def test_the_signature_is_of_the_raw_bytes_and_not_of_what_they_mean(
    meta: httpx.AsyncClient, database: AsyncEngine
) -> None:
    said_again = json.dumps(json.loads(BODY), ensure_ascii=False).encode()
    answer = await meta.post("/webhooks/meta", content=said_again, headers=signed(BODY))
    assert answer.status_code == 403
    broken = b'{"not json'
    answer = await meta.post("/webhooks/meta", content=broken, headers=signed(broken))
    assert answer.status_code == 200  # a worker says what is wrong with it
    (kept,) = await rows(database, "SELECT body FROM webhook_deliveries")
    assert kept.body == broken


async def test_a_body_of_a_mebibyte_is_taken_and_one_byte_more_is_not(
    meta: httpx.AsyncClient, database: AsyncEngine
) -> None:
    for size, status in ((MAX_DELIVERY_BYTES, 200), (MAX_DELIVERY_BYTES + 1, 413)):
        body = b" " * size
        answer = await meta.post("/webhooks/meta", content=body, headers=signed(body))
        assert answer.status_code == status
    assert len(await rows(database, "SELECT 1 FROM webhook_deliveries")) == 1


async def test_an_edge_that_was_told_no_secret_has_no_webhooks(
    redis_url: str, database_url: str, database: AsyncEngine
) -> None:
    async with posting(redis_url, database_url=database_url) as client:
        empty = {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}
        assert (await client.get("/webhooks/meta", params=empty)).status_code == 404
        answer = await client.post("/webhooks/meta", content=BODY, headers=signed(BODY, ""))
        assert answer.status_code == 404
    assert await rows(database, "SELECT 1 FROM webhook_deliveries") == []


async def test_without_the_database_meta_is_asked_to_come_again(redis_url: str) -> None:
    away = "postgresql+asyncpg://sns@127.0.0.1:1/none"
    async with posting(redis_url, database_url=away, edge_webhook_secrets=NEW) as client:
        answer = await client.post("/webhooks/meta", content=BODY, headers=signed(BODY))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0


async def test_an_address_that_sends_junk_is_soon_not_read_any_more_and_hurts_no_socket(
    server: Server, meta: httpx.AsyncClient, database: AsyncEngine
) -> None:
    async with signed_in(server.port) as browser:
        junk = b"x" * 200_000
        statuses = [
            (
                await meta.post("/webhooks/meta", content=junk, headers=signed(junk, "no"))
            ).status_code
            for _ in range(40)
        ]
        assert statuses[0] == 403
        assert statuses[-1] == 429
        await browser.say(type="ping")
        assert (await browser.next())["type"] == "pong"
    assert await rows(database, "SELECT 1 FROM webhook_deliveries") == []
    shown = (await meta.get("/metrics")).text
    assert 'sns_edge_webhooks_total{outcome="refused"}' in shown
    assert 'sns_edge_webhooks_total{outcome="too fast"}' in shown


async def test_more_deliveries_than_there_are_places_are_asked_to_come_again(
    server: Server, meta: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.webhooks._WAIT_S", 0.1)
    writers = []
    for _ in range(32):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"POST /webhooks/meta HTTP/1.1\r\nHost: e\r\nContent-Length: {len(BODY)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in signed(BODY).items())
        writer.write(head.encode() + b"\r\n{")
        await writer.drain()
        writers.append(writer)
    async with asyncio.timeout(PATIENCE_S):
        body = BODY + b" "
        while (
            answer := await meta.post("/webhooks/meta", content=body, headers=signed(body))
        ).status_code != 503:
            body += b" "
    assert "full" in answer.json()["type"]
    for writer in writers:
        writer.write(BODY[1:])  # the rest of it
    async with asyncio.timeout(PATIENCE_S):
        while (
            await meta.post("/webhooks/meta", content=BODY, headers=signed(BODY))
        ).status_code != 200:
            await asyncio.sleep(0.01)
    for writer in writers:
        writer.close()


async def test_a_burst_is_taken_whole_and_none_of_it_has_to_come_again(
    meta: httpx.AsyncClient, database: AsyncEngine
) -> None:
    bodies = [BODY + b" " * number for number in range(200)]
    answers = await asyncio.gather(
        *(meta.post("/webhooks/meta", content=body, headers=signed(body)) for body in bodies)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len(await rows(database, "SELECT 1 FROM webhook_deliveries")) == 200


async def test_it_answers_in_milliseconds(meta: httpx.AsyncClient) -> None:
    took_s = []
    for number in range(20):
        body = BODY + b" " * number
        started = time.perf_counter()
        await meta.post("/webhooks/meta", content=body, headers=signed(body))
        took_s.append(time.perf_counter() - started)
    assert min(took_s) < 0.05  # a loaded machine; alone it is about 3 ms
