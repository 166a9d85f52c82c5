"""Google's token host: access tokens for a refresh token, and its end.

Sources, read 2026-11-23: https://developers.google.com/identity/protocols/oauth2/web-server and
https://developers.google.com/identity/protocols/oauth2 (why a refresh token ends).
"""

from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from engine.sandbox.faults import Fault
from engine.sandbox.state import ACCOUNT_ID, AUTO_TOKEN, SeenRequest, World
from engine.sandbox.surface import JSON, Answer
from engine.sandbox.youtube_errors import YouTubeError
from engine.sandbox.youtube_exchange import JSON_LIMIT, Exchange, Host, json_answer
from engine.sandbox.youtube_state import Grant

PATHS: Final = frozenset({"/token", "/revoke"})
AUTO_REFRESH: Final = "sandbox-refresh-"
REVOKED_SUBCODE: Final = 458  # how an account's token is marked that its owner took back
SCOPE: Final = (
    "https://www.googleapis.com/auth/youtube.upload "
    "https://www.googleapis.com/auth/youtube.force-ssl"
)
TEXTS: Final = {
    "invalid_grant": "Token has been expired or revoked.",
    "invalid_client": "The OAuth client was not found.",
    "invalid_token": "Token expired or revoked",
    "unsupported_grant_type": "Invalid grant_type",
}


class GoogleTokens:
    """The ASGI application for ``/token`` and ``/revoke``."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def serve(self, exchange: Exchange) -> None:
        """Answer one form; nothing of it is kept but the account's name."""
        is_revocation = exchange.scope["path"] == "/revoke"
        form = exchange.query
        exchange.query = {}
        seen = exchange.see("revoke_token" if is_revocation else "refresh_token")
        try:
            body = await exchange.body.read(JSON_LIMIT)
        except YouTubeError:
            body = b""
        form |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

        async def act(is_repeat: bool) -> Answer:
            if exchange.method != "POST":
                return _refusal("invalid_request")
            if is_revocation:
                return _revoke(exchange.world, seen, form)
            return _refresh(exchange.world, seen, form)

        await self._host.answer(exchange, seen, act, _planned_error)


def _refresh(world: World, seen: SeenRequest, form: dict[str, str]) -> Answer:
    switches, now = world.switches, world.clock.now()
    if not form.get("client_id") or (
        switches.google_client_secret not in (None, form.get("client_secret"))
    ):
        return _refusal("invalid_client", 401)
    if form.get("grant_type") != "refresh_token":
        return _refusal("unsupported_grant_type")
    grant = _grant_of(world, form.get("refresh_token", ""))
    if grant is None:
        return _refusal("invalid_grant")
    seen.account = grant.account.id
    life_s = switches.refresh_token_life_s
    if grant.account.token_subcode is not None or (
        life_s is not None and now - grant.granted_at >= life_s
    ):
        return _refusal("invalid_grant")
    token = f"sandbox-access-{world.number():012d}"
    grant.access_tokens[token] = now + switches.access_token_life_s
    answer: dict[str, Any] = {
        "access_token": token,
        "expires_in": round(switches.access_token_life_s),
        "scope": switches.granted_scopes or SCOPE,
        "token_type": "Bearer",
    }
    if switches.rotate_refresh_tokens:
        del world.youtube.grants[grant.refresh_token]
        grant.refresh_token = f"sandbox-rotated-{world.number():012d}"
        world.youtube.grants[grant.refresh_token] = grant
        answer["refresh_token"] = grant.refresh_token
    return json_answer(answer)


def _revoke(world: World, seen: SeenRequest, form: dict[str, str]) -> Answer:
    """The end of all that the account had granted, whichever of its tokens is given."""
    token = form.get("token", "")
    grant = _grant_of(world, token)
    account = grant.account if grant else world.youtube.holder_of(token, world)
    if account is None or account.token_subcode is not None:
        return _refusal("invalid_token")
    seen.account = account.id
    account.token_subcode = REVOKED_SUBCODE
    return json_answer({})


def _grant_of(world: World, refresh_token: str) -> Grant | None:
    """The grant of a refresh token; that of ``sandbox-refresh-<channel>`` is made on sight."""
    grants = world.youtube.grants
    account_id = refresh_token.removeprefix(AUTO_REFRESH)
    if (
        refresh_token not in grants
        and refresh_token.startswith(AUTO_REFRESH)
        and ACCOUNT_ID.fullmatch(account_id)
        # Once rotated away, it does not come back.
        and all(grant.account.id != account_id for grant in grants.values())
    ):
        account = world.accounts.get(account_id) or world.account_of(f"{AUTO_TOKEN}{account_id}")
        if account is not None:
            grants[refresh_token] = Grant(refresh_token, account, world.clock.now())
    return grants.get(refresh_token)


def _refusal(error: str, status: int = 400, message: str | None = None) -> Answer:
    body = {"error": error, "error_description": message or TEXTS.get(error, "Bad Request")}
    return Answer(status, orjson.dumps(body), [JSON])


def _planned_error(fault: Fault, seen: SeenRequest) -> Answer:
    reason = fault.reason or (
        "internal_failure" if (fault.status or 500) >= 500 else "invalid_grant"
    )
    usual = 401 if reason == "invalid_client" else 500 if reason == "internal_failure" else 400
    return _refusal(reason, fault.status or usual, fault.message)
