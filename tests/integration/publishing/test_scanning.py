"""The scan: idempotent, and as cheap as what is new to it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from engine.services import scanning
from engine.services.scanning import Scan
from tests.integration.publishing.conftest import Stage


async def test_scans_that_run_together_arm_each_post_once(stage: Stage) -> None:
    accounts = [await stage.make.account() for _ in range(2)]
    for _ in range(5):
        await stage.make.content(*accounts, due_in_s=60)
    scans = await asyncio.gather(*(stage.scan() for _ in range(6)))
    assert sum(scan.armed for scan in scans) == 10
    assert await stage.scan() == Scan(0, 0)
    [row] = await stage.rows("SELECT count(*) FROM publishing_logs WHERE lease_number = 0")
    assert row["count"] == 10


async def test_a_content_beyond_the_look_ahead_waits_for_its_scan(stage: Stage) -> None:
    await stage.make.content(await stage.make.account(), due_in_s=700)
    assert await stage.scan(look_ahead_s=600) == Scan(0, 0)
    assert await stage.scan(look_ahead_s=800) == Scan(1, 0)


async def test_a_post_that_moves_to_next_week_is_withdrawn_and_armed_again_then(
    stage: Stage,
) -> None:
    content = await stage.make.content(await stage.make.account(), due_in_s=60)
    await stage.scan()
    await stage.rows("UPDATE contents SET scheduled_at = now() + interval '7 days'")
    assert await stage.scan() == Scan(0, 1)
    assert (await stage.log_of(content))["status"] == "cancelled"
    assert await stage.scan(look_ahead_s=8 * 86_400) == Scan(1, 0)


async def test_an_account_that_is_added_later_is_armed_as_well(stage: Stage) -> None:
    first, second = await stage.make.account(), await stage.make.account()
    content = await stage.make.content(first, due_in_s=60)
    assert await stage.scan() == Scan(1, 0)
    await stage.rows(
        "INSERT INTO content_targets VALUES (:content_id, :account_id)",
        content_id=content.id,
        account_id=second.id,
    )
    assert await stage.scan() == Scan(1, 0)


@pytest.mark.parametrize(
    ("statement", "index"), [("_TAKE_DUE", "contents_due"), ("_WITHDRAW", "publishing_logs_open")]
)
async def test_a_scan_finds_what_is_new_by_an_index_among_many_that_wait(
    stage: Stage, statement: str, index: str
) -> None:
    await stage.make.content(await stage.make.account(), due_in_s=60)
    async with stage.database.begin() as connection:
        await connection.execute(
            text("""
                INSERT INTO contents (client_id, created_by, title, body, status, scheduled_at,
                                      armed_revision)
                SELECT client_id, created_by, 't', 'b', 'approved', now() - g * interval '1 hour', 1
                FROM contents, generate_series(1, 20000) g
            """)
        )
        await connection.execute(
            text("""
                INSERT INTO publishing_logs (content_id, platform_account_id, status, revision,
                                             retry_count, lease_number, trace_id)
                SELECT c.id, a.id, 'failed', 1, 0, 0, 't' FROM contents c, platform_accounts a
            """)
        )
        await connection.execute(text("ANALYZE"))
        soon = datetime.now(UTC) + timedelta(minutes=10)
        values = {"until": soon, "until_video": soon + timedelta(minutes=50)}
        sql = getattr(scanning, statement).text
        plan = await connection.execute(text(f"EXPLAIN {sql}"), values if ":until" in sql else {})
        assert index in "\n".join(line for (line,) in plan)
