"""Instagram's comments: threads of two levels, newest thread first, replies beside them.

Absent from every list, by the platform's rules: comments of restricted and age-gated people, and
those under advertisements. Comments cannot be edited there.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/comment-moderation
and the reference pages ig-media/comments, ig-comment and ig-comment/replies.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any, Final

from engine.errors import InputInvalid
from engine.platforms.comment_rows import MISREAD, count_in, id_in, name_in, text_in, understood
from engine.platforms.graph import GraphClient, instant_of, own_comments, segment
from engine.platforms.graph_comments import (
    OwnNames,
    change_comment,
    comment_page,
    reply_visibly,
    seen_posts,
)
from engine.platforms.usage import UsageBook
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
    lists_by_time=False, can_hide=True, can_delete=True, is_pushed=True, reply_limit=2200
)
PAGE: Final = "50"  # comments, the platform's most
OF_COMMENT: Final = "id,text,timestamp,username,from{id,username},like_count,hidden,parent_id"
THREAD_FIELDS: Final = f"{OF_COMMENT},replies.limit({PAGE}){{{OF_COMMENT}}}"
POST_FIELDS: Final = "id,timestamp,comments_count,comments.limit(1){id,timestamp}"


class InstagramInbox:
    """``engine.ports.InboxClient`` for Instagram.

    Args:
        base_url: with the version, such as ``https://graph.instagram.com/v25.0``.
        publish_timeout_s: seconds until a reply without an answer has an unknown outcome.
        app_secret: when given, every token goes with its ``appsecret_proof``.
        usage: what is known of the limits of calls; this client's own when not given.
    """

    def __init__(
        self,
        base_url: str,
        *,
        publish_timeout_s: float = 30.0,
        app_secret: str | None = None,
        usage: UsageBook | None = None,
    ) -> None:
        self._graph = GraphClient(
            base_url, publish_timeout_s=publish_timeout_s, app_secret=app_secret, usage=usage
        )
        self._names = OwnNames()

    @property
    def traits(self) -> InboxTraits:
        """See the port."""
        return TRAITS

    async def watched_posts(
        self, access: AccountAccess, *, since: datetime, known: Sequence[str]
    ) -> AsyncGenerator[Sequence[SeenPost], None]:
        """See the port. The mark is the number of comments and the newest one's id."""
        path = f"/{segment(access.platform_user_id)}/media"
        asked = {"fields": POST_FIELDS, "limit": "100"}
        pages = seen_posts(self._graph, access, path, asked, since, _post_of)
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def read_comments(
        self, access: AccountAccess, post_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port; each thread is followed by what replies came with it."""
        name = await self._names.read(self._graph, access, post_id)
        return await comment_page(
            self._graph,
            access,
            f"/{segment(post_id)}/comments",
            {"fields": THREAD_FIELDS, "limit": PAGE},
            cursor,
            partial(_threads_of, author=Author(access.platform_user_id, name), post_id=post_id),
        )

    async def read_replies(
        self, access: AccountAccess, post_id: str, thread_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port."""
        name = await self._names.read(self._graph, access, post_id)
        author = Author(access.platform_user_id, name)
        return await comment_page(
            self._graph,
            access,
            f"/{segment(thread_id)}/replies",
            {"fields": OF_COMMENT, "limit": PAGE},
            cursor,
            partial(_replies_of, author=author, post_id=post_id, thread_id=thread_id),
        )

    async def reply(
        self, access: AccountAccess, post_id: str, comment_id: str, text: str, parts: Parts
    ) -> str:
        """See the port. What answers a reply lands in its thread, so the thread is answered."""
        comment = await self._comment(access, comment_id)
        if comment.get("hidden") is True:
            raise InputInvalid(
                "숨긴 댓글에는 답글을 달 수 없습니다. 숨김을 해제한 뒤 다시 보내 주세요.",
                code="comment-hidden",
                english="A hidden comment cannot be answered; show it again first.",
            )
        path = f"/{segment(_thread_of(comment, comment_id))}/replies"
        return await reply_visibly(self._graph, access, path, {"message": text})

    async def own_replies(
        self, access: AccountAccess, post_id: str, comment_id: str, since: datetime, parts: Parts
    ) -> Sequence[LiveComment]:
        """See the port. Replies whose author the platform does not name are among them."""
        name = await self._names.read(self._graph, access, post_id)
        thread_id = _thread_of(await self._comment(access, comment_id), comment_id)
        rows = await self._graph.rows(
            access, f"/{segment(thread_id)}/replies", {"fields": OF_COMMENT, "limit": PAGE}
        )
        return own_comments(rows, access, since, text="text", instant="timestamp", username=name)

    async def set_hidden(self, access: AccountAccess, comment_id: str, *, is_hidden: bool) -> None:
        """See the port."""
        hide = "true" if is_hidden else "false"
        await change_comment(self._graph, access, f"/{segment(comment_id)}", {"hide": hide})

    async def delete_comment(self, access: AccountAccess, comment_id: str) -> None:
        """See the port."""
        await self._graph.delete(access, f"/{segment(comment_id)}")

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()

    async def _comment(self, access: AccountAccess, comment_id: str) -> dict[str, Any]:
        path = f"/{segment(comment_id)}"
        return await self._graph.get(access, path, {"fields": "id,hidden,parent_id"})


class Author:
    """Who the account is among those who comment.

    Its id may be one that only this app is shown, other than the account's own; then its name
    tells.
    """

    def __init__(self, account_id: str, name: str | None) -> None:
        self._account_id = account_id
        self._name = name

    def wrote(self, author_id: str | None, author_name: str | None) -> bool:
        """Whether the account is the author."""
        return author_id == self._account_id or (
            self._name is not None and author_name == self._name
        )


def _thread_of(comment: Mapping[str, Any], comment_id: str) -> str:
    return name_in(comment.get("parent_id")) or comment_id


def _post_of(row: Mapping[str, Any]) -> SeenPost:
    count = count_in(row.get("comments_count"))
    newest = ((row.get("comments") or {}).get("data") or [{}])[0].get("id", "")
    return SeenPost(
        post_id=id_in(row["id"]),
        posted_at=instant_of(row["timestamp"]),
        comment_count=count,
        mark=None if count is None else f"{count}:{newest}",
    )


def _threads_of(rows: list[Any], *, author: Author, post_id: str) -> list[FoundComment]:
    read = partial(_thread_rows, author=author, post_id=post_id)
    threads = understood(rows, read, what="instagram comment")
    return [comment for thread in threads for comment in thread]


def _thread_rows(row: Mapping[str, Any], *, author: Author, post_id: str) -> list[FoundComment]:
    """A thread: the comment that began it, then what came of its replies."""
    inlined, is_whole = _inlined(row)
    thread_id = id_in(row["id"])
    replies = []
    for one in inlined:
        try:
            replies.append(_comment_of(one, author=author, post_id=post_id, thread_id=thread_id))
        except MISREAD:
            is_whole = False  # they are read again by themselves, where a bad row is logged
    top = _comment_of(row, author=author, post_id=post_id, thread_id=None, is_whole=is_whole)
    return [top, *replies]


def _inlined(row: Mapping[str, Any]) -> tuple[list[Any], bool]:
    """The replies that came along with a comment, and whether these are all."""
    replies = row.get("replies")
    if replies is None:
        return [], True
    if not isinstance(replies, dict) or not isinstance(replies.get("data"), list):
        return [], False
    return replies["data"], "next" not in (replies.get("paging") or {})


def _replies_of(
    rows: list[Any], *, author: Author, post_id: str, thread_id: str
) -> list[FoundComment]:
    read = partial(_comment_of, author=author, post_id=post_id, thread_id=thread_id)
    return understood(rows, read, what="instagram comment")


def _comment_of(
    row: Mapping[str, Any],
    *,
    author: Author,
    post_id: str,
    thread_id: str | None,
    is_whole: bool = True,
) -> FoundComment:
    """One comment; ``thread_id`` is None for one that begins a thread."""
    comment_id = id_in(row["id"])
    writer = row.get("from")
    writer = writer if isinstance(writer, dict) else {}
    author_id = name_in(writer.get("id"))
    author_name = name_in(row.get("username")) or name_in(writer.get("username"))
    parent_id = None if thread_id is None else (name_in(row.get("parent_id")) or thread_id)
    return FoundComment(
        comment_id=comment_id,
        post_id=post_id,
        thread_id=thread_id or comment_id,
        parent_id=parent_id,
        text=text_in(row.get("text")),
        commented_at=instant_of(row["timestamp"]),
        author_id=author_id,
        author_name=author_name,
        is_own=author.wrote(author_id, author_name),
        is_hidden=row.get("hidden") is True,
        like_count=count_in(row.get("like_count")),
        has_all_replies=is_whole,
    )
