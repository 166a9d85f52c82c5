"""Posts of an account that needs a reconnect wait, visibly, and go on by themselves."""

import asyncio

from engine.services.tokens import TokenKeeper
from models.accounts import AccessToken, AccountStatus, Platform
from tests.factories import VAULT, in_seconds
from tests.integration.publishing.conftest import Stage
from tests.integration.tokens.conftest import account_row, set_token, with_refresh_token


async def until_waiting(stage: Stage, content: object) -> dict[str, object]:
    async with asyncio.timeout(15):
        while True:
            log = await stage.log_of(content)
            if log["error_code"] == "account_reconnect":
                return log
            await asyncio.sleep(0.02)


async def test_a_token_that_dies_at_the_second_puts_the_post_back_and_it_goes_on_later(
    stage: Stage,
) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=1.0)
    stage.sandbox.fault("error", carry_out=0, call="publish", code=190, subcode=460)
    async with stage.publisher() as publisher:
        await stage.scan()
        log = await until_waiting(stage, content)
        assert (log["status"], log["retry_count"]) == ("staged", 0)
        for _ in range(3):  # nobody takes it meanwhile, however often they look
            publisher.wake()
            await asyncio.sleep(0.1)
        assert (await stage.log_of(content))["lease_number"] == log["lease_number"]
        assert [event["title"] for event in await stage.events("notification")] == [
            "게시물이 계정 연결을 기다립니다"
        ]
        await set_token(stage, account, status="active")
        publisher.wake()
        await stage.until(content, "success")
    [post] = stage.sandbox.posts(account.platform_user_id)
    first, second = await stage.attempts_of(content)
    assert first["call"] == second["call"] == f"publish {post['container_id']}"
    assert (await account_row(stage, account))["stopped_reason"] is None


async def test_an_account_that_is_active_again_wakes_the_workers(stage: Stage) -> None:
    from engine.services.listening import listen
    from models.outbox import WORK_CHANNEL

    account = await stage.make.account(status=AccountStatus.RECONNECT_NEEDED)
    woken = asyncio.Event()
    url = stage.database.url.render_as_string(hide_password=False)
    listening = asyncio.create_task(listen(url, {WORK_CHANNEL: woken.set}))
    async with asyncio.timeout(10):
        await woken.wait()  # it is connected: whatever came before is looked for
        woken.clear()
        await set_token(stage, account, status="active")
        await woken.wait()
    listening.cancel()


async def test_a_post_that_waited_for_a_day_is_refused(stage: Stage) -> None:
    account = await stage.make.account(status=AccountStatus.RECONNECT_NEEDED)
    content = await stage.make.content(account, due_in_s=0)
    async with stage.publisher(too_late_s=2.5):
        await stage.scan()
        await until_waiting(stage, content)
        await stage.rows("UPDATE publishing_logs SET retry_count = 1")
        log = await stage.until(content, "failed")
    assert log["error_code"] == "due_too_long_ago"
    assert stage.sandbox.posts() == []


async def test_the_post_is_sent_with_the_token_of_its_second(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=3.0)
    async with stage.publisher():
        await stage.scan()
        await stage.until(content, "staged")
        # Renewed while the post is held in memory, and the old token dies.
        stage.sandbox.add_account(account.platform_user_id, token="the-new-one")
        await stage.rows(
            "UPDATE platform_accounts SET sealed_token = :sealed",
            sealed=VAULT.seal(AccessToken("the-new-one")),
        )
        await stage.until(content, "success")
    assert len(await stage.attempts_of(content)) == 1


async def test_a_token_of_an_hour_that_ended_is_renewed_and_no_account_is_marked(
    stage: Stage, keeper: TokenKeeper
) -> None:
    account = await stage.make.account(platform=Platform.YOUTUBE)
    await with_refresh_token(stage, account, token_expires_at=in_seconds(-1))
    media = [{"kind": "video", "url": stage.sandbox.film()}]
    content = await stage.make.content(account, due_in_s=0, media=media)
    async with stage.publisher() as publisher:
        await stage.scan()
        async with asyncio.timeout(15):
            while (log := await stage.log_of(content))["error_code"] != "token_renewing":
                await asyncio.sleep(0.02)
        assert (log["status"], log["retry_count"]) == ("pending", 0)
        await keeper.renew()
        await stage.rows("UPDATE publishing_logs SET act_at = now()")
        publisher.wake()
        log = await stage.until(content, "success")
    assert log["retry_count"] == 0
    assert (await account_row(stage, account))["status"] == "active"


async def test_google_refusing_an_old_token_has_it_renewed_and_a_fresh_one_marks_the_account(
    stage: Stage, keeper: TokenKeeper
) -> None:
    account = await stage.make.account(platform=Platform.YOUTUBE)
    await with_refresh_token(stage, account)
    stage.sandbox.change_token(account.platform_user_id, expires_at=stage.sandbox.now() - 1)
    media = [{"kind": "video", "url": stage.sandbox.film()}]
    content = await stage.make.content(account, due_in_s=0, media=media)
    async with stage.publisher() as publisher:
        await stage.scan()
        async with asyncio.timeout(15):
            while (log := await stage.log_of(content))["error_code"] != "authError":
                await asyncio.sleep(0.02)
        row = await account_row(stage, account)
        assert (row["status"], log["retry_count"]) == ("active", 0)
        assert row["token_expires_at"] < in_seconds(1)  # so it is renewed at the next look
        await keeper.renew()
        # Renewed a moment ago, and yet refused: the grant itself is dead.
        stage.sandbox.change_token(account.platform_user_id, subcode=458)
        await stage.rows("UPDATE publishing_logs SET act_at = now()")
        publisher.wake()
        await until_waiting(stage, content)
    assert (await account_row(stage, account))["status"] == "reconnect_needed"


async def test_a_token_that_dies_in_the_doubt_marks_the_account_and_the_look_goes_on(
    stage: Stage,
) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=3.0)  # the fault is planned before
    stage.sandbox.fault("close", carry_out=1, call="publish")
    async with stage.publisher(doubt_give_up_s=60.0):
        await stage.scan()
        await stage.until(content, "staged")
        stage.sandbox.fault("error", carry_out=0, call="read_container", code=190, subcode=467)
        await stage.until(content, "in_doubt")
        async with asyncio.timeout(15):
            while (await account_row(stage, account))["status"] != "reconnect_needed":
                await asyncio.sleep(0.02)
        await set_token(stage, account, status="active")
        log = await stage.until(content, "success")
    [post] = stage.sandbox.posts(account.platform_user_id)
    assert log["platform_post_id"] == post["id"]
