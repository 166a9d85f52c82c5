"""Large bodies to a platform: streamed, so that a film of gigabytes costs a megabyte of memory.

Nothing that is uploaded here is visible, and none of it happens at a due second, so a general HTTP
client does; small calls that are timed go through ``transport``.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx

from engine.errors import NotSent, OutcomeUnknown
from engine.platforms.connection import Answer

TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)  # seconds; of each write or read


class Uploader:
    """One shared client; follows no redirects, since a token goes with every request."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, follow_redirects=False)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] = b"",
    ) -> Answer:
        """Send one request and give its whole answer, whatever its status.

        Args:
            method: such as ``PUT``.
            url: whole; the caller has made sure of its host.
            headers: with ``Content-Length`` when the body is an iterator.
            body: bytes, or pieces of them.

        Raises:
            NotSent: no connection could be opened.
            OutcomeUnknown: the connection ended before the answer did.
        """
        try:
            answer = await self._client.request(method, url, headers=dict(headers), content=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotSent(
                "no connection to the upload host",
                code="not-connected",
                evidence={"failure": type(error).__name__},
            ) from None
        except httpx.HTTPError as error:
            raise OutcomeUnknown(
                "the upload was cut off",
                code="connection-lost",
                evidence={"failure": type(error).__name__},
            ) from None
        names = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, names, answer.content)

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        await self._client.aclose()
