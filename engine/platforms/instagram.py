"""Instagram: single images through a container and one publishing call.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/content-publishing
and its reference pages ig-user/media, ig-user/media_publish, ig-container and ig-media.
"""

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from engine.errors import ContainerGone, OutcomeUnknown, PlatformError, RetryLater
from engine.platforms.connection import Answer
from engine.platforms.instagram_rules import problems_of
from engine.platforms.media_urls import ascii_url
from engine.platforms.meta_errors import refusal
from engine.platforms.transport import READ_TIMEOUT_S, Transport
from engine.ports import (
    AccountAccess,
    ContainerReading,
    ContainerState,
    InputProblem,
    LivePost,
    Post,
)

PAGE_SIZE: Final = 100  # the platform's largest
PAGE_LIMIT: Final = 50  # 5,000 posts since an attempt is no list to match against any more
STATES: Final[Mapping[str, ContainerState]] = {
    "IN_PROGRESS": ContainerState.IN_PROGRESS,
    "FINISHED": ContainerState.READY,
    "PUBLISHED": ContainerState.PUBLISHED,
    "EXPIRED": ContainerState.EXPIRED,
    "ERROR": ContainerState.FAILED,
}
KINDS: Final[Mapping[str, str]] = {"CAROUSEL_ALBUM": "carousel"}
LIST_FIELDS: Final = "id,caption,timestamp,media_type,permalink"


