"""``engine.ports.MediaSource`` over HTTP: guarded, streamed, and always the same bytes."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from engine.errors import (
    MediaChanged,
    MediaFault,
    MediaTooLarge,
    MediaUnreachable,
    MediaUnreadable,
)
from engine.media.guard import GuardedTransport, Resolve, resolve_by_system
from engine.media.probe import probe
from engine.ports import MediaFacts, MediaHead

PIECE: Final = 1024 * 1024  # bytes
TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)  # seconds; of each read, not of the whole
REDIRECTS: Final = 3
STREAMS_AT_ONCE: Final = 16
FACTS_LIVE_S: Final = 600.0  # a check at approval and one before sending are further apart
FACTS_KEPT: Final = 1000


class HttpMediaSource:
    """Fetches media with one shared client.

    Args:
        allow_private: also from addresses that are not public; for one machine's own double.
        resolve: gives a name's addresses.
    """

    def __init__(
        self, *, allow_private: bool = False, resolve: Resolve = resolve_by_system
    ) -> None:
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(allow_private=allow_private, resolve=resolve),
            timeout=TIMEOUT,
            follow_redirects=True,
            max_redirects=REDIRECTS,
            # Compressed bytes would make lengths and offsets lie.
            headers={"Accept-Encoding": "identity"},
        )
        self._gate = asyncio.Semaphore(STREAMS_AT_ONCE)
        self._facts: OrderedDict[tuple[str, str], tuple[float, MediaFacts]] = OrderedDict()

    async def head(self, url: str) -> MediaHead:
        """See the port. Asked by a one-byte range, which hosts without HEAD answer too.

        Raises:
            MediaFault: it cannot be fetched.
        """
        async with self._open(url, {"Range": "bytes=0-0"}) as answer:
            return _head_of(answer)

    async def stream(self, url: str, offset: int = 0) -> AsyncIterator[bytes]:
        """See the port. A host without ranges is read from the start, and what is known skipped.

        Raises:
            MediaChanged: fewer bytes came than were announced, or others than before.
            MediaFault: it cannot be fetched.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._open(url, headers) as answer:
            is_partial = answer.status_code == httpx.codes.PARTIAL_CONTENT
            if is_partial and _start_of(answer) != offset:
                raise MediaChanged(
                    "the media host answered with another range than it was asked for"
                )
            to_skip = 0 if is_partial else offset
            async for piece in answer.aiter_bytes(PIECE):
                if to_skip >= len(piece):
                    to_skip -= len(piece)
                    continue
                yield piece[to_skip:]
                to_skip = 0
            if to_skip:
                raise MediaChanged("the media at this address has become shorter")

    async def read_range(self, url: str, start: int, size: int) -> bytes:
        """At most ``size`` bytes from ``start``; fewer at the end.

        Raises:
            MediaFault: it cannot be fetched, or the host does not know ranges.
        """
        async with self._open(url, {"Range": f"bytes={start}-{start + size - 1}"}) as answer:
            if answer.status_code != httpx.codes.PARTIAL_CONTENT:
                raise MediaUnreadable("the media host does not offer parts of a file")
            body = b""
            async for piece in answer.aiter_bytes(PIECE):
                body += piece
                if len(body) >= size:
                    break
            return body[:size]

    async def read(self, url: str, limit_bytes: int) -> bytes:
        """The whole file.

        Raises:
            MediaTooLarge: it has more bytes than ``limit_bytes``.
            MediaFault: it cannot be fetched.
        """
        body = bytearray()
        async for piece in self.stream(url):
            body += piece
            if len(body) > limit_bytes:
                raise MediaTooLarge(f"more than {limit_bytes:,} bytes")
        return bytes(body)

    async def facts(self, url: str) -> MediaFacts:
        """See the port. What was learnt is remembered for ten minutes, for these very bytes.

        Raises:
            MediaFault: it cannot be fetched, or is no picture or video.
        """
        head = await self.head(url)
        key, now = (url, head.version), time.monotonic()
        if key in self._facts and now - self._facts[key][0] < FACTS_LIVE_S:
            return self._facts[key][1]
        facts = await probe(self, url, head)
        self._facts[key] = (now, facts)
        while len(self._facts) > FACTS_KEPT:
            self._facts.popitem(last=False)
        return facts

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        await self._client.aclose()

    @asynccontextmanager
    async def _open(self, url: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        async with self._gate:
            try:
                async with self._client.stream("GET", url, headers=headers) as answer:
                    if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                        raise MediaUnreachable(
                            f"the media host answers with status {answer.status_code}"
                        )
                    yield answer
            except MediaFault:
                raise
            except httpx.InvalidURL:
                raise MediaUnreachable("the address cannot be read") from None
            except (httpx.HTTPError, OSError) as error:
                raise MediaUnreachable(
                    f"the media host does not answer ({type(error).__name__})"
                ) from None


def _head_of(answer: httpx.Response) -> MediaHead:
    headers = answer.headers
    is_partial = answer.status_code == httpx.codes.PARTIAL_CONTENT
    total = headers.get("content-range", "").rpartition("/")[2]
    size = total if is_partial else headers.get("content-length", "")
    return MediaHead(
        size_bytes=int(size) if size.isdecimal() else None,
        content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
        accepts_ranges=is_partial,
        version="|".join((headers.get("etag", ""), headers.get("last-modified", ""), size)),
    )


def _start_of(answer: httpx.Response) -> int | None:
    start = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdecimal() else None
