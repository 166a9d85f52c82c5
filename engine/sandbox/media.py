"""Fetching and checking the pictures that containers point to, as the platform does."""

import asyncio
import io
from typing import Final

import httpx
from PIL import Image, UnidentifiedImageError

from engine.sandbox.graph_errors import GraphError
from engine.sandbox.state import Container

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


class MediaChecker:
    """Fetches each URL once and remembers what was good.

    Failures are not remembered: a host that was down may be up for the next container.
    """

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(
            timeout=FETCH_TIMEOUT_S, follow_redirects=True, max_redirects=3, trust_env=False
        )
        self._gate = asyncio.Semaphore(FETCHES_AT_ONCE)
        self._good: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    def check_soon(self, container: Container) -> None:
        """Check while the container is in progress; a fault shows in its status."""
        if container.image_url in self._good:
            container.is_fetched = True
            return
        task = asyncio.create_task(self._check_for(container))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def check_now(self, container: Container) -> None:
        """Check before the container exists.

        Raises:
            GraphError: the picture's fault.
        """
        await self._check(container.image_url)
        container.is_fetched = True

    async def close(self) -> None:
        """Stop fetching."""
        for task in list(self._running):
            task.cancel()
        await self._client.aclose()

    async def _check_for(self, container: Container) -> None:
        try:
            await self._check(container.image_url)
        except GraphError as error:
            container.failure_subcode = error.subcode
        else:
            container.is_fetched = True

    async def _check(self, url: str) -> None:
        if url in self._good:
            return
        async with self._gate:
            if url not in self._good:
                _inspect(await self._fetch(url))
                self._good.add(url)

    async def _fetch(self, url: str) -> bytes:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S), self._client.stream("GET", url) as answer:
                if answer.status_code != 200:
                    raise GraphError(*NOT_FETCHED)
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > SIZE_LIMIT:
                        raise GraphError(*TOO_LARGE)
                return body
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            raise GraphError(*NOT_FETCHED) from None


def _inspect(body: bytes) -> None:
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
    if not NARROWEST - TOLERANCE <= width / height <= WIDEST + TOLERANCE:
        raise GraphError(*BAD_RATIO)
