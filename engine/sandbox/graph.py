"""What every Graph API surface shares: parameters, tokens, usage headers, faults, answers."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from starlette.types import Receive, Scope, Send

from engine.sandbox.answers import as_json
from engine.sandbox.faults import Fault
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.parameters import Parameters, read_parameters
from engine.sandbox.state import DAY_S, Account, SeenRequest, World
from engine.sandbox.surface import JSON, Answer, Surface, base_url_of, gone
from engine.sandbox.wire import Wire, wire_of

VERSION: Final = re.compile(r"^v\d{1,3}\.\d$")
THREADS_VERSION: Final = "v1.0"
UPLOAD_HOSTS: Final = ("ig-api-upload", "video-upload")
Product = Literal["instagram", "pages", "threads"]  # as the usage header names them
# Which error a spent budget gives. That of Threads is not documented: it gets the general one.
INSTAGRAM_IDS: Final = "1784"
SPENT: Final = {"instagram": 80002, "pages": 80001, "threads": 4}
EXPANSION: Final = re.compile(r"\{[^{}]*\}|\.\w+\([^()]*\)")  # from{id}, comments.limit(0)


@dataclass(slots=True)
class GraphRequest:
    """One request that got as far as being carried out."""

    world: World
    node: str
    parameters: Parameters
    account: Account
    seen: SeenRequest
    base_url: str  # as the caller addressed it, without a slash at the end
    version: str
    is_repeat: bool = False  # the platform itself does it a second time

    def fields(self, default: str = "id") -> list[str]:
        """The names asked for in ``fields``, without what they are to be expanded with."""
        text = self.parameters.get("fields", default)
        while EXPANSION.search(text):
            text = EXPANSION.sub("", text)
        return [name.strip() for name in text.split(",") if name.strip()]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the platform's interface: its name and what carries it out."""

    name: str
    act: Callable[[GraphRequest], Awaitable[Any]]
    concerns_account: bool = False  # the node is the account, so the token must be the account's
    product: Product = "instagram"
    # One path may mean several calls, such as a post that is made public at once or later.
    name_by: Callable[[World, str, Parameters], str] | None = None

    def name_for(self, world: World, node: str, parameters: Parameters) -> str:
        """The name under which requests are listed and faults are planned."""
        return self.name_by(world, node, parameters) if self.name_by else self.name


Router = Callable[[World, str, tuple[str, ...]], Call | None]


class GraphSurface:
    """The ASGI application for ``/vNN.0/…``.

    Args:
        world: gives the present world; a reset puts another in its place.
        route: finds the call for a method and the path's segments after the version.
        surface: answers, or misbehaves as planned.
    """

    def __init__(self, world: Callable[[], World], route: Router, surface: Surface) -> None:
        self._world = world
        self._route = route
        self._surface = surface

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
        _, version, *rest = scope["path"].split("/")
        segments = tuple(rest) or ("",)
        path = "/" + "/".join(segments)
        call = self._route(world, method, segments)
        number = world.number()
        seen = SeenRequest(
            id=f"A{number:010d}",
            method=method,
            path=path,
            call=call.name if call else "unknown",
            account=world.owner_of(segments[0]),
            arrived_at=wire.arrived_at,
        )
        world.requests.append(seen)
        parameters, token = await read_parameters(scope, receive)
        if call is not None:
            seen.call = call.name_for(world, segments[0], parameters)

        async def carry_out(is_repeat: bool = False) -> Answer:
            headers = [JSON, (b"x-fb-request-id", seen.id.encode())]
            try:
                account = authenticate(
                    world, token, parameters, is_upload=segments[-1] in UPLOAD_HOSTS
                )
                if call is None or is_elsewhere(call, version):
                    raise unsupported(method, segments)
                if call.concerns_account and account.id != segments[0]:
                    raise GraphError(190)
                seen.account = account.id
                product = product_of(world, call, account, segments[0])
                spend_a_call(world, product, account, headers)
                request = GraphRequest(
                    world=world,
                    node=segments[0],
                    parameters=parameters,
                    account=account,
                    seen=seen,
                    base_url=base_url_of(scope),
                    version=version,
                    is_repeat=is_repeat,
                )
                return Answer(200, as_json(await call.act(request)), headers)
            except GraphError as error:
                return Answer(error.status, error.body(seen.id), headers)

        await self._surface.respond(
            world, seen, carry_out, _planned_error, wire=wire, receive=receive, send=send
        )


def _planned_error(fault: Fault, seen: SeenRequest) -> Answer:
    error = GraphError(fault.code, fault.subcode, message=fault.message, status=fault.status)
    return Answer(error.status, error.body(seen.id), [JSON])


def authenticate(
    world: World, token: str | None, parameters: Parameters, *, is_upload: bool = False
) -> Account:
    """Whose token this is.

    Raises:
        GraphError: it is nobody's, it is dead, or its proof is missing.
    """
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


def unsupported(method: str, segments: tuple[str, ...]) -> GraphError:
    """What a path gives that means nothing: of a bare id, that it does not exist."""
    subcode = 33 if len(segments) == 1 and segments[0] else None
    return GraphError(
        100,
        subcode,
        message=f"Unsupported {method.lower()} request. Object with ID '{segments[0]}' does not "
        "exist, cannot be loaded due to missing permissions, or does not support this operation",
    )


def is_elsewhere(call: Call, version: str) -> bool:
    """Whether a call is of Threads on Meta's other hosts, or theirs on its own."""
    return (call.product == "threads") != (version == THREADS_VERSION)


def product_of(world: World, call: Call, account: Account, node: str) -> Product:
    """Whose budget a call is of; of an id that nobody knows, it is that of who asks."""
    is_known = node in world.comments or world.owner_of(node) is not None
    if is_known or call.product != "instagram" or account.id.startswith(INSTAGRAM_IDS):
        return call.product
    return "pages"


def spend_a_call(
    world: World, product: Product, account: Account, headers: list[tuple[bytes, bytes]]
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
            % (account.id.encode(), product.encode(), percent, percent, percent, wait_minutes),
        )
    )
    if wait_minutes:
        raise GraphError(SPENT[product])
    if switches.throttle:
        raise GraphError(switches.throttle)
