"""A content on several accounts: each one's result, and the whole truth once."""

import asyncio

from engine.services import claiming
from engine.services.ending import fail
from engine.services.ledger import Ledger, Receipt
from models.publishing import PublishingStatus
from tests.integration.publishing.conftest import Stage


async def ended(stage: Stage, statuses: set[str]) -> None:
    """Return when every post is in one of these states, and each of these is there."""
    async with asyncio.timeout(15):
        while True:
            rows = await stage.rows("SELECT status FROM publishing_logs")
            if {row["status"] for row in rows} == statuses:
                return
            await asyncio.sleep(0.02)


async def test_a_partial_success_is_told_once_and_truly(stage: Stage) -> None:
    good, stopped = await stage.make.account(), await stage.make.account()
    stage.sandbox.add_account(stopped.platform_user_id)
    stage.sandbox.fault(
        "error", carry_out=0, call="create_container", code=368, account=stopped.platform_user_id
    )
    content = await stage.make.content(good, stopped, due_in_s=0.5)
    async with stage.publisher():
        await stage.scan()
        await ended(stage, {"success", "failed"})
    [row] = await stage.rows("SELECT status FROM contents WHERE id = :id", id=content.id)
    assert row["status"] == "approved"  # not published: not all of them show it
    results = [event["status"] for event in await stage.events()]
    assert sorted(results) == ["failed", "success"]
    [told] = await stage.events("notification")
    assert told["title"] == "계정 2개 가운데 1개에만 게시했습니다"
    assert f"올라간 계정: 인스타그램 @{good.username}" in told["message"]
    assert f"올라가지 않은 계정: 인스타그램 @{stopped.username}" in told["message"]
    assert "앱에서 계정 상태를 확인" in told["message"]


async def test_a_content_is_published_when_all_of_its_accounts_show_it(stage: Stage) -> None:
    accounts = [await stage.make.account() for _ in range(3)]
    content = await stage.make.content(*accounts, due_in_s=0.5)
    async with stage.publisher():
        await stage.scan()
        await ended(stage, {"success"})
    [row] = await stage.rows("SELECT status FROM contents WHERE id = :id", id=content.id)
    assert row["status"] == "published"
    assert len(stage.sandbox.posts()) == 3
    assert await stage.events("notification") == []


async def test_two_accounts_that_end_at_the_same_moment_are_told_as_one_whole(
    stage: Stage,
) -> None:
    """Neither transaction sees the other's result; whoever commits second has to tell."""
    accounts = [await stage.make.account() for _ in range(2)]
    content = await stage.make.content(*accounts, due_in_s=0)
    await stage.scan()
    going, stuck = await claiming.claim(stage.database, owner="one", lease_s=30, limit=10)
    await stage.rows(
        "UPDATE publishing_logs SET status = 'staged', container_id = 'c1' WHERE id = :id",
        id=going.id,
    )
    going.status = PublishingStatus.STAGED
    ledger = Ledger(stage.database)
    attempt_id = await ledger.begin(going, "publish c1")
    assert attempt_id is not None
    async with stage.database.begin() as connection:
        assert await fail(connection, stuck, code="account_reconnect")
        succeeding = asyncio.create_task(ledger.succeed(Receipt(going, attempt_id, "p1")))
        async with asyncio.timeout(10):
            while not succeeding.done() and not await is_anybody_waiting(stage):
                await asyncio.sleep(0.01)
    assert await succeeding
    [told] = await stage.events("notification")
    assert told["reference"] == {"kind": "content", "id": content.id}
    assert told["title"] == "계정 2개 가운데 1개에만 게시했습니다"


async def is_anybody_waiting(stage: Stage) -> bool:
    """Whether a connection to this database waits for a lock of another."""
    rows = await stage.rows(
        """SELECT 1 FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    )
    return bool(rows)
