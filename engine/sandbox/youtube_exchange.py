"""What every call of Google's hosts shares: its token, its body, its record and its answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import Message, Receive, Scope, Send

from engine.sandbox.answers import as_json
from engine.sandbox.faults import Fault
from engine.sandbox.state import Account, SeenRequest, World
from engine.sandbox.surface import JSON, Answer, PlannedError, Surface, base_url_of, gone
from engine.sandbox.wire import Wire, wire_of
from engine.sandbox.youtube_errors import YouTubeError

JSON_LIMIT: Final = 1024 * 1024  # bytes; a request's JSON is far smaller
JSON_KEPT: Final = 64 * 1024  # bytes of a request's JSON that are kept for reading back
COSTLY_UPLOAD: Final = 1600  # units, in the model of the older quota page


class CallerGone(Exception):
    """The connection ended before the request did."""


class Body:
    """A request's body, read once and as it comes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_whole = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """What has not been read yet, piece by piece.

        Raises:
            CallerGone: the connection ended in the middle.
        """
        while not self.is_whole:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CallerGone
            self.is_whole = not message.get("more_body", False)
            yield message.get("body", b"")

    async def read(self, limit: int) -> bytes:
        """All of it.

        Raises:
            YouTubeError: it is larger than ``limit``; the rest is read and dropped.
        """
        body = bytearray()
        async for piece in self.pieces():
            if len(body) <= limit:
                body += piece
        if len(body) > limit:
            raise YouTubeError("uploadTooLarge")
        return bytes(body)

    async def read_json(self) -> dict[str, Any]:
        """A JSON object; an empty body is an empty one.

        Raises:
            YouTubeError: it is none.
        """
        try:
            value = orjson.loads(await self.read(JSON_LIMIT) or b"{}")
        except orjson.JSONDecodeError:
            raise YouTubeError("parseError") from None
        if not isinstance(value, dict):
            raise YouTubeError("parseError")
        return value

    async def drain(self) -> None:
        """Read and drop the rest: an answer ahead of it would break the caller's sending."""
        async for _ in self.pieces():
            pass


@dataclass(slots=True)
class Exchange:
    """One request and the way back to its caller."""

    world: World
    scope: Scope
    receive: Receive
    send: Send
    wire: Wire
    body: Body
    query: dict[str, str]  # without tokens
    headers: dict[str, str]
    token: str | None

    @property
    def method(self) -> str:
        """Of HTTP."""
        method: str = self.scope["method"]
        return method

    @property
    def base_url(self) -> str:
        """The host as the caller addressed it."""
        return base_url_of(self.scope)

    def see(
        self, call: str, json: dict[str, Any] | None = None, account: Account | None = None
    ) -> SeenRequest:
        """Note the request under its call's name; ``json`` without secrets."""
        if account is None and self.token is not None:
            account = self.world.youtube.holder_of(self.token, self.world)
        seen = SeenRequest(
            id=f"Y{self.world.number():010d}",
            method=self.method,
            path=self.scope["path"],
            call=call,
            account=None if account is None else account.id,
            arrived_at=self.wire.arrived_at,
            query=self.query,
            json=json if json and len(orjson.dumps(json)) <= JSON_KEPT else None,
        )
        self.world.requests.append(seen)
        return seen

    def caller(self) -> Account:
        """Whose token it is.

        Raises:
            YouTubeError: nobody's, or it is dead or expired.
        """
        account = (
            None if self.token is None else self.world.youtube.holder_of(self.token, self.world)
        )
        if account is None or account.token_subcode is not None:
            raise YouTubeError("authError")
        expires_at = account.token_expires_at
        if expires_at is not None and self.world.clock.now() >= expires_at:
            raise YouTubeError("authError")
        return account

    def spend(self, bucket: str, units: int) -> None:
        """Count a call; what is over the day's quota is refused, and counted all the same.

        Raises:
            YouTubeError: the quota is spent.
        """
        switches, now = self.world.switches, self.world.clock.now()
        if switches.youtube_quota_model == "units" and bucket == "uploads":
            bucket, units = "units", COSTLY_UPLOAD
        is_upload = bucket == "uploads"
        limit = switches.youtube_uploads_a_day if is_upload else switches.youtube_units_a_day
        if self.world.youtube.spend(bucket, units, now) > limit:
            raise YouTubeError("quotaExceeded")


Act = Callable[[bool], Awaitable[Answer]]
"""Does what was asked or raises YouTubeError; told whether it is done once more by the platform."""


class Host:
    """Takes requests in, and gives their answers back through the fault plan.

    Args:
        world: gives the present world.
        surface: what answers for every host.
    """

    def __init__(self, world: Callable[[], World], surface: Surface) -> None:
        self._world = world
        self._surface = surface

    async def take(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        serve: Callable[[Exchange], Awaitable[None]],
    ) -> None:
        """Let ``serve`` see to one request, from its first byte on."""
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        token = query.pop("access_token", None)
        query.pop("key", None)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = given.strip()
        wire = wire_of(scope)
        exchange = Exchange(
            self._world(), scope, receive, send, wire, Body(receive), query, headers, token
        )
        try:
            await serve(exchange)
        except CallerGone:
            return
        except asyncio.CancelledError:
            # The server stops. Who still waits is cut off, as by a platform that goes down.
            wire.reset()
            await gone(receive)

    async def answer(
        self,
        exchange: Exchange,
        seen: SeenRequest,
        act: Act,
        planned_error: PlannedError | None = None,
    ) -> None:
        """Carry out a request and answer it, or let happen to it what is planned."""

        async def carry_out(is_repeat: bool) -> Answer:
            try:
                return await act(is_repeat)
            except YouTubeError as error:
                return Answer(error.status, error.body(), [JSON])

        async def send_after_the_body(message: Message) -> None:
            await exchange.body.drain()
            await exchange.send(message)

        await self._surface.respond(
            exchange.world,
            seen,
            carry_out,
            planned_error or _planned_error,
            wire=exchange.wire,
            receive=exchange.receive,
            send=send_after_the_body,
        )

    async def cut(self, exchange: Exchange, seen: SeenRequest, fault: Fault) -> None:
        """End the connection in the middle of the request, as planned."""
        self._surface.note(exchange.world, fault, seen)
        if fault.answer == "reset":
            exchange.wire.reset()
        else:
            exchange.wire.close()
        await gone(exchange.receive)


def json_answer(value: dict[str, Any], *more: tuple[bytes, bytes]) -> Answer:
    """A good answer in JSON."""
    return Answer(200, as_json(value), [JSON, *more])


def _planned_error(fault: Fault, seen: SeenRequest) -> Answer:
    reason = fault.reason or ("backendError" if (fault.status or 500) >= 500 else "badRequest")
    error = YouTubeError(reason, message=fault.message, status=fault.status)
    return Answer(error.status, error.body(), [JSON])