class InstagramClient:
    """``engine.ports.PlatformClient`` for Instagram.

    Args:
        base_url: with the version, such as ``https://graph.instagram.com/v25.0``.
        publish_timeout_s: seconds until a publish without an answer has an unknown outcome.
        app_secret: when given, every token goes with its ``appsecret_proof``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        publish_timeout_s: float = 30.0,
        app_secret: str | None = None,
    ) -> None:
        self._transport = Transport(base_url)
        self._publish_timeout_s = publish_timeout_s
        self._app_secret = app_secret

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """See the port; the rules are in ``instagram_rules``."""
        return problems_of(post)

    async def create_container(self, access: AccountAccess, post: Post) -> str:
        """See the port. A lost answer leaves at most a container that nobody sees."""
        (media,) = post.media
        parameters = {
            "image_url": ascii_url(media.url),
            "caption": unicodedata.normalize("NFC", post.text),
        }
        if media.alt_text:
            parameters["alt_text"] = media.alt_text
        try:
            answer = await self._post(access, "media", parameters, READ_TIMEOUT_S)
        except OutcomeUnknown as lost:
            raise _again(lost) from None
        return _id_of(_value_of(answer, access), RetryLater)

    async def read_container(self, access: AccountAccess, container_id: str) -> ContainerReading:
        """See the port. "No such object" is a reading: Meta says it of containers that exist."""
        try:
            value = await self._get(
                access, f"/{_segment(container_id)}", {"fields": "status_code,status"}
            )
        except PlatformError as error:
            if _says_missing(error):
                return ContainerReading(ContainerState.UNKNOWN, str(error))
            raise
        state = STATES.get(str(value.get("status_code")))
        if state is None:
            raise _unreadable("a container without a known status_code")
        return ContainerReading(state, str(value.get("status", "")))

    async def publish(self, access: AccountAccess, container_id: str) -> str:
        """See the port."""
        answer = await self._post(
            access, "media_publish", {"creation_id": container_id}, self._publish_timeout_s
        )
        return _id_of(_value_of(answer, access, is_visible=True), OutcomeUnknown)

    async def read_permalink(self, access: AccountAccess, post_id: str) -> str | None:
        """See the port."""
        try:
            value = await self._get(access, f"/{_segment(post_id)}", {"fields": "permalink"})
        except PlatformError as error:
            if _says_missing(error):
                return None
            raise
        link = value.get("permalink")
        return link if isinstance(link, str) and link else None

    async def list_posts(self, access: AccountAccess, since: datetime) -> Sequence[LivePost]:
        """See the port. A list that cannot be read to its end is an error, never a short list.

        Only a page without ``next`` is the last; an empty one may have more behind it. The next
        page is asked for by its cursor: the address in ``next`` is the platform's word, and the
        token goes nowhere but to the configured host.
        """
        oldest = since.replace(microsecond=0)  # the platform prints whole seconds
        parameters = {
            "fields": LIST_FIELDS,
            "since": str(int(oldest.timestamp())),
            "limit": str(PAGE_SIZE),
        }
        posts: dict[str, LivePost] = {}
        cursors = set()
        for _ in range(PAGE_LIMIT):
            value = await self._get(
                access, f"/{_segment(access.platform_user_id)}/media", parameters
            )
            posts.update((post.post_id, post) for post in _posts_of(value))
            cursor = _next_cursor(value)
            if cursor is None:
                newest_first = sorted(posts.values(), key=lambda post: post.posted_at, reverse=True)
                return [post for post in newest_first if post.posted_at >= oldest]
            if cursor in cursors:
                raise _unreadable("a list of posts that runs in a circle")
            cursors.add(cursor)
            parameters["after"] = cursor
        raise _unreadable("a list of posts that does not end")

    async def warm_up(self) -> None:
        """See the port."""
        await self._transport.warm_up()

    async def close(self) -> None:
        """See the port."""
        await self._transport.close()

    async def _get(
        self, access: AccountAccess, path: str, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        try:
            answer = await self._transport.get(
                path, {**parameters, **self._proof(access)}, access.token
            )
        except OutcomeUnknown as lost:
            raise _again(lost) from None
        return _value_of(answer, access)

    async def _post(
        self, access: AccountAccess, edge: str, parameters: Mapping[str, str], timeout_s: float
    ) -> Answer:
        return await self._transport.post(
            f"/{_segment(access.platform_user_id)}/{edge}",
            {**parameters, **self._proof(access)},
            access.token,
            timeout_s=timeout_s,
        )

    def _proof(self, access: AccountAccess) -> dict[str, str]:
        """Proof that the token's user is this app.

        Source: https://developers.facebook.com/docs/graph-api/guides/secure-requests,
        read 2026-11-23.
        """
        if self._app_secret is None:
            return {}
        key, message = self._app_secret.encode(), access.token.reveal().encode()
        return {"appsecret_proof": hmac.new(key, message, hashlib.sha256).hexdigest()}


def _segment(platform_id: str) -> str:
    """An id as one path segment, whatever is in it."""
    return quote(platform_id, safe="")


def _again(lost: OutcomeUnknown) -> RetryLater:
    """A lost answer to a call that nobody could see."""
    return RetryLater(str(lost), code=lost.code, evidence=lost.evidence)


def _unreadable(what: str) -> RetryLater:
    return RetryLater(f"the platform answered with {what}", code="unreadable")


def _says_missing(error: PlatformError) -> bool:
    """Whether the platform claims that what was asked for does not exist."""
    return isinstance(error, ContainerGone) or error.code == "100/33"


def _value_of(answer: Answer, access: AccountAccess, *, is_visible: bool = False) -> dict[str, Any]:
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


def _id_of(value: Mapping[str, Any], missing: type[PlatformError]) -> str:
    given = value.get("id")
    if not isinstance(given, str | int) or not str(given):
        raise missing(
            "the platform answered success without an id",
            code="unreadable",
            evidence={"fields": sorted(value)},
        )
    return str(given)


def _posts_of(page: Mapping[str, Any]) -> list[LivePost]:
    rows = page.get("data")
    if not isinstance(rows, list):
        raise _unreadable("a page without data")
    try:
        return [_post_of(row) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise _unreadable("a post without id, kind or time") from None


def _post_of(row: Mapping[str, Any]) -> LivePost:
    kind = str(row["media_type"])
    return LivePost(
        post_id=str(row["id"]),
        # Absent when the post has no text.
        text=unicodedata.normalize("NFC", row.get("caption") or ""),
        kind=KINDS.get(kind, kind.lower()),
        posted_at=datetime.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC),
        url=row.get("permalink"),
    )


def _next_cursor(page: Mapping[str, Any]) -> str | None:
    """Where the next page begins, or None on the last one."""
    paging = page.get("paging")
    if not isinstance(paging, dict) or "next" not in paging:
        return None
    cursors = paging.get("cursors")
    cursor = cursors.get("after") if isinstance(cursors, dict) else None
    if not isinstance(cursor, str) or not cursor:
        raise _unreadable("a next page without a cursor")
    return cursor
