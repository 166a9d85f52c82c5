"""``/sse`` as an ``EventSource`` and its proxies see it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from edge.close_codes import CloseCode
from edge.server import Server
from models import channels
from models.channels import decode_event_id
from models.delivery import Delivery
from models.events import ChatStream
from models.revocation import revoke_token
from tests.integration.edge.harness import PATIENCE_S, event, serving, token, until, until_true

pytestmark = pytest.mark.integration


@dataclass
class Heard:
    """One block of the stream, as the standard says it is read."""

    comment: bool = False
    id: str | None = None
    event: str = "message"
    retry: int | None = None
    data: list[str] = field(default_factory=list)

    @property
    def frame(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads("\n".join(self.data))
        return frame


class Source:
    """An event source that is read block by block."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> Heard | None:
        """The next block; None at the end."""
        heard, is_empty = Heard(), True
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._lines:
                if not line:
                    if not is_empty:
                        return heard
                    continue
                is_empty = False
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                match name:
                    case "":
                        heard.comment = True
                    case "data":
                        heard.data.append(value)
                    case "retry":
                        heard.retry = int(value)
                    case "id" | "event":
                        setattr(heard, name, value)
        return None

    async def next(self) -> Heard:
        """The next event; comments and bare retries are passed over."""
        while (heard := await self.block()) is not None:
            if heard.data:
                return heard
        raise AssertionError("the stream ended")

    async def closed(self) -> Heard:
        """The last event, and then the end."""
        while (heard := await self.next()).event != "close":
            pass
        assert await self.block() is None
        return heard


@asynccontextmanager
async def listening(
    port: int,
    *,
    user_id: int = 7,
    query: str = "",
    headers: dict[str, str] | None = None,
    bearer: str | None = "good",
) -> AsyncIterator[Source]:
    own = {"Accept": "text/event-stream"} | (headers or {})
    if bearer is not None:
        own["Authorization"] = f"Bearer {token(user_id) if bearer == 'good' else bearer}"
    async with (
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client,
        client.stream("GET", f"http://127.0.0.1:{port}/sse{query}", headers=own) as response,
    ):
        yield Source(response)


async def test_hello_comes_first_and_events_carry_id_and_type(
    edge: Server, delivery: Delivery
) -> None:
    async with listening(edge.port) as source:
        hello = await source.next()
        await delivery.deliver([event("a"), event("b")])
        first, second = await source.next(), await source.next()

    assert source.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert source.response.headers["cache-control"] == "no-cache, no-transform"
    assert source.response.headers["x-accel-buffering"] == "no"
    assert hello.event == "hello"
    assert hello.frame["recovered"] is False
    assert hello.id == f"{hello.frame['epoch']}-{hello.frame['seq']}"
    assert (first.event, first.frame["title"], first.id) == (
        "notification", "소식 a", first.frame["id"],
    )  # fmt: skip
    assert decode_event_id(second.id or "").seq == hello.frame["seq"] + 2


@pytest.mark.parametrize("way", ["header", "query"])
async def test_reader_that_comes_back_gets_exactly_what_it_missed(
    edge: Server, delivery: Delivery, way: str
) -> None:
    async with listening(edge.port) as source:
        await source.next()
        await delivery.deliver([event(0)])
        last = (await source.next()).id
    await delivery.deliver([event(number) for number in range(1, 150)])  # more than a page
    headers = {"Last-Event-ID": last or ""} if way == "header" else None
    query = f"?resume={last}" if way == "query" else ""

    async with listening(edge.port, headers=headers, query=query) as source:
        hello = await source.next()
        titles = [(await source.next()).frame["title"] for _ in range(149)]
        await delivery.deliver([event("live")])
        titles.append((await source.next()).frame["title"])

    assert hello.frame["recovered"] is True
    assert titles == [*(f"소식 {number}" for number in range(1, 150)), "소식 live"]


async def test_header_of_a_reconnect_wins_over_the_url_it_was_opened_with(
    edge: Server, delivery: Delivery
) -> None:
    async with listening(edge.port) as source:
        first = (await source.next()).id
    await delivery.deliver([event("a"), event("b")])
    epoch = decode_event_id(first or "").epoch

    async with listening(
        edge.port, query=f"?resume={first}", headers={"Last-Event-ID": f"{epoch}-1"}
    ) as source:
        await source.next()
        assert (await source.next()).frame["title"] == "소식 b"


async def test_position_that_is_not_known_is_told_as_not_recovered(edge: Server) -> None:
    async with listening(edge.port, headers={"Last-Event-ID": f"{'f' * 20}-3"}) as source:
        assert (await source.next()).frame["recovered"] is False


async def test_idle_stream_has_heartbeats_and_outlives_the_silence_limit(redis_url: str) -> None:
    async with (
        serving(redis_url, edge_heartbeat_s=0.05, edge_silence_s=0.3) as edge,
        listening(edge.port) as source,
    ):
        await source.next()
        blocks = [await source.block() for _ in range(20)]

    assert all(block and block.comment and not block.data for block in blocks)


