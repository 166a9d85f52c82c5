"""``/sse``: the same stream for clients and proxies that have no WebSocket.

To the rest of the edge, a request here is a WebSocket whose client only ever says ``ping``: it goes
through the same endpoint, protocol core, queue and limits. What leaves is written as
``text/event-stream``; the pings are said by this side, one whenever a heartbeat is due, and their
answers travel the same queue and become comments, so that a client which reads nothing is noticed.

The token comes as ``Authorization: Bearer`` or ``?token=``, the position as ``Last-Event-ID`` or
``?resume=``. Without a good token a client that asks for ``text/event-stream`` by name hears the
close code, as on a WebSocket, because a browser's ``EventSource`` can read no status; any other
gets 401.
"""

import asyncio
import secrets
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import orjson
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from edge.bearer import bearer_of
from edge.close_codes import REASONS, RETRY_MS, CloseCode
from edge.gate import Gate
from edge.problems import Problem
from edge.websocket import ABORT, ONE_WAY, Endpoint
from models.events import Draining, StreamClosed

_CONTENT_TYPE: Final = b"text/event-stream; charset=utf-8"

_HEADERS: Final = (
    (b"content-type", _CONTENT_TYPE),
    # no-transform: a proxy that compresses would hold events back until its buffer is full.
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx
    (b"x-content-type-options", b"nosniff"),
)

_PING: Final = '{"type":"ping"}'
_PONG: Final = b'{"type":"pong"}'
_DRAINING: Final = b'{"type":"draining",'
_HEARTBEAT: Final = b":\n\n"


class EventStream:
    """The ASGI application at ``/sse``.

    Args:
        sockets: serves the stream; never learns that it is not a WebSocket.
        gate: for the answer to a client that could read a status.
        heartbeat_s: seconds between comments, so that no proxy thinks the stream dead.
    """

    def __init__(self, sockets: Endpoint, gate: Gate, *, heartbeat_s: float) -> None:
        self._sockets = sockets
        self._gate = gate
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream from its request to its end.

        Raises:
            Problem: 401 or 503 for a client that did not ask for an event stream by name.
        """
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            await send({"type": "http.response.body"})
            return
        headers = Headers(scope=scope)
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = bearer_of(headers) or query.get("token", [""])[0]
        if "text/event-stream" not in headers.get("accept", ""):
            await self._gate.identify(token)
        handshake = {"token": token}
        # A browser sends the header when it reconnects by itself, to a URL that has grown old.
        resume = headers.get("last-event-id") or query.get("resume", [None])[0]
        if resume is not None:
            handshake["resume"] = resume
        stream = _Stream(receive, send, self._heartbeat_s)
        abort = scope.get("extensions", {}).get(ABORT, {}).get("call")
        disguised = {
            **scope,
            "type": "websocket",
            "scheme": "ws",
            "query_string": urlencode(handshake).encode(),
            "subprotocols": [],
            "extensions": {ONE_WAY: {}} | ({ABORT: {"call": abort}} if abort else {}),
        }
        try:
            await self._sockets(disguised, stream.receive, stream.send)
        finally:
            await stream.end()


class _Stream:
    """One response, with the face of a WebSocket."""

    def __init__(self, receive: Receive, send: Send, heartbeat_s: float) -> None:
        self._receive = receive
        self._send = send
        self._heartbeat_s = heartbeat_s
        self._is_accepted = False
        self._is_complete = False
        self._retry_ms: int | None = None  # said by an edge that spreads its clients' return
        self._gone: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """What the client would say: that it connects, pings, and is gone."""
        if self._gone is None:
            self._gone = asyncio.create_task(self._disconnected())
            return {"type": "websocket.connect"}
        done, _ = await asyncio.wait([self._gone], timeout=self._heartbeat_s)
        if done:
            return {"type": "websocket.disconnect", "code": 1005, "reason": ""}
        return {"type": "websocket.receive", "text": _PING}

    async def send(self, message: Message) -> None:
        """Write what a WebSocket would have been sent."""
        match message["type"]:
            case "websocket.accept":
                self._is_accepted = True
                headers = list(_HEADERS)
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
                # Spread over half a second and more, so that an edge that is killed is not
                # followed by all its clients at one instant.
                retry_ms = RETRY_MS[CloseCode.DRAINING] + secrets.randbelow(1000)
                await self._write(b"retry: %d\n\n" % retry_ms)
            case "websocket.send":
                frame = message["text"].encode()
                if frame.startswith(_DRAINING):
                    self._retry_ms = Draining.model_validate_json(frame).retry_ms
                await self._write(written(frame))
            case "websocket.close" if self._is_accepted:
                code = message["code"]
                retry_ms = RETRY_MS[code] if self._retry_ms is None else self._retry_ms
                await self._write(farewell(code, retry_ms), is_last=True)
            case "websocket.close":
                raise Problem.try_later("too many connections", retry_after_s=5)

    async def end(self) -> None:
        """Finish the response, whichever way the conversation ended."""
        if self._is_accepted and not self._is_complete:
            await self._write(b"", is_last=True)
        if self._gone is not None:
            self._gone.cancel()
            await asyncio.wait([self._gone])

    async def _disconnected(self) -> None:
        """Until the client has gone, or the last byte was written."""
        while (await self._receive())["type"] != "http.disconnect":
            pass  # a body that nobody asked for

    async def _write(self, data: bytes, *, is_last: bool = False) -> None:
        self._is_complete = is_last
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})


def written(frame: bytes) -> bytes:
    """A frame as an event of the stream: ``event`` is its type, ``id`` its id or position.

    A hello gives its position as ``id``, so that a client which reconnects before its first event
    is not told to reload everything.
    """
    if frame == _PONG:
        return _HEARTBEAT
    fields: dict[str, Any] = orjson.loads(frame)
    kind = str(fields.get("type", "message")).splitlines()[0]
    event_id = fields.get("id")
    if kind == "hello":
        event_id = f"{fields['epoch']}-{fields['seq']}"
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {kind}\ndata: ".encode() + frame + b"\n\n"


def farewell(code: int, retry_ms: int) -> bytes:
    """The last event of a stream: why it ends, and when a client that ignores it should return."""
    closed = StreamClosed(code=code, reason=REASONS[CloseCode(code)], retry_ms=retry_ms)
    return f"event: close\nretry: {closed.retry_ms}\ndata: {closed.model_dump_json()}\n\n".encode()
