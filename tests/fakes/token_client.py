"""Tokens in memory: ``engine.ports.TokenClient`` that counts, waits and refuses as told."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count

from engine.errors import PlatformError, ReconnectNeeded
from engine.ports import AccountAccess, Grant, TokenHealth, TokenRules
from models.accounts import AccessToken


class FakeTokenClient:
    """Renews every token for ``life_s``.

    Attributes:
        refusal: raised instead of renewing, while it is set.
        dead: the platform's word against every token; None when they are good.
        during: awaited in the middle of a renewal.
        calls: how many renewals were asked for.
    """

    def __init__(self, rules: TokenRules | None = None, *, life_s: float = 60 * 86_400.0) -> None:
        self.rules = rules or TokenRules(True, 86_400.0, 10 * 86_400.0)
        self.life_s = life_s
        self.refusal: PlatformError | None = None
        self.dead: str | None = None
        self.during = lambda: asyncio.sleep(0)
        self.calls = 0
        self._numbers = count(1)

    async def refresh(self, access: AccountAccess, refresh_token: AccessToken | None) -> Grant:
        self.calls += 1
        await self.during()
        if self.refusal is not None:
            raise self.refusal
        if self.dead is not None:
            raise ReconnectNeeded("dead", code=self.dead)
        end = datetime.now(UTC) + timedelta(seconds=self.life_s)
        return Grant(AccessToken(f"renewed-{next(self._numbers)}"), end)

    async def check(self, access: AccountAccess) -> TokenHealth:
        return TokenHealth(is_valid=self.dead is None, reason=self.dead)

    async def close(self) -> None:
        pass
