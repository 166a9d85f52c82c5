"""What an account writes under its own post, once that is live."""

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.errors import (
    InputInvalid,
    NotSent,
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    RetryLater,
)
from engine.ports import KindTraits, LiveComment
from engine.services.commenting import Commenter
from models.accounts import Platform
from tests.factories import VAULT
from tests.fakes.platform_client import FakePlatformClient
from tests.integration.publishing.conftest import Stage

COMMENT = "자세한 내용은 프로필 링크에서 확인하세요 🙂"


@pytest.fixture
def platform() -> FakePlatformClient:
    return FakePlatformClient()


def commenter(stage: Stage, platform: FakePlatformClient, **rules: float) -> Commenter:
    waits: dict[str, Any] = {"retry_base_s": 0.0, "retry_max": 3, "give_up_s": 0.0, **rules}
    return Commenter(
        database=stage.database,
        platforms={Platform.INSTAGRAM: platform},
        vault=VAULT,
        clock=SystemClock(),
        owner="test",
        publish_timeout_s=1.0,
        random=Random(1),
        **waits,
    )


async def live_post(stage: Stage, platform: FakePlatformClient) -> Any:
    """A content whose post is live, with a first comment to be written."""
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=-5)
    platform.tokens[account.platform_user_id] = f"sandbox-token-{account.platform_user_id}"
    post = platform.make_live(account.platform_user_id, content.body)
    await stage.rows(
        """INSERT INTO publishing_logs (content_id, platform_account_id, status, kind,
               platform_post_id, trace_id, revision)
           VALUES (:content_id, :account_id, 'success', 'image', :post_id, 't', 1)""",
        content_id=content.id,
        account_id=account.id,
        post_id=post.post_id,
    )
    await stage.rows(
        """INSERT INTO first_comments (publishing_log_id, message, status)
           SELECT id, :message, 'pending' FROM publishing_logs""",
        message=COMMENT,
    )
    return post


async def state(stage: Stage) -> dict[str, Any]:
    [row] = await stage.rows("SELECT * FROM first_comments")
    return row


async def test_a_first_comment_follows_its_post_through_the_whole_stack(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=0.5, options={"first_comment": COMMENT})
    async with stage.publisher():
        await stage.scan()
        await stage.until(content, "success")
    row = await state(stage)
    assert (row["message"], row["status"]) == (COMMENT, "pending")


async def test_a_comment_is_written_once(stage: Stage, platform: FakePlatformClient) -> None:
    post = await live_post(stage, platform)
    first, second = commenter(stage, platform), commenter(stage, platform)
    await asyncio.gather(first.work_once(), second.work_once())
    await first.work_once()
    assert [comment.text for comment in platform.comments[post.post_id]] == [COMMENT]
    row = await state(stage)
    assert row["status"] == "success"
    assert row["platform_comment_id"] == platform.comments[post.post_id][0].comment_id


async def test_a_comment_whose_answer_was_lost_is_found_and_not_written_again(
    stage: Stage, platform: FakePlatformClient
) -> None:
    post = await live_post(stage, platform)
    platform.failures_after["comment"] = [OutcomeUnknown("cut", code="connection-lost")]
    one = commenter(stage, platform)
    await one.work_once()
    assert (await state(stage))["status"] == "in_doubt"
    await one.work_once()
    assert (await state(stage))["status"] == "success"
    assert len(platform.comments[post.post_id]) == 1


async def test_a_comment_that_is_not_found_after_the_waiting_time_is_written_again(
    stage: Stage, platform: FakePlatformClient
) -> None:
    post = await live_post(stage, platform)
    platform.failures["comment"] = [OutcomeUnknown("cut", code="connection-lost")]
    patient, hasty = commenter(stage, platform, give_up_s=60), commenter(stage, platform)
    await patient.work_once()
    await stage.rows("UPDATE first_comments SET act_at = now()")
    await patient.work_once()
    assert (await state(stage))["status"] == "in_doubt"
    assert post.post_id not in platform.comments
    await stage.rows("UPDATE first_comments SET act_at = now()")
    await hasty.work_once()
    await hasty.work_once()
    assert (await state(stage))["status"] == "success"
    assert len(platform.comments[post.post_id]) == 1


async def test_two_comments_alike_are_shown_to_a_person(
    stage: Stage, platform: FakePlatformClient
) -> None:
    post = await live_post(stage, platform)
    platform.failures_after["comment"] = [OutcomeUnknown("cut", code="connection-lost")]
    one = commenter(stage, platform)
    await one.work_once()
    platform.comments[post.post_id].append(LiveComment("twin", COMMENT, datetime.now(UTC)))
    await one.work_once()
    assert (await state(stage))["status"] == "needs_person"
    [told] = await stage.events("notification")
    assert "직접 확인해 주세요" in told["message"]


