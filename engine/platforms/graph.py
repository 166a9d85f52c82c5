"""What Meta's three APIs share: parameters, proofs, answers, pages, and what an error means.

Instagram, Facebook Pages and Threads speak the same Graph dialect on different hosts. An adapter
says what to call; this client says what came of it.

Source: https://developers.facebook.com/docs/graph-api/overview, read 2026-11-23.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from engine.errors import (
    ContainerGone,
    InputInvalid,
    NotReady,
    OutcomeUnknown,
    PlatformError,
    RetryLater,
)
from engine.platforms.connection import Answer
from engine.platforms.meta_errors import refusal
from engine.platforms.transport import READ_TIMEOUT_S, Transport
from engine.platforms.usage import UsageBook
from engine.ports import (
    AccountAccess,
    ContainerReading,
    ContainerState,
    LiveComment,
    LivePost,
    Quota,
)

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
READY_WITHIN_S: Final = 300.0  # the platforms' advice: look for at most five minutes
PAGE_SIZE: Final = 100  # the platform's largest
PAGE_LIMIT: Final = 50  # 5,000 posts since an attempt is no list to match against any more


class GraphClient:
    """Calls to one Graph host.

    Args:
        base_url: with the version, such as ``https://graph.instagram.com/v25.0``.
        publish_timeout_s: seconds until a visible call without an answer has an unknown outcome.
        app_secret: when given, every token goes with its ``appsecret_proof``.
        usage: what is known of the limits of calls; this host's own when not given.

    Every call may raise ``Throttled`` before anything is sent: when an earlier answer said that a
    limit is spent. From 80 % of it on, calls that nobody can see wait a little first.
    """

    def __init__(
        self,
        base_url: str,
        *,
        publish_timeout_s: float,
        app_secret: str | None = None,
        usage: UsageBook | None = None,
    ) -> None:
        self._transport = Transport(base_url)
        self._usage = usage or UsageBook()
        self._publish_timeout_s = publish_timeout_s
        self._app_secret = app_secret

    async def get(
        self, access: AccountAccess, path: str, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        """Read one object.

        Raises:
            PlatformError: never ``OutcomeUnknown``: a lost answer may be asked for again.
        """
        await self._pace(access)
        try:
            answer = await self._transport.get(
                path, {**parameters, **self._proof(access)}, access.token
            )
        except OutcomeUnknown as lost:
            raise again(lost) from None
        return self._value_of(answer, access)

    async def post(
        self, access: AccountAccess, path: str, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        """Write what nobody can see, or what may be repeated.

        Raises:
            PlatformError: never ``OutcomeUnknown``: a lost answer may be asked for again.
        """
        await self._pace(access)
        try:
            answer = await self._transport.post(
                path,
                {**parameters, **self._proof(access)},
                access.token,
                timeout_s=READ_TIMEOUT_S,
            )
        except OutcomeUnknown as lost:
            raise again(lost) from None
        return self._value_of(answer, access)

    async def post_visibly(
        self, access: AccountAccess, path: str, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        """Write what people can see, once.

        Raises:
            OutcomeUnknown: it may have happened.
            PlatformError: it did not.
        """
        self._usage.check(access.platform_user_id)
        answer = await self._transport.post(
            path,
            {**parameters, **self._proof(access)},
            access.token,
            timeout_s=self._publish_timeout_s,
        )
        return self._value_of(answer, access, is_visible=True)

    async def delete(self, access: AccountAccess, path: str) -> bool:
        """Delete an object; gives False when the platform has none such. Idempotent."""
        await self._pace(access)
        try:
            answer = await self._transport.delete(path, self._proof(access), access.token)
            self._value_of(answer, access)
        except OutcomeUnknown as lost:
            raise again(lost) from None
        except PlatformError as error:
            if says_missing(error):
                return False
            raise
        return True

    async def rows(
        self, access: AccountAccess, path: str, parameters: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Every row of a list, over all its pages.

        Only a page without ``next`` is the last; an empty one may have more behind it. The next
        page is asked for by its cursor: the address in ``next`` is the platform's word, and the
        token goes nowhere but to the configured host.

        Raises:
            RetryLater: the list could not be read to its end.
        """
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        cursors = set()
        for _ in range(PAGE_LIMIT):
            data, cursor = await self.page(access, path, parameters, cursor)
            if not all(isinstance(row, dict) for row in data):
                raise unreadable("a page without data")
            rows.extend(data)
            if cursor is None:
                return rows
            if cursor in cursors:
                raise unreadable("a list that runs in a circle")
            cursors.add(cursor)
        raise unreadable("a list that does not end")

    async def page(
        self,
        access: AccountAccess,
        path: str,
        parameters: Mapping[str, str],
        cursor: str | None,
    ) -> tuple[list[Any], str | None]:
        """One page of a list, and the cursor of the next; None on the last.

        Raises:
            RetryLater: no list came.
        """
        wanted = {"limit": str(PAGE_SIZE), **parameters}
        if cursor is not None:
            wanted["after"] = cursor
        value = await self.get(access, path, wanted)
        data = value.get("data")
        if not isinstance(data, list):
            raise unreadable("a page without data")
        return data, _next_cursor(value)

    async def live_posts(
        self,
        access: AccountAccess,
        path: str,
        fields: str,
        since: datetime,
        post_of: Callable[[Mapping[str, Any]], LivePost],
    ) -> list[LivePost]:
        """What went live at or after ``since``, newest first, over all pages of a list.

        Raises:
            RetryLater: the list cannot be read to its end, or a row of it cannot be understood.
        """
        oldest = since.replace(microsecond=0)  # the platform prints whole seconds
        wanted = {"fields": fields, "since": str(int(oldest.timestamp()))}
        rows = await self.rows(access, path, wanted)
        try:
            posts = {post.post_id: post for post in map(post_of, rows)}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise unreadable("a post without id, kind or time") from None
        newest_first = sorted(posts.values(), key=lambda post: post.posted_at, reverse=True)
        return [post for post in newest_first if post.posted_at >= oldest]

    async def quota(self, access: AccountAccess, path: str) -> Quota:
        """How many posts of the rolling day are used, of how many."""
        value = await self.get(access, path, {"fields": "config,quota_usage"})
        try:
            (row,) = value["data"]
            return Quota(int(row["quota_usage"]), int(row["config"]["quota_total"]))
        except (KeyError, TypeError, ValueError):
            raise unreadable("a limit that cannot be read") from None

    async def link_of(self, access: AccountAccess, post_id: str, name: str) -> str | None:
        """A post's public link; None when the platform shows none, or no such post."""
        try:
            value = await self.get(access, f"/{segment(post_id)}", {"fields": name})
        except PlatformError as error:
            if says_missing(error):
                return None
            raise
        link = value.get(name)
        return link if isinstance(link, str) and link else None

    async def warm_up(self) -> None:
        """Have connections open."""
        await self._transport.warm_up()

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        await self._transport.close()

    async def _pace(self, access: AccountAccess) -> None:
        """Let a call that nobody sees leave, later when a limit is near, and not when it is spent.

        Looked at again after the wait: another call may have been told meanwhile.
        """
        self._usage.check(access.platform_user_id)
        await self._usage.slow_down(access.platform_user_id)
        self._usage.check(access.platform_user_id)

    def _value_of(
        self, answer: Answer, access: AccountAccess, *, is_visible: bool = False
    ) -> dict[str, Any]:
        self._usage.note(access.platform_user_id, answer.headers)
        return value_of(answer, access, is_visible=is_visible)

    def _proof(self, access: AccountAccess) -> dict[str, str]:
        """Proof that the token's user is this app.

        Source: https://developers.facebook.com/docs/graph-api/guides/secure-requests,
        read 2026-11-23.
        """
        if self._app_secret is None:
            return {}
        key, message = self._app_secret.encode(), access.token.reveal().encode()
        return {"appsecret_proof": hmac.new(key, message, hashlib.sha256).hexdigest()}


