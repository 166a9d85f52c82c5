"""Bad input: a clear status for its author, no harm to anybody else's post."""

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, StatementError

from engine.clock import SystemClock
from engine.errors import InvalidCommand
from engine.platforms.instagram import InstagramClient
from engine.services.scanning import publish_now
from models.accounts import AccountStatus, Platform
from models.columns import NaiveDatetime
from models.contents import ContentStatus
from tests.factories import in_seconds
from tests.integration.publishing.conftest import Stage


async def test_each_bad_post_fails_with_its_reason_and_the_good_one_goes_out(
    stage: Stage, subtests: pytest.Subtests
) -> None:
    make = stage.make
    good = await make.content(await make.account(), due_in_s=0.5)
    stopped = await make.account(status=AccountStatus.STOPPED)
    bad: dict[str, Any] = {
        "account_without_token": await make.content(await make.account(token=None), due_in_s=0),
        "account_stopped": await make.content(stopped, due_in_s=0),
        "platform_unsupported": await make.content(
            await make.account(platform=Platform.YOUTUBE), due_in_s=0
        ),
        "due_too_long_ago": await make.content(await make.account(), due_in_s=-86_460),
        "input_invalid": await make.content(await make.account(), due_in_s=0, body="글" * 2300),
    }
    malformed = await make.content(await make.account(), due_in_s=0, media=[{"kind": "image"}])
    async with stage.publisher(without=Platform.YOUTUBE):
        await stage.scan()
        await stage.until(good, "success")
        for content in [*bad.values(), malformed]:
            await stage.until(content, "failed")
    assert "1번째 미디어에 주소(url)가 없습니다" in (await stage.log_of(malformed))["error_message"]
    for code, content in bad.items():
        with subtests.test(code):
            log = await stage.log_of(content)
            assert log["error_code"] == code
            told = [e for e in await stage.events() if e["content_id"] == content.id]
            assert [event["status"] for event in told] == ["failed"]
            assert told[0]["error"] == log["error_message"]
    assert len(stage.sandbox.posts()) == 1


async def test_a_post_that_is_less_than_a_day_late_goes_out_at_once_and_is_marked_late(
    stage: Stage,
) -> None:
    content = await stage.make.content(await stage.make.account(), due_in_s=-3600)
    async with stage.publisher():
        await stage.scan()
        log = await stage.until(content, "success")
    assert log["is_late"]
    assert log["due_at"] == content.scheduled_at  # the promise stays on record


async def test_a_fault_of_ours_is_retried_like_any_other_and_then_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(InstagramClient, "prepare", break_down)
    content = await stage.make.content(await stage.make.account(), due_in_s=0)
    async with stage.publisher(retry_base_s=0.05):
        await stage.scan()
        log = await stage.until(content, "failed")
    assert (log["error_code"], log["retry_count"]) == ("retries_exhausted", 3)
    assert [event["status"] for event in await stage.events()] == ["failed"]


async def test_no_content_reaches_an_account_of_another_client(stage: Stage) -> None:
    foreign = await stage.make.account(client=await stage.make.client())
    content = await stage.make.content(await stage.make.account(), due_in_s=0)
    with pytest.raises(DBAPIError, match="belong to different clients"):
        await stage.rows(
            "INSERT INTO content_targets VALUES (:content_id, :account_id)",
            content_id=content.id,
            account_id=foreign.id,
        )
    with pytest.raises(DBAPIError, match="cannot change its client"):
        await stage.rows("UPDATE contents SET client_id = :id", id=foreign.client_id)


async def test_a_naive_due_time_is_refused_before_it_is_stored(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=60)
    content.scheduled_at = in_seconds(60).replace(tzinfo=None)
    with pytest.raises(StatementError) as caught:
        await stage.make.add(content)
    assert isinstance(caught.value.orig, NaiveDatetime)
    assert "has no time zone" in str(caught.value)


@pytest.mark.parametrize("case", ["no content", "no account", "draft", "another client"])
async def test_a_publish_command_that_names_nothing_publishable_is_refused(
    stage: Stage, case: str
) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, status=ContentStatus.DRAFT)
    ids = {"content_id": content.id, "account_id": account.id}
    match case:
        case "no content":
            ids["content_id"] = 999_999
        case "no account":
            ids["account_id"] = 999_999
        case "another client":
            other = await stage.make.client()
            ids["account_id"] = (await stage.make.account(client=other)).id
    reason = {
        "no content": "there is no content 999999",
        "no account": "there is no platform account 999999",
        "draft": "is draft; only an approved one is published",
        "another client": "belong to different clients",
    }[case]
    with pytest.raises(InvalidCommand, match=reason):
        await publish_now(stage.database, now=SystemClock().now(), **ids)
    assert await stage.rows("SELECT * FROM publishing_logs") == []


async def test_publish_now_takes_the_same_road_and_is_idempotent(stage: Stage) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=3600)
    async with stage.publisher():
        for _ in range(3):
            await publish_now(
                stage.database,
                now=SystemClock().now(),
                content_id=content.id,
                account_id=account.id,
            )
        await stage.until(content, "success")
        assert not await publish_now(
            stage.database, now=SystemClock().now(), content_id=content.id, account_id=account.id
        )
    assert len(stage.sandbox.posts(account.platform_user_id)) == 1
