"""The demo's tokens: renewed on every platform while posts go out, and one that is refused."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from engine.cli.session import visit
from engine.settings import Settings
from models.accounts import AccessToken, Platform, PlatformAccount

if TYPE_CHECKING:
    from engine.cli.launch import Stack

REFUSED_ID: Final = "17841499999999999"
PASSWORD_CHANGED: Final = 460  # of Meta's error 190
OLD: Final = timedelta(days=55)
LEFT: Final = timedelta(days=5)
LEFT_OF_GOOGLES: Final = timedelta(minutes=8)


@dataclass
class TokensReport:
    """What became of the tokens.

    ``refreshed`` counts accounts by platform; Facebook's Page tokens have nothing to refresh and
    are checked instead.
    """

    refreshed: dict[str, int] = field(default_factory=dict)
    checked: dict[str, int] = field(default_factory=dict)
    reconnect_needed: int = 0
    administrators_told: int = 0

    def faults(self) -> list[str]:
        """Everything that is not as promised, one line each."""
        said = [
            f"no {platform} token was refreshed"
            for platform in (Platform.INSTAGRAM, Platform.THREADS, Platform.YOUTUBE)
            if not self.refreshed.get(platform)
        ]
        if not self.checked.get(Platform.FACEBOOK):
            said.append("no facebook token was checked")
        if self.reconnect_needed != 1:
            said.append(f"{self.reconnect_needed} accounts need a reconnect, and one should")
        if not self.administrators_told:
            said.append("no administrator was told of the refused token")
        return said

    def listed(self) -> dict[str, Any]:
        """For the demo's last line."""
        return {
            "refreshed": self.refreshed,
            "checked": self.checked,
            "reconnect_needed": self.reconnect_needed,
            "administrators_told": self.administrators_told,
        }


async def age_tokens(stack: "Stack", client: httpx.AsyncClient, ids: dict[str, str]) -> None:
    """Let the platform believe that its tokens are old, and that one is dead.

    Args:
        stack: that is up.
        client: to the sandbox.
        ids: the accounts' platforms by their ids there.
    """
    now = datetime.now(UTC)
    made = await client.post(f"{stack.sandbox_url}/sandbox/accounts", json={"id": REFUSED_ID})
    made.raise_for_status()
    for id_, platform in ids.items():
        if platform in (Platform.INSTAGRAM, Platform.THREADS):
            given = {
                "issued_at": (now - OLD).timestamp(),
                "expires_at": (now + LEFT).timestamp(),
            }
            await client.post(f"{stack.sandbox_url}/sandbox/accounts", json={"id": id_})
            answer = await client.post(
                f"{stack.sandbox_url}/sandbox/accounts/{id_}/token", json=given
            )
            answer.raise_for_status()
    answer = await client.post(
        f"{stack.sandbox_url}/sandbox/accounts/{REFUSED_ID}/token",
        json={"subcode": PASSWORD_CHANGED},
    )
    answer.raise_for_status()


def age_rows(settings: Settings) -> dict[str, str]:
    """Write into the rows what an installation of 55 days has; gives platforms by account id.

    Adds an account whose token its owner has ended by changing the password.
    """
    vault, now = settings.vault(), datetime.now(UTC)

    async def work(session: AsyncSession) -> dict[str, str]:
        rows = (await session.scalars(select(PlatformAccount))).all()
        for row in rows:
            if row.platform == Platform.FACEBOOK:
                continue
            is_google = row.platform == Platform.YOUTUBE
            row.token_issued_at = now - (timedelta(minutes=52) if is_google else OLD)
            row.token_expires_at = now + (LEFT_OF_GOOGLES if is_google else LEFT)
            if is_google:
                refresh = AccessToken(f"sandbox-refresh-{row.platform_user_id}")
                row.sealed_refresh_token = vault.seal(refresh)
        found = {row.platform_user_id: str(row.platform) for row in rows}
        session.add(
            PlatformAccount(
                client_id=rows[0].client_id,
                platform=Platform.INSTAGRAM,
                platform_user_id=REFUSED_ID,
                username="ondo.coffee.old",
                sealed_token=vault.seal(AccessToken(f"sandbox-token-{REFUSED_ID}")),
                token_issued_at=now - OLD,
                token_expires_at=now + LEFT,
            )
        )
        key = f"demo:{uuid4().hex}"
        await session.execute(
            text("""
                INSERT INTO outbox (kind, key, actor, payload, trace_id)
                VALUES ('message', :key, 'refresh_expiring_tokens',
                        '{"args": [], "kwargs": {}}', :key)
            """).bindparams(key=key)
        )
        return found

    return visit(settings.database_url, work)


def read_tokens(settings: Settings) -> TokensReport:
    """How the tokens stand now."""
    since = datetime.now(UTC) - timedelta(minutes=10)

    async def work(session: AsyncSession) -> TokensReport:
        report = TokensReport()
        for row in (await session.scalars(select(PlatformAccount))).all():
            if row.token_issued_at is not None and row.token_issued_at > since:
                report.refreshed[row.platform] = report.refreshed.get(row.platform, 0) + 1
            elif row.platform == Platform.FACEBOOK and row.token_checked_at is not None:
                report.checked[row.platform] = report.checked.get(row.platform, 0) + 1
        report.reconnect_needed = len(
            (
                await session.scalars(
                    select(PlatformAccount.id).where(
                        col(PlatformAccount.status) == "reconnect_needed"
                    )
                )
            ).all()
        )
        told = await session.execute(
            text("""
                SELECT count(*) FROM notifications n JOIN users u ON u.id = n.user_id
                WHERE u.role = 'admin' AND n.reference->>'kind' = 'platform_account'
            """)
        )
        report.administrators_told = int(told.scalar_one())
        return report

    return visit(settings.database_url, work)