async def wait_for(read: Callable[[], Awaitable[ContainerReading]]) -> None:
    """Read a part's container until it is ready.

    Raises:
        NotReady: the platform needs longer than it should.
        InputInvalid: it failed, and would again.
        ContainerGone: it failed or expired, and has to be made anew.
    """
    pause_s, waited_s = FIRST_PAUSE_S, 0.0
    while True:
        reading = await read()
        if reading.state is ContainerState.READY:
            return
        if reading.is_permanent:
            raise InputInvalid(reading.detail, code="container_failed")
        if reading.state in (ContainerState.FAILED, ContainerState.EXPIRED):
            raise ContainerGone(reading.detail, code="container_failed")
        if waited_s >= READY_WITHIN_S:
            raise NotReady("the platform is still preparing a part of the post", code="not_ready")
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)


def segment(platform_id: str) -> str:
    """An id as one path segment, whatever is in it."""
    return quote(platform_id, safe="")


def again(lost: OutcomeUnknown) -> RetryLater:
    """A lost answer to a call that nobody could see."""
    return RetryLater(str(lost), code=lost.code, evidence=lost.evidence)


def unreadable(what: str) -> RetryLater:
    """An answer that is none."""
    return RetryLater(f"the platform answered with {what}", code="unreadable")


def says_missing(error: PlatformError) -> bool:
    """Whether the platform claims that what was asked for does not exist."""
    return isinstance(error, ContainerGone) or error.code == "100/33"


