"""Tokens are renewed ahead, once, and people hear of what no renewal can mend."""

import asyncio
from typing import Any

import pytest

from engine.errors import RetryLater
from engine.services.tokens import Outcome, TokenKeeper
from models.accounts import AccessToken, Platform
from models.people import ClientMember, Role
from tests.factories import VAULT, in_seconds
from tests.fakes.token_client import FakeTokenClient
from tests.integration.publishing.conftest import Stage
from tests.integration.tokens.conftest import (
    account_row,
    keeper_of,
    opened,
    set_token,
    with_refresh_token,
)

DAY = 86_400.0


async def notices(stage: Stage) -> list[dict[str, Any]]:
    return await stage.rows("SELECT user_id, title, message, priority FROM notifications")


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.THREADS])
async def test_a_token_is_renewed_from_its_fiftieth_day_on_and_not_before(
    stage: Stage, keeper: TokenKeeper, platform: Platform
) -> None:
    old, young = [await stage.make.account(platform=platform) for _ in range(2)]
    await set_token(
        stage, old, token_issued_at=in_seconds(-51 * DAY), token_expires_at=in_seconds(9 * DAY)
    )
    await set_token(
        stage, young, token_issued_at=in_seconds(-49 * DAY), token_expires_at=in_seconds(11 * DAY)
    )
    [result] = await keeper.renew()
    assert (result.account_id, result.outcome) == (old.id, Outcome.RENEWED)
    row = await account_row(stage, old)
    assert VAULT.open(row["sealed_token"]).reveal().startswith("sandbox-renewed-")
    assert row["token_expires_at"] > in_seconds(59 * DAY)
    assert (row["token_failures"], row["token_retry_at"]) == (0, None)
    assert await keeper.renew() == []


async def test_a_token_younger_than_a_day_is_not_asked_for(
    stage: Stage, keeper: TokenKeeper
) -> None:
    account = await stage.make.account()
    await set_token(
        stage, account, token_issued_at=in_seconds(-3600), token_expires_at=in_seconds(DAY)
    )
    assert await keeper.renew() == []


async def test_googles_token_is_renewed_a_quarter_hour_ahead_and_rotation_is_kept(
    stage: Stage, keeper: TokenKeeper
) -> None:
    stage.sandbox.switch(rotate_refresh_tokens=True)
    account = await stage.make.account(platform=Platform.YOUTUBE)
    await with_refresh_token(stage, account, token_expires_at=in_seconds(14 * 60))
    for _ in range(2):  # the second only works with the refresh token that the first one brought
        [result] = await keeper.renew()
        assert result.outcome is Outcome.RENEWED
        row = await account_row(stage, account)
        assert in_seconds(3500) < row["token_expires_at"] < in_seconds(3700)
        assert row["scopes"]
        await set_token(stage, account, token_expires_at=in_seconds(60))


async def test_two_processes_that_renew_at_once_make_one_call(stage: Stage) -> None:
    account = await stage.make.account()
    await set_token(stage, account, token_expires_at=in_seconds(DAY), token_issued_at=None)
    await stage.rows("UPDATE platform_accounts SET created_at = now() - interval '51 days'")
    stage.sandbox.fault(call="refresh_token", delay_before_s=0.5)
    async with opened(stage) as first, opened(stage) as second:
        results = await asyncio.gather(first.renew(), second.renew())
    assert sorted(len(result) for result in results) == [0, 1]
    assert len(stage.sandbox.requests(call="refresh_token")) == 1


async def test_an_outage_disconnects_nobody_and_is_waited_out(
    stage: Stage, keeper: TokenKeeper
) -> None:
    account = await stage.make.account()
    await set_token(
        stage, account, token_issued_at=in_seconds(-51 * DAY), token_expires_at=in_seconds(9 * DAY)
    )
    fault = {"call": "refresh_token", "carry_out": 0, "status": 502}
    stage.sandbox.fault("html", **fault, times=2)
    for failures in (1, 2):
        [result] = await keeper.renew()
        assert result.outcome is Outcome.PUT_OFF
        row = await account_row(stage, account)
        assert (row["status"], row["token_failures"]) == ("active", failures)
        assert row["token_retry_at"] > in_seconds(20 * failures)
        assert await keeper.renew() == []  # it waits
        await set_token(stage, account, token_retry_at=None)
    [result] = await keeper.renew()
    assert result.outcome is Outcome.RENEWED
    assert await notices(stage) == []


@pytest.mark.parametrize(
    ("subcode", "reason"),
    [(458, "앱 연결을 해제"), (460, "비밀번호가 변경"), (463, "만료"), (459, "로그인 확인")],
)
async def test_a_refusal_tells_administrators_and_managers_once_why_and_what_waits(
    stage: Stage, keeper: TokenKeeper, subcode: int, reason: str
) -> None:
    account = await stage.make.account()
    admin, manager = [await stage.make.user(role=role) for role in (Role.ADMIN, Role.MANAGER)]
    await stage.make.user(role=Role.MANAGER)  # of other clients
    await stage.make.add(ClientMember(client_id=account.client_id, user_id=manager.id))
    for _ in range(2):
        await stage.make.content(account, due_in_s=7200)
    await set_token(
        stage, account, token_issued_at=in_seconds(-51 * DAY), token_expires_at=in_seconds(9 * DAY)
    )
    stage.sandbox.change_token(account.platform_user_id, subcode=subcode)
    [result] = await keeper.renew()
    assert result.outcome is Outcome.DISCONNECTED
    row = await account_row(stage, account)
    assert row["status"] == "reconnect_needed"
    assert f"(190/{subcode})" in row["stopped_reason"]
    await keeper.look_after_all()
    told = await notices(stage)
    assert sorted(one["user_id"] for one in told) == sorted([admin.id, manager.id])
    assert all(reason in one["message"] for one in told)
    assert all(f"@{account.username}" in one["message"] for one in told)
    assert all("게시물 2개" in one["message"] for one in told)


