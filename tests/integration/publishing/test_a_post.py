"""One post, from an approved row to the platform and the author's event."""

from datetime import timedelta

from tests.integration.publishing.conftest import Stage


async def test_due_content_goes_live_once_at_its_second_and_its_author_is_told(
    stage: Stage,
) -> None:
    account = await stage.make.account()
    content = await stage.make.content(account, due_in_s=1.5)
    async with stage.publisher():
        await stage.scan()
        log = await stage.until(content, "success")
    [post] = stage.sandbox.posts(account.platform_user_id)
    lateness_s = post["arrived_at"] - content.scheduled_at.timestamp()
    assert 0 <= lateness_s < 1
    assert log["platform_post_id"] == post["id"]
    [event] = await stage.events()
    assert event["status"] == "success"
    assert event["content_id"] == content.id
    assert event["trace_id"] == log["trace_id"]
    [attempt] = await stage.attempts_of(content)
    assert attempt["outcome"] == "accepted"
    assert attempt["started_at"] < content.scheduled_at + timedelta(seconds=1)
    [row] = await stage.rows("SELECT * FROM contents WHERE id = :id", id=content.id)
    assert row["status"] == "published"
    assert row["published_at"] is not None
