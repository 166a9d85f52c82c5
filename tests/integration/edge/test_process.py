"""``python -m edge`` as an operator meets it."""

import asyncio
import base64
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from models.delivery import Delivery
from tests.integration.edge.conftest import OwnValkey
from tests.integration.edge.harness import (
    PATIENCE_S,
    browsing,
    environment,
    event,
    signed_in,
    token,
)

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


class EdgeProcess:
    """A running edge and all that it has written."""

    def __init__(self, process: Process, port: int, written: list[bytes]) -> None:
        self.process = process
        self.port = port
        self.written = written

    async def stop(self, signal_: int) -> tuple[int, bytes]:
        """Exit code, and everything written since the start."""
        self.process.send_signal(signal_)
        async with asyncio.timeout(PATIENCE_S):
            out, err = await self.process.communicate()
        return self.process.returncode or 0, b"".join(self.written) + out + err


async def start(env: dict[str, str]) -> Process:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SNS_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", cwd=ROOT, env=clean | env, stdout=PIPE, stderr=PIPE
    )


@asynccontextmanager
async def running(redis_url: str, **own: Any) -> AsyncIterator[EdgeProcess]:
    process = await start(environment(redis_url, **own))
    written: list[bytes] = []
    assert process.stderr is not None
    try:
        port = 0
        async with asyncio.timeout(PATIENCE_S):
            while not port:
                line = await process.stderr.readline()
                assert line, b"".join(written).decode()
                written.append(line)
                if b'"listening"' in line:
                    port = json.loads(line)["port"]
        yield EdgeProcess(process, port, written)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
async def test_signal_sends_the_clients_elsewhere_and_ends_well(
    redis_url: str, signal_: signal.Signals
) -> None:
    async with running(redis_url) as edge, signed_in(edge.port) as one, browsing(edge.port) as two:
        started = time.monotonic()
        stopping = asyncio.create_task(edge.stop(signal_))

        assert await one.close_code() == 4200
        assert await two.close_code() == 4200
        code, written = await stopping

    assert code == 0, written.decode()
    assert b"Traceback" not in written
    assert b"never retrieved" not in written
    assert b"destroyed but it is pending" not in written
    assert time.monotonic() - started < 5


async def test_edge_stops_in_time_while_redis_is_away(own_valkey: OwnValkey) -> None:
    async with running(own_valkey.url) as edge, signed_in(edge.port) as browser:
        await own_valkey.stop()
        stopping = asyncio.create_task(edge.stop(signal.SIGTERM))
        assert await browser.close_code() == 4200
        code, written = await stopping

    assert code == 0
    assert b"Traceback" not in written


async def test_no_token_is_ever_written(redis_url: str, delivery: Delivery) -> None:
    """Whichever way it comes, at the most talkative level, and whether it is good or not."""
    good, bad = token(), token(aud="someone-else")
    encoded = base64.urlsafe_b64encode(good.encode()).decode().rstrip("=")
    async with running(redis_url, log_level="DEBUG") as edge:
        async with browsing(edge.port, f"?token={good}") as browser:
            await browser.hello()
            await delivery.deliver([event(1, trace_id="trace-of-one", secret="not for logs")])
            await browser.receive(1)
        async with browsing(edge.port, subprotocols=["sns.v1", f"auth.{encoded}"]) as browser:
            await browser.hello()
        async with browsing(edge.port) as browser:
            await browser.say(type="auth", token=good)
            await browser.hello()
        async with browsing(edge.port, f"?x=1&token={bad}") as browser:
            assert await browser.close_code() == 4001
        async with browsing(edge.port, "?token=%65" + good[1:]) as browser:
            await browser.hello()
        _, written = await edge.stop(signal.SIGTERM)

    for piece in (*good.split("."), *bad.split("."), encoded):
        assert piece[1:].encode() not in written
    assert b"not for logs" not in written
    assert b"trace-of-one" in written
    assert b'"WebSocket /ws?[redacted]\\"' in written.replace(b'\\"W', b'"W')
    for line in written.splitlines():
        json.loads(line)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SNS_EDGE_PROT", "80"),
        ("SNS_EDGE_PORT", "eighty"),
        ("SNS_JWT_SECRET", "short"),
        ("SNS_LOG_FORMAT", "xml"),
    ],
)
async def test_bad_setting_stops_the_start_with_one_line_that_names_it(
    redis_url: str, name: str, value: str
) -> None:
    process = await start(environment(redis_url) | {name: value})
    async with asyncio.timeout(PATIENCE_S):
        _, written = await process.communicate()

    assert process.returncode == 1
    assert written.count(b"\n") == 1
    assert name.encode() in written
    assert value.encode() not in written.replace(name.encode(), b"")


async def test_edge_at_rest_is_small(redis_url: str) -> None:
    async with running(redis_url) as edge, signed_in(edge.port):
        status = await asyncio.to_thread(Path(f"/proc/{edge.process.pid}/status").read_text)

    resident_kib = int(status.split("VmRSS:")[1].split()[0])
    assert resident_kib < 90 * 1024


async def test_probes_tell_alive_from_ready(own_valkey: OwnValkey) -> None:
    async with running(own_valkey.url) as edge:
        assert await _get(edge.port, "/healthz") == 200
        assert await _get(edge.port, "/readyz") == 200
        assert await _get(edge.port, "/metrics") == 200
        await own_valkey.stop()
        assert await _get(edge.port, "/healthz") == 200
        assert await _get(edge.port, "/readyz") == 503
        await own_valkey.start()
        assert await _get(edge.port, "/readyz") == 200


async def _get(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        status = await reader.readline()
        await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(status.split()[1])
