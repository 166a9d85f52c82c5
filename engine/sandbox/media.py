"""Fetching and checking the files that containers and videos point to, as the platform does."""

import asyncio
import tempfile
from typing import IO, Final, Protocol

import httpx

from engine.sandbox.media_rules import (
    NOT_FETCHED,
    TOO_LARGE,
    MediaFault,
    PictureRules,
    Rules,
    inspect_bytes,
)

FETCH_TIMEOUT_S: Final = 10.0
FETCHES_AT_ONCE: Final = 8
IN_MEMORY: Final = 16 * 1024 * 1024  # bytes of a file beyond which it waits on the disk


class Pending(Protocol):
    """What waits for its file."""

    def fetched(self) -> None:
        """The file is there and good."""

    def refused(self, fault: MediaFault) -> None:
        """The file is not there, or not good."""


class MediaChecker:
    """Fetches each URL once for each set of rules and remembers what was good.

    Failures are not remembered: a host that was down may be up for the next container.
    """

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            timeout=FETCH_TIMEOUT_S, follow_redirects=True, max_redirects=3, trust_env=False
        )
        self._gate = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._good: set[tuple[str, Rules]] = set()
        self._running: set[asyncio.Task[None]] = set()

    def check_soon(self, pending: Pending, url: str, rules: Rules) -> None:
        """Check while the thing is in progress; a fault shows in its status."""
        if (url, rules) in self._good:
            pending.fetched()
            return
        task = asyncio.create_task(self._check_for(pending, url, rules))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def check_now(self, url: str, rules: Rules) -> None:
        """Check before the thing exists.

        Raises:
            MediaFault: what is wrong with the file.
        """
        if (url, rules) in self._good:
            return
        async with self._gate:
            if (url, rules) not in self._good:
                with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
                    await self._fetch(url, file, rules.size_limit)
                    file.seek(0)
                    await _inspect(rules, file)
                self._good.add((url, rules))

    async def check_bytes(self, body: bytes, rules: Rules) -> None:
        """Check a file that came with the request.

        Raises:
            MediaFault: what is wrong with it.
        """
        await asyncio.to_thread(inspect_bytes, rules, body)

    async def answers(self, url: str) -> bool:
        """Whether a page can be fetched."""
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S), self._client.stream("GET", url) as answer:
                return answer.status_code < 400
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return False

    async def close(self) -> None:
        """Stop fetching."""
        for task in list(self._running):
            task.cancel()
        await self._client.aclose()

    async def _check_for(self, pending: Pending, url: str, rules: Rules) -> None:
        try:
            await self.check_now(url, rules)
        except MediaFault as fault:
            pending.refused(fault)
        else:
            pending.fetched()

    async def _fetch(self, url: str, file: IO[bytes], limit: int) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S), self._client.stream("GET", url) as answer:
                if answer.status_code != 200:
                    raise MediaFault(NOT_FETCHED, "FAILED_DOWNLOADING_VIDEO")
                size = 0
                async for part in answer.aiter_bytes():
                    size += len(part)
                    if size > limit:
                        raise MediaFault(TOO_LARGE, "UNKNOWN", 1363023)
                    file.write(part)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            raise MediaFault(NOT_FETCHED, "FAILED_DOWNLOADING_VIDEO") from None


async def _inspect(rules: Rules, file: IO[bytes]) -> None:
    if isinstance(rules, PictureRules):
        rules.inspect(file)  # reads only the head of the file
    else:
        await asyncio.to_thread(rules.inspect, file)
