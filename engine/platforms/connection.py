"""One kept-alive HTTP/1.1 connection, for one exchange at a time.

A general HTTP client spends 1 to 4 ms of Python on a request; 200 posts due in the same second then
wait for one another. Here a request is bytes, written in the same step that decided to send it, and
httptools (llhttp) reads the answer. It knows no redirects, proxies, cookies or compression.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

import httptools

BODY_LIMIT: Final = 4 * 1024 * 1024  # bytes; a page of 100 captions is under 1 MiB
HEADERS_LIMIT: Final = 200
NEXT_ADDRESS_S: Final = 0.25  # https://www.rfc-editor.org/rfc/rfc8305#section-8, read 2026-11-23


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class ConnectionLost(Exception):
    """The connection ended, or spoke no HTTP, before the answer was whole."""


class Connection(asyncio.Protocol):
    """An open connection; make one with :meth:`open`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._reading: _Reading | None = None
        self.idle_since = 0.0

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None) -> Self:
        """Connect, with TLS if a context is given.

        Raises:
            OSError: refused, unreachable, unknown name, or a certificate that does not hold.
        """
        loop = asyncio.get_running_loop()
        # A host whose IPv6 leads nowhere must not use up the whole time allowed for connecting.
        # uvloop has no such option and tries one address after the other.
        racing: dict[str, Any] = (
            {"happy_eyeballs_delay": NEXT_ADDRESS_S}
            if isinstance(loop, asyncio.BaseEventLoop)
            else {}
        )
        _, connection = await loop.create_connection(
            cls, host, port, ssl=tls, server_hostname=host if tls else None, **racing
        )
        connection.idle_since = loop.time()
        return connection

    @property
    def is_usable(self) -> bool:
        """Whether another exchange can begin, as far as this side has heard."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self._answer is None
        )

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and give its whole answer.

        The bytes go to the socket before this first waits. If it is cancelled, the connection is
        cut: whatever comes then belongs to nobody.

        Raises:
            ConnectionLost: no whole answer came; the request may have been carried out.
        """
        if not self.is_usable or self._transport is None:
            raise RuntimeError("an exchange on a connection that is busy or closed")
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._reading = _Reading()
        self._transport.write(request)
        try:
            answer = await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = None
        if self._reading.is_last:
            self.close()
        self._reading = None
        self.idle_since = loop.time()
        return answer

    def close(self) -> None:
        """Cut the connection. Idempotent."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._answer is None or self._reading is None or self._answer.done():
            self.close()  # nobody asked
            return
        try:
            self._reading.feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._reading.answer is None:
                self._answer.set_exception(ConnectionLost(f"not HTTP: {type(error).__name__}"))
                return
            self._reading.is_last = True  # the answer is whole; what follows it is not ours
        if self._reading.answer is not None:
            self._answer.set_result(self._reading.answer)

    def eof_received(self) -> None:
        """See ``asyncio.Protocol``; the transport closes itself."""

    def connection_lost(self, error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            reason = type(error).__name__ if error else "closed by the platform"
            self._answer.set_exception(ConnectionLost(reason))


class _Reading:
    """One answer as it comes in; the callbacks are the parser's."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.is_last = False
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        if self.answer is not None:
            raise httptools.HttpParserError("a second answer")
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._headers) >= HEADERS_LIMIT:
            raise httptools.HttpParserError("headers without end")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        if len(self._body) + len(part) > BODY_LIMIT:
            raise httptools.HttpParserError("a body without end")
        self._body += part

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # informational: the answer is still to come
        self.is_last = not self._parser.should_keep_alive()
        self.answer = Answer(status, self._headers, bytes(self._body))
