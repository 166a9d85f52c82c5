"""HTTP to a platform, and the one question that matters about a failed call: did it leave?

A request whose connection could not be opened was never sent. Once its bytes were handed to a
connection, nobody can say from here whether the platform read them, so every later failure is an
unknown outcome.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx

from engine.errors import NotSent, OutcomeUnknown, ReconnectNeeded
from engine.platforms.connection import Answer, Connection, ConnectionLost
from models.accounts import AccessToken

CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 10.0
# Shorter than the idle time-outs in common use (AWS load balancers 60 s, nginx 75 s), so that it
# is us who close: https://nginx.org/en/docs/http/ngx_http_core_module.html#keepalive_timeout,
# read 2026-11-23.
KEEP_ALIVE_S: Final = 20.0
# A platform may take seconds for one publish; fewer would make posts due together wait in line.
CONNECTIONS: Final = 256
WARM: Final = 32


class Transport:
    """Kept-alive connections to one host, the latest used first.

    Args:
        base_url: scheme, host and the path's beginning, such as the version.
        keep_alive_s: seconds after which an unused connection is not used again.
        connections: how many may be open at once; further requests wait.
        warm: how many :meth:`warm_up` leaves open.

    Raises:
        ValueError: no http or https URL, or one that would carry a token in the clear to
            another machine.
    """

    def __init__(
        self,
        base_url: str,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
        connections: int = CONNECTIONS,
        warm: int = WARM,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url}: not an http or https URL")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError(f"{base_url}: only https may carry a token to another machine")
        self._host = parts.hostname
        self._tls = httpx.create_ssl_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._host_header = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")
        self._keep_alive_s = keep_alive_s
        self._warm = warm
        self._idle: deque[Connection] = deque()  # the longest unused first
        self._places = asyncio.Semaphore(connections)
        self._warming = asyncio.Lock()
        self._is_closed = False

    async def get(
        self,
        path: str,
        parameters: Mapping[str, str],
        token: AccessToken,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> Answer:
        """Read; a connection that ended under the request is replaced once.

        Raises:
            NotSent: no connection could be opened.
            OutcomeUnknown: no whole answer came.
        """
        return await self._send_repeatably("GET", path, parameters, token, timeout_s)

    async def delete(
        self,
        path: str,
        parameters: Mapping[str, str],
        token: AccessToken,
        *,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> Answer:
        """Delete; a connection that ended under the request is replaced once.

        Raises:
            NotSent: no connection could be opened.
            OutcomeUnknown: no whole answer came; it may be asked again.
        """
        return await self._send_repeatably("DELETE", path, parameters, token, timeout_s)

    async def _send_repeatably(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        token: AccessToken,
        timeout_s: float,
    ) -> Answer:
        query = f"?{urlencode(parameters)}" if parameters else ""
        head = self._head(method, f"{path}{query}", token) + b"\r\n"
        try:
            return await self._send(head, timeout_s)
        except OutcomeUnknown as lost:
            if lost.code != "connection-lost":
                raise
            return await self._send(head, timeout_s)

    async def post(
        self,
        path: str,
        parameters: Mapping[str, str],
        token: AccessToken | None,
        *,
        timeout_s: float,
    ) -> Answer:
        """Send a form, once; without a token where the form itself says who asks.

        Raises:
            NotSent: no connection could be opened.
            OutcomeUnknown: the request went to a connection, and no whole answer came.
        """
        body = urlencode(parameters).encode()
        head = self._head("POST", path, token) + (
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        return await self._send(head + body, timeout_s)

    async def send_json(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        value: Any,
        token: AccessToken,
        *,
        timeout_s: float,
    ) -> Answer:
        """Send a JSON body by ``POST`` or ``PUT``, once.

        Raises:
            NotSent: no connection could be opened.
            OutcomeUnknown: the request went to a connection, and no whole answer came.
        """
        body = json.dumps(value, ensure_ascii=False).encode()
        head = self._head(method, f"{path}?{urlencode(parameters)}", token) + (
            b"Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        return await self._send(head + body, timeout_s)

    async def warm_up(self) -> None:
        """Have fresh connections open; they carry nothing until a request comes.

        Those unused for half their time are replaced, so that none ends at the due second.
        """
        async with self._warming:
            self._drop_unused_for(self._keep_alive_s / 2)
            missing = self._warm - len(self._idle)
            await asyncio.gather(*(self._open_ahead() for _ in range(missing)))

    async def close(self) -> None:
        """Cut the idle connections now, and the others with their answers. Idempotent."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def _head(self, method: str, target: str, token: AccessToken | None) -> bytes:
        head = (
            f"{method} {self._prefix}{target} HTTP/1.1\r\nHost: {self._host_header}\r\n"
            "Accept: application/json\r\n"
        ).encode("ascii")
        if token is None:
            return head
        secret = token.reveal()
        if not secret.isascii() or not secret.isprintable() or not secret or " " in secret:
            # A line break in it would write headers of its own.
            raise ReconnectNeeded("the stored token cannot be a token", code="token-malformed")
        return head + f"Authorization: Bearer {secret}\r\n".encode("ascii")

    async def _send(self, request: bytes, timeout_s: float) -> Answer:
        await self._wait_for_a_place()
        try:
            connection = self._take() or await self._connect()
            async with asyncio.timeout(timeout_s):
                answer = await connection.exchange(request)
            self._keep(connection)
        except TimeoutError:
            raise OutcomeUnknown("no answer in time", code="answer-late") from None
        except ConnectionLost as lost:
            raise OutcomeUnknown(
                "the connection ended before the answer did",
                code="connection-lost",
                evidence={"failure": str(lost)},
            ) from None
        finally:
            self._places.release()
        return answer

    async def _wait_for_a_place(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._places.acquire()
        except TimeoutError:
            raise NotSent(
                "every connection to the platform is busy", code="no-free-connection"
            ) from None

    def _take(self) -> Connection | None:
        """The connection used last; if that one is too old, so are all."""
        oldest = asyncio.get_running_loop().time() - self._keep_alive_s
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection) -> None:
        if self._is_closed:
            connection.close()
        elif connection.is_usable:
            self._idle.append(connection)
            self._drop_unused_for(self._keep_alive_s)

    def _drop_unused_for(self, seconds: float) -> None:
        oldest = asyncio.get_running_loop().time() - seconds
        while self._idle and (not self._idle[0].is_usable or self._idle[0].idle_since <= oldest):
            self._idle.popleft().close()

    async def _open_ahead(self) -> None:
        with suppress(NotSent):  # whoever sends next will learn it
            self._keep(await self._connect())

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await Connection.open(self._host, self._port, self._tls)
        except OSError as error:  # time-outs, names and certificates are among its kinds
            raise NotSent(
                "no connection to the platform",
                code="not-connected",
                evidence={"failure": type(error).__name__},
            ) from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
