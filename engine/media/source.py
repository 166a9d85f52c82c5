"""The bytes behind other people's URLs: guarded, bounded, and in constant memory.

A file is asked for with ``GET`` and ``Range`` only: signed URLs of object stores often refuse
``HEAD``, and a server that knows no ranges shows it by answering 200.
"""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from engine.errors import MediaChanged, MediaFault, MediaTooLarge, MediaUnreachable
from engine.media.guard import GuardedBackend, GuardedTransport, Resolve, checked_url
from engine.media.guard import resolve_by_system as system_resolver
from engine.ports import MediaHead

CHUNK_BYTES: Final = 1024 * 1024
REDIRECTS: Final = 5
CONNECT_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 20.0  # without a single byte
READ_DEADLINE_S: Final = 60.0  # for everything that is read whole
OPEN_AT_ONCE: Final = 16  # answers; a long upload holds one all the time
RESUMES: Final = 8  # of one stream, after a connection that broke
RESUME_WAIT_S: Final = (0.1, 0.5, 1.0, 2.0)  # the last one from then on

# A server that sends a byte now and then would hold a connection for ever. Only time spent
# waiting for it counts, not the time its reader takes.
SLOWEST_BYTES_PER_S: Final = 8 * 1024
SLOWEST_OVER_S: Final = 30.0

REMEMBERED: Final = 1024  # URLs whose last version is known
VALIDATOR_LIMIT: Final = 200  # characters of an ETag
RETRYABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one state of a file from another, as far as the server says."""

    etag: str | None
    modified: str | None
    size_bytes: int | None

    def __str__(self) -> str:
        return json.dumps([self.etag, self.modified, self.size_bytes])

    @classmethod
    def parse(cls, text: str) -> "Version":
        """The version that gave ``text``.

        Raises:
            ValueError: it is none.
        """
        etag, modified, size_bytes = json.loads(text)
        return cls(etag, modified, size_bytes)

    def differs(self, other: "Version") -> bool:
        """Whether any mark that both have is not the same."""
        pairs = (
            (self.etag, other.etag),
            (self.modified, other.modified),
            (self.size_bytes, other.size_bytes),
        )
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    @property
    def is_telling(self) -> bool:
        """Whether it says anything at all."""
        return (self.etag, self.modified, self.size_bytes) != (None, None, None)


@dataclass(frozen=True, slots=True)
class _Opened:
    """An answer whose body has not been read."""

    response: httpx.Response
    head: MediaHead
    version: Version
    start: int
    """Position in the file of the body's first byte."""


