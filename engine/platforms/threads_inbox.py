"""Threads' replies: one conversation over all levels, newest first.

A reply of ours is a container first, which nobody sees; its publishing alone is visible. The
container is kept before that, so that a lost answer has two witnesses: the list of replies, and the
container's own state. Threads tells authors by name only, and counts no replies.

Sources, read 2026-11-23: https://developers.facebook.com/docs/threads/reply-management,
retrieve-and-manage-replies and reference/publishing beside it.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any, Final

from engine.errors import (
    ContainerGone,
    NotReady,
    OutcomeUnknown,
    PlatformError,
    RetryLater,
    Unsupported,
)
from engine.platforms.comment_rows import count_in, id_in, name_in, text_in, understood
from engine.platforms.graph import (
    GraphClient,
    id_of,
    instant_of,
    says_missing,
    segment,
    unreadable,
    wait_for,
)
from engine.platforms.graph_comments import (
    beginning_of,
    change_comment,
    comment_page,
    seen_posts,
)
from engine.platforms.threads import REPLY_READY_WITHIN_S, STATES
from engine.platforms.usage import UsageBook
from engine.ports import (
    AccountAccess,
    CommentPage,
    ContainerReading,
    ContainerState,
    FoundComment,
    InboxTraits,
    LiveComment,
    Parts,
    SeenPost,
)

TRAITS: Final = InboxTraits(
    lists_by_time=True, can_hide=True, can_delete=False, is_pushed=True, reply_limit=500
)
POST_FIELDS: Final = "id,timestamp,has_replies"
REPLY_FIELDS: Final = "id,text,timestamp,username,replied_to,is_reply_owned_by_me,hide_status"
NEWEST_FIRST: Final = {"reverse": "true", "limit": "100"}
# COVERED is left out: such a reply is behind a notice, and anybody may open it.
UNSEEN: Final = frozenset({"HIDDEN", "BLOCKED", "RESTRICTED"})
CONTAINER: Final = "container_id"  # the name under which a reply's container is kept


class ThreadsInbox:
    """``engine.ports.InboxClient`` for Threads.

    Args:
        base_url: with the version, such as ``https://graph.threads.net/v1.0``.
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
        """See the port. A list tells only whether there are replies: those have to be read."""
        asked = {"fields": POST_FIELDS, "since": str(int(since.timestamp())), "limit": "100"}
        path = self._of(access, "threads")
        pages = seen_posts(self._graph, access, path, asked, since, _post_of)
        async with aclosing(pages):
            async for page in pages:
                yield page

    async def read_comments(
        self, access: AccountAccess, post_id: str, cursor: str | None
    ) -> CommentPage:
        """See the port.

        A reply names only what it answers. Where its thread began before this page, the thread's id
        is that of the furthest reply that the page tells of.
        """
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
        return await comment_page(
            self._graph,
            access,
            f"/{segment(under)}/conversation",
            {"fields": REPLY_FIELDS, **NEWEST_FIRST},
            cursor,
            partial(_replies_of, post_id=post_id, thread_id=thread_id),
        )

    async def reply(
        self, access: AccountAccess, post_id: str, comment_id: str, text: str, parts: Parts
    ) -> str:
        """See the port.

        Raises:
            OutcomeUnknown: the publishing call has no answer, or the kept container was published
                before.
            RetryLater: the container is not ready in time, or "does not exist" though it was just
                made, as Threads says now and then. Nothing is seen.
        """
        try:
            async with asyncio.timeout(REPLY_READY_WITHIN_S):
                container_id = await self._container(access, comment_id, text, parts)
                await wait_for(partial(self._read, access, container_id))
        except TimeoutError:
            raise RetryLater("the reply is still being prepared", code="not_ready") from None
        except (ContainerGone, NotReady) as early:
            raise _later(early) from None
        try:
            value = await self._graph.post_visibly(
                access, self._of(access, "threads_publish"), {"creation_id": container_id}
            )
        except (ContainerGone, NotReady) as early:
            raise _later(early) from None
        return id_of(value, OutcomeUnknown)

    async def _container(
        self, access: AccountAccess, comment_id: str, text: str, parts: Parts
    ) -> str:
        """The reply's container: the one that was kept, if it is still good, or a new one."""
        kept = parts.get(CONTAINER)
        if kept is not None:
            reading = await self._read(access, str(kept))
            if reading.state is ContainerState.PUBLISHED:
                raise OutcomeUnknown("the reply was published before", code="published-before")
            if reading.state not in (ContainerState.EXPIRED, ContainerState.FAILED):
                return str(kept)
            await parts.keep(**{CONTAINER: None})
        value = await self._graph.post(
            access,
            self._of(access, "threads"),
            {"media_type": "TEXT", "text": text, "reply_to_id": comment_id},
        )
        container_id = id_of(value, RetryLater)
        await parts.keep(**{CONTAINER: container_id})
        return container_id

    async def _read(self, access: AccountAccess, container_id: str) -> ContainerReading:
        try:
            value = await self._graph.get(
                access, f"/{segment(container_id)}", {"fields": "status,error_message"}
            )
        except PlatformError as error:
            if says_missing(error):
                return ContainerReading(ContainerState.UNKNOWN, str(error))
            raise
        state = STATES.get(str(value.get("status")))
        if state is None:
            raise unreadable("a container without a known status")
        return ContainerReading(state, str(value.get("error_message", "")))

    async def own_replies(
        self, access: AccountAccess, post_id: str, comment_id: str, since: datetime, parts: Parts
    ) -> Sequence[LiveComment]:
        """See the port. A container that is kept and not published says that there is none.

        Raises:
            RetryLater: also when the container is published and the list does not show it yet.
        """
        oldest = since.replace(microsecond=0)
        rows = await self._graph.rows(
            access, f"/{segment(comment_id)}/replies", {"fields": REPLY_FIELDS, **NEWEST_FIRST}
        )
        try:
            own = [
                LiveComment(str(row["id"]), text_in(row.get("text")), instant_of(row["timestamp"]))
                for row in rows
                if row.get("is_reply_owned_by_me")
            ]
        except (KeyError, TypeError, ValueError):
            raise unreadable("a reply without id or time") from None
        found = [reply for reply in own if reply.posted_at >= oldest]
        kept = parts.get(CONTAINER)
        if kept is not None:
            reading = await self._read(access, str(kept))
            if reading.state in (ContainerState.READY, ContainerState.IN_PROGRESS):
                return []  # what the list shows in the same words is another reply
            if not found and reading.state is ContainerState.PUBLISHED:
                raise RetryLater("published, and not listed yet", code="not-listed-yet")
        return sorted(found, key=lambda reply: reply.posted_at, reverse=True)

    async def set_hidden(self, access: AccountAccess, comment_id: str, *, is_hidden: bool) -> None:
        """See the port. Hiding a reply hides what was answered to it."""
        path = f"/{segment(comment_id)}/manage_reply"
        await change_comment(self._graph, access, path, {"hide": "true" if is_hidden else "false"})

    async def delete_comment(self, access: AccountAccess, comment_id: str) -> None:
        """See the port; only what the account itself wrote can be deleted."""
        path = f"/{segment(comment_id)}"
        try:
            reply = await self._graph.get(access, path, {"fields": "id,is_reply_owned_by_me"})
        except PlatformError as error:
            if says_missing(error):
                return
            raise
        if reply.get("is_reply_owned_by_me") is not True:
            raise Unsupported(
                "스레드에서는 다른 사람의 답글을 지울 수 없습니다. 대신 숨겨 주세요.",
                code="unsupported",
            )
        await self._graph.delete(access, path)

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()

    def _of(self, access: AccountAccess, edge: str) -> str:
        return f"/{segment(access.platform_user_id)}/{edge}"


