"""What every Graph API surface shares: parameters, tokens, usage headers, faults, answers."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson
from starlette.types import Receive, Scope, Send

from engine.sandbox.faults import Fault
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.parameters import read_parameters
from engine.sandbox.state import DAY_S, Account, SeenRequest, World
from engine.sandbox.surface import JSON, Answer, Surface, base_url_of, gone
from engine.sandbox.wire import Wire, wire_of

VERSION: Final = re.compile(r"^v\d{1,3}\.\d$")
NESTED: Final = re.compile(r"\{[^{}]*\}")
UPLOAD_CALLS: Final = frozenset({"upload", "probe_upload"})
BATCH_LIMIT: Final = 50
USAGE_TYPES: Final = {"v1.0": "threads", "v25.0": "instagram"}
INSTAGRAM_IDS: Final = "1784"
NOBODY: Final = Account("", "", "")


@dataclass(slots=True)
class GraphRequest:
    """One request that got as far as being carried out."""

    world: World
    node: str
    parameters: dict[str, str]
    account: Account  # whose token came; known once the call is carried out
    seen: SeenRequest
    base_url: str  # as the caller addressed it, without a slash at the end
    version: str
    files: dict[str, bytes] = field(default_factory=dict)
    is_repeat: bool = False  # the platform itself does it a second time

    def fields(self, default: str = "id") -> list[str]:
        """The names asked for in ``fields``; ``from{id,name}`` asks for ``from``."""
        asked = NESTED.sub("", self.parameters.get("fields", default))
        return [name for name in asked.split(",") if name]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the platform's interface: its name and what carries it out."""

    name: str
    act: Callable[[GraphRequest], Awaitable[dict[str, Any]]]
    concerns_account: bool = False  # the node is the account, so the token must be the account's


@dataclass(frozen=True, slots=True)
class UploadDoor:
    """Where bytes come in: path prefixes, what reads such a request, and what routes it."""

    prefixes: Collection[str]
    read: Callable[[Scope, Receive], Awaitable[tuple[Any, str | None]]]
    route: Callable[[World, str, str, str, Any], Call]


Router = Callable[[GraphRequest, str, str], Call | None]
"""Finds the call of a request, by its method and the node's edge."""


