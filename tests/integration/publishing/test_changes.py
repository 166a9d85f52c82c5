"""Changes of mind up to the last moment: honoured, or refused clearly, never both."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from tests.integration.publishing.conftest import Stage


async def past(content: Any) -> None:
    """Half a second after the content's time: whatever would be sent has been."""
    await asyncio.sleep(content.scheduled_at.timestamp() - time.time() + 0.5)


async def until_posted(stage: Stage, account: Any) -> None:
    async with asyncio.timeout(10):
        while not stage.sandbox.posts(account.platform_user_id):
            await asyncio.sleep(0.05)


async def test_a_withdrawn_content_is_not_sent(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=2.5)
    async with stage.publisher():
        await stage.scan()
        await stage.until(content, "staged")
        await stage.rows("UPDATE contents SET status = 'draft' WHERE id = :id", id=content.id)
        await stage.scan()
        await stage.until(content, "cancelled")
        await past(content)
    assert stage.sandbox.posts(account.platform_user_id) == []


async def test_a_withdrawal_that_no_scan_has_seen_yet_still_stops_the_post(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=2.5)
    async with stage.publisher():
        await stage.scan()
        await stage.until(content, "staged")
        await stage.rows("UPDATE contents SET status = 'draft' WHERE id = :id", id=content.id)
        await past(content)
    assert stage.sandbox.posts(account.platform_user_id) == []
    assert await stage.attempts_of(content) == []


async def test_an_account_that_is_taken_off_a_content_gets_no_post(stage: Stage) -> None:
    kept, taken_off = await stage.make.account(), await stage.make.account()
    content = await stage.make.content(kept, taken_off, due_in_s=2.0)
    async with stage.publisher():
        await stage.scan()
        await stage.rows(
            "DELETE FROM content_targets WHERE platform_account_id = :id", id=taken_off.id
        )
        await stage.scan()
        await past(content)
        await until_posted(stage, kept)
    assert len(stage.sandbox.posts(kept.platform_user_id)) == 1
    assert stage.sandbox.posts(taken_off.platform_user_id) == []
    [row] = await stage.rows("SELECT status FROM contents WHERE id = :id", id=content.id)
    assert row["status"] == "published"  # everywhere that it still goes


async def test_an_edited_content_is_posted_as_edited_and_at_its_new_time(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=2.5, body="처음 문구")
    async with stage.publisher():
        await stage.scan()
        await stage.until(content, "staged")
        await stage.rows(
            """UPDATE contents SET body = '고친 문구',
               scheduled_at = scheduled_at + interval '1 second' WHERE id = :id""",
            id=content.id,
        )
        await stage.scan()
        log = await stage.until(content, "success")
    [post] = stage.sandbox.posts(account.platform_user_id)
    assert post["caption"] == "고친 문구"
    assert post["arrived_at"] >= content.scheduled_at.timestamp() + 1
    assert log["revision"] == 2


async def test_a_content_that_is_approved_again_is_sent_again(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=300)
    await stage.scan()
    await stage.rows("UPDATE contents SET status = 'draft' WHERE id = :id", id=content.id)
    await stage.scan()
    assert (await stage.log_of(content))["status"] == "cancelled"
    await stage.rows("UPDATE contents SET status = 'review' WHERE id = :id", id=content.id)
    await stage.rows(
        "UPDATE contents SET status = 'approved', scheduled_at = now() WHERE id = :id",
        id=content.id,
    )
    async with stage.publisher():
        await stage.scan()
        await stage.until(content, "success")


async def test_a_change_while_the_post_is_on_the_wire_is_refused_clearly(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=1.0)
    stage.sandbox.fault(call="publish", delay_before_s=0.7)
    async with stage.publisher():
        await stage.scan()
        await stage.until(content, "sending")
        for change in ("status = 'draft'", "body = '늦은 수정'", "scheduled_at = now()"):
            with pytest.raises(DBAPIError, match="is being sent and can no longer be changed"):
                await stage.rows(f"UPDATE contents SET {change} WHERE id = :id", id=content.id)
        with pytest.raises(DBAPIError, match="is being sent and can no longer be changed"):
            await stage.rows("DELETE FROM content_targets")
        await stage.until(content, "success")
    assert len(stage.sandbox.posts(account.platform_user_id)) == 1


async def test_cancels_that_race_the_send_are_honoured_or_refused_never_both(stage: Stage) -> None:
    pairs = []
    for _ in range(12):
        account = await stage.make.account()
        pairs.append((account, await stage.make.content(account, due_in_s=2.0)))

    async def cancel(content: Any, *, before_due_s: float) -> bool:
        due = content.scheduled_at.timestamp()
        await asyncio.sleep(max(0.0, due - before_due_s - time.time()))
        try:
            await stage.rows(
                "UPDATE contents SET status = 'draft' WHERE id = :id",
                id=content.id,
            )
        except DBAPIError as error:
            return "is being sent" not in str(error)
        return True

    async with stage.publisher():
        await stage.scan()
        # Spread over the moment at which the attempt is committed, 60 ms before the due time.
        honoured = await asyncio.gather(
            *(
                cancel(content, before_due_s=0.09 - 0.005 * n)
                for n, (_, content) in enumerate(pairs)
            )
        )
        await stage.scan()
        for (_, content), is_honoured in zip(pairs, honoured, strict=True):
            await stage.until(content, "cancelled" if is_honoured else "success")
    for (account, _), is_honoured in zip(pairs, honoured, strict=True):
        live = len(stage.sandbox.posts(account.platform_user_id))
        assert live == (0 if is_honoured else 1)


async def test_a_post_that_is_only_moved_is_published_from_the_container_that_it_has(
    stage: Stage,
) -> None:
    content = await stage.make.content(await stage.make.account(), due_in_s=300)
    async with stage.publisher() as publisher:
        await stage.scan()
        first = await stage.until(content, "staged")
        await stage.rows(
            "UPDATE contents SET scheduled_at = now() + interval '1 second' WHERE id = :id",
            id=content.id,
        )
        await stage.scan()
        publisher.wake()
        log = await stage.until(content, "success")
    assert log["container_id"] == first["container_id"]
    assert len(stage.sandbox.requests(call="create_container")) == 1


async def test_a_post_whose_text_changed_is_prepared_anew(stage: Stage) -> None:
    content = await stage.make.content(await stage.make.account(), due_in_s=300)
    async with stage.publisher() as publisher:
        await stage.scan()
        first = await stage.until(content, "staged")
        await stage.rows(
            """UPDATE contents SET body = '새 글', scheduled_at = now() + interval '1 second'
               WHERE id = :id""",
            id=content.id,
        )
        await stage.scan()
        publisher.wake()
        log = await stage.until(content, "success")
    assert log["container_id"] != first["container_id"]
    assert [post["caption"] for post in stage.sandbox.posts()] == ["새 글"]