async def test_live_frames_without_an_id_move_no_position(edge: Server, client: Any) -> None:
    chunk = ChatStream(
        chunk="안녕\n하세요", conversation_id=1, done=False, index=0, status="streaming"
    )
    async with listening(edge.port) as source:
        await source.next()
        await client.publish(channels.live(7), json.dumps(chunk.to_wire()))
        heard = await source.next()

    assert (heard.event, heard.id) == ("chat_stream", None)
    assert heard.frame["chunk"] == "안녕\n하세요"


async def test_token_in_the_url_is_taken_as_well(edge: Server) -> None:
    async with listening(edge.port, bearer=None, query=f"?token={token(9)}") as source:
        assert (await source.next()).event == "hello"


@pytest.mark.parametrize("bearer", [None, "nonsense"])
async def test_event_source_without_a_good_token_reads_the_code(
    edge: Server, bearer: str | None
) -> None:
    async with listening(edge.port, bearer=bearer) as source:
        closed = await source.closed()

    assert closed.frame["code"] == CloseCode.TOKEN_INVALID
    assert closed.retry == closed.frame["retry_ms"] == 5000


async def test_other_client_without_a_good_token_reads_a_status(edge: Server) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{edge.port}/sse?token=nonsense")

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:sns:problem:token-invalid"
    assert "nonsense" not in answer.text


async def test_page_of_a_strange_origin_is_refused_by_code(edge: Server) -> None:
    async with listening(edge.port, headers={"Origin": "https://evil.example"}) as source:
        assert (await source.closed()).frame["code"] == CloseCode.REFUSED
    assert "access-control-allow-origin" not in source.response.headers


async def test_token_that_expires_ends_the_stream_with_its_code(edge: Server) -> None:
    async with listening(edge.port, bearer=token(expires_in_s=1.2)) as source:
        assert (await source.next()).event == "hello"
        assert (await source.closed()).frame["code"] == CloseCode.TOKEN_INVALID


async def test_edge_that_drains_says_so_and_when_to_return(redis_url: str) -> None:
    async with serving(redis_url) as edge, listening(edge.port) as source:
        await source.next()
        edge.should_exit = True
        closed = await source.closed()

    assert closed.frame["code"] == CloseCode.DRAINING
    assert closed.retry == closed.frame["retry_ms"] <= 1000


async def test_reader_is_present_until_it_goes(redis_url: str, client: Any) -> None:
    async def is_gone() -> bool:
        return not await client.exists(channels.online(31))

    async with serving(redis_url, edge_presence_grace_s=0) as edge:
        async with listening(edge.port, user_id=31) as source:
            await source.next()
            await until_true(lambda: client.exists(channels.online(31)))
        await until_true(is_gone)


async def test_stream_of_a_revoked_token_ends_with_its_code(edge: Server, client: Any) -> None:
    async with listening(edge.port, bearer=token(32, jti="stream-32")) as source:
        await source.next()
        await revoke_token(client, "stream-32")
        assert (await source.closed()).frame["code"] == CloseCode.REVOKED


async def test_stream_that_is_one_too_many_reads_the_code(redis_url: str) -> None:
    async with (
        serving(redis_url, edge_user_connections=1) as edge,
        listening(edge.port) as first,
    ):
        await first.next()
        async with listening(edge.port) as second:
            assert (await second.closed()).frame["code"] == CloseCode.TOO_MANY_CONNECTIONS


async def test_full_edge_sends_a_stream_away_with_the_time_to_return(redis_url: str) -> None:
    async with (
        serving(redis_url, edge_max_connections=1) as edge,
        listening(edge.port) as first,
    ):
        await first.next()
        async with listening(edge.port, user_id=8) as second:
            closed = await second.closed()

    assert closed.frame["code"] == CloseCode.TRY_LATER
    assert closed.retry == 5000


async def test_slow_reader_is_dropped_and_the_server_forgets_it(
    redis_url: str, delivery: Delivery
) -> None:
    async with serving(redis_url, edge_send_timeout_s=0.5, edge_queue_frames=50) as edge:
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect(("127.0.0.1", edge.port))
            stalled.sendall(
                f"GET /sse?token={token()} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Accept: text/event-stream\r\n\r\n".encode()
            )
            metrics = edge.edge.metrics
            await until(lambda: b"sns_edge_connections 1.0" in metrics.render())
            async with listening(edge.port) as reader:
                await reader.next()
                for batch in range(20):
                    await delivery.deliver(
                        [event(batch * 20 + n, padding="x" * 20_000) for n in range(20)]
                    )
                    for n in range(20):
                        heard = await reader.next()
                        assert heard.frame["title"] == f"소식 {batch * 20 + n}"
                await until(lambda: b'sns_edge_closes_total{code="4101"} 1.0' in metrics.render())
            await until(lambda: b"sns_edge_connections 0.0" in metrics.render())
            await until(lambda: len(edge.server_state.connections) == 0)


async def test_head_shows_the_headers_and_holds_nothing(edge: Server) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.head(f"http://127.0.0.1:{edge.port}/sse")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
