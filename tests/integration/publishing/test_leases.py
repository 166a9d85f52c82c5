"""Workers that vanish, freeze or come back: the lease's number decides who may write."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from engine.services import claiming
from engine.services.ledger import Ledger, Receipt
from models.publishing import STEPS, PublishingStatus
from tests.integration.publishing.conftest import Stage


async def staged_claim(stage: Stage, *, lease_s: float, owner: str = "first") -> claiming.Claim:
    """A post that worker ``owner`` has prepared and holds."""
    account = await stage.make.account()
    await stage.make.content(account, due_in_s=0)
    await stage.scan()
    [claimed] = await claiming.claim(stage.database, owner=owner, lease_s=lease_s, limit=10)
    await stage.rows(
        "UPDATE publishing_logs SET status = 'staged', container_id = 'c1' WHERE id = :id",
        id=claimed.id,
    )
    claimed.status, claimed.container_id = PublishingStatus.STAGED, "c1"
    return claimed


async def test_an_expired_lease_in_sending_goes_to_doubt_and_never_back_to_due(
    stage: Stage,
) -> None:
    claimed = await staged_claim(stage, lease_s=0.3)
    assert await Ledger(stage.database).begin(claimed, "publish c1") is not None
    await asyncio.sleep(0.35)
    assert await claiming.rescue(stage.database) == 1
    [row] = await stage.rows("SELECT status, lease_owner FROM publishing_logs")
    assert row == {"status": "in_doubt", "lease_owner": None}
    with pytest.raises(DBAPIError, match="cannot go from in_doubt to sending"):
        await stage.rows("UPDATE publishing_logs SET status = 'sending'")


async def test_an_expired_lease_before_sending_makes_the_post_claimable_again(
    stage: Stage,
) -> None:
    first = await staged_claim(stage, lease_s=0.3)
    assert await claiming.claim(stage.database, owner="second", lease_s=5, limit=10) == []
    await asyncio.sleep(0.35)
    [second] = await claiming.claim(stage.database, owner="second", lease_s=5, limit=10)
    assert second.lease_number == first.lease_number + 1


async def test_a_worker_that_lost_its_lease_writes_nothing(stage: Stage) -> None:
    first = await staged_claim(stage, lease_s=0.3)
    await asyncio.sleep(0.35)
    [second] = await claiming.claim(stage.database, owner="second", lease_s=5, limit=10)
    ledger = Ledger(stage.database)
    assert await ledger.begin(first, "publish c1") is None
    second.status = PublishingStatus.STAGED
    assert await ledger.begin(second, "publish c1") is not None
    assert not await ledger.succeed(Receipt(first, 0, "stolen"))
    [row] = await stage.rows("SELECT status, platform_post_id FROM publishing_logs")
    assert row == {"status": "sending", "platform_post_id": None}
    assert await stage.events() == []


async def test_a_receipt_that_came_after_the_lease_was_lost_is_kept_and_bound(
    stage: Stage,
) -> None:
    claimed = await staged_claim(stage, lease_s=0.3)
    ledger = Ledger(stage.database)
    attempt_id = await ledger.begin(claimed, "publish c1")
    assert attempt_id is not None
    await asyncio.sleep(0.35)
    await claiming.rescue(stage.database)
    [other] = await claiming.claim(stage.database, owner="second", lease_s=0.1, limit=10)
    assert not await ledger.succeed(Receipt(claimed, attempt_id, "post-9"))
    await asyncio.sleep(0.15)
    async with stage.publisher():
        async with asyncio.timeout(10):
            while True:
                [row] = await stage.rows("SELECT status, platform_post_id FROM publishing_logs")
                if row["status"] == "success":
                    break
                await asyncio.sleep(0.05)
    assert row["platform_post_id"] == "post-9"
    assert other.id == claimed.id


async def test_one_worker_at_a_time_works_for_an_account(stage: Stage) -> None:
    account = await stage.make.account()
    for _ in range(2):
        await stage.make.content(account, due_in_s=0)
    await stage.scan()
    assert len(await claiming.claim(stage.database, owner="a", lease_s=5, limit=1)) == 1
    assert await claiming.claim(stage.database, owner="b", lease_s=5, limit=10) == []
    assert len(await claiming.claim(stage.database, owner="a", lease_s=5, limit=10)) == 1


async def test_a_publisher_that_stops_gives_its_posts_back_at_once(stage: Stage) -> None:
    content = await stage.make.content(await stage.make.account(), due_in_s=30)
    async with stage.publisher(lease_s=60):
        await stage.scan()
        await stage.until(content, "staged")
    log = await stage.log_of(content)
    assert (log["status"], log["lease_owner"]) == ("staged", None)
    [again] = await claiming.claim(stage.database, owner="next", lease_s=5, limit=10)
    assert again.container_id == log["container_id"]


async def test_the_database_allows_the_steps_of_the_life_cycle_and_no_other(
    stage: Stage,
) -> None:
    content = await stage.make.content(await stage.make.account(), due_in_s=0)
    await stage.scan()
    log = await stage.log_of(content)
    allowed, refusals = set(), []
    async with stage.database.connect() as connection:
        for before in PublishingStatus:
            for after in PublishingStatus:
                if before is after:
                    continue
                transaction = await connection.begin()
                await connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
                set_to = "UPDATE publishing_logs SET status = '{}' WHERE id = {}"
                await connection.exec_driver_sql(set_to.format(before, log["id"]))
                await connection.exec_driver_sql("SET LOCAL session_replication_role = origin")
                try:
                    await connection.exec_driver_sql(set_to.format(after, log["id"]))
                    allowed.add((before, after))
                except DBAPIError as error:
                    refusals.append(str(error.orig))
                await transaction.rollback()
    assert allowed == STEPS
    assert all(" cannot go from " in refusal for refusal in refusals)
