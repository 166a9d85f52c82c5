"""What the comments of Meta's three platforms have in common on the wire."""

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from engine.errors import ContainerGone, InputInvalid, OutcomeUnknown, PlatformError
from engine.platforms.comment_rows import understood
from engine.platforms.graph import PAGE_LIMIT, GraphClient, id_of, segment, unreadable
from engine.platforms.list_trail import onward, place_of
from engine.ports import AccountAccess, CommentPage, FoundComment, SeenPost

NAME_GOOD_FOR_S: Final = 3600.0  # people rename their accounts, seldom
NAMES_KEPT: Final = 10_000  # accounts


class OwnNames:
    """The accounts' names on the platform, each asked for once an hour.

    Args:
        monotonic: seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._names: OrderedDict[str, tuple[float, str | None]] = OrderedDict()

    async def read(self, graph: GraphClient, access: AccountAccess, post_id: str) -> str | None:
        """The name of the owner of a post, which is the account's; None if it is not said."""
        now, known = self._monotonic(), self._names.get(access.platform_user_id)
        if known is not None and now - known[0] < NAME_GOOD_FOR_S:
            return known[1]
        value = await graph.get(access, f"/{segment(post_id)}", {"fields": "username"})
        given = value.get("username")
        name = given if isinstance(given, str) and given else None
        self._names[access.platform_user_id] = (now, name)
        self._names.move_to_end(access.platform_user_id)
        while len(self._names) > NAMES_KEPT:
            self._names.popitem(last=False)
        return name


async def seen_posts(
    graph: GraphClient,
    access: AccountAccess,
    path: str,
    parameters: Mapping[str, str],
    since: datetime,
    read: Callable[[Any], SeenPost],
) -> AsyncGenerator[list[SeenPost], None]:
    """The posts of a list that is newest first, page by page, down to ``since``.

    Raises:
        RetryLater: the list runs in a circle, or does not end.
    """
    oldest = since.replace(microsecond=0)  # the platform prints whole seconds
    trail: str | None = None
    for _ in range(PAGE_LIMIT):
        rows, cursor = await graph.page(access, path, parameters, place_of(trail))
        posts = understood(rows, read, what="post")
        yield [post for post in posts if post.posted_at >= oldest]
        trail = onward(trail, cursor)
        if trail is None or (posts and posts[-1].posted_at < oldest):
            return
    raise unreadable("a list of posts that does not end")


async def comment_page(
    graph: GraphClient,
    access: AccountAccess,
    path: str,
    parameters: Mapping[str, str],
    cursor: str | None,
    read: Callable[[list[Any]], list[FoundComment]],
) -> CommentPage:
    """One page of comments; ``read`` makes them of the page's rows."""
    rows, following = await graph.page(access, path, parameters, place_of(cursor))
    return CommentPage(tuple(read(rows)), onward(cursor, following))


async def reply_visibly(
    graph: GraphClient, access: AccountAccess, path: str, parameters: Mapping[str, str]
) -> str:
    """Send an answer, once; gives its id.

    Raises:
        InputInvalid: the comment is no longer there.
        OutcomeUnknown: it may have been sent.
    """
    try:
        value = await graph.post_visibly(access, path, parameters)
    except ContainerGone as gone:
        raise comment_is_gone(gone) from None
    return id_of(value, OutcomeUnknown)


def comment_is_gone(gone: PlatformError) -> InputInvalid:
    """The platform has no such comment to answer."""
    return InputInvalid(
        "답글을 달 댓글이 없습니다. 작성자가 지웠을 수 있습니다.",
        code=gone.code,
        english="The comment to answer is not there; its author may have deleted it.",
        evidence=gone.evidence,
    )


async def change_comment(
    graph: GraphClient, access: AccountAccess, path: str, parameters: Mapping[str, str]
) -> None:
    """Change what may be changed again.

    Raises:
        RetryLater: the platform does not say that it did so.
    """
    value = await graph.post(access, path, parameters)
    if value.get("success") is not True:
        raise unreadable("no word on whether it was done")


def beginning_of(parent_id: str, parents: Mapping[str, str]) -> str:
    """The comment that began a thread, as far up as a page tells.

    Args:
        parent_id: what the comment in question answers.
        parents: what each comment of the page answers.
    """
    seen = set()
    while parent_id in parents and parent_id not in seen:
        seen.add(parent_id)
        parent_id = parents[parent_id]
    return parent_id