async def test_a_doubt_that_no_read_can_end_is_shown_to_a_person(
    stage: Stage, platform: FakePlatformClient
) -> None:
    await live_post(stage, platform)
    platform.failures["comment"] = [OutcomeUnknown("cut", code="connection-lost")]
    platform.failures["list_comments"] = [ReconnectNeeded("no permission", code="10")]
    one = commenter(stage, platform)
    await one.work_once()
    await one.work_once()
    assert (await state(stage))["status"] == "needs_person"


async def test_a_doubt_whose_account_was_disconnected_is_shown_to_a_person_and_not_called_a_failure(
    stage: Stage, platform: FakePlatformClient
) -> None:
    post = await live_post(stage, platform)
    platform.failures_after["comment"] = [OutcomeUnknown("cut", code="connection-lost")]
    patient, hasty = commenter(stage, platform, give_up_s=60), commenter(stage, platform)
    await patient.work_once()
    await stage.rows("UPDATE platform_accounts SET sealed_token = NULL")
    await patient.work_once()
    assert (await state(stage))["status"] == "in_doubt"  # it may be connected again in a moment
    await stage.rows("UPDATE first_comments SET act_at = now()")
    await hasty.work_once()
    assert (await state(stage))["status"] == "needs_person"
    assert len(platform.comments[post.post_id]) == 1


async def test_a_comment_of_an_account_without_a_token_fails_before_it_is_sent(
    stage: Stage, platform: FakePlatformClient
) -> None:
    post = await live_post(stage, platform)
    await stage.rows("UPDATE platform_accounts SET sealed_token = NULL")
    await commenter(stage, platform).work_once()
    row = await state(stage)
    assert (row["status"], row["error_code"]) == ("failed", "account_without_token")
    assert post.post_id not in platform.comments


async def test_a_worker_that_vanished_in_mid_call_leaves_a_doubt_and_no_second_comment(
    stage: Stage, platform: FakePlatformClient
) -> None:
    post = await live_post(stage, platform)
    platform.comments[post.post_id] = [LiveComment("1", COMMENT, datetime.now(UTC))]
    await stage.rows(
        """UPDATE first_comments SET status = 'sending', sent_at = now(), lease_number = 1,
               lease_owner = 'gone', lease_expires_at = now() - interval '1 second'"""
    )
    await commenter(stage, platform).work_once()
    assert (await state(stage))["platform_comment_id"] == "1"
    assert len(platform.comments[post.post_id]) == 1


@pytest.mark.parametrize(
    "error", [RetryLater("busy", code="2"), NotSent("no connection", code="not-connected")]
)
async def test_a_refusal_that_passes_is_tried_again(
    stage: Stage, platform: FakePlatformClient, error: PlatformError
) -> None:
    await live_post(stage, platform)
    platform.failures["comment"] = [error]
    one = commenter(stage, platform)
    await one.work_once()
    row = await state(stage)
    assert (row["status"], row["retry_count"]) == ("pending", 1)
    await one.work_once()
    assert (await state(stage))["status"] == "success"


async def test_a_refusal_for_good_is_told_and_leaves_the_post_published(
    stage: Stage, platform: FakePlatformClient
) -> None:
    await live_post(stage, platform)
    platform.failures["comment"] = [InputInvalid("too long", code="100")]
    await commenter(stage, platform).work_once()
    assert (await state(stage))["status"] == "failed"
    [log] = await stage.rows("SELECT status FROM publishing_logs")
    assert log["status"] == "success"
    [told] = await stage.events("notification")
    assert "올라갔지만 첫 댓글은" in told["message"]


async def test_a_kind_that_takes_no_comments_is_not_asked_to(
    stage: Stage, platform: FakePlatformClient
) -> None:
    await live_post(stage, platform)
    platform.traits = KindTraits(takes_comments=False)
    await commenter(stage, platform).work_once()
    assert (await state(stage))["error_code"] == "comments_unsupported"
    assert not [call for call in platform.calls if call[0] == "comment"]


async def test_a_comment_waits_with_its_account_and_is_written_when_that_is_back(
    stage: Stage, platform: FakePlatformClient
) -> None:
    post = await live_post(stage, platform)
    [token] = platform.tokens.values()
    platform.tokens = dict.fromkeys(platform.tokens, "another")
    writer = commenter(stage, platform)
    assert await writer.work_once() == 1
    [row] = await stage.rows("SELECT status, retry_count FROM first_comments")
    assert row == {"status": "pending", "retry_count": 0}
    await stage.rows("UPDATE first_comments SET act_at = now()")
    assert await writer.work_once() == 0  # its owner is asked, not the platform
    platform.tokens = dict.fromkeys(platform.tokens, token)
    await stage.rows("UPDATE platform_accounts SET status = 'active'")
    assert await writer.work_once() == 1
    [row] = await stage.rows("SELECT status FROM first_comments")
    assert row["status"] == "success"
    assert [comment.text for comment in platform.comments[post.post_id]] == [COMMENT]
