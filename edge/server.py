"""uvicorn, taught to end connections properly.

As it comes, it closes every socket the moment a signal arrives, keeps one that reads nothing for
ever, and writes a traceback for a text frame that is not UTF-8.
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Coroutine
from types import FrameType
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from edge.app import Edge, create_app
from edge.frames import text_frame
from edge.inbox import Inbox
from edge.protocol import MAX_FRAME_BYTES
from edge.settings import Settings
from edge.valve import Valve
from edge.websocket import ABORT, WRITE_NOW

_CLOSE_S: Final = 5
"""How long a connection may linger after it was closed, for its last bytes and the peer's echo."""

log = structlog.get_logger("edge.server")


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's connection with a way out, a short way to write, and less to remember."""

    _last_resort: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.queue: Any = Inbox()
        self.writable: Any = Valve()

    async def run_asgi(self) -> None:
        """Offer the application a way to drop this connection, and a short way to write."""
        extensions = self.scope["extensions"]
        extensions[ABORT] = {"call": self.transport.abort}
        extensions[WRITE_NOW] = {"call": self.write_now}
        await super().run_asgi()

    def receive(self) -> Coroutine[Any, Any, ASGIReceiveEvent]:
        """What the client says next; an open connection needs its handshake no more."""
        if self.handshake_complete:
            self.scope: Any = None
            self.request: Any = None
            self.response: Any = None
        return super().receive()

    def write_now(self, *texts: str) -> bool:
        """Write text frames in one go, unless the socket is congested or ending."""
        if (
            self.close_sent
            or self.disconnected
            or not self.writable.is_set()
            or self.transport.is_closing()
        ):
            return False
        self.transport.write(
            text_frame(texts[0]) if len(texts) == 1 else b"".join(map(text_frame, texts))
        )
        return True

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done; so is the connection, soon."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._last_resort = self.loop.call_later(_CLOSE_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._last_resort is not None:
            self._last_resort.cancel()
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        """A whole message arrived."""
        if self.conn.close_sent is not None:
            self.frames = []  # whatever it was, this side has said its last word
            return
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Close after a frame that breaks the rules, and let the peer read why.

        Closing at once with unread input would reset the connection, and the peer would get that
        instead of the code.
        """
        if self.close_sent or self.conn.close_sent is None:
            return
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_CLOSE_S, self.transport.abort)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP connection with the same way out, for event streams."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        extensions: Any = {ABORT: {"call": self.transport.abort}}
        self.scope["extensions"] = extensions


def front_door(edge: Edge) -> ASGIApp:
    """The whole application; a WebSocket goes past Starlette's middleware.

    That has nothing to do for it, and would keep a stack of waiting frames for each connection.
    """
    app = create_app(edge)

    def enter(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        is_socket = scope["type"] == "websocket" and scope["path"] == "/ws"
        return (edge.sockets if is_socket else app)(scope, receive, send)

    return enter


class Server(uvicorn.Server):
    """Serves one edge; on a signal it drains before it stops."""

    def __init__(self, settings: Settings) -> None:
        self.edge = Edge(settings)
        super().__init__(
            uvicorn.Config(
                front_door(self.edge),
                interface="asgi3",
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=HttpProtocol,
                ws=WebSocketProtocol,
                ws_max_size=MAX_FRAME_BYTES,
                ws_per_message_deflate=False,
                ws_ping_interval=None,  # the client's own ping says more: that its page is alive
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=2,
            )
        )

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open, listen, say where."""
        await super().startup(sockets)
        if self.started:
            log.info("listening", host=self.config.host, port=self.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, tell every client to come back elsewhere, then stop."""
        for server in self.servers:
            server.close()
        await self.edge.drain()
        await super().shutdown(sockets)
        log.info("stopped")

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop, asked ten times a second."""
        return self.edge.has_failed.is_set() or await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second signal closes what is left at once, a second Ctrl-C waits for nothing.

        Unlike the stock handler it does not raise the signal again at the end: a drained edge has
        ended well, exit code 0.
        """
        if self.should_exit:
            self.edge.is_hurried.set()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
