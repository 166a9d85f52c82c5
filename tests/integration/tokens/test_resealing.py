"""Every token moves to the newest key while others work, and nothing is overwritten."""

import asyncio

from cryptography.fernet import Fernet

from engine.services.resealing import reseal
from engine.services.tokens import Outcome
from models.accounts import AccessToken, Platform, TokenVault
from tests.factories import TOKEN_KEY, in_seconds
from tests.fakes.token_client import FakeTokenClient
from tests.integration.publishing.conftest import Stage
from tests.integration.tokens.conftest import (
    account_row,
    keeper_of,
    set_token,
    with_refresh_token,
)

NEW_KEY = Fernet.generate_key().decode()
BOTH = TokenVault([NEW_KEY, TOKEN_KEY])
ONLY_NEW = TokenVault([NEW_KEY])


async def test_every_token_moves_once_and_what_no_key_opens_is_named(stage: Stage) -> None:
    accounts = [await stage.make.account() for _ in range(3)]
    await with_refresh_token(stage, accounts[0])
    stranger = TokenVault([Fernet.generate_key().decode()])
    await set_token(stage, accounts[1], sealed_token=stranger.seal(AccessToken("lost")))
    seen: list[int] = []
    figures = await reseal(
        stage.database, BOTH, report=lambda figures: seen.append(figures.accounts)
    )
    assert (figures.accounts, figures.resealed, figures.already) == (3, 3, 0)
    assert figures.unreadable == [(accounts[1].id, "sealed_token")]
    assert seen == [3]
    row = await account_row(stage, accounts[0])
    assert ONLY_NEW.open(row["sealed_token"]).reveal().startswith("sandbox-token-")
    assert ONLY_NEW.open(row["sealed_refresh_token"]).reveal().startswith("sandbox-refresh-")
    again = await reseal(stage.database, BOTH)
    assert (again.resealed, again.already) == (0, 3)


async def test_a_renewal_in_the_same_moment_is_never_overwritten(stage: Stage) -> None:
    accounts = [await stage.make.account() for _ in range(20)]
    for account in accounts:
        await set_token(
            stage,
            account,
            token_issued_at=in_seconds(-51 * 86_400),
            token_expires_at=in_seconds(9 * 86_400),
        )
    client = FakeTokenClient()
    client.during = lambda: asyncio.sleep(0.02)
    keeper = keeper_of(stage, {Platform.INSTAGRAM: client}, BOTH)
    renewing = asyncio.create_task(keeper.renew())
    while not renewing.done():
        await reseal(stage.database, BOTH)
    assert {result.outcome for result in await renewing} == {Outcome.RENEWED}
    rows = [await account_row(stage, account) for account in accounts]
    assert all(ONLY_NEW.open(row["sealed_token"]).reveal().startswith("renewed-") for row in rows)
    assert client.calls == 20


async def test_a_process_without_the_new_key_overwrites_nothing(stage: Stage) -> None:
    account = await stage.make.account()
    await set_token(
        stage,
        account,
        token_issued_at=in_seconds(-51 * 86_400),
        token_expires_at=in_seconds(9 * 86_400),
    )
    client = FakeTokenClient()

    async def key_changes() -> None:
        await reseal(stage.database, BOTH)

    client.during = key_changes
    [result] = await keeper_of(stage, {Platform.INSTAGRAM: client}).renew()
    assert result.outcome is Outcome.SUPERSEDED
    row = await account_row(stage, account)
    assert ONLY_NEW.open(row["sealed_token"]).reveal().startswith("sandbox-token-")
