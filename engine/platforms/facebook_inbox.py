"""A Facebook Page's comments: one stream over all levels, newest first.

Replies come in the stream itself, so none has to be asked for beside it.

Comments are collected under posts and reels. A film published as a video stands among the posts
too, under its post's id; the list of videos is left out, or its comments would come twice.

Sources, read 2026-11-23: the fields and edges that facebook-business 26.0.3 generates for Page,
PagePost and Comment, and https://developers.facebook.com/docs/graph-api/reference/comment.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any, Final

from engine.platforms.comment_rows import count_in, id_in, name_in, text_in, understood
from engine.platforms.graph import GraphClient, instant_of, own_comments, segment
from engine.platforms.graph_comments import (
    beginning_of,
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
    lists_by_time=True, can_hide=True, can_delete=True, is_pushed=True, reply_limit=8000
)
LISTS: Final = ("published_posts", "video_reels")
POST_FIELDS: Final = (
    "id,created_time,"
    "comments.filter(stream).order(reverse_chronological).limit(1).summary(true){id}"
)
COMMENT_FIELDS: Final = (
    "id,message,created_time,from{id,name},parent{id},comment_count,is_hidden,like_count"
)
STREAM: Final = {"filter": "stream", "order": "reverse_chronological", "limit": "100"}


class FacebookInbox:
    """``engine.ports.InboxClient`` for Facebook Pages.

    Args:
        base_url: with the version, such as ``https://graph.facebook.com/v26.0``.
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

    @property
    def traits(self) -> InboxTraits:
        """See the port."""
        return TRAITS

    async def watched_posts(
        self, access: AccountAccess, *, since: datetime, known: Sequence[str]
    ) -> AsyncGenerator[Sequence[SeenPost], None]:
        """See the port. The mark is the number of comments and the newest one's id."""
        asked = {"fields": POST_FIELDS, "since": str(int(since.timestamp())), "limit": "100"}
        for edge in LISTS:
            path = f"/{segment(access.platform_user_id)}/{edge}"
            pages = seen_posts(self._graph, access, path, asked, since, _post_of)
            async with aclosing(pages):
                async for page in pages:
                    yield page

    async def read_comments(
        self, access: AccountAccess, post_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port."""
        return await self._page(access, post_id, post_id, None, cursor)

    async def read_replies(
        self, access: AccountAccess, post_id: str, thread_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port."""
        return await self._page(access, thread_id, post_id, thread_id, cursor)

    async def _page(
        self,
        access: AccountAccess,
        under: str,
        post_id: str,
        thread_id: str | None,
        cursor: str | None,
    ) -> CommentPage:
        page_id = access.platform_user_id
        return await comment_page(
            self._graph,
            access,
            f"/{segment(under)}/comments",
            {"fields": COMMENT_FIELDS, **STREAM},
            cursor,
            partial(_comments_of, page_id=page_id, post_id=post_id, thread_id=thread_id),
        )

    async def reply(
        self, access: AccountAccess, post_id: str, comment_id: str, text: str, parts: Parts
    ) -> str:
        """See the port."""
        path = f"/{segment(comment_id)}/comments"
        return await reply_visibly(self._graph, access, path, {"message": text})

    async def own_replies(
        self, access: AccountAccess, post_id: str, comment_id: str, since: datetime, parts: Parts
    ) -> Sequence[LiveComment]:
        """See the port.

        What answers a reply may be listed under the comment that began the thread, so all of that
        is read. Replies whose author the platform does not name are among them.
        """
        comment = await self._graph.get(
            access, f"/{segment(comment_id)}", {"fields": "id,parent{id}"}
        )
        thread_id = _parent_of(comment) or comment_id
        rows = await self._graph.rows(
            access,
            f"/{segment(thread_id)}/comments",
            {"fields": COMMENT_FIELDS, **STREAM, "since": str(int(since.timestamp()))},
        )
        return own_comments(rows, access, since, text="message", instant="created_time")

    async def set_hidden(self, access: AccountAccess, comment_id: str, *, is_hidden: bool) -> None:
        """See the port."""
        hide = "true" if is_hidden else "false"
        await change_comment(self._graph, access, f"/{segment(comment_id)}", {"is_hidden": hide})

    async def delete_comment(self, access: AccountAccess, comment_id: str) -> None:
        """See the port."""
        await self._graph.delete(access, f"/{segment(comment_id)}")

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()


def _post_of(row: Mapping[str, Any]) -> SeenPost:
    comments = row.get("comments") or {}
    count = count_in((comments.get("summary") or {}).get("total_count"))
    newest = (comments.get("data") or [{}])[0].get("id", "")
    return SeenPost(
        post_id=id_in(row["id"]),
        posted_at=instant_of(row["created_time"]),
        comment_count=count,
        mark=None if count is None else f"{count}:{newest}",
    )


def _comments_of(
    rows: list[Any], *, page_id: str, post_id: str, thread_id: str | None
) -> list[FoundComment]:
    parents = {
        str(row.get("id")): parent
        for row in rows
        if isinstance(row, dict) and (parent := _parent_of(row))
    }
    read = partial(
        _comment_of, page_id=page_id, post_id=post_id, thread_id=thread_id, parents=parents
    )
    return understood(rows, read, what="facebook comment")


def _parent_of(row: Mapping[str, Any]) -> str | None:
    parent = row.get("parent")
    return name_in(parent.get("id")) if isinstance(parent, dict) else None


def _comment_of(
    row: Mapping[str, Any],
    *,
    page_id: str,
    post_id: str,
    thread_id: str | None,
    parents: Mapping[str, str],
) -> FoundComment:
    comment_id, parent_id = id_in(row["id"]), _parent_of(row)
    writer = row.get("from")
    writer = writer if isinstance(writer, dict) else {}
    author_id = name_in(writer.get("id"))
    if parent_id is None and thread_id is not None:
        parent_id = thread_id
    return FoundComment(
        comment_id=comment_id,
        post_id=post_id,
        thread_id=thread_id
        or (comment_id if parent_id is None else beginning_of(parent_id, parents)),
        parent_id=parent_id,
        text=text_in(row.get("message")),
        commented_at=instant_of(row["created_time"]),
        author_id=author_id,
        author_name=name_in(writer.get("name")),
        is_own=author_id == page_id,
        is_hidden=row.get("is_hidden") is True,
        like_count=count_in(row.get("like_count")),
        reply_count=count_in(row.get("comment_count")) if parent_id is None else None,
    )
