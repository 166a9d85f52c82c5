"""What the inboxes make of answers as they come in the field, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from engine.errors import (
    CircuitOpen,
    InputInvalid,
    OutcomeUnknown,
    QuotaSpent,
    RetryLater,
    Throttled,
    Unsupported,
)
from engine.platforms.facebook_inbox import FacebookInbox
from engine.platforms.guarded_inbox import GuardedInbox
from engine.platforms.instagram_inbox import InstagramInbox
from engine.platforms.threads_inbox import ThreadsInbox
from engine.platforms.youtube_inbox import YouTubeInbox
from engine.ports import AccountAccess
from models.accounts import AccessToken
from tests.fakes.inbox_client import FakeInbox
from tests.fakes.parts import MemoryParts
from tests.scripted_api import Said, ScriptedApi, scripted_api

ACCESS = AccountAccess("1", AccessToken("token"))
SINCE = datetime(2026, 11, 1, tzinfo=UTC)
AT = "2026-11-20T10:00:00+0000"
FAR = "2199-01-01T00:00:00+0000"  # a clock that goes wrong is passed on as it is


@pytest.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    async with scripted_api() as opened:
        yield opened


@pytest.fixture
async def instagram(api: ScriptedApi) -> AsyncIterator[InstagramInbox]:
    api.says("GET /9", {"id": "9", "username": "brand"})
    client = InstagramInbox(api.base_url, publish_timeout_s=2)
    yield client
    await client.close()


@pytest.fixture
async def facebook(api: ScriptedApi) -> AsyncIterator[FacebookInbox]:
    client = FacebookInbox(api.base_url, publish_timeout_s=2)
    yield client
    await client.close()


@pytest.fixture
async def threads(api: ScriptedApi) -> AsyncIterator[ThreadsInbox]:
    client = ThreadsInbox(api.base_url, publish_timeout_s=2)
    yield client
    await client.close()


@pytest.fixture
async def youtube(api: ScriptedApi) -> AsyncIterator[YouTubeInbox]:
    client = YouTubeInbox(api.base_url, publish_timeout_s=2)
    yield client
    await client.close()


def row(number: int | str, **fields: object) -> dict[str, object]:
    return {"id": str(number), "text": "안녕", "timestamp": AT, **fields}


def page(*rows: object, after: str | None = None) -> dict[str, object]:
    paging = {} if after is None else {"cursors": {"after": after}, "next": "https://elsewhere"}
    return {"data": list(rows), "paging": paging}


def youtube_comment(comment_id: str, **snippet: object) -> dict[str, object]:
    return {
        "id": comment_id,
        "snippet": {
            "textDisplay": "안녕",
            "publishedAt": "2026-11-20T10:00:00Z",
            "updatedAt": "2026-11-20T10:00:00Z",
            "authorDisplayName": "손님",
            "authorChannelId": {"value": "UC2"},
            "likeCount": 3,
            **snippet,
        },
    }


def youtube_thread(
    thread_id: str, *replies: dict[str, object], total: int | None = None
) -> dict[str, object]:
    return {
        "id": thread_id,
        "snippet": {
            "topLevelComment": youtube_comment(thread_id),
            "totalReplyCount": len(replies) if total is None else total,
            "canReply": True,
        },
        "replies": {"comments": list(replies)},
    }


def youtube_error(status: int, reason: str) -> Said:
    return Said({"error": {"code": status, "errors": [{"reason": reason}]}}, status)


async def test_row_that_cannot_be_understood_costs_itself_only_and_is_named(api, instagram):
    bad = [
        row(2, timestamp="gestern"),
        {"text": "no id", "timestamp": AT},
        "no row",
        row("\ud800"),
        row("nul\0"),
        row(3, timestamp="0001-01-01T00:00:00+1400"),
    ]
    api.says("GET /9/comments", page(row(1), *bad, row(4)))
    with capture_logs() as logs:
        found = await instagram.read_comments(ACCESS, "9", None)
    assert [one.comment_id for one in found.comments] == ["1", "4"]
    assert len(logs) == len(bad)
    assert logs[0]["id"] == "'2'"


async def test_page_of_which_nothing_can_be_understood_is_asked_for_again(api, instagram):
    api.says("GET /9/comments", page({"text": "no id"}, {"id": "1"}))
    with pytest.raises(RetryLater):
        await instagram.read_comments(ACCESS, "9", None)


async def test_text_passes_untouched_whatever_is_in_it(api, instagram):
    texts = ["nul\0nul", "half \ud83d surrogate", "e\u0301", "", "가" * 5000]
    rows = [row(number, text=text) for number, text in enumerate(texts, 1)]
    api.says("GET /9/comments", page(*rows, row(9, text=None), row(10, timestamp=FAR)))
    found = await instagram.read_comments(ACCESS, "9", None)
    assert [one.text for one in found.comments[:6]] == [*texts, ""]
    assert found.comments[6].commented_at == datetime(2199, 1, 1, tzinfo=UTC)


async def test_comment_without_author_counts_as_nobodys(api, instagram, facebook, youtube):
    api.says("GET /9/comments", page(row(1, **{"from": None})))
    (comment,) = (await instagram.read_comments(ACCESS, "9", None)).comments
    assert (comment.author_id, comment.author_name, comment.is_own) == (None, None, False)
    api.says("GET /8/comments", page({"id": "1", "message": "안녕", "created_time": AT}))
    (comment,) = (await facebook.read_comments(ACCESS, "8", None)).comments
    assert (comment.author_id, comment.author_name, comment.is_own) == (None, None, False)
    gone = youtube_comment("a", authorChannelId=None, authorDisplayName="")
    api.says("GET /comments", {"items": [gone]})
    (comment,) = (await youtube.read_replies(ACCESS, "v", "t", None)).comments
    assert (comment.author_id, comment.author_name, comment.is_own) == (None, None, False)


async def test_instagram_knows_its_own_by_name_where_ids_are_the_apps_own(api, instagram):
    own = row(1, username="brand", **{"from": {"id": "777", "username": "brand"}})
    by_id = row(2, **{"from": {"id": "1"}})
    api.says("GET /9/comments", page(own, by_id, row(3, username="guest")))
    found = await instagram.read_comments(ACCESS, "9", None)
    assert [one.is_own for one in found.comments] == [True, True, False]
    await instagram.read_comments(ACCESS, "9", None)
    assert [one.path for one in api.asked].count("/9") == 1  # the name is asked for once


async def test_instagram_replies_follow_their_thread_and_say_when_they_are_not_all(api, instagram):
    few = {"data": [row(11, parent_id="1"), row(12)]}
    many = {"data": [row(21)], "paging": {"next": "https://elsewhere"}}
    bad = {"data": [row(31, timestamp=None), row(32)]}
    api.says(
        "GET /9/comments",
        page(row(1, replies=few), row(2, replies=many), row(3, replies=bad), row(4, replies=7)),
    )
    found = (await instagram.read_comments(ACCESS, "9", None)).comments
    assert [(one.comment_id, one.thread_id, one.parent_id) for one in found] == [
        ("1", "1", None),
        ("11", "1", "1"),
        ("12", "1", "1"),
        ("2", "2", None),
        ("21", "2", "2"),
        ("3", "3", None),
        ("32", "3", "3"),
        ("4", "4", None),
    ]
    whole = {one.comment_id: one.has_all_replies for one in found if one.parent_id is None}
    assert whole == {"1": True, "2": False, "3": False, "4": False}


async def test_hidden_comment_is_not_answered_and_says_in_korean_what_to_do(api, instagram):
    api.says("GET /5", {"id": "5", "hidden": True})
    with pytest.raises(InputInvalid, match="숨김을 해제한 뒤"):
        await instagram.reply(ACCESS, "9", "5", "답", MemoryParts())
    assert [one.method for one in api.asked] == ["GET"]


async def test_instagram_marks_are_the_number_of_comments_and_the_newest(api, instagram):
    api.says(
        "GET /1/media",
        page(
            {"id": "a", "timestamp": AT, "comments_count": 0},
            {
                "id": "b",
                "timestamp": AT,
                "comments_count": 7,
                "comments": {"data": [{"id": "c7"}]},
            },
            {"id": "c", "timestamp": AT},
            after="x",
        ),
        page({"id": "d", "timestamp": "2026-10-01T00:00:00+0000"}, after="y"),
    )
    async with aclosing(instagram.watched_posts(ACCESS, since=SINCE, known=())) as pages:
        first, second = [posts async for posts in pages]
    assert [(one.post_id, one.mark) for one in first] == [("a", "0:"), ("b", "7:c7"), ("c", None)]
    assert second == []
    assert len(api.asked) == 2  # what is older is not asked for


@pytest.mark.parametrize("length", [1, 2, 3, 7])
async def test_comments_in_a_circle_end_in_a_retry(api, instagram, length):
    around = [page(row(number), after=f"c{number}") for number in range(length)]
    api.says("GET /9/comments", *around * 8)

    async def read_on(cursor: str | None = None) -> None:
        for _ in range(length * 4 + 4):
            cursor = (await instagram.read_comments(ACCESS, "9", cursor)).cursor

    with pytest.raises(RetryLater, match="circle"):
        await read_on()


async def test_long_list_that_is_no_circle_is_read_to_its_end(api, instagram):
    pages = [page(row(number), after=f"c{number}") for number in range(60)]
    api.says("GET /9/comments", *pages, page(row(60)))
    cursor, seen = None, 0
    while True:
        found = await instagram.read_comments(ACCESS, "9", cursor)
        seen, cursor = seen + len(found.comments), found.cursor
        if cursor is None:
            break
    assert seen == 61


async def test_empty_page_may_lead_on(api, instagram):
    api.says("GET /9/comments", page(after="x"), page(row(1)))
    first = await instagram.read_comments(ACCESS, "9", None)
    assert first.comments == ()
    assert first.cursor is not None
    assert len((await instagram.read_comments(ACCESS, "9", first.cursor)).comments) == 1
    assert api.asked[-1].query["after"] == "x"


async def test_posts_in_a_circle_end_in_a_retry(api, threads):
    posts = page({"id": "a", "timestamp": AT, "has_replies": False}, after="x")
    api.says("GET /1/threads", posts)
    with pytest.raises(RetryLater, match="circle"):
        async with aclosing(threads.watched_posts(ACCESS, since=SINCE, known=())) as pages:
            _ = [one async for one in pages]


@pytest.mark.parametrize(
    "said",
    [
        Said(b"<html>Bad Gateway</html>", 502),
        Said(b"<html>hello</html>"),
        Said(b'{"data": [{"id": "1", "te'),
        Said({"data": {}}),
        Said([]),
        Said({"error": {"code": 100, "error_subcode": 33, "message": "no"}}, 400),
        Said({"error": {"code": 2, "message": "down"}}, 500),
        Said({"data": [], "paging": {"next": "https://elsewhere"}}),
    ],
)
async def test_unreadable_answer_to_a_reading_is_asked_for_again(api, facebook, said):
    api.says("GET /9/comments", said)
    with pytest.raises(RetryLater):
        await facebook.read_comments(ACCESS, "9", None)


@pytest.mark.parametrize(("headers", "wait_s"), [({"Retry-After": "7"}, 7), ({}, 60)])
async def test_throttled_reading_says_how_long(api, facebook, youtube, headers, wait_s):
    api.says("GET /9/comments", Said(b"slow down", 429, headers))
    with pytest.raises(Throttled) as caught:
        await facebook.read_comments(ACCESS, "9", None)
    assert caught.value.retry_after_s == wait_s
    api.says("GET /commentThreads", Said(b"slow down", 429, headers))
    with pytest.raises(Throttled) as caught:
        await youtube.read_comments(ACCESS, "v", None)
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    "said",
    [
        Said(b"<html>Bad Gateway</html>", 502),
        Said(b'{"id": "1'),
        Said({}),
        Said({"error": {"code": 4, "error_subcode": 2207051}}, 403),
        Said({"error": {"code": 1}}, 500),
    ],
)
async def test_doubtful_answer_to_a_reply_is_an_unknown_outcome(api, facebook, said):
    api.says("POST /5/comments", said)
    with pytest.raises(OutcomeUnknown):
        await facebook.reply(ACCESS, "9", "5", "답", MemoryParts())
    assert len(api.asked) == 1


async def test_facebook_finds_a_threads_beginning_and_reels_beside_posts(api, facebook):
    def said(number: str, parent: str | None) -> dict[str, object]:
        answered = {} if parent is None else {"parent": {"id": parent}}
        return {"id": number, "message": "", "created_time": AT, "is_hidden": True, **answered}

    api.says("GET /9/comments", page(said("3", "2"), said("2", "1"), said("1", None)))
    found = (await facebook.read_comments(ACCESS, "9", None)).comments
    assert [(one.thread_id, one.parent_id) for one in found] == [
        ("1", "2"),
        ("1", "1"),
        ("1", None),
    ]
    assert all(one.is_hidden for one in found)
    assert api.asked[0].query["filter"] == "stream"
    count = {"data": [{"id": "c"}], "summary": {"total_count": 2}}
    api.says("GET /1/published_posts", page({"id": "a", "created_time": AT, "comments": count}))
    api.says("GET /1/video_reels", page({"id": "b", "created_time": AT}))
    async with aclosing(facebook.watched_posts(ACCESS, since=SINCE, known=())) as pages:
        seen = [one async for posts in pages for one in posts]
    assert [(one.post_id, one.mark, one.comment_count) for one in seen] == [
        ("a", "2:c", 2),
        ("b", None, None),
    ]


async def test_threads_reply_is_prepared_once_and_kept_before_it_is_seen(api, threads):
    parts = MemoryParts()
    api.says("POST /1/threads", {"id": "k1"})
    api.says("GET /k1", {"id": "k1", "status": "FINISHED"})
    early = Said({"error": {"code": 24, "error_subcode": 2207008}}, 400)
    api.says("POST /1/threads_publish", early, {"id": "r1"})
    with pytest.raises(RetryLater):
        await threads.reply(ACCESS, "9", "5", "답", parts)
    assert parts.kept == {"container_id": "k1"}
    assert await threads.reply(ACCESS, "9", "5", "답", parts) == "r1"
    assert [one.path for one in api.asked].count("/1/threads") == 1


async def test_threads_reply_that_was_published_before_is_not_published_again(api, threads):
    parts = MemoryParts({"container_id": "k1"})
    api.says("GET /k1", {"id": "k1", "status": "PUBLISHED"})
    with pytest.raises(OutcomeUnknown):
        await threads.reply(ACCESS, "9", "5", "답", parts)
    assert [one.method for one in api.asked] == ["GET"]
    api.says("GET /5/replies", page())
    with pytest.raises(RetryLater, match="not listed"):
        await threads.own_replies(ACCESS, "9", "5", SINCE, parts)


async def test_threads_makes_a_new_container_when_the_kept_one_expired(api, threads):
    parts = MemoryParts({"container_id": "k1"})
    api.says("GET /k1", {"id": "k1", "status": "EXPIRED"})
    api.says("POST /1/threads", {"id": "k2"})
    api.says("GET /k2", {"id": "k2", "status": "FINISHED"})
    api.says("POST /1/threads_publish", {"id": "r1"})
    assert await threads.reply(ACCESS, "9", "5", "답", parts) == "r1"
    assert parts.kept == {"container_id": "k2"}


async def test_hiding_that_is_not_confirmed_is_said_again(api, threads):
    api.says("POST /5/manage_reply", {"success": False}, {"success": True})
    with pytest.raises(RetryLater):
        await threads.set_hidden(ACCESS, "5", is_hidden=True)
    await threads.set_hidden(ACCESS, "5", is_hidden=False)
    assert [one.form["hide"] for one in api.asked] == ["true", "false"]


async def test_youtube_comments_that_are_turned_off_are_none_and_no_fault(api, youtube):
    api.says("GET /commentThreads", youtube_error(403, "commentsDisabled"))
    found = await youtube.read_comments(ACCESS, "v", None)
    assert (found.comments, found.cursor) == ((), None)


async def test_youtube_thread_says_whether_its_replies_are_all(api, youtube):
    reply = youtube_comment("t1.r", parentId="t1", updatedAt="2026-11-21T00:00:00Z")
    bad = youtube_comment("t3.r", publishedAt="2026-11-21")
    api.says(
        "GET /commentThreads",
        {
            "items": [
                youtube_thread("t1", reply),
                youtube_thread("t2", total=9),
                youtube_thread("t3", bad),
                {"id": "t4"},
            ],
            "nextPageToken": "n",
        },
    )
    found = await youtube.read_comments(ACCESS, "v", None)
    assert [one.comment_id for one in found.comments] == ["t1", "t1.r", "t2", "t3"]
    by_id = {one.comment_id: one for one in found.comments}
    assert [by_id[one].has_all_replies for one in ("t1", "t2", "t3")] == [True, False, False]
    assert by_id["t2"].reply_count == 9
    assert by_id["t1"].edited_at is None
    assert by_id["t1.r"].edited_at == datetime(2026, 11, 21, tzinfo=UTC)
    with pytest.raises(RetryLater, match="circle"):
        await youtube.read_comments(ACCESS, "v", found.cursor)


async def test_youtube_watches_known_videos_by_fifties_and_looks_for_new_ones(api, youtube):
    def video(number: str, privacy: str = "public", **statistics: str) -> dict[str, object]:
        return {
            "id": number,
            "snippet": {"publishedAt": "2026-11-20T10:00:00Z"},
            "statistics": statistics,
            "status": {"privacyStatus": privacy},
        }

    def upload(number: str) -> dict[str, object]:
        return {
            "contentDetails": {"videoId": number},
            "snippet": {"publishedAt": "2026-11-20T10:00:00Z"},
        }

    known = [f"k{number}" for number in range(60)]
    playlist = {"contentDetails": {"relatedPlaylists": {"uploads": "UU1"}}}
    api.says("GET /channels", {"items": [playlist]})
    api.says("GET /playlistItems", {"items": [upload("n1"), upload("k0")], "nextPageToken": "x"})
    api.says(
        "GET /videos",
        {"items": [video("k0", commentCount="3"), video("k1", "private", commentCount="0")]},
        {"items": [video("k50")]},
        {"items": [video("n1", commentCount="0")]},
    )
    async with aclosing(youtube.watched_posts(ACCESS, since=SINCE, known=known)) as pages:
        seen = [one async for posts in pages for one in posts]
    assert [(one.post_id, one.mark, one.comment_count, one.is_closed) for one in seen] == [
        ("k0", "3", 3, False),
        ("k50", None, None, True),
        ("n1", "0", 0, False),
    ]
    asked = [len(one.query["id"].split(",")) for one in api.asked if one.path == "/videos"]
    assert asked == [50, 10, 1]


async def test_youtube_thread_that_takes_no_replies_costs_no_try(api, youtube):
    thread = youtube_thread("t1")
    thread["snippet"]["canReply"] = False
    api.says("GET /commentThreads", {"items": [thread]})
    with pytest.raises(InputInvalid, match="답글을 달 수 없습니다"):
        await youtube.reply(ACCESS, "v", "t1", "답", MemoryParts())
    assert [one.method for one in api.asked] == ["GET"]


async def test_youtube_reply_to_a_comment_that_is_gone_is_refused(api, youtube):
    api.says("GET /commentThreads", youtube_error(404, "commentThreadNotFound"))
    api.says("GET /comments", {"items": []})
    with pytest.raises(InputInvalid, match="작성자가 지웠을"):
        await youtube.reply(ACCESS, "v", "t1", "답", MemoryParts())


async def test_youtube_spent_quota_holds_the_whole_app(api, youtube):
    api.says("GET /commentThreads", youtube_error(403, "quotaExceeded"))
    with pytest.raises(QuotaSpent) as caught:
        await youtube.read_comments(ACCESS, "v", None)
    assert caught.value.scope == "app"


async def test_comment_of_another_is_not_deleted_on_youtube_nor_threads(api, youtube, threads):
    api.says("GET /comments", {"items": [youtube_comment("t1")]})
    with pytest.raises(Unsupported, match="숨겨 주세요"):
        await youtube.delete_comment(ACCESS, "t1")
    api.says("GET /5", {"id": "5", "is_reply_owned_by_me": False})
    with pytest.raises(Unsupported, match="숨겨 주세요"):
        await threads.delete_comment(ACCESS, "5")
    assert {one.method for one in api.asked} == {"GET"}


async def test_broken_road_of_one_method_leaves_the_others_open():
    inbox = FakeInbox(tokens={"1": "token"})
    post_id = inbox.add_post("1", posted_at=datetime.now(UTC))
    (comment_id,) = [inbox.add_comment(post_id, "질문")]
    lost = [RetryLater("cut", code="connection-lost") for _ in range(5)]
    inbox.failures["watched_posts"] = lost
    guarded = GuardedInbox(inbox, "fake")
    since = datetime.now(UTC) - timedelta(hours=1)
    for _ in range(5):
        with pytest.raises(RetryLater):
            await anext(guarded.watched_posts(ACCESS, since=since, known=()))
    with pytest.raises(CircuitOpen):
        await anext(guarded.watched_posts(ACCESS, since=since, known=()))
    page = await guarded.read_comments(ACCESS, post_id, None)
    assert [one.comment_id for one in page.comments] == [comment_id]
    assert guarded.traits == inbox.traits
