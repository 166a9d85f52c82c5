"""A platform's comments in memory, behind the port and under the adapters' own contract."""

import itertools
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from engine.errors import InputInvalid, PlatformError, ReconnectNeeded, Unsupported
from engine.ports import (
    AccountAccess,
    CommentPage,
    FoundComment,
    InboxTraits,
    LiveComment,
    Parts,
    SeenPost,
)

TRAITS = InboxTraits(
    lists_by_time=False, can_hide=True, can_delete=True, is_pushed=True, reply_limit=2200
)


@dataclass
class FakePost:
    account: str
    post_id: str
    posted_at: datetime
    is_closed: bool = False


@dataclass
class FakeInbox:
    """Knows the accounts it is given tokens for; fails as told, once for each entry.

    Attributes:
        tokens: the good token of each account.
        traits: as of the platform that it stands for; ``lists_by_time`` changes its lists.
        page_size: threads, or comments, of a page.
        inlined: replies that come along with their thread, where lists are not by time.
        has_marks: posts are listed with marks.
        failures: method name → errors to raise, in order, *without* doing anything.
        failures_after: the same, raised *after* it was done.
        calls: what was called: (method, account, argument).
        comments: everything there is, oldest first.
    """

    tokens: dict[str, str] = field(default_factory=dict)
    traits: InboxTraits = TRAITS
    page_size: int = 50
    inlined: int = 3
    has_marks: bool = True
    failures: dict[str, list[PlatformError]] = field(default_factory=dict)
    failures_after: dict[str, list[PlatformError]] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    posts: dict[str, FakePost] = field(default_factory=dict)
    comments: list[FoundComment] = field(default_factory=list)
    is_closed: bool = False
    _numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    def add_post(self, account: str, *, posted_at: datetime | None = None) -> str:
        """A live post; gives its id."""
        post_id = f"post-{next(self._numbers)}"
        instant = (posted_at or datetime.now(UTC)).replace(microsecond=0)
        self.posts[post_id] = FakePost(account, post_id, instant)
        return post_id

    def add_comment(
        self,
        post_id: str,
        text: str,
        *,
        author: str | None = "손님",
        author_id: str | None = "guest",
        parent: str | None = None,
        at: datetime | None = None,
        is_hidden: bool = False,
    ) -> str:
        """A comment that somebody wrote; gives its id."""
        comment_id = f"comment-{next(self._numbers)}"
        answered = None if parent is None else self._comment(parent)
        self.comments.append(
            FoundComment(
                comment_id=comment_id,
                post_id=post_id,
                thread_id=comment_id if answered is None else answered.thread_id,
                parent_id=parent,
                text=text,
                commented_at=(at or datetime.now(UTC)).replace(microsecond=0),
                author_id=author_id,
                author_name=author,
                is_own=author_id == self.posts[post_id].account,
                is_hidden=is_hidden,
                like_count=0,
            )
        )
        return comment_id

    def edit_comment(self, comment_id: str, text: str) -> None:
        """Its author changes it."""
        self._change(comment_id, text=text, edited_at=datetime.now(UTC))

    def remove_comment(self, comment_id: str) -> None:
        """It goes, and with what began a thread all of that."""
        self.comments = [
            one for one in self.comments if comment_id not in (one.comment_id, one.thread_id)
        ]

    async def watched_posts(
        self, access: AccountAccess, *, since: datetime, known: Sequence[str]
    ) -> AsyncGenerator[Sequence[SeenPost], None]:
        self._begin("watched_posts", access, since.isoformat())
        self._end("watched_posts")
        oldest = since.replace(microsecond=0)
        own = [
            post
            for post in reversed(self.posts.values())
            if post.account == access.platform_user_id and post.posted_at >= oldest
        ]
        for start in range(0, len(own), self.page_size):
            yield [self._seen(post) for post in own[start : start + self.page_size]]

    def _seen(self, post: FakePost) -> SeenPost:
        found = [one for one in self.comments if one.post_id == post.post_id]
        newest = found[-1].comment_id if found else ""
        mark = f"{len(found)}:{newest}" if self.has_marks else None
        return SeenPost(post.post_id, post.posted_at, len(found), mark, post.is_closed)

    async def read_comments(
        self, access: AccountAccess, post_id: str, cursor: str | None
    ) -> CommentPage:
        self._begin("read_comments", access, post_id)
        self._end("read_comments")
        found = [one for one in reversed(self.comments) if one.post_id == post_id]
        if self.traits.lists_by_time:
            return self._page(found, cursor)
        tops = [one for one in found if one.parent_id is None]
        page = self._page(tops, cursor)
        return replace(
            page, comments=tuple(one for top in page.comments for one in self._thread(top))
        )

    def _thread(self, top: FoundComment) -> list[FoundComment]:
        replies = self._replies(top.comment_id)
        came = replies[: self.inlined]
        is_whole = len(came) == len(replies)
        return [replace(top, reply_count=len(replies), has_all_replies=is_whole), *came]

    async def read_replies(
        self, access: AccountAccess, post_id: str, thread_id: str, cursor: str | None
    ) -> CommentPage:
        self._begin("read_replies", access, thread_id)
        self._end("read_replies")
        return self._page(self._replies(thread_id), cursor)

    def _replies(self, thread_id: str) -> list[FoundComment]:
        return [
            one
            for one in self.comments
            if one.thread_id == thread_id and one.comment_id != thread_id
        ]

    def _page(self, found: list[FoundComment], cursor: str | None) -> CommentPage:
        start = 0 if cursor is None else int(cursor)
        end = start + self.page_size
        return CommentPage(tuple(found[start:end]), str(end) if end < len(found) else None)

    async def reply(
        self, access: AccountAccess, post_id: str, comment_id: str, text: str, parts: Parts
    ) -> str:
        self._begin("reply", access, comment_id)
        answered = self._comment(comment_id)
        if answered is None or answered.is_hidden:
            raise InputInvalid("no such comment", code="100")
        reply_id = self.add_comment(
            post_id,
            text,
            author="나",
            author_id=access.platform_user_id,
            parent=answered.comment_id if self.traits.lists_by_time else answered.thread_id,
        )
        self._end("reply")
        return reply_id

    async def own_replies(
        self, access: AccountAccess, post_id: str, comment_id: str, since: datetime, parts: Parts
    ) -> Sequence[LiveComment]:
        self._begin("own_replies", access, comment_id)
        self._end("own_replies")
        answered, oldest = self._comment(comment_id), since.replace(microsecond=0)
        return [
            LiveComment(one.comment_id, one.text, one.commented_at)
            for one in reversed(self._replies(answered.thread_id if answered else comment_id))
            if one.is_own and one.commented_at >= oldest
        ]

    async def set_hidden(self, access: AccountAccess, comment_id: str, *, is_hidden: bool) -> None:
        self._begin("set_hidden", access, comment_id)
        if not self.traits.can_hide:
            raise Unsupported("cannot hide", code="unsupported")
        self._change(comment_id, is_hidden=is_hidden)
        self._end("set_hidden")

    async def delete_comment(self, access: AccountAccess, comment_id: str) -> None:
        self._begin("delete_comment", access, comment_id)
        found = self._comment(comment_id)
        if found is not None and not found.is_own and not self.traits.can_delete:
            raise Unsupported("cannot delete", code="unsupported")
        self.remove_comment(comment_id)
        self._end("delete_comment")

    async def close(self) -> None:
        self.is_closed = True

    def shift(self, by: timedelta) -> None:
        """Make all posts and comments older."""
        for post in self.posts.values():
            post.posted_at -= by
        self.comments = [replace(one, commented_at=one.commented_at - by) for one in self.comments]

    def _comment(self, comment_id: str) -> FoundComment | None:
        return next((one for one in self.comments if one.comment_id == comment_id), None)

    def _change(self, comment_id: str, **changes: object) -> None:
        self.comments = [
            replace(one, **changes) if one.comment_id == comment_id else one
            for one in self.comments
        ]

    def _begin(self, method: str, access: AccountAccess, argument: str) -> None:
        self.calls.append((method, access.platform_user_id, argument))
        if self.failures.get(method):
            raise self.failures[method].pop(0)
        if self.tokens.get(access.platform_user_id) != access.token.reveal():
            raise ReconnectNeeded("unknown token", code="190")

    def _end(self, method: str) -> None:
        if self.failures_after.get(method):
            raise self.failures_after[method].pop(0)
