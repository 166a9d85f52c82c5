"""The publishing tests' stage, with a keeper of tokens that talks to the sandbox."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.platforms.registry import open_tokens
from engine.ports import TokenClient
from engine.services.tokens import TokenKeeper
from models.accounts import AccessToken, Platform, TokenVault
from tests.factories import VAULT
from tests.integration.publishing.conftest import Stage
from tests.integration.publishing.conftest import stage as stage


def keeper_of(
    stage: Stage, clients: Mapping[Platform, TokenClient], vault: TokenVault = VAULT
) -> TokenKeeper:
    return TokenKeeper(
        database=stage.database,
        clients=clients,
        vault=vault,
        clock=SystemClock(),
        random=Random(1),
    )


@asynccontextmanager
async def opened(stage: Stage) -> AsyncIterator[TokenKeeper]:
    clients = open_tokens(stage.settings)
    try:
        yield keeper_of(stage, clients)
    finally:
        for client in clients.values():
            await client.close()


@pytest.fixture
async def keeper(stage: Stage) -> AsyncIterator[TokenKeeper]:
    async with opened(stage) as one:
        yield one


async def set_token(stage: Stage, account: Any, **columns: Any) -> None:
    """Change an account's columns; the sandbox learns of the account's token."""
    stage.sandbox.add_account(account.platform_user_id)
    names = ", ".join(f"{name} = :{name}" for name in columns)
    await stage.rows(
        f"UPDATE platform_accounts SET {names} WHERE id = :id", id=account.id, **columns
    )


async def account_row(stage: Stage, account: Any) -> dict[str, Any]:
    [row] = await stage.rows("SELECT * FROM platform_accounts WHERE id = :id", id=account.id)
    return row


async def with_refresh_token(stage: Stage, account: Any, **columns: Any) -> None:
    second = AccessToken(f"sandbox-refresh-{account.platform_user_id}")
    await set_token(stage, account, sealed_refresh_token=VAULT.seal(second), **columns)