async def test_a_token_is_checked_once_a_day_and_a_dead_page_is_found_by_it(
    stage: Stage, keeper: TokenKeeper
) -> None:
    page = await stage.make.account(platform=Platform.FACEBOOK)
    await set_token(stage, page, token_checked_at=None)
    assert [one.outcome for one in await keeper.check()] == [Outcome.VALID]
    assert await keeper.check() == []
    stage.sandbox.change_token(page.platform_user_id, subcode=467)
    await set_token(stage, page, token_checked_at=in_seconds(-25 * 3600))
    stage.sandbox.change_token(page.platform_user_id, subcode=467)
    assert [one.outcome for one in await keeper.check()] == [Outcome.DISCONNECTED]
    # Its owner has signed in again at the platform, and a person asks.
    stage.sandbox.change_token(page.platform_user_id, subcode=None)
    assert [one.outcome for one in await keeper.check(page.id)] == [Outcome.VALID]
    assert (await account_row(stage, page))["status"] == "active"


async def test_people_are_warned_seven_three_and_one_days_ahead_once_each(
    stage: Stage, keeper: TokenKeeper
) -> None:
    await stage.make.user(role=Role.ADMIN)
    page = await stage.make.account(platform=Platform.FACEBOOK)
    seen = []
    for days in (8, 6.5, 6, 2.9, 2, 0.9, 0.5):
        await set_token(stage, page, data_access_expires_at=in_seconds(days * DAY))
        seen.append(await keeper.warn())
    assert seen == [0, 1, 0, 1, 0, 1, 0]
    titles = [one["title"] for one in await notices(stage)]
    assert [title.rsplit(" 안에", 1)[0].rsplit(" ", 1)[1] for title in titles] == [
        "7일",
        "3일",
        "하루",
    ]
    await set_token(stage, page, data_access_expires_at=in_seconds(80 * DAY))
    assert await keeper.warn() == 0
    await set_token(stage, page, data_access_expires_at=in_seconds(6 * DAY))
    assert await keeper.warn() == 1  # another token, told anew


async def test_of_a_token_that_renews_itself_people_are_warned_only_when_that_has_failed(
    stage: Stage, keeper: TokenKeeper
) -> None:
    await stage.make.user(role=Role.ADMIN)
    account = await stage.make.account()
    await set_token(stage, account, token_expires_at=in_seconds(5 * DAY))
    assert await keeper.warn() == 0  # another worker may be renewing it at this moment
    await set_token(stage, account, token_failures=3)
    assert await keeper.warn() == 1


async def test_a_token_that_a_person_replaced_meanwhile_is_not_overwritten(stage: Stage) -> None:
    client = FakeTokenClient()
    account = await stage.make.account()
    await set_token(
        stage, account, token_issued_at=in_seconds(-51 * DAY), token_expires_at=in_seconds(9 * DAY)
    )

    async def reconnect() -> None:
        await set_token(stage, account, sealed_token=VAULT.seal(AccessToken("by-a-person")))

    client.during = reconnect
    keeper = keeper_of(stage, {Platform.INSTAGRAM: client})
    [result] = await keeper.renew()
    assert result.outcome is Outcome.SUPERSEDED
    client.dead = "190/467"
    await set_token(stage, account, token_retry_at=None)
    [result] = await keeper.renew()  # the refusal is of a token that is no longer there
    assert result.outcome is Outcome.SUPERSEDED
    row = await account_row(stage, account)
    assert (row["status"], VAULT.open(row["sealed_token"]).reveal()) == ("active", "by-a-person")


async def test_retries_never_wait_longer_than_a_tenth_of_the_window(stage: Stage) -> None:
    client = FakeTokenClient()
    client.refusal = RetryLater("down", code="2")
    account = await stage.make.account()
    await set_token(
        stage,
        account,
        token_issued_at=in_seconds(-51 * DAY),
        token_expires_at=in_seconds(9 * DAY),
        token_failures=200,
    )
    await keeper_of(stage, {Platform.INSTAGRAM: client}).renew()
    row = await account_row(stage, account)
    assert in_seconds(5 * 3600) < row["token_retry_at"] <= in_seconds(6 * 3600)


async def test_a_life_that_is_shorter_than_the_window_makes_no_storm_of_renewals(
    stage: Stage, keeper: TokenKeeper
) -> None:
    stage.sandbox.switch(access_token_life_s=60.0)
    account = await stage.make.account(platform=Platform.YOUTUBE)
    await with_refresh_token(stage, account, token_expires_at=in_seconds(60))
    async with asyncio.timeout(10):
        assert len(await keeper.renew()) == 1
    assert len(stage.sandbox.requests(call="refresh_token")) == 1