class HttpMediaSource:
    """``engine.ports.MediaSource`` over HTTP. Belongs to one event loop.

    Args:
        allow_private: fetch from private addresses too; ``Settings.media_allow_private``.
        resolve: the name server to ask.
        read_timeout_s: seconds without a byte until a server counts as gone.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve = system_resolver,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        backend = GuardedBackend(allow_private=allow_private, resolve=resolve)
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(backend),
            timeout=httpx.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S),
            headers={"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "sns-engine"},
            follow_redirects=False,  # each hop is checked by us
            trust_env=False,  # a proxy would resolve names behind the guard's back
        )
        self._gate = asyncio.Semaphore(OPEN_AT_ONCE)
        self._seen: OrderedDict[str, Version] = OrderedDict()

    async def head(self, url: str) -> MediaHead:
        """See the port."""
        async with self._opened(url, "bytes=0-0") as opened:
            self._remember(url, opened.version)
            return opened.head

    async def size(self, url: str) -> int:
        """See the port."""
        size_bytes = (await self.head(url)).size_bytes
        if size_bytes is None:
            raise MediaUnreachable(
                "the server does not tell the file's size", code="no_size", is_retryable=False
            )
        return size_bytes

    async def read(self, url: str, limit_bytes: int) -> bytes:
        """The whole file, if it has at most ``limit_bytes``.

        Raises:
            MediaTooLarge: it has more.
            MediaFault: see the port.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(READ_DEADLINE_S), aclosing(self.stream(url)) as chunks:
                async for chunk in chunks:
                    body += chunk
                    seen = self._seen.get(url)
                    known = seen.size_bytes if seen and seen.size_bytes else len(body)
                    if max(known, len(body)) > limit_bytes:
                        raise MediaTooLarge(
                            f"the file has more than {limit_bytes:,} bytes",
                            code="too_large",
                            evidence={"limit": limit_bytes, "found": max(known, len(body))},
                        )
        except TimeoutError:
            raise _timeout(url) from None
        return bytes(body)

    async def read_part(self, url: str, start: int, length: int, *, version: str) -> bytes:
        """Up to ``length`` bytes from ``start``; shorter only at the file's end.

        Raises:
            MediaChanged: it is no longer the file of ``version``.
            MediaUnreachable: also when the server gives no parts.
        """
        expected = Version.parse(version)
        try:
            async with (
                asyncio.timeout(READ_DEADLINE_S),
                self._opened(url, f"bytes={start}-{start + length - 1}") as opened,
            ):
                _same_or_raise(url, expected, opened.version)
                if opened.start != start:
                    raise MediaUnreachable(
                        "the server gives no parts of the file",
                        code="no_ranges",
                        is_retryable=False,
                        evidence={"host": _host_of(url)},
                    )
                body = bytearray()
                async with aclosing(_steady(url, opened.response)) as chunks:
                    async for chunk in chunks:
                        body += chunk
                        if len(body) >= length:
                            break
                return bytes(body[:length])
        except TimeoutError:
            raise _timeout(url) from None

    async def stream(
        self, url: str, offset: int = 0, *, version: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See the port."""
        expected = self._expected(url, offset, version)
        position, resumes = offset, 0
        is_accepted = False
        while True:
            try:
                async with self._opened(url, f"bytes={position}-") as opened:
                    if expected is not None:
                        _same_or_raise(url, expected, opened.version)
                    else:
                        expected = opened.version
                        self._remember(url, expected)
                    is_accepted = True
                    async with aclosing(_from(position, url, opened)) as chunks:
                        async for chunk in chunks:
                            position += len(chunk)
                            yield chunk
                    _whole_or_raise(url, position, opened.version.size_bytes)
                return
            except MediaUnreachable as lost:
                resumes += 1
                if not is_accepted or not lost.is_retryable or resumes > RESUMES:
                    raise
            await asyncio.sleep(RESUME_WAIT_S[min(resumes, len(RESUME_WAIT_S)) - 1])

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        await self._client.aclose()

    def _expected(self, url: str, offset: int, version: str | None) -> Version | None:
        if offset < 0:
            raise ValueError("an offset below 0")
        if version is not None:
            return Version.parse(version)
        return self._seen.get(url) if offset > 0 else None

    def _remember(self, url: str, version: Version) -> None:
        self._seen[url] = version
        self._seen.move_to_end(url)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    @asynccontextmanager
    async def _opened(self, url: str, range_: str) -> AsyncIterator[_Opened]:
        """The answer to a request for a range, redirects followed; its body is still to come."""
        async with self._gate:
            response = await self._answer(url, range_)
            try:
                yield _opened_of(url, response)
            finally:
                await response.aclose()

    async def _answer(self, url: str, range_: str) -> httpx.Response:
        address = checked_url(url)
        for _ in range(REDIRECTS + 1):
            request = self._client.build_request("GET", address, headers={"Range": range_})
            try:
                response = await self._client.send(request, stream=True)
            except httpx.HTTPError as error:
                raise _unreachable(str(address), error) from None
            if not response.has_redirect_location:
                return response
            location = response.headers["location"]
            await response.aclose()
            try:
                address = checked_url(str(address.join(location)))
            except httpx.InvalidURL:
                raise _bad_answer(url, "redirects to no address") from None
        raise MediaUnreachable(
            f"more than {REDIRECTS} redirects",
            code="redirects",
            is_retryable=False,
            evidence={"host": _host_of(url)},
        )


def _opened_of(url: str, response: httpx.Response) -> _Opened:
    headers = response.headers
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _bad_answer(url, "compresses the file, though asked not to")
    start, size_bytes = 0, _number(headers.get("content-length"))
    match response.status_code:
        case 206:
            found = CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
            if found is None or found[1] is None:
                raise _bad_answer(url, "gives a part without saying which")
            start, size_bytes = int(found[1]), _number(found[3])
        case 416:
            # Asked for what lies behind the end: an empty rest of a file of this size.
            found = CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
            if found is None or _number(found[3]) is None:
                raise _bad_answer(url, "refuses the range without telling the size")
            start = size_bytes = int(found[3])
        case 200:
            pass
        case status:
            raise MediaUnreachable(
                f"the server answered {status}",
                code=f"status_{status}",
                is_retryable=status in RETRYABLE,
                evidence={"host": _host_of(url), "status": status},
            )
    version = Version(
        etag=_mark(headers.get("etag")),
        modified=_mark(headers.get("last-modified")),
        size_bytes=size_bytes,
    )
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower() or None
    head = MediaHead(
        size_bytes=size_bytes,
        content_type=content_type,
        accepts_ranges=response.status_code in (206, 416),
        version=str(version),
    )
    return _Opened(response, head, version, start)


async def _from(position: int, url: str, opened: _Opened) -> AsyncGenerator[bytes, None]:
    """The body's bytes from a position in the file on; what lies before is read and dropped."""
    if opened.response.status_code == 416:
        if opened.start != position:
            raise _shorter(url, opened.start, position)
        return
    if opened.start > position:
        raise _bad_answer(url, "gives another part than was asked for")
    dropping = position - opened.start
    async with aclosing(_steady(url, opened.response)) as chunks:
        async for chunk in chunks:
            if dropping >= len(chunk):
                dropping -= len(chunk)
                continue
            yield chunk[dropping:]
            dropping = 0
    if dropping:
        raise _shorter(url, position - dropping, position)


async def _steady(url: str, response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The body in chunks of at most 1 MiB, from a server that does not dawdle."""
    loop = asyncio.get_running_loop()
    waited_s, received = 0.0, 0
    parts = response.aiter_raw()
    while True:
        since = loop.time()
        try:
            part = await anext(parts, None)
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _unreachable(url, error) from None
        if part is None:
            return
        waited_s += loop.time() - since
        received += len(part)
        if waited_s > SLOWEST_OVER_S:
            if received < SLOWEST_BYTES_PER_S * waited_s:
                raise MediaUnreachable(
                    "the server sends too slowly",
                    code="slow",
                    is_retryable=True,
                    evidence={"host": _host_of(url), "bytes_per_s": int(received / waited_s)},
                )
            waited_s, received = 0.0, 0
        for start in range(0, len(part), CHUNK_BYTES):
            yield part[start : start + CHUNK_BYTES]


def _same_or_raise(url: str, expected: Version, found: Version) -> None:
    if expected.differs(found):
        raise MediaChanged(
            "the file at this address was replaced meanwhile",
            code="changed",
            evidence={"host": _host_of(url), "expected": str(expected), "found": str(found)},
        )


def _whole_or_raise(url: str, position: int, size_bytes: int | None) -> None:
    if size_bytes is not None and position < size_bytes:
        raise MediaUnreachable(
            "the file ended before its declared size",
            code="cut_short",
            is_retryable=True,
            evidence={"host": _host_of(url), "declared": size_bytes, "received": position},
        )


def _shorter(url: str, found: int, position: int) -> MediaChanged:
    return MediaChanged(
        "the file is shorter than the part that was read already",
        code="changed",
        evidence={"host": _host_of(url), "size": found, "offset": position},
    )


def _unreachable(url: str, error: httpx.HTTPError | httpx.StreamError) -> MediaFault:
    evidence = {"host": _host_of(url), "fault": type(error).__name__}
    if isinstance(error, httpx.TimeoutException):
        return _timeout(url)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return MediaUnreachable(
            "the server's certificate does not hold",
            code="certificate",
            is_retryable=False,
            evidence=evidence,
        )
    return MediaUnreachable(
        "the connection failed", code="connection", is_retryable=True, evidence=evidence
    )


def _timeout(url: str) -> MediaUnreachable:
    return MediaUnreachable(
        "the server did not answer in time",
        code="timeout",
        is_retryable=True,
        evidence={"host": _host_of(url)},
    )


def _bad_answer(url: str, what: str) -> MediaUnreachable:
    return MediaUnreachable(
        f"the server {what}",
        code="bad_answer",
        is_retryable=False,
        evidence={"host": _host_of(url)},
    )


def _host_of(url: str) -> str:
    """All of a URL that may be told: its query can be a signature."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return "?"


def _mark(value: str | None) -> str | None:
    return value[:VALIDATOR_LIMIT] if value else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
