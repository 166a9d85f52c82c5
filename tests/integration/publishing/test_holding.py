"""What a limit of the platform does: it holds what it concerns, costs no retry, and ends."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.publishing.conftest import Stage

PUBLISH = {"call": "publish"}


async def hold_of(stage: Stage, account: Any) -> dict[str, Any]:
    [row] = await stage.rows(
        "SELECT held_until, held_reason FROM platform_accounts WHERE id = :id", id=account.id
    )
    return row


async def until_held(stage: Stage, content: Any) -> dict[str, Any]:
    """The post's log, once the refusal is written."""
    async with asyncio.timeout(15):
        while (log := await stage.log_of(content))["error_code"] is None:
            await asyncio.sleep(0.02)
    return log


@pytest.mark.parametrize("code", [17, 32, 613, 80002])
async def test_a_throttled_account_is_held_and_others_go_on(stage: Stage, code: int) -> None:
    slow, other = await stage.make.account(), await stage.make.account()
    stage.sandbox.fault("error", carry_out=0, code=code, account=slow.platform_user_id, **PUBLISH)
    first = await stage.make.content(slow, due_in_s=0.5)
    behind = await stage.make.content(slow, due_in_s=0.6)
    aside = await stage.make.content(other, due_in_s=0.7)
    async with stage.publisher():
        await stage.scan()
        await stage.until(aside, "success")
        log = await until_held(stage, first)
        assert (log["status"], log["retry_count"]) == ("staged", 0)
        await until_held(stage, behind)  # in memory already: stopped without a call
    held = await hold_of(stage, slow)
    assert held["held_until"] - log["updated_at"] >= timedelta(seconds=30)
    assert len(stage.sandbox.requests(call="publish", account=slow.platform_user_id)) == 1
    assert (await hold_of(stage, other))["held_until"] is None


@pytest.mark.parametrize("code", [4, 341])
async def test_the_apps_own_limit_holds_the_platform(stage: Stage, code: int) -> None:
    first, other = await stage.make.account(), await stage.make.account()
    stage.sandbox.fault("error", carry_out=0, code=code, **PUBLISH)
    content = await stage.make.content(first, due_in_s=0.3)
    late = await stage.make.content(other, due_in_s=2.0)
    async with stage.publisher():
        await stage.scan()
        await until_held(stage, content)
        await until_held(stage, late)
    [hold] = await stage.rows("SELECT platform, held_until > now() AS holds FROM platform_holds")
    assert hold == {"platform": "instagram", "holds": True}
    assert stage.sandbox.posts() == []


async def test_a_held_account_is_not_even_prepared_and_goes_on_when_the_hold_ends(
    stage: Stage,
) -> None:
    account = await stage.make.account()
    await stage.rows("UPDATE platform_accounts SET held_until = now() + interval '1 hour'")
    content = await stage.make.content(account, due_in_s=0)
    aside = await stage.make.content(await stage.make.account(), due_in_s=0.5)
    async with stage.publisher() as publisher:
        await stage.scan()
        await stage.until(aside, "success")
        assert (await stage.log_of(content))["status"] == "pending"
        assert stage.sandbox.requests(account=account.platform_user_id) == []
        await stage.rows("UPDATE platform_accounts SET held_until = NULL")
        publisher.wake()
        await stage.until(content, "success")


async def test_a_spent_quota_parks_the_post_and_tells_its_author_once(stage: Stage) -> None:
    stage.sandbox.switch(publish_quota=1)
    account = await stage.make.account()
    used = await stage.make.content(account, due_in_s=0)
    async with stage.publisher() as publisher:
        await stage.scan()
        await stage.until(used, "success")
        parked = await stage.make.content(account, due_in_s=0)
        await stage.scan()
        publisher.wake()
        await stage.until(parked, "staged", "pending")
        log = await until_held(stage, parked)
        assert (log["status"], log["retry_count"]) == ("staged", 0)
        for _ in range(2):  # still spent when it is tried again: not told again
            await stage.rows("UPDATE platform_accounts SET held_until = NULL")
            await stage.rows(
                "UPDATE publishing_logs SET act_at = now(), error_code = NULL WHERE id = :id",
                id=log["id"],
            )
            publisher.wake()
            await until_held(stage, parked)
        [told] = await stage.events("notification")
        assert "자동으로 올라갑니다" in told["message"]
        stage.sandbox.switch(publish_quota=100)
        await stage.rows("UPDATE platform_accounts SET held_until = NULL")
        await stage.rows("UPDATE publishing_logs SET act_at = now()")
        publisher.wake()
        await stage.until(parked, "success")
    assert len(stage.sandbox.posts()) == 2
