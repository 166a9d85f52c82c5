"""What a post comes to when the platform, or the road to it, misbehaves."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.integration.publishing.conftest import Stage

PUBLISH = {"call": "publish"}


LIVE_BEHIND_A_LOST_ANSWER: dict[str, dict[str, Any]] = {
    "processed, then closed": {"answer": "close", "carry_out": 1},
    "processed, then reset": {"answer": "reset", "carry_out": 1},
    "a gateway's page": {"answer": "html", "carry_out": 1, "status": 502},
    "an answer nobody knows": {"answer": "wrong_json", "carry_out": 1},
    "half an answer": {"answer": "truncated", "carry_out": 1},
    "processed, then silence": {"answer": "stall", "carry_out": 1},
    "processed, answered too late": {"delay_after_s": 1.5},
    "500 code 2": {"answer": "error", "carry_out": 1, "status": 500, "code": 2},
    "504": {"answer": "html", "carry_out": 1, "status": 504},
    "said to be blocked": {
        "answer": "error",
        "carry_out": 1,
        "status": 403,
        "code": 4,
        "subcode": 2207051,
    },
}
NOT_LIVE_BEHIND_A_LOST_ANSWER: dict[str, dict[str, Any]] = {
    "closed before processing": {"answer": "close", "carry_out": 0},
    "reset before processing": {"answer": "reset", "carry_out": 0},
    "a gateway's page": {"answer": "html", "carry_out": 0, "status": 502},
    "500 code 1": {"answer": "error", "carry_out": 0, "status": 500, "code": 1},
}


async def struck(stage: Stage, faults: dict[str, dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """One account and one due content per fault, which strikes its first publish call."""
    cases = {}
    for name, fault in faults.items():
        account = await stage.make.account()
        stage.sandbox.fault(**fault, **PUBLISH, account=account.platform_user_id)
        cases[name] = (account, await stage.make.content(account, due_in_s=1.5))
    return cases


def sent(attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose request left: so many faults at once open the circuit, which holds some back."""
    return [
        attempt
        for attempt in attempts
        if (attempt["outcome"], attempt["evidence"].get("code")) != ("not_sent", "circuit-open")
    ]


async def test_a_post_that_went_live_behind_a_lost_answer_is_found_and_bound(
    stage: Stage, subtests: pytest.Subtests
) -> None:
    cases = await struck(stage, LIVE_BEHIND_A_LOST_ANSWER)
    async with stage.publisher():
        await stage.scan()
        for _, content in cases.values():
            await stage.until(content, "success")
    for name, (account, content) in cases.items():
        with subtests.test(name):
            [post] = stage.sandbox.posts(account.platform_user_id)
            assert (await stage.log_of(content))["platform_post_id"] == post["id"]
            [attempt] = sent(await stage.attempts_of(content))
            assert attempt["evidence"]["post_id"] == post["id"]
            assert "code" in attempt["evidence"]  # what was seen stays beside what was found
            assert len(await stage.attempts_of(content, visible=False)) >= 1
    assert [event["status"] for event in await stage.events()] == ["success"] * len(cases)


async def test_a_post_that_reads_prove_unpublished_is_sent_again_from_the_same_container(
    stage: Stage, subtests: pytest.Subtests
) -> None:
    cases = await struck(stage, NOT_LIVE_BEHIND_A_LOST_ANSWER)
    async with stage.publisher():
        await stage.scan()
        for account, content in cases.values():
            await stage.until(content, "in_doubt")
            assert stage.sandbox.posts(account.platform_user_id) == []
        for _, content in cases.values():
            await stage.until(content, "success")
    for name, (account, content) in cases.items():
        with subtests.test(name):
            [post] = stage.sandbox.posts(account.platform_user_id)
            first, second = sent(await stage.attempts_of(content))
            assert first["call"] == second["call"] == f"publish {post['container_id']}"
            waited = second["started_at"] - first["started_at"]
            assert waited.total_seconds() >= 2.0  # doubt_wait_s


