"""HTTP to a platform, and the one question that matters about a failed call: did it leave?

A request whose connection could not be opened was never sent. Once a connection stood, nobody
can say from here whether the platform read it, so every later failure is an unknown outcome.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlencode

import httpx

from engine.errors import NotSent, OutcomeUnknown
from models.accounts import AccessToken

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 10.0
BODY_LIMIT: Final = 4 * 1024 * 1024  # bytes; a page of 100 captions is under 1 MiB
# Shorter than the idle time-outs in common use (AWS load balancers 60 s, nginx 75 s), so that it
# is us who close: https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_timeout,
# read 2026-11-23.
KEEP_ALIVE_S: Final = 20.0
# One pool searches all of its connections for every request; several small ones are faster.
LANES: Final = 16
CONNECTIONS_PER_LANE: Final = 8

# They log every request's URL at INFO.
for name in ("httpx", "httpcore"):
    logging.getLogger(name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Transport:
    """Kept-alive connections to one host.

    Args:
        base_url: scheme, host and the path's beginning, without a slash at the end.
        lanes: the transports to spread requests over; the default opens its own.

    Raises:
        ValueError: the URL would carry a token in the clear to another machine.
    """

    def __init__(
        self, base_url: str, *, lanes: Sequence[httpx.AsyncBaseTransport] | None = None
    ) -> None:
        self._base = httpx.URL(base_url.rstrip("/"))
        if self._base.scheme != "https" and not _is_loopback(self._base.host):
            raise ValueError(f"{base_url}: only https may carry a token to another machine")
        self._lanes = list(lanes) if lanes is not None else [_lane() for _ in range(LANES)]
        self._busy = [0] * len(self._lanes)

    async def get(
        self,
        path: str,
        parameters: Mapping[str, str],
        token: AccessToken | None,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> Answer:
        """Read; a connection that died under the request is replaced once.

        Raises:
            NotSent: no connection could be opened.
            OutcomeUnknown: no whole answer came.
        """
        request = self._request("GET", path, parameters, None, token)
        try:
            return await self._send(request, timeout_s)
        except OutcomeUnknown as lost:
            if lost.code != "connection-lost":
                raise
            return await self._send(request, timeout_s)

    async def post(
        self,
        path: str,
        parameters: Mapping[str, str],
        token: AccessToken,
        *,
        timeout_s: float,
    ) -> Answer:
        """Send a form, once.

        Raises:
            NotSent: no connection could be opened.
            OutcomeUnknown: a connection stood, and no whole answer came.
        """
        body = urlencode(parameters).encode()
        return await self._send(self._request("POST", path, {}, body, token), timeout_s)

    async def warm_up(self) -> None:
        """Open or refresh one connection in every lane.

        It asks for the version's root without a token: the platform refuses that at its door,
        which is enough to know that the connection stands.
        """
        requests = [self._request("GET", "/", {}, None, None) for _ in self._lanes]
        await asyncio.gather(
            *(
                self._send_on(lane, request, READ_TIMEOUT_S)
                for lane, request in enumerate(requests)
            ),
            return_exceptions=True,
        )

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        for lane in self._lanes:
            await lane.aclose()

    def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        body: bytes | None,
        token: AccessToken | None,
    ) -> httpx.Request:
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = self._base.copy_with(path=self._base.path.rstrip("/") + path)
        if parameters:
            url = url.copy_with(query=urlencode(parameters).encode())
        return httpx.Request(method, url, headers=headers, content=body)

    async def _send(self, request: httpx.Request, timeout_s: float) -> Answer:
        lane = min(range(len(self._lanes)), key=self._busy.__getitem__)
        return await self._send_on(lane, request, timeout_s)

    async def _send_on(self, lane: int, request: httpx.Request, timeout_s: float) -> Answer:
        request.extensions["timeout"] = {
            "connect": CONNECT_TIMEOUT_S,
            "pool": CONNECT_TIMEOUT_S,
            "read": timeout_s,
            "write": timeout_s,
        }
        self._busy[lane] += 1
        try:
            async with asyncio.timeout(timeout_s + CONNECT_TIMEOUT_S):
                return await self._exchange(lane, request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # The cause is left out: an httpx error holds its request, and so the token.
            raise NotSent(
                "no connection to the platform", code="not-connected", evidence=_seen(error)
            ) from None
        except (httpx.TimeoutException, TimeoutError) as error:
            raise OutcomeUnknown(
                "no answer in time", code="answer-late", evidence=_seen(error)
            ) from None
        except httpx.TransportError as error:
            raise OutcomeUnknown(
                "the connection ended before the answer did",
                code="connection-lost",
                evidence=_seen(error),
            ) from None
        finally:
            self._busy[lane] -= 1

    async def _exchange(self, lane: int, request: httpx.Request) -> Answer:
        response = await self._lanes[lane].handle_async_request(request)
        try:
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > BODY_LIMIT:
                    raise httpx.RemoteProtocolError("the answer has no end")
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, body)


def _lane() -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        limits=httpx.Limits(
            max_connections=CONNECTIONS_PER_LANE,
            max_keepalive_connections=CONNECTIONS_PER_LANE,
            keepalive_expiry=KEEP_ALIVE_S,
        ),
        retries=0,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _seen(error: Exception) -> dict[str, str]:
    """The kind of failure; an error's own text may quote the request."""
    return {"failure": type(error).__name__}
