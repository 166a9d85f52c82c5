"""Threads: containers, made ahead of time, and one publishing call.

Sources, read 2026-11-23: https://developers.facebook.com/docs/threads/posts, reference/publishing,
troubleshooting and retrieve-and-manage-replies beside it.
"""

import asyncio
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from engine.errors import ContainerGone, NotReady, OutcomeUnknown, PlatformError, RetryLater
from engine.platforms.graph import (
    GraphClient,
    id_of,
    instant_of,
    says_missing,
    segment,
    unreadable,
    wait_for,
)
from engine.platforms.media_urls import ascii_url
from engine.platforms.threads_rules import kind_of, problems_of
from engine.ports import (
    AccountAccess,
    Container,
    ContainerReading,
    ContainerState,
    InputProblem,
    KindTraits,
    LiveComment,
    LivePost,
    Media,
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
TYPES: Final = {"text": "TEXT", "image": "IMAGE", "video": "VIDEO", "carousel": "CAROUSEL"}
LISTED: Final[Mapping[str, str]] = {
    "TEXT_POST": "text",
    "IMAGE": "image",
    "VIDEO": "video",
    "CAROUSEL_ALBUM": "carousel",
}
TRAITS: Final[Mapping[str, KindTraits]] = dict.fromkeys(TYPES, KindTraits())
SCOPES: Final = frozenset({"threads_basic", "threads_content_publish"})
# A first comment's lease lasts 30 s longer than the publishing call's own time-out; a reply that
# went out after its lease could meet a second one.
REPLY_READY_WITHIN_S: Final = 15.0
LIST_FIELDS: Final = "id,text,timestamp,permalink,media_type"
REPLY_FIELDS: Final = "id,text,timestamp,is_reply_owned_by_me"


class ThreadsClient:
    """``engine.ports.PlatformClient`` for Threads.

    Args:
        base_url: with the version, such as ``https://graph.threads.net/v1.0``.
        publish_timeout_s: seconds until a publish without an answer has an unknown outcome.
        app_secret: when given, every token goes with its ``appsecret_proof``.
    """

    def __init__(
        self, base_url: str, *, publish_timeout_s: float = 30.0, app_secret: str | None = None
    ) -> None:
        self._graph = GraphClient(
            base_url, publish_timeout_s=publish_timeout_s, app_secret=app_secret
        )

    def kind_of(self, post: Post) -> str:
        """See the port."""
        return kind_of(post)

    def traits_of(self, kind: str) -> KindTraits:
        """See the port."""
        return TRAITS[kind]

    def scopes_of(self, kind: str) -> frozenset[str]:
        """See the port."""
        return SCOPES

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """See the port; the rules are in ``threads_rules``."""
        return problems_of(post)

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        """See the port. ``auto_publish_text`` is never used: it would take the safe phase away."""
        kind = kind_of(post)
        parameters = {"media_type": TYPES[kind], "text": unicodedata.normalize("NFC", post.text)}
        if kind == "carousel":
            parameters["children"] = ",".join(await self._children(access, post, parts))
        elif post.media:
            parameters |= _medium_parameters(post.media[0])
        if post.link is not None:
            parameters["link_attachment"] = post.link
        for name in ("reply_control", "topic_tag", "location_id"):
            if name in post.options:
                parameters[name] = str(post.options[name])
        return await self._container(access, parameters)

    async def _children(self, access: AccountAccess, post: Post, parts: Parts) -> list[str]:
        """Containers of a carousel's media, in order, each of them ready."""
        children: list[str] = list(parts.get("children") or [])
        for media in post.media[len(children) :]:
            parameters = {
                "is_carousel_item": "true",
                "media_type": media.kind.upper(),
                **_medium_parameters(media),
            }
            children.append(await self._container(access, parameters))
            await parts.keep(children=children)
        for child in children:
            await wait_for(partial(self._read, access, child))
        return children

    async def _container(self, access: AccountAccess, parameters: Mapping[str, str]) -> str:
        value = await self._graph.post(access, self._of(access, "threads"), parameters)
        return id_of(value, RetryLater)

    async def read_container(self, access: AccountAccess, container: Container) -> ContainerReading:
        """See the port."""
        return await self._read(access, container.id)

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

    async def publish(self, access: AccountAccess, container: Container, post: Post) -> str:
        """See the port."""
        value = await self._graph.post_visibly(
            access, self._of(access, "threads_publish"), {"creation_id": container.id}
        )
        return id_of(value, OutcomeUnknown)

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        """See the port."""
        return await self._graph.link_of(access, post_id, "permalink")

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        """See the port."""
        path = self._of(access, "threads")
        return await self._graph.live_posts(access, path, LIST_FIELDS, since, _post_of)

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        """See the port. A reply is a container too; only its publishing can be seen.

        Raises:
            OutcomeUnknown: the publishing call has no answer; nothing before it raises this.
            RetryLater: the container is not ready in time, or "does not exist" though it was just
                made, as Threads says now and then. Nothing is seen, and the next try makes another.
        """
        try:
            async with asyncio.timeout(REPLY_READY_WITHIN_S):
                container_id = await self._container(
                    access, {"media_type": "TEXT", "text": text, "reply_to_id": post_id}
                )
                await wait_for(partial(self._read, access, container_id))
            value = await self._graph.post_visibly(
                access, self._of(access, "threads_publish"), {"creation_id": container_id}
            )
        except TimeoutError:
            raise RetryLater("the reply is still being prepared", code="not_ready") from None
        except (ContainerGone, NotReady) as early:
            raise RetryLater(str(early), code=early.code, evidence=early.evidence) from None
        return id_of(value, OutcomeUnknown)

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        """See the port."""
        oldest = since.replace(microsecond=0)
        rows = await self._graph.rows(
            access, f"/{segment(post_id)}/replies", {"fields": REPLY_FIELDS}
        )
        try:
            replies = [
                LiveComment(str(row["id"]), row.get("text") or "", instant_of(row["timestamp"]))
                for row in rows
                if row.get("is_reply_owned_by_me")
            ]
        except (KeyError, TypeError, ValueError):
            raise unreadable("a reply without id or time") from None
        found = [reply for reply in replies if reply.posted_at >= oldest]
        return sorted(found, key=lambda reply: reply.posted_at, reverse=True)

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        """See the port."""
        await self._graph.delete(access, f"/{segment(post_id)}")

    async def discard(self, access: AccountAccess, container: Container) -> None:
        """See the port: containers expire by themselves."""

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        """See the port."""
        return await self._graph.quota(access, self._of(access, "threads_publishing_limit"))

    async def warm_up(self) -> None:
        """See the port."""
        await self._graph.warm_up()

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()

    def _of(self, access: AccountAccess, edge: str) -> str:
        return f"/{segment(access.platform_user_id)}/{edge}"


def _medium_parameters(media: Media) -> dict[str, str]:
    parameters = {f"{media.kind}_url": ascii_url(media.url)}
    if media.alt_text:
        parameters["alt_text"] = media.alt_text
    return parameters


def _post_of(row: Mapping[str, Any]) -> LivePost:
    kind = str(row["media_type"])
    return LivePost(
        post_id=str(row["id"]),
        text=unicodedata.normalize("NFC", row.get("text") or ""),
        kind=LISTED.get(kind, kind.lower()),
        posted_at=instant_of(row["timestamp"]),
        url=row.get("permalink"),
    )
