"""Edges as processes of their own, each on a port that it keeps over restarts."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.integration.edge.conftest import free_port
from tests.integration.edge.harness import PATIENCE_S, environment

ROOT = Path(__file__).parents[1]


class Edge:
    """One edge process, to be killed or restarted."""

    def __init__(self, redis_url: str, **own: Any) -> None:
        self.port = free_port()
        clean = {key: value for key, value in os.environ.items() if not key.startswith("SNS_")}
        self._environment = clean | environment(
            redis_url, edge_port=self.port, log_level="ERROR", **own
        )
        self._process: Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edge", cwd=ROOT, env=self._environment, stdin=DEVNULL
        )
        async with asyncio.timeout(PATIENCE_S):
            while not await self.metrics():
                assert self._process.returncode is None, "the edge does not start"
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """As a power cut would."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """As a deploy does."""
        assert await self._end(signal.SIGTERM) == 0
        await self.start()

    async def metrics(self) -> str:
        """What ``/metrics`` says; nothing while nobody listens."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return ""
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n")
        try:
            return (await reader.read()).decode()
        finally:
            writer.close()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def _end(self, number: int) -> int:
        assert self._process is not None
        process = self._process
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
        return process.returncode or 0


@asynccontextmanager
async def running(count: int, redis_url: str, **own: Any) -> AsyncIterator[list[Edge]]:
    """So many edges on one Redis."""
    edges = [Edge(redis_url, **own) for _ in range(count)]
    try:
        await asyncio.gather(*(edge.start() for edge in edges))
        yield edges
    finally:
        await asyncio.gather(*(edge.stop() for edge in edges))
