"""Whatever our YouTube client sends is held against Google's own description of it."""

from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import RetryLater
from engine.ports import Post
from tests.contracts.discovery import Discovery
from tests.contracts.inbox_levers import open_youtube
from tests.contracts.levers import KINDS
from tests.fakes.parts import MemoryParts, prepared
from tests.running_sandbox import RunningSandbox


def post_with_everything(post: Post, sandbox: RunningSandbox) -> Post:
    options = {
        "tags": ["봄", "꽃 축제"],
        "category_id": "22",
        "default_language": "ko",
        "privacy": "unlisted",
        "made_for_kids": False,
        "contains_synthetic_media": True,
        "license": "creativeCommon",
        "embeddable": False,
        "notify_subscribers": False,
        "thumbnail_url": sandbox.picture(320, 180),
    }
    return replace(post, options=options)


@pytest.mark.parametrize("kind", ["youtube video", "youtube short"])
async def test_every_request_is_as_google_describes_it(sandbox, kind):
    open_platform, details = KINDS[kind]
    sandbox.switch(container_ready_s=0)
    async with open_platform(sandbox, **details) as platform:
        client, access = platform.client, platform.access()
        post = post_with_everything(platform.post(), sandbox)
        # The answer to the last byte is lost, and then the session: the video is looked for.
        parts = MemoryParts()
        sandbox.fault("close", carry_out=1, call="upload")
        sandbox.fault("error", carry_out=0, call="probe_upload", status=503, times=None)
        with pytest.raises(RetryLater):
            await client.prepare(access, post, parts)
        sandbox.clear_faults()
        sandbox.switch(sessions_lost=True)
        found = await client.prepare(access, post, parts)
        assert [video["id"] for video in sandbox.hidden()] == [found]
        sandbox.switch(sessions_lost=False)
        container = await prepared(client, access, post)
        post_id = await client.publish(access, container, post)
        since = datetime.now(UTC) - timedelta(minutes=2)
        await client.read_container(access, container)
        await client.read_permalink(access, post_id, platform.kind)
        await client.comment(access, post_id, "첫 댓글")
        assert len(await client.list_comments(access, post_id, since)) == 1
        assert len(await client.list_posts(access, platform.kind, since)) == 1
        await client.delete(access, post_id, platform.kind)
    rows = sandbox.requests(account=access.platform_user_id)
    assert {row["call"] for row in rows} == {
        "create_container",
        "upload",
        "probe_upload",
        "set_thumbnail",
        "publish",
        "read_container",
        "read_post",
        "read_channel",
        "list_posts",
        "create_comment",
        "list_comments",
        "delete_post",
    }
    judge = Discovery.of_youtube()
    assert [problem for row in rows for problem in judge.problems_of(row)] == []


async def test_every_request_of_the_inbox_is_as_google_describes_it(sandbox):
    async with open_youtube(sandbox) as platform:
        client, access, parts = platform.client, platform.access(), MemoryParts()
        post_id = platform.add_post()
        (comment_id,) = platform.add_comments(post_id, ["질문"])
        since = datetime.now(UTC) - timedelta(minutes=2)
        pages = client.watched_posts(access, since=since, known=(post_id,))
        async with aclosing(pages):
            assert [post.post_id async for page in pages for post in page] == [post_id]
        assert len((await client.read_comments(access, post_id, None)).comments) == 1
        reply_id = await client.reply(access, post_id, comment_id, "답", parts)
        assert len((await client.read_replies(access, post_id, comment_id, None)).comments) == 1
        assert len(await client.own_replies(access, post_id, reply_id, since, parts)) == 1
        await client.set_hidden(access, comment_id, is_hidden=True)
        await client.set_hidden(access, comment_id, is_hidden=False)
        await client.delete_comment(access, reply_id)
    rows = sandbox.requests(account=access.platform_user_id)
    assert {"create_reply", "list_replies", "moderate_comment", "delete_comment"} <= {
        row["call"] for row in rows
    }
    judge = Discovery.of_youtube()
    assert [problem for row in rows for problem in judge.problems_of(row)] == []
