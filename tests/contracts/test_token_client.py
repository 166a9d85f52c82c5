"""What every TokenClient promises: the fake, and each adapter over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from engine.cli.stack import sandbox_addresses
from engine.errors import PlatformError, ReconnectNeeded, RetryLater, Unsupported
from engine.platforms.registry import open_tokens
from engine.ports import AccountAccess, TokenClient
from engine.settings import Settings
from models.accounts import AccessToken, Platform
from tests.factories import TOKEN_KEY
from tests.fakes.token_client import FakeTokenClient
from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000077"
ADAPTERS = [str(platform) for platform in Platform]
RENEWING = ["instagram", "threads", "youtube"]


def settings_of(sandbox: RunningSandbox, **more: str) -> Settings:
    return Settings.load(
        {
            **sandbox_addresses(sandbox.base_url),
            "SNS_TOKEN_KEYS": TOKEN_KEY,
            "SNS_JWT_SECRET": "x" * 32,
            **more,
        }
    )


class Subject:
    """A client, an account, and the levers that the platform's side has."""

    def __init__(self, client: TokenClient, sandbox: RunningSandbox | None) -> None:
        self.client = client
        self.sandbox = sandbox
        self.access = AccountAccess(ACCOUNT, AccessToken(f"sandbox-token-{ACCOUNT}"))
        self.second = AccessToken(f"sandbox-refresh-{ACCOUNT}")

    def kill(self, subcode: int) -> None:
        if self.sandbox is None:
            self.client.dead = f"190/{subcode}"  # type: ignore[attr-defined]
        else:
            self.sandbox.change_token(ACCOUNT, subcode=subcode)

    def break_down(self) -> None:
        if self.sandbox is None:
            self.client.refusal = RetryLater("down", code="2")  # type: ignore[attr-defined]
        else:
            self.sandbox.fault("html", carry_out=0, call="refresh_token", status=502, times=None)


async def subject_of(name: str, request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if name == "fake":
        yield Subject(FakeTokenClient(), None)
        return
    sandbox: RunningSandbox = request.getfixturevalue("sandbox")
    sandbox.add_account(ACCOUNT)
    clients = open_tokens(settings_of(sandbox))
    yield Subject(clients[Platform(name)], sandbox)
    for client in clients.values():
        await client.close()


@pytest.fixture(params=["fake", *ADAPTERS])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async for one in subject_of(request.param, request):
        yield one


@pytest.fixture(params=["fake", *RENEWING])
async def renewing(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async for one in subject_of(request.param, request):
        yield one


async def test_a_good_token_is_said_to_be_good(subject: Subject) -> None:
    assert (await subject.client.check(subject.access)).is_valid


async def test_a_dead_token_is_an_answer_of_a_check_and_no_error(subject: Subject) -> None:
    subject.kill(460)
    health = await subject.client.check(subject.access)
    assert not health.is_valid
    assert health.reason in ("190/460", "authError")


async def test_a_renewed_token_is_new_is_good_and_lives_longer(renewing: Subject) -> None:
    grant = await renewing.client.refresh(renewing.access, renewing.second)
    assert grant.token.reveal() != renewing.access.token.reveal()
    assert grant.expires_at is not None
    left = grant.expires_at - datetime.now(UTC)
    assert left > timedelta(seconds=renewing.client.rules.refresh_before_s)
    assert (await renewing.client.check(AccountAccess(ACCOUNT, grant.token))).is_valid


async def test_a_renewal_may_be_repeated_with_the_old_token(renewing: Subject) -> None:
    for _ in range(2):
        await renewing.client.refresh(renewing.access, renewing.second)


async def test_only_the_owner_can_help_a_dead_token(renewing: Subject) -> None:
    renewing.kill(458)
    with pytest.raises(ReconnectNeeded):
        await renewing.client.refresh(renewing.access, renewing.second)


async def test_an_outage_never_asks_for_a_reconnect(renewing: Subject) -> None:
    renewing.break_down()
    with pytest.raises(PlatformError) as caught:
        await renewing.client.refresh(renewing.access, renewing.second)
    assert not isinstance(caught.value, ReconnectNeeded)


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.THREADS])
async def test_a_token_younger_than_a_day_is_refused_and_one_that_ended_is_lost(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    sandbox.add_account(ACCOUNT)
    clients = open_tokens(settings_of(sandbox))
    access = AccountAccess(ACCOUNT, AccessToken(f"sandbox-token-{ACCOUNT}"))
    sandbox.change_token(ACCOUNT, issued_at=sandbox.now() - 3600)
    with pytest.raises(PlatformError) as young:
        await clients[platform].refresh(access, None)
    assert not isinstance(young.value, ReconnectNeeded)
    sandbox.change_token(ACCOUNT, issued_at=None, expires_at=sandbox.now() - 1)
    with pytest.raises(ReconnectNeeded) as ended:
        await clients[platform].refresh(access, None)
    assert ended.value.code == "190/463"
    assert access.token.reveal() not in str(ended.value)
    for client in clients.values():
        await client.close()


async def test_google_rotation_scopes_and_faults_of_ours_are_told_apart(
    sandbox: RunningSandbox,
) -> None:
    sandbox.switch(rotate_refresh_tokens=True, granted_scopes="only.this")
    clients = open_tokens(settings_of(sandbox))
    client = clients[Platform.YOUTUBE]
    access = AccountAccess(ACCOUNT, AccessToken("old"))
    second = AccessToken(f"sandbox-refresh-{ACCOUNT}")
    grant = await client.refresh(access, second)
    assert grant.scopes == ("only.this",)
    assert grant.refresh_token is not None
    with pytest.raises(ReconnectNeeded, match="ended the grant"):
        await client.refresh(access, second)  # rotated away
    sandbox.switch(google_client_secret="another")
    with pytest.raises(Unsupported) as ours:
        await client.refresh(access, grant.refresh_token)
    assert ours.value.code == "invalid_client"
    with pytest.raises(ReconnectNeeded):
        await client.refresh(access, None)
    for one in clients.values():
        await one.close()


async def test_debug_token_tells_the_dates_of_a_page(sandbox: RunningSandbox) -> None:
    sandbox.add_account(ACCOUNT)
    end = int(sandbox.now()) + 5 * 86_400
    sandbox.change_token(ACCOUNT, data_access_expires_at=end)
    clients = open_tokens(settings_of(sandbox, SNS_META_APP_ID="7", SNS_META_APP_SECRET="hidden"))
    client = clients[Platform.FACEBOOK]
    access = AccountAccess(ACCOUNT, AccessToken(f"sandbox-token-{ACCOUNT}"))
    health = await client.check(access)
    assert (health.is_valid, health.expires_at) == (True, None)
    assert health.data_access_expires_at == datetime.fromtimestamp(end, UTC)
    assert health.scopes
    sandbox.change_token(ACCOUNT, subcode=467)
    assert (await client.check(access)).reason == "190/467"
    with pytest.raises(Unsupported):
        await client.refresh(access, None)
    for one in clients.values():
        await one.close()
