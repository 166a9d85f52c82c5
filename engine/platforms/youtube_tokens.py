"""YouTube's tokens: an hour each, made anew from a refresh token.

Sources, read 2026-11-23: https://developers.google.com/identity/protocols/oauth2/web-server#offline
and https://developers.google.com/identity/protocols/oauth2#expiration. An answer usually brings no
new refresh token: the one we have stays. A password change does not end a grant for YouTube.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from engine.errors import (
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    RetryLater,
    Throttled,
    Unsupported,
)
from engine.platforms.connection import Answer
from engine.platforms.meta_tokens import grant_of
from engine.platforms.transport import READ_TIMEOUT_S, Transport
from engine.platforms.youtube_api import YouTubeApi, again, json_of, unreadable
from engine.ports import AccountAccess, Grant, TokenHealth, TokenRules
from models.accounts import AccessToken

RULES: Final = TokenRules(
    is_refreshable=True, min_age_s=0.0, refresh_before_s=15 * 60.0, has_refresh_token=True
)
BACKOFF_S: Final = 60.0


class YouTubeTokens:
    """``engine.ports.TokenClient`` of YouTube.

    Args:
        token_url: Google's token endpoint; refresh tokens and the secret go nowhere else.
        api_url: YouTube's data API, which a check reads.
        client_id: of the OAuth client that the accounts were connected with; empty when there is
            none, and then nothing is renewed.
        client_secret: its secret.
    """

    def __init__(self, token_url: str, *, api_url: str, client_id: str, client_secret: str) -> None:
        self._transport = Transport(token_url)
        self._api = YouTubeApi(api_url, publish_timeout_s=10.0, now=lambda: datetime.now(UTC))
        self._client_id = client_id
        self._client_secret = client_secret

    @property
    def rules(self) -> TokenRules:
        """See the port."""
        return RULES

    async def refresh(self, access: AccountAccess, refresh_token: AccessToken | None) -> Grant:
        """See the port."""
        if refresh_token is None:
            raise ReconnectNeeded("no refresh token is stored", code="no_refresh_token")
        if not self._client_id:
            raise Unsupported("SNS_GOOGLE_CLIENT_ID is not set", code="not_configured")
        form = {
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "refresh_token": refresh_token.reveal(),
            "grant_type": "refresh_token",
        }
        try:
            answer = await self._transport.post("", form, None, timeout_s=READ_TIMEOUT_S)
        except OutcomeUnknown as lost:
            raise again(lost) from None
        value = json_of(answer)
        if answer.status != 200:
            raise _refusal(answer, "" if value is None else str(value.get("error", "")))
        if value is None:
            raise unreadable("a renewal that is no JSON object")
        rotated, scope = value.get("refresh_token"), value.get("scope")
        return replace(
            grant_of(value),
            refresh_token=AccessToken(rotated) if isinstance(rotated, str) and rotated else None,
            scopes=tuple(scope.split()) if isinstance(scope, str) and scope else None,
        )

    async def check(self, access: AccountAccess) -> TokenHealth:
        """See the port; costs one unit of the daily quota."""
        try:
            await self._api.get(access, "/channels", {"part": "id", "mine": "true"})
        except ReconnectNeeded as refused:
            return TokenHealth(is_valid=False, reason=refused.code)
        return TokenHealth(is_valid=True)

    async def close(self) -> None:
        """See the port."""
        await self._transport.close()
        await self._api.close()


def _refusal(answer: Answer, word: str) -> PlatformError:
    """What a refused renewal means; ``invalid_grant`` alone ends the connection.

    Google's own texts are left out: they may quote what was sent.
    """
    evidence = {"status": answer.status}
    code = word or f"http/{answer.status}"
    if word == "invalid_grant":
        return ReconnectNeeded("Google ended the grant", code=code, evidence=evidence)
    if answer.status == 429:
        after = answer.headers.get("retry-after", "")
        wait_s = float(after) if after.isdecimal() else BACKOFF_S
        return Throttled("Google lets us wait", code=code, retry_after_s=wait_s, evidence=evidence)
    if 400 <= answer.status < 500 and word:
        # invalid_client and its like: our own configuration, of which no account is guilty.
        return Unsupported(
            "Google refuses SNS_GOOGLE_CLIENT_ID or its secret", code=code, evidence=evidence
        )
    return RetryLater("Google does not answer now", code=code, evidence=evidence)
