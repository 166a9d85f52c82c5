"""Meta's token calls: renewing, exchanging, asking what a token is, and the Pages of a user.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/reference/
refresh_access_token, https://developers.facebook.com/docs/threads/get-started/long-lived-tokens,
https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived and
https://developers.facebook.com/docs/graph-api/reference/debug_token. What the refusal of a token
that is too young looks like is not documented.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from engine.sandbox.graph import THREADS_VERSION, Call, GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.state import Account, World

LIFE_S: Final = 60 * 86_400.0  # of a long-lived token
LEAST_AGE_S: Final = 86_400.0  # of one that is to be renewed
DATA_ACCESS_S: Final = 90 * 86_400.0
TYPES: Final = {"ig_refresh_token": False, "th_refresh_token": True}  # whether it is of Threads
SCOPES: Final = {
    "instagram": ["instagram_business_basic", "instagram_business_content_publish"],
    "pages": ["pages_manage_posts", "pages_read_engagement", "pages_show_list"],
}

Act = Callable[[GraphRequest], Awaitable[dict[str, Any]]]


class MetaTokens:
    """The calls that are about a token and about nothing of an account."""

    def __init__(self) -> None:
        def call(name: str, act: Act, *, by_app: bool = False) -> Call:
            return Call(name, act, is_everywhere=True, by_app=by_app)

        self._calls = {
            ("refresh_access_token",): call("refresh_token", _refresh),
            ("oauth", "access_token"): call("exchange_token", _exchange, by_app=True),
            ("debug_token",): call("debug_token", _debug, by_app=True),
            ("me",): call("read_me", _me),
            ("me", "accounts"): call("list_pages", _pages),
        }

    def route(self, method: str, segments: tuple[str, ...]) -> Call | None:
        """The call that a method and path mean, or None."""
        return self._calls.get(segments) if method == "GET" else None


async def _refresh(request: GraphRequest) -> dict[str, Any]:
    is_threads = TYPES.get(request.parameters.get("grant_type", ""))
    if is_threads is not (request.version == THREADS_VERSION):
        raise GraphError(100, message="Invalid parameter: grant_type")
    account, now = request.account, request.world.clock.now()
    # One that was renewed already was old enough then; asked again, it is renewed again.
    issued_at = account.token_issued_at if request.token == account.token else None
    if issued_at is not None and now - issued_at < LEAST_AGE_S:
        raise GraphError(100, message="The access token must be at least 24 hours old")
    return _renew(request.world, account, request.world.switches.token_life_s)


async def _exchange(request: GraphRequest) -> dict[str, Any]:
    given, world = request.parameters, request.world
    if given.get("grant_type") != "fb_exchange_token":
        raise GraphError(100, message="Invalid parameter: grant_type")
    if not given.get("client_id") or world.switches.app_secret not in (
        None,
        given.get("client_secret"),
    ):
        raise GraphError(1, message="Error validating client secret.", status=400)
    account = world.account_of(given.get("fb_exchange_token", ""))
    fault = GraphError(190) if account is None else fault_of(world, account, account.token)
    if account is None or fault is not None:
        raise fault or GraphError(190)
    return _renew(world, account, world.switches.token_life_s)


def _renew(world: World, account: Account, life_s: float) -> dict[str, Any]:
    """A new token; the old one stays good until its own end."""
    now = world.clock.now()
    account.older_tokens[account.token] = account.token_expires_at
    account.token = f"sandbox-renewed-{world.number():012d}"
    account.token_issued_at, account.token_expires_at = now, now + life_s
    world.by_token[account.token] = account
    return {
        "access_token": account.token,
        "token_type": "bearer",
        "expires_in": round(life_s),
    }


async def _debug(request: GraphRequest) -> dict[str, Any]:
    world, token = request.world, request.parameters.get("input_token", "")
    account = world.account_of(token)
    if account is None:
        fault = GraphError(190)
        return {"data": {"is_valid": False, "scopes": [], "error": _shown(fault)}}
    is_page = not account.id.startswith("1784")
    granted = world.switches.granted_scopes
    data: dict[str, Any] = {
        "app_id": "1",
        "type": "PAGE" if is_page else "USER",
        "application": "sandbox",
        "expires_at": int(end_of(account, token) or 0),
        "data_access_expires_at": int(
            account.data_access_expires_at or world.clock.now() + DATA_ACCESS_S
        ),
        "issued_at": int(account.token_issued_at or 0),
        "is_valid": True,
        "scopes": granted.split() if granted else SCOPES["pages" if is_page else "instagram"],
        "user_id": account.id,
    }
    fault_found = fault_of(world, account, token)
    if fault_found is not None:
        data |= {"is_valid": False, "error": _shown(fault_found)}
    return {"data": data}


async def _me(request: GraphRequest) -> dict[str, Any]:
    account = request.account
    values = {
        "id": account.id,
        "user_id": account.id,
        "username": account.username,
        "name": account.username,
    }
    return {name: values[name] for name in request.fields("id") if name in values}


async def _pages(request: GraphRequest) -> dict[str, Any]:
    """Pages of a user; a Page that was not granted comes without its token."""
    account = request.account
    page = {"id": account.id, "name": account.username, "access_token": account.token}
    if request.world.switches.pages_without_token:
        del page["access_token"]
    return {"data": [page]}


def end_of(account: Account, token: str) -> float | None:
    """When a token ends, by the sandbox's clock; None is never."""
    return account.older_tokens.get(token, account.token_expires_at)


def fault_of(world: World, account: Account, token: str) -> GraphError | None:
    """What is wrong with a token, if anything."""
    if account.token_subcode is not None:
        return GraphError(190, account.token_subcode)
    end = end_of(account, token)
    if end is not None and world.clock.now() >= end:
        return GraphError(190, 463)
    return None


def _shown(fault: GraphError) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": fault.code, "message": str(fault)}
    if fault.subcode is not None:
        shown["subcode"] = fault.subcode
    return shown
