"""The way out of ``needs_person``, deleting what is live, clearing away what never was."""

from typing import Any

import pytest

from engine.errors import InvalidCommand, Unsupported
from engine.ports import AccountAccess, Media, Post
from engine.services.clearing import clear
from engine.services.deleting import delete_post
from engine.services.resolving import Decision, look_now, resolve
from models.accounts import Platform, PlatformAccount
from models.contents import Content
from tests.factories import VAULT
from tests.fakes.parts import prepared
from tests.fakes.platform_client import FakePlatformClient
from tests.integration.publishing.conftest import Stage


@pytest.fixture
def platform() -> FakePlatformClient:
    return FakePlatformClient()


async def row_in(
    stage: Stage, platform: FakePlatformClient, status: str, **columns: Any
) -> tuple[Content, PlatformAccount]:
    """A content whose post is in ``status``."""
    account = await stage.make.account()
    platform.tokens[account.platform_user_id] = f"sandbox-token-{account.platform_user_id}"
    content = await stage.make.content(account, due_in_s=-5)
    named = {"kind": "image", "revision": 1, "trace_id": "t", **columns}
    names, values = ", ".join(named), ", ".join(f":{name}" for name in named)
    await stage.rows(
        f"""INSERT INTO publishing_logs (content_id, platform_account_id, status, {names})
            VALUES (:content_id, :account_id, :status, {values})""",
        content_id=content.id,
        account_id=account.id,
        status=status,
        **named,
    )
    return content, account


async def decide(
    stage: Stage,
    platform: FakePlatformClient,
    content: Content,
    account: PlatformAccount,
    post_id: str | None,
) -> bool:
    return await resolve(
        stage.database,
        Decision(content.id or 0, account.id or 0, post_id),
        platforms={Platform.INSTAGRAM: platform},
        vault=VAULT,
    )


@pytest.mark.parametrize("status", ["needs_person", "in_doubt"])
async def test_a_named_post_is_bound_and_the_author_is_told(
    stage: Stage, platform: FakePlatformClient, status: str
) -> None:
    content, account = await row_in(stage, platform, status)
    post = platform.make_live(account.platform_user_id, content.body)
    assert await decide(stage, platform, content, account, post.post_id)
    log = await stage.log_of(content)
    assert (log["status"], log["platform_post_id"]) == ("success", post.post_id)
    assert log["platform_post_url"] == post.url
    [event] = await stage.events()
    assert (event["status"], event["post_url"]) == ("success", post.url)
    [row] = await stage.rows("SELECT status FROM contents WHERE id = :id", id=content.id)
    assert row["status"] == "published"
    [note] = await stage.attempts_of(content, visible=False)
    assert (note["call"], note["outcome"]) == ("person", "bound")


async def test_a_post_that_is_not_live_fails_and_is_not_sent_by_itself(
    stage: Stage, platform: FakePlatformClient
) -> None:
    content, account = await row_in(stage, platform, "needs_person")
    assert await decide(stage, platform, content, account, None)
    log = await stage.log_of(content)
    assert (log["status"], log["error_code"]) == ("failed", "not_live")
    async with stage.publisher():
        await stage.scan()
    assert (await stage.log_of(content))["status"] == "failed"
    assert stage.sandbox.posts() == []


async def test_a_post_that_the_platform_does_not_show_is_not_bound(
    stage: Stage, platform: FakePlatformClient
) -> None:
    content, account = await row_in(stage, platform, "needs_person")
    with pytest.raises(InvalidCommand, match="shows no post"):
        await decide(stage, platform, content, account, "nonsense")
    assert (await stage.log_of(content))["status"] == "needs_person"


