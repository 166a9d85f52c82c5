"""``python -m edge`` and its HTTP side, as an operator meets them."""

import asyncio
import json
import signal
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.factories import Factory
from tests.integration.edge.calling import calling, notify_user
from tests.integration.edge.harness import PATIENCE_S, signed_in, token
from tests.integration.edge.test_process import running

pytestmark = pytest.mark.integration


async def test_no_token_of_a_stream_or_a_request_is_ever_written(
    redis_url: str, database_url: str
) -> None:
    good, bad = token(), token(aud="someone-else")
    stream = {"Accept": "text/event-stream"}
    async with running(redis_url, database_url=database_url, log_level="DEBUG") as edge:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{edge.port}", trust_env=False, timeout=PATIENCE_S
        ) as client:
            for query, headers in (
                (f"?token={good}", stream),
                ("?%74oken=%65" + good[1:], stream),
                ("", stream | {"Authorization": f"Bearer {good}"}),
            ):
                async with client.stream("GET", f"/sse{query}", headers=headers) as response:
                    lines = response.aiter_lines()
                    while await anext(lines) != "event: hello":
                        pass
            await client.get(f"/sse?token={bad}")
            await client.get(f"/sse?token={bad}", headers=stream)
            await client.get(f"/notifications?token={bad}")
            await client.get("/notifications", headers={"Authorization": f"Bearer {good}"})
            await client.get("/notifications", headers={"Authorization": f"Bearer {bad}"})
        _, written = await edge.stop(signal.SIGTERM)

    for piece in (*good.split("."), *bad.split(".")):
        assert piece[1:].encode() not in written
    assert b"Traceback" not in written
    for line in written.splitlines():
        json.loads(line)


async def test_edge_that_has_used_its_database_is_still_small(
    redis_url: str, database_url: str, database: AsyncEngine, make: Factory
) -> None:
    user = (await make.user()).id or 0
    for number in range(100):
        await notify_user(database, user, f"n{number}")
    async with (
        running(redis_url, database_url=database_url) as edge,
        signed_in(edge.port, user),
        calling(edge.port, user) as page,
    ):
        pages = await asyncio.gather(*(page.get("/notifications?limit=100") for _ in range(20)))
        for path in ("/openapi.json", "/asyncapi.json", "/docs/events"):
            assert (await page.get(path)).status_code == 200
        status = await asyncio.to_thread(Path(f"/proc/{edge.process.pid}/status").read_text)

    assert {len(page.json()["items"]) for page in pages} == {100}
    assert int(status.split("VmRSS:")[1].split()[0]) < 90 * 1024
