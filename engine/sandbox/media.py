"""Fetching and checking the media that containers point to, as the platforms do."""

import asyncio
import io
from typing import Final

import httpx
from PIL import Image, UnidentifiedImageError

from engine.sandbox.graph_errors import GraphError
from engine.sandbox.state import Container, Medium
from engine.sandbox.videos import VideoFacts, inspect

# https://developers.facebook.com/docs/instagram-platform/content-publishing and the table at
# https://developers.facebook.com/docs/instagram-platform/reference/error-codes, read 2026-11-23
SIZE_LIMIT: Final = 8 * 1024 * 1024  # bytes
NARROWEST: Final = 4 / 5
WIDEST: Final = 1.91
TOLERANCE: Final = 0.01  # of the ratio: pixels are whole

TOO_LARGE: Final = (36000, 2207004)
BAD_FORMAT: Final = (36001, 2207005)
BAD_RATIO: Final = (36003, 2207009)
NOT_FETCHED: Final = (9004, 2207052)

FETCH_TIMEOUT_S: Final = 10.0
FETCHES_AT_ONCE: Final = 8


VIDEO_LIMIT: Final = 300 * 1024 * 1024  # bytes
SHORTEST_S: Final = 3.0
LONGEST_S: Final = {"reel": 900.0, "story": 60.0, "carousel": 60.0, "video": 4 * 3600.0}
BAD_VIDEO: Final = (352, 2207026)


class MediaChecker:
    """Fetches each URL once and remembers what was good.

    Failures are not remembered: a host that was down may be up for the next container.
    """

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            timeout=FETCH_TIMEOUT_S, follow_redirects=True, max_redirects=3, trust_env=False
        )
        self._gate = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._good: set[tuple[str, str]] = set()
        self._running: set[asyncio.Task[None]] = set()

    def check_soon(self, container: Container) -> None:
        """Check while the container is in progress; a fault shows in its status."""
        if all(self._is_good(medium, container.kind) for medium in container.media):
            container.is_fetched = True
            return
        task = asyncio.create_task(self._check_for(container))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def check_now(self, media: list[Medium], kind: str) -> None:
        """Check before anything exists.

        Raises:
            GraphError: the first medium's fault.
        """
        for medium in media:
            if not self._is_good(medium, kind):
                await self._check(medium, kind)

    async def close(self) -> None:
        """Stop fetching."""
        for task in list(self._running):
            task.cancel()
        await self._client.aclose()

    def _is_good(self, medium: Medium, kind: str) -> bool:
        return medium.url is None or (medium.url, kind) in self._good

    async def _check_for(self, container: Container) -> None:
        try:
            await self.check_now(container.media, container.kind)
        except GraphError as error:
            is_threads = container.platform == "threads"
            container.failure = "FAILED_DOWNLOADING_VIDEO" if is_threads else error.subcode
        else:
            container.is_fetched = True

    async def _check(self, medium: Medium, kind: str) -> None:
        url = medium.url or ""
        async with self._gate:
            if self._is_good(medium, kind):
                return
            if medium.kind == "video":
                facts = await asyncio.to_thread(inspect, await self._fetch(url, VIDEO_LIMIT))
                _judge(facts, kind)
            else:
                _inspect(await self._fetch(url, SIZE_LIMIT), kind)
            self._good.add((url, kind))

    async def _fetch(self, url: str, limit: int) -> bytes:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S), self._client.stream("GET", url) as answer:
                if answer.status_code != 200:
                    raise GraphError(*NOT_FETCHED)
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > limit:
                        raise GraphError(*TOO_LARGE)
                return bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            raise GraphError(*NOT_FETCHED) from None


def _judge(facts: VideoFacts | None, kind: str) -> None:
    """Raise the fault of a film."""
    if facts is None:
        raise GraphError(*NOT_FETCHED)
    longest = LONGEST_S.get(kind, LONGEST_S["video"])
    if (
        facts.codec not in ("h264", "hevc")
        or facts.audio_codec not in (None, "aac")
        or not SHORTEST_S - 0.1 <= facts.duration_s <= longest + 0.5
        or (kind != "video" and not 23 <= facts.fps <= 60)
    ):
        raise GraphError(*BAD_VIDEO)


def _inspect(body: bytes, rule: str) -> None:
    """Raise the fault of a picture, by its own bytes rather than by its declared type."""
    try:
        with Image.open(io.BytesIO(body)) as picture:
            kind, (width, height) = picture.format, picture.size
    except UnidentifiedImageError:
        raise GraphError(*NOT_FETCHED) from None
    except Image.DecompressionBombError:
        raise GraphError(*TOO_LARGE) from None
    if kind not in ("JPEG", "PNG"):
        raise GraphError(*BAD_FORMAT)
    is_shaped = NARROWEST - TOLERANCE <= width / height <= WIDEST + TOLERANCE
    if rule in ("image", "carousel") and not is_shaped:
        raise GraphError(*BAD_RATIO)
