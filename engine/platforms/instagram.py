"""Instagram: containers, made ahead of time, and one publishing call.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/content-publishing
and its reference pages ig-user/media, ig-user/media_publish, ig-container and ig-media.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from engine.errors import OutcomeUnknown, PlatformError, RetryLater, Unsupported
from engine.platforms.graph import (
    GraphClient,
    id_of,
    instant_of,
    says_missing,
    segment,
    unreadable,
)
from engine.platforms.instagram_rules import problems_of
from engine.platforms.media_urls import ascii_url
from engine.ports import (
    AccountAccess,
    Container,
    ContainerReading,
    ContainerState,
    InputProblem,
    KindTraits,
    LiveComment,
    LivePost,
    Parts,
    Post,
    Quota,
)

STATES: Final[Mapping[str, ContainerState]] = {
    "IN_PROGRESS": ContainerState.IN_PROGRESS,
    "FINISHED": ContainerState.READY,
    "PUBLISHED": ContainerState.PUBLISHED,
    "EXPIRED": ContainerState.EXPIRED,
    "ERROR": ContainerState.FAILED,
}
KINDS: Final[Mapping[str, str]] = {"CAROUSEL_ALBUM": "carousel"}
TRAITS: Final[Mapping[str, KindTraits]] = {"image": KindTraits()}
SCOPES: Final = frozenset({"instagram_business_basic", "instagram_business_content_publish"})
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
        self._graph = GraphClient(
            base_url, publish_timeout_s=publish_timeout_s, app_secret=app_secret
        )

    def kind_of(self, post: Post) -> str:
        """See the port."""
        return "image"

    def traits_of(self, kind: str) -> KindTraits:
        """See the port."""
        return TRAITS[kind]

    def scopes_of(self, kind: str) -> frozenset[str]:
        """See the port."""
        return SCOPES

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """See the port; the rules are in ``instagram_rules``."""
        return problems_of(post)

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        """See the port. A lost answer leaves at most a container that nobody sees."""
        (media,) = post.media
        parameters = {
            "image_url": ascii_url(media.url),
            "caption": unicodedata.normalize("NFC", post.text),
        }
        if media.alt_text:
            parameters["alt_text"] = media.alt_text
        return id_of(
            await self._graph.post(access, self._of(access, "media"), parameters), RetryLater
        )

    async def read_container(self, access: AccountAccess, container: Container) -> ContainerReading:
        """See the port. "No such object" is a reading: Meta says it of containers that exist."""
        try:
            value = await self._graph.get(
                access, f"/{segment(container.id)}", {"fields": "status_code,status"}
            )
        except PlatformError as error:
            if says_missing(error):
                return ContainerReading(ContainerState.UNKNOWN, str(error))
            raise
        state = STATES.get(str(value.get("status_code")))
        if state is None:
            raise unreadable("a container without a known status_code")
        return ContainerReading(state, str(value.get("status", "")))

    async def publish(self, access: AccountAccess, container: Container, post: Post) -> str:
        """See the port."""
        value = await self._graph.post_visibly(
            access, self._of(access, "media_publish"), {"creation_id": container.id}
        )
        return id_of(value, OutcomeUnknown)

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        """See the port."""
        try:
            value = await self._graph.get(access, f"/{segment(post_id)}", {"fields": "permalink"})
        except PlatformError as error:
            if says_missing(error):
                return None
            raise
        link = value.get("permalink")
        return link if isinstance(link, str) and link else None

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        """See the port."""
        oldest = since.replace(microsecond=0)  # the platform prints whole seconds
        rows = await self._graph.rows(
            access,
            self._of(access, "media"),
            {"fields": LIST_FIELDS, "since": str(int(oldest.timestamp()))},
        )
        try:
            posts = {post.post_id: post for post in map(_post_of, rows)}
        except (KeyError, TypeError, ValueError):
            raise unreadable("a post without id, kind or time") from None
        newest_first = sorted(posts.values(), key=lambda post: post.posted_at, reverse=True)
        return [post for post in newest_first if post.posted_at >= oldest]

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        """See the port."""
        value = await self._graph.post_visibly(
            access, f"/{segment(post_id)}/comments", {"message": text}
        )
        return id_of(value, OutcomeUnknown)

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        """See the port."""
        raise Unsupported("comments are not listed yet", code="unsupported")

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        """See the port."""
        await self._graph.delete(access, f"/{segment(post_id)}")

    async def discard(self, access: AccountAccess, container: Container) -> None:
        """See the port: containers expire by themselves."""

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        """See the port."""
        value = await self._graph.get(
            access, self._of(access, "content_publishing_limit"), {"fields": "config,quota_usage"}
        )
        try:
            (row,) = value["data"]
            return Quota(int(row["quota_usage"]), int(row["config"]["quota_total"]))
        except (KeyError, TypeError, ValueError):
            raise unreadable("a limit that cannot be read") from None

    async def warm_up(self) -> None:
        """See the port."""
        await self._graph.warm_up()

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()

    def _of(self, access: AccountAccess, edge: str) -> str:
        return f"/{segment(access.platform_user_id)}/{edge}"


def _post_of(row: Mapping[str, Any]) -> LivePost:
    kind = str(row["media_type"])
    return LivePost(
        post_id=str(row["id"]),
        # Absent when the post has no text.
        text=unicodedata.normalize("NFC", row.get("caption") or ""),
        kind=KINDS.get(kind, kind.lower()),
        posted_at=instant_of(row["timestamp"]),
        url=row.get("permalink"),
    )
