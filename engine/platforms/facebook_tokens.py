"""Tokens of Facebook Pages: they do not expire, they die; so all that can be done is to look.

A password change, a removed app or a lost role ends one at once, and the access to the data behind
it lapses after about 90 days without its owner.

Source: https://developers.facebook.com/docs/graph-api/reference/debug_token, read 2026-11-23.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from engine.errors import OutcomeUnknown, Unsupported
from engine.platforms.graph import GraphClient, again, unreadable, value_of
from engine.platforms.meta_tokens import health_by_me
from engine.platforms.transport import Transport
from engine.ports import AccountAccess, Grant, TokenHealth, TokenRules
from models.accounts import AccessToken

RULES: Final = TokenRules(is_refreshable=False, min_age_s=0.0, refresh_before_s=0.0)


class FacebookTokens:
    """``engine.ports.TokenClient`` of Facebook Pages.

    Args:
        base_url: with the version; the tokens go nowhere else.
        app_id: with ``app_secret``, tokens are looked at by ``debug_token``; else by ``/me``, which
            tells no dates.
        app_secret: when given, calls carry its proof.
    """

    def __init__(self, base_url: str, *, app_id: str = "", app_secret: str | None = None) -> None:
        self._graph = GraphClient(base_url, publish_timeout_s=10.0, app_secret=app_secret)
        self._transport = Transport(base_url)
        self._app = AccessToken(f"{app_id}|{app_secret}") if app_id and app_secret else None

    @property
    def rules(self) -> TokenRules:
        """See the port."""
        return RULES

    async def refresh(self, access: AccountAccess, refresh_token: AccessToken | None) -> Grant:
        """See the port; there is nothing to renew."""
        raise Unsupported("a Page's token does not expire, so none renews it", code="no-renewal")

    async def check(self, access: AccountAccess) -> TokenHealth:
        """See the port."""
        if self._app is None:
            return await health_by_me(self._graph, access)
        # The app asks: its own secret says who it is, and the looked-at token is a parameter.
        try:
            answer = await self._transport.get(
                "/debug_token", {"input_token": access.token.reveal()}, self._app
            )
        except OutcomeUnknown as lost:
            raise again(lost) from None
        app = AccountAccess(access.platform_user_id, self._app)
        return _health_of(value_of(answer, app))

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()
        await self._transport.close()


def _health_of(value: Mapping[str, Any]) -> TokenHealth:
    data = value.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("is_valid"), bool):
        raise unreadable("nothing about the token")
    scopes = data.get("scopes")
    return TokenHealth(
        is_valid=data["is_valid"],
        reason=None if data["is_valid"] else _reason_of(data.get("error")),
        expires_at=_instant(data.get("expires_at")),
        data_access_expires_at=_instant(data.get("data_access_expires_at")),
        scopes=tuple(map(str, scopes)) if isinstance(scopes, list) and scopes else None,
    )


def _reason_of(error: Any) -> str:
    if not isinstance(error, dict) or "code" not in error:
        return "190"
    subcode = error.get("subcode")
    return str(error["code"]) if subcode is None else f"{error['code']}/{subcode}"


def _instant(seconds: Any) -> datetime | None:
    """0 is never."""
    if not isinstance(seconds, int) or seconds <= 0:
        return None
    return datetime.fromtimestamp(seconds, UTC)
