"""A content on several accounts: each one's result, and the whole truth once."""

from tests.integration.publishing.conftest import Stage


async def test_a_partial_success_is_told_once_and_truly(stage: Stage) -> None:
    good, dead = await stage.make.account(), await stage.make.account()
    stage.sandbox.add_account(dead.platform_user_id)
    stage.sandbox.change_token(dead.platform_user_id, subcode=460)
    content = await stage.make.content(good, dead, due_in_s=0.5)
    async with stage.publisher():
        await stage.scan()
        while {row["status"] for row in await stage.rows("SELECT status FROM publishing_logs")} != {
            "success",
            "failed",
        }:
            pass
    [row] = await stage.rows("SELECT status FROM contents WHERE id = :id", id=content.id)
    assert row["status"] == "approved"  # not published: not all of them show it
    results = [event["status"] for event in await stage.events()]
    assert sorted(results) == ["failed", "success"]
    [told] = await stage.events("notification")
    assert told["title"] == "계정 2개 가운데 1개에만 게시했습니다"
    assert f"올라간 계정: 인스타그램 @{good.username}" in told["message"]
    assert f"올라가지 않은 계정: 인스타그램 @{dead.username}" in told["message"]
    assert "다시 연결" in told["message"]


async def test_a_content_is_published_when_all_of_its_accounts_show_it(stage: Stage) -> None:
    accounts = [await stage.make.account() for _ in range(3)]
    content = await stage.make.content(*accounts, due_in_s=0.5)
    async with stage.publisher():
        await stage.scan()
        while True:
            [row] = await stage.rows("SELECT status FROM contents WHERE id = :id", id=content.id)
            if row["status"] == "published":
                break
    assert len(stage.sandbox.posts()) == 3
    assert await stage.events("notification") == []