class GraphSurface:
    """The ASGI application for ``/vNN.0/…``.

    Args:
        world: gives the present world; a reset puts another in its place.
        routers: those of a request's host, asked in turn for the call.
        uploads: takes bytes.
        surface: answers, or misbehaves as planned.
    """

    def __init__(
        self,
        world: Callable[[], World],
        routers: Callable[[GraphRequest], Sequence[Router]],
        uploads: UploadDoor,
        surface: Surface,
    ) -> None:
        self._surface = surface
        self._world = world
        self._routers = routers
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request from its first byte to its answer, or to its planned misfortune."""
        wire = wire_of(scope)
        try:
            await self._serve(scope, receive, send, wire)
        except asyncio.CancelledError:
            # The server stops. Who still waits is cut off, as by a platform that goes down.
            wire.reset()
            await gone(receive)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, wire: Wire) -> None:
        world = self._world()
        method: str = scope["method"]
        _, first, *rest = scope["path"].split("/")
        is_upload = first in self._uploads.prefixes
        version = rest.pop(0) if is_upload and rest else first
        node, edge = ([*rest, "", ""])[:2]
        path = "/" + "/".join(rest)
        number = world.number()
        seen = SeenRequest(
            id=f"A{number:010d}",
            method=method,
            path=f"/{first}{path}" if is_upload else path,
            call="unknown",
            account=world.owner_of(node),
            arrived_at=wire.arrived_at,
        )
        world.requests.append(seen)
        request = GraphRequest(
            world=world,
            node=node,
            parameters={},
            account=NOBODY,
            seen=seen,
            base_url=base_url_of(scope),
            version=version,
        )
        if is_upload:
            sent, token = await self._uploads.read(scope, receive)
            call: Call | None = self._uploads.route(world, first, node, method, sent)
        else:
            request.parameters, request.files, token = await read_parameters(scope, receive)
            call = self._route_of(request, method, edge, count=len(rest))
        seen.call = call.name if call else "unknown"

        async def carry_out(is_repeat: bool = False) -> Answer:
            return await self._carry_out(replace(request, is_repeat=is_repeat), call, method, token)

        if is_upload and sent.is_broken:
            await carry_out()  # what came is kept, and nobody is left to be answered
            return
        await self._surface.respond(
            world, seen, carry_out, _planned_error, wire=wire, receive=receive, send=send
        )

    def _route_of(
        self, request: GraphRequest, method: str, edge: str, *, count: int
    ) -> Call | None:
        if method == "POST" and not request.node and "batch" in request.parameters:
            return Call("batch", self._batch)
        if count > 2:
            return None
        for router in self._routers(request):
            call = router(request, method, edge)
            if call is not None:
                return call
        return None

    async def _carry_out(
        self, request: GraphRequest, call: Call | None, method: str, token: str | None
    ) -> Answer:
        world, seen = request.world, request.seen
        headers = [JSON, (b"x-fb-request-id", seen.id.encode())]
        try:
            is_upload = call is not None and call.name in UPLOAD_CALLS
            account = _authenticate(world, token, request.parameters, is_upload=is_upload)
            if call is None:
                raise GraphError(100, message=f"Unsupported {method.lower()} request")
            if call.concerns_account and account.id != request.node:
                raise GraphError(190)
            seen.account = account.id
            kind = USAGE_TYPES.get(request.version, "pages")
            if account.id.startswith(INSTAGRAM_IDS) and kind == "pages":
                kind = "instagram"
            _spend_a_call(world, account, headers, kind)
            request.account = account
            return Answer(200, orjson.dumps(await call.act(request)), headers)
        except GraphError as error:
            return Answer(error.status, error.body(seen.id), headers)

    async def _batch(self, request: GraphRequest) -> Any:
        """Several requests in one, answered in their order.

        Source: https://developers.facebook.com/docs/graph-api/batch-requests, read 2026-11-23.
        """
        try:
            items = orjson.loads(request.parameters["batch"])
        except orjson.JSONDecodeError:
            raise GraphError(100, message="(#100) batch must be a JSON array") from None
        if len(items) > BATCH_LIMIT:
            raise GraphError(
                100,
                message="Too many requests in batch message. Maximum batch size is 50",
            )
        answers: list[Any] = []
        for place, item in enumerate(items):
            if place == request.world.switches.null_batch_item:
                answers.append(None)
                continue
            answers.append(await self._batch_item(request, item))
        return answers

    async def _batch_item(self, request: GraphRequest, item: dict[str, Any]) -> dict[str, Any]:
        url = urlsplit(str(item.get("relative_url", "")))
        segments = [part for part in url.path.split("/") if part]
        if segments and VERSION.match(segments[0]):
            segments.pop(0)
        node, edge = ([*segments, "", ""])[:2]
        one = replace(
            request,
            node=node,
            parameters={
                # An item without a token of its own has the batch's, and its proof.
                "appsecret_proof": request.parameters.get("appsecret_proof", ""),
                **dict(parse_qsl(url.query) + parse_qsl(str(item.get("body", "")))),
            },
        )
        method = str(item.get("method", "GET")).upper()
        token = one.parameters.pop("access_token", request.account.token)
        call = self._route_of(one, method, edge, count=len(segments))
        answer = await self._carry_out(one, call, method, token)
        return {"code": answer.status, "headers": [], "body": answer.body.decode()}


def _planned_error(fault: Fault, seen: SeenRequest) -> Answer:
    error = GraphError(fault.code, fault.subcode, message=fault.message, status=fault.status)
    return Answer(error.status, error.body(seen.id), [JSON])


def _authenticate(
    world: World, token: str | None, parameters: dict[str, str], *, is_upload: bool
) -> Account:
    account = world.account_of(token) if token else None
    if account is None:
        raise GraphError(190)
    if account.token_subcode is not None:
        raise GraphError(190, account.token_subcode)
    if account.token_expires_at is not None and world.clock.now() >= account.token_expires_at:
        raise GraphError(190, 463)
    secret = world.switches.app_secret
    if secret is not None and not is_upload:  # upload hosts know the token alone
        proof = hmac.new(secret.encode(), account.token.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(proof, parameters.get("appsecret_proof", "")):
            raise GraphError(
                100, message="Invalid appsecret_proof provided in the API argument", status=400
            )
    return account


def _spend_a_call(
    world: World, account: Account, headers: list[tuple[bytes, bytes]], kind: str
) -> None:
    """Count the call, report usage in the headers, and refuse when the budget is spent.

    Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting,
    read 2026-11-23.
    """
    switches = world.switches
    now = world.clock.now()
    percent = wait_minutes = 0
    if switches.call_budget is not None:
        used = account.calls_used(now)
        percent = 100 * used // max(1, switches.call_budget)
        if used >= switches.call_budget:
            oldest = account.called_at[0] if account.called_at else now
            wait_minutes = max(1, round((oldest + DAY_S - now) / 60))
        else:
            account.called_at.append(now)
    app = switches.app_usage_percent
    headers.append(
        (
            b"x-app-usage",
            b'{"call_count":%d,"total_cputime":%d,"total_time":%d}' % (app, app, app),
        )
    )
    headers.append(
        (
            b"x-business-use-case-usage",
            b'{"%s":[{"type":"%s","call_count":%d,"total_cputime":%d,"total_time":%d,'
            b'"estimated_time_to_regain_access":%d}]}'
            % (account.id.encode(), kind.encode(), percent, percent, percent, wait_minutes),
        )
    )
    if wait_minutes:
        raise GraphError(80001 if kind == "pages" else 80002)
    if switches.throttle:
        raise GraphError(switches.throttle)