def _later(early: PlatformError) -> RetryLater:
    return RetryLater(str(early), code=early.code, evidence=early.evidence)


def _post_of(row: Mapping[str, Any]) -> SeenPost:
    is_silent = row.get("has_replies") is False
    return SeenPost(
        post_id=id_in(row["id"]),
        posted_at=instant_of(row["timestamp"]),
        comment_count=0 if is_silent else None,
        mark="0" if is_silent else None,
    )


def _replies_of(rows: list[Any], *, post_id: str, thread_id: str | None) -> list[FoundComment]:
    parents = {
        str(row.get("id")): parent
        for row in rows
        if isinstance(row, dict) and (parent := _parent_of(row, post_id))
    }
    read = partial(_reply_of, post_id=post_id, thread_id=thread_id, parents=parents)
    return understood(rows, read, what="threads reply")


def _parent_of(row: Mapping[str, Any], post_id: str) -> str | None:
    """The reply that this one answers; None if it answers the post itself."""
    answered = row.get("replied_to")
    parent_id = name_in(answered.get("id")) if isinstance(answered, dict) else None
    return None if parent_id == post_id else parent_id


def _reply_of(
    row: Mapping[str, Any], *, post_id: str, thread_id: str | None, parents: Mapping[str, str]
) -> FoundComment:
    comment_id, parent_id = id_in(row["id"]), _parent_of(row, post_id)
    if parent_id is None and thread_id is not None:
        parent_id = thread_id
    return FoundComment(
        comment_id=comment_id,
        post_id=post_id,
        thread_id=thread_id
        or (comment_id if parent_id is None else beginning_of(parent_id, parents)),
        parent_id=parent_id,
        text=text_in(row.get("text")),
        commented_at=instant_of(row["timestamp"]),
        author_name=name_in(row.get("username")),
        is_own=row.get("is_reply_owned_by_me") is True,
        is_hidden=row.get("hide_status") in UNSEEN,
        like_count=count_in(row.get("like_count")),
    )