def value_of(answer: Answer, access: AccountAccess, *, is_visible: bool = False) -> dict[str, Any]:
    """The object that a success carries.

    Raises:
        PlatformError: the answer is an error, or nothing that can be read.
    """
    if 200 <= answer.status < 300:
        try:
            value = json.loads(answer.body)
        except ValueError:
            value = None
        if isinstance(value, dict) and "error" not in value:
            return value
    # Error texts quote what was sent; the token must not travel on in them.
    clean = answer.body.replace(access.token.reveal().encode(), b"(token)")
    raise refusal(Answer(answer.status, answer.headers, clean), is_visible=is_visible)


def id_of(value: Mapping[str, Any], missing: type[PlatformError], *, name: str = "id") -> str:
    """The id that a success must carry; ``missing`` is raised when it does not."""
    given = value.get(name)
    if not isinstance(given, str | int) or not str(given):
        raise missing(
            "the platform answered success without an id",
            code="unreadable",
            evidence={"fields": sorted(value)},
        )
    return str(given)


def instant_of(text: str) -> datetime:
    """Graph's time, such as ``2017-05-19T23:27:28+0000``, aware, UTC; bad text is a ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)


def own_comments(
    rows: Sequence[Mapping[str, Any]],
    access: AccountAccess,
    since: datetime,
    *,
    text: str,
    instant: str,
    username: str | None = None,
) -> list[LiveComment]:
    """Those rows of a list of comments that the account itself wrote, newest first.

    Rows that name nobody are among them: without some permissions the platforms leave the author
    out, and a comment of our own that is not found would be written once more. The caller compares
    texts.

    Args:
        rows: as listed.
        access: whose comments are wanted.
        since: nothing older.
        text: name of the field with the text.
        instant: name of the field with the time.
        username: the account's, where ids may be of another kind than the account's own.
    """
    oldest = since.replace(microsecond=0)
    try:
        comments = [
            LiveComment(str(row["id"]), row.get(text) or "", instant_of(row[instant]))
            for row in rows
            if _may_be_of(row, access.platform_user_id, username)
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise unreadable("a comment without id or time") from None
    found = [comment for comment in comments if comment.posted_at >= oldest]
    return sorted(found, key=lambda comment: comment.posted_at, reverse=True)


def _may_be_of(row: Mapping[str, Any], account_id: str, username: str | None) -> bool:
    author = row.get("from") or {}
    by_id, by_name = author.get("id"), row.get("username") or author.get("username")
    if by_id is None and by_name is None:
        return True
    return by_id == account_id or (username is not None and by_name == username)


def _next_cursor(page: Mapping[str, Any]) -> str | None:
    """Where the next page begins, or None on the last one."""
    paging = page.get("paging")
    if not isinstance(paging, dict) or "next" not in paging:
        return None
    cursors = paging.get("cursors")
    cursor = cursors.get("after") if isinstance(cursors, dict) else None
    if not isinstance(cursor, str) or not cursor:
        raise unreadable("a next page without a cursor")
    return cursor
