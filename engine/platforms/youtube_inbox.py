"""YouTube's comments: threads of two levels, newest thread first, with a part of their replies.

Nothing is pushed, and every call costs units of the project's day, so as little as possible is
asked for: known videos by fifties, new ones from the newest page of uploads.

A hidden comment is a rejected one. A held one would look milder, but is kept 60 days at most and
waits in the channel's Studio for somebody to decide; a rejected one comes back when it is published
again. Neither is in the lists that are read here: a comment that was hidden stops being listed.

Sources, read 2026-11-25: the discovery document of youtube.v3, revision 20261104, and
https://developers.google.com/youtube/v3/docs/comments, commentThreads and determine_quota_cost.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from engine.errors import ContainerGone, InputInvalid, OutcomeUnknown, Unsupported
from engine.platforms.comment_rows import (
    MISREAD,
    count_in,
    id_in,
    name_in,
    text_in,
    understood,
)
from engine.platforms.graph_comments import comment_is_gone
from engine.platforms.list_trail import onward, place_of
from engine.platforms.youtube_api import PAGE_LIMIT, YouTubeApi, items_of, unreadable
from engine.platforms.youtube_resources import is_unseen
from engine.ports import (
    AccountAccess,
    CommentPage,
    FoundComment,
    InboxTraits,
    LiveComment,
    Parts,
    SeenPost,
)

TRAITS: Final = InboxTraits(
    lists_by_time=False, can_hide=True, can_delete=False, is_pushed=False, reply_limit=10_000
)
IDS_A_CALL: Final = 50  # videos
UPLOADS_KEPT: Final = 10_000  # channels whose list of uploads is remembered; it never changes
PLAIN: Final = {"textFormat": "plainText", "maxResults": "100"}
UNSEEN: Final = frozenset({"heldForReview", "likelySpam", "rejected"})


class YouTubeInbox:
    """``engine.ports.InboxClient`` for YouTube.

    Args:
        base_url: with the version, such as ``https://youtube.googleapis.com/youtube/v3``.
        publish_timeout_s: seconds until a reply without an answer has an unknown outcome.
        now: the present, aware.
    """

    def __init__(
        self,
        base_url: str,
        *,
        publish_timeout_s: float = 30.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = YouTubeApi(base_url, publish_timeout_s=publish_timeout_s, now=now)
        self._uploads: OrderedDict[str, str] = OrderedDict()  # playlist by channel

    @property
    def traits(self) -> InboxTraits:
        """See the port."""
        return TRAITS

    async def watched_posts(
        self, access: AccountAccess, *, since: datetime, known: Sequence[str]
    ) -> AsyncGenerator[Sequence[SeenPost], None]:
        """See the port. The mark is the number of comments; an edit does not change it.

        Videos that nobody sees are left out. One that becomes public long after its upload is found
        while it is on a page of uploads that is read: the pages down to the first with a video that
        is known.
        """
        oldest = since.replace(microsecond=0)
        for start in range(0, len(known), IDS_A_CALL):
            yield await self._seen(access, known[start : start + IDS_A_CALL], oldest)
        is_known = frozenset(known)
        trail: str | None = None
        for _ in range(PAGE_LIMIT):
            uploads, trail = await self._uploads_page(access, trail)
            if new := [video_id for video_id, _ in uploads if video_id not in is_known]:
                yield await self._seen(access, new, oldest)
            reaches_known = len(new) < len(uploads)
            if trail is None or reaches_known or (uploads and uploads[-1][1] < oldest):
                return
        raise unreadable("a list of uploads that does not end")

    async def _seen(
        self, access: AccountAccess, video_ids: Sequence[str], oldest: datetime
    ) -> list[SeenPost]:
        query = {
            "part": "snippet,statistics,status",
            "id": ",".join(video_ids),
            "maxResults": str(IDS_A_CALL),
        }
        items = items_of(await self._api.get(access, "/videos", query))
        public = [item for item in items if not is_unseen(item.get("status") or {})]
        posts = understood(public, _post_of, what="video")
        return [post for post in posts if post.posted_at >= oldest]

    async def _uploads_page(
        self, access: AccountAccess, trail: str | None
    ) -> tuple[list[tuple[str, datetime]], str | None]:
        """Ids of uploads and when they were uploaded, newest first, and the trail onward."""
        query = {
            "part": "snippet,contentDetails",
            "playlistId": await self._playlist(access),
            "maxResults": str(IDS_A_CALL),
        }
        try:
            items, following = await self._page(access, "/playlistItems", query, trail)
        except ContainerGone:
            return [], None  # a channel that never uploaded has no such list
        return understood(items, _upload_of, what="upload"), following

    async def _playlist(self, access: AccountAccess) -> str:
        """The channel's list of uploads."""
        channel_id = access.platform_user_id
        if channel_id in self._uploads:
            return self._uploads[channel_id]
        query = {"part": "contentDetails", "mine": "true"}
        channels = items_of(await self._api.get(access, "/channels", query))
        try:
            playlist = id_in(channels[0]["contentDetails"]["relatedPlaylists"]["uploads"])
        except MISREAD:
            raise unreadable("a channel without a list of uploads") from None
        self._uploads[channel_id] = playlist
        if len(self._uploads) > UPLOADS_KEPT:
            self._uploads.popitem(last=False)
        return playlist

    async def read_comments(
        self, access: AccountAccess, post_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port. A video whose comments are turned off has none, which is no fault."""
        query = {"part": "snippet,replies", "videoId": post_id, "order": "time", **PLAIN}
        try:
            items, following = await self._page(access, "/commentThreads", query, cursor)
        except InputInvalid as error:
            if error.code != "commentsDisabled":
                raise
            return CommentPage((), None)
        read = partial(_thread_of, channel_id=access.platform_user_id, post_id=post_id)
        threads = understood(items, read, what="youtube thread")
        return CommentPage(tuple(one for thread in threads for one in thread), following)

    async def read_replies(
        self, access: AccountAccess, post_id: str, thread_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port."""
        query = {"part": "snippet", "parentId": thread_id, **PLAIN}
        items, following = await self._page(access, "/comments", query, cursor)
        read = partial(
            _comment_of, channel_id=access.platform_user_id, post_id=post_id, thread_id=thread_id
        )
        return CommentPage(tuple(understood(items, read, what="youtube comment")), following)

    async def reply(
        self, access: AccountAccess, post_id: str, comment_id: str, text: str, parts: Parts
    ) -> str:
        """See the port. The thread is asked first: a reply that is refused costs as much as one.

        Raises:
            InputInvalid: the thread takes no replies, or is not there.
        """
        thread = await self._thread(access, comment_id)
        if (thread.get("snippet") or {}).get("canReply") is False:
            raise InputInvalid(
                "이 댓글에는 답글을 달 수 없습니다. 유튜브가 이 채널의 답글을 받지 않습니다.",
                code="cannot-reply",
                english="YouTube takes no reply of this channel to this comment.",
            )
        snippet = {"parentId": thread["id"], "textOriginal": text}
        try:
            made = await self._api.send_visibly(
                "POST", access, "/comments", {"part": "snippet"}, {"snippet": snippet}
            )
        except ContainerGone as gone:
            raise comment_is_gone(gone) from None
        reply_id = made.get("id")
        if not isinstance(reply_id, str) or not reply_id:
            raise OutcomeUnknown("a reply without an id", code="unreadable")
        return reply_id

    async def own_replies(
        self, access: AccountAccess, post_id: str, comment_id: str, since: datetime, parts: Parts
    ) -> Sequence[LiveComment]:
        """See the port. Replies whose author the platform does not name are among them.

        A reply that YouTube holds for review is in no list.
        """
        oldest = since.replace(microsecond=0)
        thread = await self._thread(access, comment_id)
        query = {"part": "snippet", "parentId": thread["id"], **PLAIN}
        found: list[LiveComment] = []
        async for items in self._api.pages(access, "/comments", query):
            try:
                found += [
                    _live(item)
                    for item in items
                    if _author_of(item) in (None, access.platform_user_id)
                ]
            except MISREAD:
                raise unreadable("a reply without id or time") from None
        young = {one.comment_id: one for one in found if one.posted_at >= oldest}
        return sorted(young.values(), key=lambda one: one.posted_at, reverse=True)

    async def _thread(self, access: AccountAccess, comment_id: str) -> dict[str, Any]:
        """The thread of a comment, whether that began it or answers in it.

        Raises:
            InputInvalid: there is none.
        """
        query = {"part": "snippet", "id": comment_id}
        thread = await self._item(access, "/commentThreads", query)
        if thread is not None:
            return thread
        comment = await self._item(access, "/comments", query)
        parent_id = name_in(((comment or {}).get("snippet") or {}).get("parentId"))
        if parent_id is not None:
            query["id"] = parent_id
            thread = await self._item(access, "/commentThreads", query)
        if thread is None:
            raise comment_is_gone(ContainerGone("no such comment", code="commentNotFound"))
        return thread

    async def _item(
        self, access: AccountAccess, path: str, query: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """The thing that ``query`` names by its id; None if there is none."""
        try:
            items = items_of(await self._api.get(access, path, query))
        except ContainerGone:
            return None
        return next((item for item in items if item.get("id") == query["id"]), None)

    async def set_hidden(self, access: AccountAccess, comment_id: str, *, is_hidden: bool) -> None:
        """See the port. Hiding what began a thread hides the thread."""
        status = "rejected" if is_hidden else "published"
        await self._api.change(
            access, "/comments/setModerationStatus", {"id": comment_id, "moderationStatus": status}
        )

    async def delete_comment(self, access: AccountAccess, comment_id: str) -> None:
        """See the port; only what the channel itself wrote can be deleted."""
        query = {"part": "snippet", "id": comment_id}
        comment = await self._item(access, "/comments", query)
        if comment is None:
            return
        if _author_of(comment) != access.platform_user_id:
            raise Unsupported(
                "유튜브에서는 다른 사람의 댓글을 지울 수 없습니다. 대신 숨겨 주세요.",
                code="unsupported",
            )
        await self._api.delete(access, "/comments", {"id": comment_id})

    async def close(self) -> None:
        """See the port."""
        await self._api.close()

    async def _page(
        self, access: AccountAccess, path: str, query: Mapping[str, str], trail: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """One page's items, and the trail to the next."""
        place = place_of(trail)
        value = await self._api.get(
            access, path, {**query, **({} if place is None else {"pageToken": place})}
        )
        following = value.get("nextPageToken")
        following = following if isinstance(following, str) and following else None
        return items_of(value), onward(trail, following)


def _post_of(video: Mapping[str, Any]) -> SeenPost:
    """A video; one without a number of comments is one that takes none."""
    statistics = video["statistics"]
    count = count_in(statistics.get("commentCount"))
    return SeenPost(
        post_id=id_in(video["id"]),
        posted_at=instant_of(video["snippet"]["publishedAt"]),
        comment_count=count,
        mark=None if count is None else str(count),
        is_closed="commentCount" not in statistics,
    )


def _upload_of(item: Mapping[str, Any]) -> tuple[str, datetime]:
    return id_in(item["contentDetails"]["videoId"]), instant_of(item["snippet"]["publishedAt"])


def _thread_of(thread: Mapping[str, Any], *, channel_id: str, post_id: str) -> list[FoundComment]:
    """A thread: the comment that began it, then those of its replies that came along."""
    snippet = thread["snippet"]
    top = snippet["topLevelComment"]
    thread_id = id_in(top["id"])
    total = count_in(snippet.get("totalReplyCount"))
    inlined = (thread.get("replies") or {}).get("comments") or []
    replies = []
    is_whole = total is not None and len(inlined) >= total
    for one in inlined:
        try:
            replies.append(
                _comment_of(one, channel_id=channel_id, post_id=post_id, thread_id=thread_id)
            )
        except MISREAD:
            is_whole = False  # they are read again by themselves, where a bad one is logged
    began = _comment_of(
        top,
        channel_id=channel_id,
        post_id=post_id,
        thread_id=None,
        reply_count=total,
        is_whole=is_whole,
    )
    return [began, *replies]


def _comment_of(
    comment: Mapping[str, Any],
    *,
    channel_id: str,
    post_id: str,
    thread_id: str | None,
    reply_count: int | None = None,
    is_whole: bool = True,
) -> FoundComment:
    """One comment; ``thread_id`` is None for one that began a thread."""
    comment_id, snippet = id_in(comment["id"]), comment["snippet"]
    commented_at = instant_of(snippet["publishedAt"])
    author_id = _author_of(comment)
    return FoundComment(
        comment_id=comment_id,
        post_id=post_id,
        thread_id=thread_id or comment_id,
        parent_id=None if thread_id is None else (name_in(snippet.get("parentId")) or thread_id),
        text=_text_of(snippet),
        commented_at=commented_at,
        author_id=author_id,
        author_name=name_in(snippet.get("authorDisplayName")),
        is_own=author_id == channel_id,
        is_hidden=snippet.get("moderationStatus") in UNSEEN,
        like_count=count_in(snippet.get("likeCount")),
        reply_count=reply_count,
        has_all_replies=is_whole,
        edited_at=_edited_at(snippet, commented_at),
    )


def _edited_at(snippet: Mapping[str, Any], commented_at: datetime) -> datetime | None:
    try:
        updated_at = instant_of(snippet["updatedAt"])
    except MISREAD:
        return None
    return updated_at if updated_at > commented_at else None


def _live(comment: Mapping[str, Any]) -> LiveComment:
    snippet = comment["snippet"]
    return LiveComment(id_in(comment["id"]), _text_of(snippet), instant_of(snippet["publishedAt"]))


def _text_of(snippet: Mapping[str, Any]) -> str:
    return text_in(snippet.get("textOriginal")) or text_in(snippet.get("textDisplay"))


def _author_of(comment: Mapping[str, Any]) -> str | None:
    """The author's channel; None where it is not named, as with a deleted one."""
    snippet = comment.get("snippet") or {}
    channel = snippet.get("authorChannelId")
    return name_in(channel.get("value")) if isinstance(channel, dict) else None


def instant_of(text: str) -> datetime:
    """RFC 3339, aware, in UTC; bad text is a ``ValueError``, as is a time without an offset."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("a time without an offset")
    return instant.astimezone(UTC)
