"""Clients that other people wrote, unmodified, each following one user until it is cancelled.

What they are given is what every author of a client has to write: connect again, with the position
of the last event. ``EventSource`` does that by itself.
"""

import asyncio
import json
import os
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import httpx
import pytest
from aiohttp import web
from httpx_sse import SSEError, aconnect_sse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.integration.edge.harness import token
from tests.node_packages import installed

HERE = Path(__file__).parent
BACK_AFTER_S = 0.05

Heard = Callable[[dict[str, Any]], None]


class Position:
    """Where a client is, as the README tells it to find out."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self.query = ""

    def take(self, text: str) -> None:
        frame = json.loads(text)
        if frame["type"] == "hello" and not (self.query and frame["recovered"]):
            self.query = f"&resume={frame['epoch']}-{frame['seq']}"
        elif "id" in frame:
            self.query = f"&resume={frame['id']}"
        self._heard(frame)


async def websockets(port: int, heard: Heard) -> None:
    position = Position(heard)
    while True:
        url = f"ws://127.0.0.1:{port}/ws?token={token()}{position.query}"
        with suppress(OSError, ConnectionClosed, InvalidHandshake):
            async with connect(url, proxy=None) as socket:
                async for text in socket:
                    position.take(str(text))
        await asyncio.sleep(BACK_AFTER_S)


async def aiohttp_client(port: int, heard: Heard) -> None:
    position = Position(heard)
    async with aiohttp.ClientSession() as session:
        while True:
            url = f"http://127.0.0.1:{port}/ws?token={token()}{position.query}"
            with suppress(aiohttp.ClientError):
                async with session.ws_connect(url) as socket:
                    async for message in socket:
                        position.take(message.data)
            await asyncio.sleep(BACK_AFTER_S)


async def httpx_sse(port: int, heard: Heard) -> None:
    headers: dict[str, str] = {}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        while True:
            url = f"http://127.0.0.1:{port}/sse?token={token()}"
            with suppress(httpx.HTTPError, SSEError):
                async with aconnect_sse(client, "GET", url, headers=headers) as source:
                    async for event in source.aiter_sse():
                        if event.id:
                            headers["Last-Event-ID"] = event.id
                        if event.data:  # it also tells of a block that only says when to retry
                            heard(event.json())
            await asyncio.sleep(BACK_AFTER_S)


async def node_ws(port: int, heard: Heard) -> None:
    _need("node", "Node 20 and npm")
    folder = await asyncio.to_thread(installed, HERE / "node")
    process = await asyncio.create_subprocess_exec(
        "node", folder / "follow.js", f"ws://127.0.0.1:{port}/ws?token={token()}", stdout=PIPE
    )
    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            heard(json.loads(line))
    finally:
        process.kill()
        await process.wait()


async def event_source(port: int, heard: Heard) -> None:
    """The browser's own, on a page of another origin."""
    chromium = _need("chromium", "Chromium: apt-get install chromium")

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(HERE / "page.html")

    async def take(request: web.Request) -> web.Response:
        heard(await request.json())
        return web.Response()

    site = web.Application()
    site.add_routes([web.get("/", page), web.post("/heard", take)])
    runner = web.AppRunner(site)
    await runner.setup()
    profile = tempfile.mkdtemp(prefix="sns-chromium-")
    try:
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        stream = quote(f"http://127.0.0.1:{port}/sse?token={token()}", safe="")
        process = await asyncio.create_subprocess_exec(
            chromium,
            "--headless",
            "--no-sandbox",  # root, as in CI, has no other way
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            f"--user-data-dir={profile}",
            "--remote-debugging-port=0",
            f"http://127.0.0.1:{runner.addresses[0][1]}/?stream={stream}",
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        try:
            await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    finally:
        await runner.cleanup()
        shutil.rmtree(profile, ignore_errors=True)


def _need(program: str, what: str) -> str:
    """The path of a program; without it the test is skipped, but never in CI."""
    path = shutil.which(program)
    if path is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(f"this test needs {what}")
    return path
