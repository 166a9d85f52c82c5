"""What Instagram's and Threads' tokens share: how they are renewed, and what a check says.

Both live 60 days and are renewed by themselves once they are a day old and before they end; the old
one stays good until its own end, so a renewal whose answer was lost may be repeated.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/reference/
refresh_access_token and https://developers.facebook.com/docs/threads/get-started/long-lived-tokens.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.errors import ReconnectNeeded
from engine.platforms.graph import GraphClient, unreadable
from engine.ports import AccountAccess, Grant, TokenHealth, TokenRules
from models.accounts import AccessToken

DAY_S: Final = 86_400.0

LONG_LIVED: Final = TokenRules(
    is_refreshable=True,
    min_age_s=DAY_S,
    # From day 50 of 60: ten days for retries, of which people are told seven.
    refresh_before_s=10 * DAY_S,
)


class LongLivedTokens:
    """Tokens that renew themselves, at one Graph host.

    Args:
        base_url: with the version; the tokens go nowhere else.
        grant_type: the host's own word for a renewal.
        app_secret: when given, every call carries its proof.
    """

    def __init__(self, base_url: str, *, grant_type: str, app_secret: str | None = None) -> None:
        # Nothing here is visible to anybody, so the time-out of visible calls is never used.
        self._graph = GraphClient(base_url, publish_timeout_s=10.0, app_secret=app_secret)
        self._grant_type = grant_type

    @property
    def rules(self) -> TokenRules:
        """See the port."""
        return LONG_LIVED

    async def refresh(self, access: AccountAccess, refresh_token: AccessToken | None) -> Grant:
        """See the port; there is no second token."""
        # The documented form has the token as a parameter, and says nothing of the header.
        wanted = {"grant_type": self._grant_type, "access_token": access.token.reveal()}
        value = await self._graph.get(access, "/refresh_access_token", wanted)
        return grant_of(value)

    async def check(self, access: AccountAccess) -> TokenHealth:
        """See the port: the cheapest read that needs a good token."""
        return await health_by_me(self._graph, access)

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()


def grant_of(value: Mapping[str, Any]) -> Grant:
    """A renewed token as Meta and Google write it.

    Raises:
        RetryLater: it is none.
    """
    token, life_s = value.get("access_token"), value.get("expires_in")
    if not isinstance(token, str) or not token:
        raise unreadable("a renewal without a token")
    if life_s is None:
        return Grant(AccessToken(token), None)
    try:
        return Grant(AccessToken(token), datetime.now(UTC) + timedelta(seconds=float(life_s)))
    except (TypeError, ValueError, OverflowError):
        raise unreadable("a renewal without a readable life") from None


async def health_by_me(graph: GraphClient, access: AccountAccess) -> TokenHealth:
    """Whether a token still reads its own account; it tells nothing of how long."""
    try:
        await graph.get(access, "/me", {"fields": "id"})
    except ReconnectNeeded as refused:
        return TokenHealth(is_valid=False, reason=refused.code)
    return TokenHealth(is_valid=True)
