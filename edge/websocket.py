"""``/ws``: the protocol core on an ASGI WebSocket.

The token comes as ``?token=``, as the subprotocol ``auth.<base64url JWT>``, or in the first frame.
The position comes as ``?resume=``, in the same first frame, or later in a ``resume`` frame.
"""

import asyncio
import math
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs

import structlog
from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from edge import origins, protocol
from edge.auth import (
    SUBPROTOCOL,
    AccessDenied,
    Identity,
    UserMismatch,
    token_among,
)
from edge.close_codes import REASONS, CloseCode
from edge.doorway import Doorway, Refusal
from edge.gate import Gate
from edge.metrics import Metrics
from edge.outbound import Bounds, Outbound
from edge.protocol import Action, Limits, Protocol, Push, State
from edge.routing import Router
from models.channels import Position

ABORT = "sns.abort"
"""ASGI extension of the edge's server: ``{"call": …}`` drops the connection at once."""

ONE_WAY = "sns.one_way"
"""ASGI extension of a transport whose client can say nothing, and so cannot refresh its token."""

WRITE_NOW = "sns.write_now"
"""ASGI extension of the edge's server: ``{"call": …}`` writes text frames without a task, and
says false when it could not: the socket is congested or ending."""

_HTTP_ANSWER = "websocket.http.response"
"""ASGI extension of a server that can refuse a handshake with a status of our choice."""

_SLICE_S = 0.1
_SLICE_LEAST = 50
"""A draining edge closes a slice every so often, and never a smaller one: few clients are no crowd
for the edges that they go to."""

_YOUNGEST = 0.9
"""Connections retire between this part of the maximum age and all of it, so that those who came
together do not go together."""

log = structlog.get_logger("edge.websocket")


