"""The engine's processes as their commands start them."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from models.database import open_database
from tests.factories import TOKEN_KEY, Factory
from tests.running_sandbox import RunningSandbox

ROOT = Path(__file__).parents[3]
CRITICAL = ("-m", "dramatiq", "engine.workers:critical", "--processes", "1", "--threads", "4")
SCHEDULER = ("scheduler.py",)


class Running:
    """A process in a group of its own, and what it writes."""

    def __init__(self, arguments: tuple[str, ...], environment: dict[str, str], log: Path) -> None:
        self.log = log
        self._file = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=self._file,
            stderr=self._file,
            start_new_session=True,
        )

    @property
    def said(self) -> str:
        return self.log.read_text()

    async def until_said(self, words: str, *, within_s: float = 20) -> None:
        async with asyncio.timeout(within_s):
            while words not in self.said:
                assert self.process.poll() is None, self.said
                await asyncio.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_s: float = 15) -> int:
        """Signal the process alone; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(within_s)
        finally:
            self._file.close()

    def end(self) -> None:
        """Whatever is left of the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._file.close()


Start = Callable[..., Running]


@pytest.fixture
def environment(database_url: str, redis_url: str, sandbox: RunningSandbox) -> dict[str, str]:
    """Settings for processes on this test's own servers."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SNS_")}
    return clean | {
        "SNS_DATABASE_URL": database_url,
        "SNS_REDIS_URL": redis_url,
        "SNS_INSTAGRAM_BASE_URL": sandbox.graph_url,
        "SNS_MEDIA_ALLOW_PRIVATE": "True",
        "SNS_TOKEN_KEYS": TOKEN_KEY,
        "SNS_JWT_SECRET": "x" * 40,
        "SNS_LEASE_S": "2",
        "SNS_DOUBT_WAIT_S": "2",
        "SNS_METRICS_PORT_CRITICAL": "0",
        "SNS_METRICS_PORT_SCHEDULER": "0",
    }


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts processes; ends those that are still there."""
    running: list[Running] = []

    def begin(*arguments: str, **settings: str) -> Running:
        log = tmp_path / f"{len(running)}.log"
        running.append(Running(arguments, environment | settings, log))
        return running[-1]

    yield begin
    for one in running:
        one.end()


@pytest.fixture
async def make(database_url: str, sandbox: RunningSandbox) -> AsyncIterator[Factory]:
    database = open_database(database_url)
    yield Factory(database, picture=sandbox.picture())
    await database.dispose()