async def test_a_platform_that_makes_two_of_one_request_is_shown_to_a_person(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=1.0)
    stage.sandbox.fault(answer="close", carry_out=2, **PUBLISH)
    async with stage.publisher():
        await stage.scan()
        await stage.until(content, "needs_person")
    assert len(stage.sandbox.posts(account.platform_user_id)) == 2
    [notification] = await stage.events("notification")
    assert notification["priority"] == "urgent"
    assert notification["reference"] == {"kind": "content", "id": content.id}
    assert content.title in notification["message"]


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        ({"status": 400, "code": 9007, "subcode": 2207027}, 2),  # not ready yet
        ({"status": 400, "code": 80002}, 2),  # throttled
        ({"status": 400, "code": 24, "subcode": 2207008}, 2),  # container gone: a new one
    ],
)
async def test_a_refusal_that_passes_is_retried_and_nothing_is_doubled(
    stage: Stage, fault: dict[str, Any], tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.services.ending.NOT_READY_WAIT", timedelta())
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=1.0)
    stage.sandbox.fault("error", carry_out=0, **fault, **PUBLISH)
    async with stage.publisher():
        await stage.scan()
        log = await stage.until(content, "success", "staged", "pending")
        if fault["code"] == 80002:  # told to wait for minutes: the wait is in the row, not burnt
            while (log := await stage.log_of(content))["error_code"] is None:
                pass
            assert log["retry_count"] == 0
            [held] = await stage.rows("SELECT held_until > now() AS is_held FROM platform_accounts")
            assert held["is_held"]
            await stage.rows("UPDATE platform_accounts SET held_until = NULL")
            await stage.rows("UPDATE publishing_logs SET act_at = now()")
        log = await stage.until(content, "success")
    assert len(stage.sandbox.posts(account.platform_user_id)) == 1
    attempts = await stage.attempts_of(content)
    assert [attempt["outcome"] for attempt in attempts] == ["refused"] * (tries - 1) + ["accepted"]


async def test_retries_end_and_the_author_is_told_what_to_do(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=0.5)
    stage.sandbox.fault(
        "error", carry_out=0, call="create_container", status=500, code=2, times=None
    )
    async with stage.publisher():
        await stage.scan()
        log = await stage.until(content, "failed")
    assert log["retry_count"] == 3
    assert log["error_code"] == "retries_exhausted"
    [event] = await stage.events()
    assert event["status"] == "failed"
    assert "다시 게시해 주세요" in event["error"]


async def test_a_dead_token_marks_the_account_lets_its_post_wait_and_spares_the_others(
    stage: Stage,
) -> None:
    dead, alive = await stage.make.account(), await stage.make.account()
    lost = await stage.make.content(dead, due_in_s=1.0)
    kept = await stage.make.content(alive, due_in_s=1.0)
    stage.sandbox.add_account(dead.platform_user_id)
    stage.sandbox.change_token(dead.platform_user_id, subcode=460)
    async with stage.publisher():
        await stage.scan()
        await stage.until(kept, "success")
    log = await stage.log_of(lost)
    assert (log["status"], log["error_code"]) == ("pending", "account_reconnect")
    rows = await stage.rows("SELECT id, status FROM platform_accounts")
    assert {row["id"]: row["status"] for row in rows} == {
        dead.id: "reconnect_needed",
        alive.id: "active",
    }


async def test_one_account_publishes_one_post_at_a_time_and_accounts_do_not_wait(
    stage: Stage,
) -> None:
    stage.sandbox.switch(answer_ms=150)
    first, second = await stage.make.account(), await stage.make.account()
    contents = [await stage.make.content(first, due_in_s=2.0) for _ in range(4)]
    other = await stage.make.content(second, due_in_s=2.0)
    async with stage.publisher():
        await stage.scan()
        for content in [*contents, other]:
            await stage.until(content, "success")
    arrivals = [post["arrived_at"] for post in stage.sandbox.posts(first.platform_user_id)]
    assert len(arrivals) == 4
    assert all(later - earlier >= 0.15 for earlier, later in pairwise(arrivals))
    [aside] = stage.sandbox.posts(second.platform_user_id)
    assert aside["arrived_at"] < arrivals[1]


async def test_an_accounts_order_is_kept_when_an_earlier_post_is_late(stage: Stage) -> None:
    account = await stage.make.account()
    slow = await stage.make.content(account, due_in_s=1.0)
    quick = await stage.make.content(account, due_in_s=1.5)
    other = await stage.make.content(await stage.make.account(), due_in_s=1.5)
    stage.sandbox.fault(
        call="create_container", account=account.platform_user_id, delay_before_s=1.5
    )
    async with stage.publisher():
        await stage.scan()
        for content in (slow, quick, other):
            await stage.until(content, "success")
    captions = [post["caption"] for post in stage.sandbox.posts(account.platform_user_id)]
    assert captions == [slow.body, quick.body]
    [aside] = [post for post in stage.sandbox.posts() if post["caption"] == other.body]
    assert aside["arrived_at"] - other.scheduled_at.timestamp() < 0.5