class Endpoint:
    """The ASGI application at ``/ws``, and all its open connections."""

    def __init__(
        self,
        *,
        router: Router,
        gate: Gate,
        metrics: Metrics,
        doorway: Doorway,
        limits: Limits,
        bounds: Bounds,
        allowed_origins: tuple[str, ...],
        max_age_s: float,
        retry_ms: int,
    ) -> None:
        self.router = router
        self.gate = gate
        self.metrics = metrics
        self.limits = limits
        self.one_way_limits = replace(limits, grace_s=0)
        self.bounds = bounds
        self._doorway = doorway
        self._allowed_origins = allowed_origins
        self._max_age_s = max_age_s
        self._retry_ms = retry_ms
        self._open: set[Connection] = set()
        self._is_draining = False
        self._is_empty = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket from its handshake to its end."""
        await receive()  # websocket.connect
        address = (scope.get("client") or (None,))[0]
        refusal = self._doorway.knock(address, asyncio.get_running_loop().time())
        if refusal is not None:
            await _turn_away(refusal, scope, send)
            return
        serving = self._serve(scope, receive, send)
        del scope  # here and below: an idle connection keeps nothing of its handshake
        try:
            await serving
        finally:
            self._doorway.leave()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = scope["subprotocols"]
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        extensions = scope.get("extensions", {})
        connection = Connection(
            self,
            send,
            extensions.get(ABORT, {}).get("call"),
            self.one_way_limits if ONE_WAY in extensions else self.limits,
            extensions.get(WRITE_NOW, {}).get("call"),
        )
        self._open.add(connection)
        self.metrics.connections.inc()
        try:
            self._begin(connection, scope)
            del scope, extensions, offered
            await connection.serve(receive)
        finally:
            self._open.discard(connection)
            self.metrics.connections.dec()
            await connection.end()
            if not self._open:
                self._is_empty.set()

    def _begin(self, connection: "Connection", scope: Scope) -> None:
        if self._is_draining:
            connection.close(CloseCode.DRAINING)
        elif not self._may_connect(Headers(scope=scope)):
            connection.close(CloseCode.REFUSED)
        else:
            query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            token = query.get("token", [token_among(scope["subprotocols"])])[0]
            connection.start(token, query.get("resume", [None])[0])

    def retires_at(self) -> float:
        """When a connection that opens now will be old enough."""
        if not self._max_age_s:
            return math.inf
        age_s = self._max_age_s * random.uniform(_YOUNGEST, 1)  # noqa: S311
        return asyncio.get_running_loop().time() + age_s

    async def drain(self, *, window_s: float, timeout_s: float, is_hurried: asyncio.Event) -> None:
        """Send every client elsewhere, and each that still comes.

        Args:
            window_s: over which the connections are closed, a slice at a time, so that the other
                edges get no storm.
            timeout_s: how long the last ones may take to end.
            is_hurried: set when all that are left should be closed at once.
        """
        self._is_draining = True
        waiting = list(self._open)
        size = max(_SLICE_LEAST, math.ceil(len(waiting) * _SLICE_S / max(window_s, _SLICE_S)))
        while waiting:
            if is_hurried.is_set():
                size = len(waiting)
            for connection in waiting[:size]:
                connection.drain(random.randint(0, self._retry_ms))  # noqa: S311
            waiting = waiting[size:]
            if waiting:
                await _wait_at_most(is_hurried, _SLICE_S)
        self._is_empty.clear()
        if self._open:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._is_empty.wait()
            except TimeoutError:
                log.warning("connections left", count=len(self._open))

    def _may_connect(self, headers: Headers) -> bool:
        return origins.is_allowed(headers.get("origin"), headers.get("host"), self._allowed_origins)


class Connection:
    """One WebSocket: gives the protocol core what happens, and does what it says."""

    __slots__ = (
        "_checking",
        "_endpoint",
        "_identity",
        "_loop",
        "_outbound",
        "_protocol",
        "_reading",
        "_timer",
        "connection_id",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        send: Callable[[Message], Awaitable[None]],
        abort: Callable[[], None] | None,
        limits: Limits,
        write_now: Callable[..., bool] | None,
    ) -> None:
        self.connection_id = secrets.token_hex(8)
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._protocol = Protocol(
            self.connection_id,
            limits,
            self._loop.time(),
            retires_at=endpoint.retires_at(),
        )
        self._outbound = Outbound(send, abort or _no_way_out, endpoint.bounds, write_now)
        self._identity: Identity | None = None
        self._checking: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def identity(self) -> Identity:
        """Who is at the other end; only a connection that has joined is asked."""
        if self._identity is None:
            raise RuntimeError("nobody knows yet who this is")
        return self._identity

    @property
    def is_live(self) -> bool:
        """Whether it has read all the history that it knows of."""
        return self._protocol.state is State.LIVE

    # From the client

    def start(self, token: str | None, resume: str | None) -> None:
        """Begin with what came in the handshake."""
        self._protocol.resume_from(resume)
        self._do([] if token is None else self._protocol.present(token, self._loop.time()))

    async def serve(self, receive: Receive) -> None:
        """Take the client's frames until it or the edge has ended the connection."""
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            if text is None:
                self._do(self._protocol.receive_bytes())
            else:
                self._do(self._protocol.receive_text(text, self._loop.time()))

    async def end(self) -> None:
        """Leave nothing behind."""
        self._protocol.close(CloseCode.DRAINING)  # nothing is sent any more, whoever asks
        if self._timer is not None:
            self._timer.cancel()
        if self._identity is not None:
            self._endpoint.router.leave(self)
        for task in (self._checking, self._reading):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self._outbound.stop()

    def close(self, code: CloseCode) -> None:
        """End the conversation from this side."""
        self._do(self._protocol.close(code))

    def drain(self, retry_ms: int) -> None:
        """Send the client elsewhere, and say when to come."""
        self._do(self._protocol.drain(retry_ms))

    # From Redis

    def push(self, position: Position, text: str, size_bytes: int) -> None:
        """An event with an id was published."""
        match self._protocol.push(position):
            case Push.SEND:
                self._put(text, size_bytes)
            case Push.READ:
                self._repair()

    def push_unkept(self, text: str, size_bytes: int) -> None:
        """A frame without an id was published: now or never."""
        if self._protocol.takes_live:
            self._put(text, size_bytes)

    def compare(self, head: Position) -> None:
        """This is the newest event of the user's history, now or a moment ago."""
        if self._protocol.has_missed(head):
            self._repair()

    def _repair(self) -> None:
        self._endpoint.metrics.gaps.inc()
        log.info("gap", connection_id=self.connection_id, user_id=self.identity.user_id)
        self._do(self._protocol.repair())

    def _put(self, text: str, size_bytes: int) -> None:
        if self._outbound.put(text, size_bytes):
            self._endpoint.metrics.deliveries.inc()
        elif self._protocol.close(CloseCode.TOO_SLOW):
            self._count_close(CloseCode.TOO_SLOW)
            self._outbound.cut()

    # What the protocol core wants

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case protocol.Send(text):
                    self._put(text, len(text.encode()))
                case protocol.Close(code, reason):
                    self._count_close(code)
                    self._outbound.close(code, reason)
                case protocol.Authenticate(token):
                    self._check(self._admit, token)
                case protocol.Renew(token):
                    self._check(self._renew, token)
                case protocol.Read(after):
                    self._reading = asyncio.create_task(self._read(after))
        self._set_timer()

    def _check(self, check: Callable[[str], Awaitable[None]], token: str) -> None:
        self._checking = asyncio.create_task(self._answer(check, token))

    async def _answer(self, check: Callable[[str], Awaitable[None]], token: str) -> None:
        """Check a token; whatever speaks against it ends the conversation."""
        try:
            await check(token)
        except AccessDenied as denied:
            log.info(
                "access denied",
                reason=f"{type(denied).__name__}: {denied}",
                connection_id=self.connection_id,
            )
            self._do(self._protocol.refused(denied.code))
        except (RedisError, OSError) as error:
            log.warning("token not checked", error=str(error), connection_id=self.connection_id)
            self._do(self._protocol.refused(CloseCode.TRY_LATER))
        self._checking = None

    async def _admit(self, token: str) -> None:
        self._identity = await self._endpoint.gate.verify(token)
        self._endpoint.router.join(self)
        await self._endpoint.gate.admit(self.connection_id, self._identity)
        self._do(self._protocol.authenticated(*self._expiry()))

    async def _renew(self, token: str) -> None:
        identity = await self._endpoint.gate.verify(token)
        if identity.user_id != self.identity.user_id:
            raise UserMismatch("a token of another user")

        def become() -> None:
            self._identity = identity

        # First the new name, by which a message reaches it, then the records: nothing between.
        self._endpoint.router.change(self, become)
        await self._endpoint.gate.check(identity)
        self._do(self._protocol.renewed(*self._expiry()))

    def _expiry(self) -> tuple[datetime, float, float]:
        valid_s = self.identity.expires_at - time.time()
        return self.identity.expires_on, valid_s, self._loop.time()

    async def _read(self, after: Position | None) -> None:
        # A slow reader reads its history slowly: no page is fetched before the last one left.
        await self._outbound.drained()
        try:
            reading = await self._endpoint.router.read(self.identity, after)
        except RedisError as error:
            log.warning("history refused", user_id=self.identity.user_id, error=str(error))
            self.close(CloseCode.TRY_LATER)
            return
        actions = self._protocol.history(reading, datetime.now(UTC))
        self._endpoint.metrics.deliveries.inc(len(reading.frames))
        self._reading = None
        texts = [action.text for action in actions if isinstance(action, protocol.Send)]
        if texts:
            self._outbound.put_answer(*texts)
        self._do([action for action in actions if not isinstance(action, protocol.Send)])

    def _set_timer(self) -> None:
        if self._protocol.state is State.CLOSED:
            return
        deadline = self._protocol.deadline
        # A deadline that has moved away is found out when the timer fires: frames cost no timer.
        if self._timer is None or deadline < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self._protocol.tick(self._loop.time()))

    def _count_close(self, code: CloseCode) -> None:
        self._endpoint.metrics.closes.labels(int(code)).inc()
        log.info("closing", code=int(code), connection_id=self.connection_id)


async def _turn_away(refusal: Refusal, scope: Scope, send: Send) -> None:
    """Refuse a handshake; where the server cannot, accept it and close."""
    if _HTTP_ANSWER not in scope.get("extensions", {}):
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        code = CloseCode.TRY_LATER
        await send({"type": "websocket.close", "code": int(code), "reason": REASONS[code]})
        return
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"retry-after", str(refusal.retry_after_s).encode()),
    ]
    start = {"type": f"{_HTTP_ANSWER}.start", "status": refusal.status, "headers": headers}
    await send(start)
    await send({"type": f"{_HTTP_ANSWER}.body", "body": f"{refusal.reason}\n".encode()})


async def _wait_at_most(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


def _no_way_out() -> None:
    """For a server without the extension: its own time-outs have to end the connection."""