async def test_a_post_of_another_content_is_not_bound_twice(
    stage: Stage, platform: FakePlatformClient
) -> None:
    content, account = await row_in(stage, platform, "needs_person")
    post = platform.make_live(account.platform_user_id, content.body)
    other = await stage.make.content(account, due_in_s=-5)
    await stage.rows(
        """INSERT INTO publishing_logs (content_id, platform_account_id, status, trace_id,
               platform_post_id) VALUES (:content_id, :account_id, 'success', 't', :post_id)""",
        content_id=other.id,
        account_id=account.id,
        post_id=post.post_id,
    )
    with pytest.raises(InvalidCommand, match=f"belongs to content {other.id}"):
        await decide(stage, platform, content, account, post.post_id)


@pytest.mark.parametrize("status", ["success", "pending", "failed"])
async def test_nothing_but_a_doubt_is_decided_by_a_person(
    stage: Stage, platform: FakePlatformClient, status: str
) -> None:
    content, account = await row_in(stage, platform, status)
    with pytest.raises(InvalidCommand, match="only a post in doubt"):
        await decide(stage, platform, content, account, None)


async def test_a_worker_that_looks_meanwhile_writes_nothing_over_the_decision(
    stage: Stage, platform: FakePlatformClient
) -> None:
    content, account = await row_in(stage, platform, "in_doubt", lease_number=7)
    assert await decide(stage, platform, content, account, None)
    assert (await stage.log_of(content))["lease_number"] == 8


async def test_a_look_can_be_asked_for_at_once(stage: Stage, platform: FakePlatformClient) -> None:
    content, _ = await row_in(stage, platform, "in_doubt")
    await stage.rows("UPDATE publishing_logs SET act_at = now() + interval '1 hour'")
    assert await look_now(stage.database, content.id or 0) == 1
    [row] = await stage.rows("SELECT act_at <= now() AS is_due FROM publishing_logs")
    assert row["is_due"]


async def test_a_live_post_is_deleted_once_and_whoever_asked_is_told(
    stage: Stage, platform: FakePlatformClient
) -> None:
    content, account = await row_in(stage, platform, "success")
    post = platform.make_live(account.platform_user_id, content.body)
    await stage.rows("UPDATE publishing_logs SET platform_post_id = :id", id=post.post_id)
    asked = {
        "content_id": content.id or 0,
        "account_id": account.id or 0,
        "user_id": content.created_by,
        "platforms": {Platform.INSTAGRAM: platform},
        "vault": VAULT,
    }
    assert await delete_post(stage.database, **asked)
    assert not await delete_post(stage.database, **asked)
    assert platform.posts[account.platform_user_id] == []
    assert (await stage.log_of(content))["status"] == "deleted"
    [told] = await stage.events("notification")
    assert "삭제했습니다" in told["message"]


async def test_a_post_that_cannot_be_deleted_stays_and_the_reason_is_told(
    stage: Stage, platform: FakePlatformClient
) -> None:
    content, account = await row_in(stage, platform, "success", platform_post_id="1")
    platform.failures["delete"] = [Unsupported("no", code="unsupported")]
    with pytest.raises(Unsupported):
        await delete_post(
            stage.database,
            content_id=content.id or 0,
            account_id=account.id or 0,
            user_id=None,
            platforms={Platform.INSTAGRAM: platform},
            vault=VAULT,
        )
    assert (await stage.log_of(content))["status"] == "success"
    [told] = await stage.events("notification")
    assert "앱에서" in told["message"]


async def test_what_was_prepared_in_vain_is_cleared_away_after_a_rest(
    stage: Stage, platform: FakePlatformClient
) -> None:
    content, account = await row_in(stage, platform, "cancelled")
    access_token = VAULT.open(account.sealed_token or b"")

    access = AccountAccess(account.platform_user_id, access_token)
    container = await prepared(platform, access, Post("글", (Media("https://x.test/a.jpg"),)))
    await stage.rows("UPDATE publishing_logs SET container_id = :id", id=container.id)

    async def clear_after(rest_s: float) -> int:
        return await clear(
            stage.database,
            platforms={Platform.INSTAGRAM: platform},
            vault=VAULT,
            rest_s=rest_s,
        )

    assert await clear_after(3600) == 0
    assert await clear_after(0) == 1
    assert platform.containers == {}
    assert (await stage.log_of(content))["container_id"] is None
