"""Instagram: containers, made ahead of time, and one publishing call.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/content-publishing
with its page on resumable uploads, and the reference pages ig-user/media, ig-user/media_publish,
ig-container and ig-media.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any, Final

from engine.errors import (
    MediaFault,
    MediaUnreachable,
    OutcomeUnknown,
    PlatformError,
    RetryLater,
    Unsupported,
)
from engine.platforms.graph import (
    GraphClient,
    again,
    id_of,
    instant_of,
    own_comments,
    says_missing,
    segment,
    unreadable,
    value_of,
    wait_for,
)
from engine.platforms.instagram_rules import kind_of, problems_of
from engine.platforms.media_refusals import refusal_of
from engine.platforms.media_urls import ascii_url
from engine.platforms.meta_errors import is_permanent
from engine.platforms.uploading import Uploader
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
    MediaHead,
    MediaSource,
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
TRAITS: Final[Mapping[str, KindTraits]] = {
    "image": KindTraits(),
    "carousel": KindTraits(),
    "reel": KindTraits(),
    "story": KindTraits(shows_text=False, takes_comments=False),
}
SCOPES: Final = frozenset({"instagram_business_basic", "instagram_business_content_publish"})
UPLOAD_TRIES: Final = 3  # each goes on where the one before was cut off
LIST_FIELDS: Final = "id,caption,timestamp,media_type,media_product_type,permalink"
COMMENT_FIELDS: Final = "id,text,timestamp,username,from{id,username}"


class InstagramClient:
    """``engine.ports.PlatformClient`` for Instagram.

    Args:
        base_url: with the version, such as ``https://graph.instagram.com/v25.0``.
        upload_url: where a reel's bytes go; the token goes nowhere else.
        media: where those bytes come from.
        publish_timeout_s: seconds until a publish without an answer has an unknown outcome.
        app_secret: when given, every token goes with its ``appsecret_proof``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        upload_url: str,
        media: MediaSource,
        publish_timeout_s: float = 30.0,
        app_secret: str | None = None,
    ) -> None:
        self._graph = GraphClient(
            base_url, publish_timeout_s=publish_timeout_s, app_secret=app_secret
        )
        self._upload_url = upload_url.rstrip("/")
        self._uploader = Uploader()
        self._media = media
        # Posts can be deleted by tokens of Facebook Login only, which are good on its host.
        self._can_delete = "graph.instagram.com" not in base_url

    def kind_of(self, post: Post) -> str:
        """See the port."""
        return kind_of(post)

    def traits_of(self, kind: str) -> KindTraits:
        """See the port."""
        return TRAITS[kind]

    def scopes_of(self, kind: str) -> frozenset[str]:
        """See the port; the scopes of Instagram Login."""
        return SCOPES

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """See the port; the rules are in ``instagram_rules``."""
        return problems_of(post)

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        """See the port. A lost answer leaves at most a container that nobody sees."""
        kind = kind_of(post)
        parameters = _parameters_of(post, kind)
        if kind == "carousel":
            parameters["children"] = ",".join(await self._children(access, post, parts))
        elif kind == "reel":
            return await self._reel(access, post, parts, parameters)
        else:
            (media,) = post.media
            parameters |= _medium_parameters(media, kind)
        return await self._container(access, parameters)

    async def _children(self, access: AccountAccess, post: Post, parts: Parts) -> list[str]:
        """Containers of a carousel's media, in order, each of them ready."""
        children: list[str] = list(parts.get("children") or [])
        for media in post.media[len(children) :]:
            parameters = {"is_carousel_item": "true", **_medium_parameters(media, "carousel")}
            if media.kind == "video":
                parameters["media_type"] = "VIDEO"
            children.append(await self._container(access, parameters))
            await parts.keep(children=children)
        for child in children:
            await wait_for(partial(self._read, access, child))
        return children

    async def _reel(
        self, access: AccountAccess, post: Post, parts: Parts, parameters: dict[str, str]
    ) -> str:
        """A container whose film we send ourselves, from our one guarded way of fetching."""
        (media,) = post.media
        container_id: str | None = parts.get("reel")
        if container_id is not None and parts.get("is_uploaded"):
            return container_id
        try:
            head = await self._media.head(media.url)
            if container_id is None or parts.get("version") != head.version:
                # Half of one film must not be followed by half of another.
                container_id = await self._container(
                    access, {**parameters, "upload_type": "resumable"}
                )
                await parts.keep(reel=container_id, version=head.version)
            await self._upload(access, media, head, container_id)
        except MediaFault as fault:
            raise refusal_of(fault, "media[0]") from fault
        await parts.keep(is_uploaded=True)
        return container_id

    async def _upload(
        self, access: AccountAccess, media: Media, head: MediaHead, container_id: str
    ) -> None:
        """Send a film's bytes, from where an earlier try was cut off."""
        for tries_left in reversed(range(UPLOAD_TRIES)):
            try:
                await self._send_rest(access, media, head, container_id)
            except OutcomeUnknown as lost:
                if not tries_left:
                    raise again(lost) from None
            else:
                return

    async def _send_rest(
        self, access: AccountAccess, media: Media, head: MediaHead, container_id: str
    ) -> None:
        """Send what the platform does not have yet.

        Raises:
            OutcomeUnknown: it was cut off.
        """
        size_bytes = head.size_bytes
        if size_bytes is None:
            raise MediaUnreachable(
                "the media host does not tell the size", code="no_size", is_retryable=False
            )
        offset = await self._offset(access, container_id)
        if offset == size_bytes:  # only the answer, or our own note of it, was lost
            return
        if offset > size_bytes:  # not of this film: it is sent from the start
            offset = 0
        async with aclosing(self._media.stream(media.url, offset, version=head.version)) as film:
            answer = await self._uploader.send(
                "POST",
                f"{self._upload_url}/{segment(container_id)}",
                headers={
                    "Authorization": f"OAuth {access.token.reveal()}",
                    "offset": str(offset),
                    "file_size": str(size_bytes),
                    "Content-Length": str(size_bytes - offset),
                },
                body=film,
            )
        if value_of(answer, access).get("success") is not True:
            raise unreadable("an upload that it does not call successful")

    async def _offset(self, access: AccountAccess, container_id: str) -> int:
        """How many bytes of a film are there already."""
        value = await self._graph.get(
            access, f"/{segment(container_id)}", {"fields": "video_status"}
        )
        try:
            return int(value["video_status"]["uploading_phase"]["bytes_transferred"])
        except (KeyError, TypeError, ValueError):
            return 0  # then it is sent from the start, which is allowed at any time

    async def _container(self, access: AccountAccess, parameters: Mapping[str, str]) -> str:
        value = await self._graph.post(access, self._of(access, "media"), parameters)
        return id_of(value, RetryLater)

    async def read_container(self, access: AccountAccess, container: Container) -> ContainerReading:
        """See the port. "No such object" is a reading: Meta says it of containers that exist."""
        return await self._read(access, container.id)

    async def _read(self, access: AccountAccess, container_id: str) -> ContainerReading:
        try:
            value = await self._graph.get(
                access, f"/{segment(container_id)}", {"fields": "status_code,status"}
            )
        except PlatformError as error:
            if says_missing(error):
                return ContainerReading(ContainerState.UNKNOWN, str(error))
            raise
        state = STATES.get(str(value.get("status_code")))
        if state is None:
            raise unreadable("a container without a known status_code")
        detail = str(value.get("status", ""))
        is_hopeless = state is ContainerState.FAILED and is_permanent(detail)
        return ContainerReading(state, detail, is_permanent=is_hopeless)

    async def publish(self, access: AccountAccess, container: Container, post: Post) -> str:
        """See the port."""
        value = await self._graph.post_visibly(
            access, self._of(access, "media_publish"), {"creation_id": container.id}
        )
        return id_of(value, OutcomeUnknown)

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        """See the port."""
        return await self._graph.link_of(access, post_id, "permalink")

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        """See the port. Stories are in a list of their own, and of the last day only."""
        path = self._of(access, "stories" if kind == "story" else "media")
        return await self._graph.live_posts(access, path, LIST_FIELDS, since, _post_of)

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        """See the port."""
        value = await self._graph.post_visibly(
            access, f"/{segment(post_id)}/comments", {"message": text}
        )
        return id_of(value, OutcomeUnknown)

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        """See the port. The platform has no ``since`` for comments: all are read.

        An author's id may be one that only this app is shown, other than the account's own, so the
        name of the post's owner counts too.
        """
        owner = await self._graph.get(access, f"/{segment(post_id)}", {"fields": "username"})
        rows = await self._graph.rows(
            access,
            f"/{segment(post_id)}/comments",
            {"fields": COMMENT_FIELDS, "limit": "50"},
        )
        return own_comments(
            rows, access, since, text="text", instant="timestamp", username=owner.get("username")
        )

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        """See the port."""
        if not self._can_delete:
            raise Unsupported(
                "posts cannot be deleted with a token of Instagram Login", code="unsupported"
            )
        await self._graph.delete(access, f"/{segment(post_id)}")

    async def discard(self, access: AccountAccess, container: Container) -> None:
        """See the port: containers expire by themselves."""

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        """See the port."""
        return await self._graph.quota(access, self._of(access, "content_publishing_limit"))

    async def warm_up(self) -> None:
        """See the port."""
        await self._graph.warm_up()

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()
        await self._uploader.close()

    def _of(self, access: AccountAccess, edge: str) -> str:
        return f"/{segment(access.platform_user_id)}/{edge}"


def _parameters_of(post: Post, kind: str) -> dict[str, str]:
    """What belongs to the post as a whole; stories have no text."""
    parameters = {
        "image": {},
        "carousel": {"media_type": "CAROUSEL"},
        "reel": {"media_type": "REELS"},
        "story": {"media_type": "STORIES"},
    }[kind]
    if kind != "story":
        parameters["caption"] = unicodedata.normalize("NFC", post.text)
    options = post.options
    for name, value in (
        ("location_id", options.get("location_id")),
        ("collaborators", options.get("collaborators")),
        ("cover_url", _cover_of(options)),
        ("thumb_offset", options.get("thumb_offset_ms")),
        ("share_to_feed", options.get("share_to_feed")),
    ):
        if value is not None:
            parameters[name] = value if isinstance(value, str) else json.dumps(value)
    if kind == "reel" and post.media[0].user_tags:
        parameters["user_tags"] = json.dumps(
            [{"username": tag.username} for tag in post.media[0].user_tags]
        )
    return parameters


def _cover_of(options: Mapping[str, Any]) -> str | None:
    cover = options.get("cover_url")
    return None if cover is None else ascii_url(cover)


def _medium_parameters(media: Media, kind: str) -> dict[str, str]:
    """A picture or film that the platform fetches by itself; a story has neither text nor tags."""
    parameters = {f"{media.kind}_url": ascii_url(media.url)}
    if kind == "story":
        return parameters
    if media.kind == "image" and media.alt_text:
        parameters["alt_text"] = media.alt_text
    if media.user_tags:
        parameters["user_tags"] = json.dumps(
            [{"username": tag.username, "x": tag.x, "y": tag.y} for tag in media.user_tags]
        )
    return parameters


def _post_of(row: Mapping[str, Any]) -> LivePost:
    return LivePost(
        post_id=str(row["id"]),
        # Absent when the post has no text.
        text=unicodedata.normalize("NFC", row.get("caption") or ""),
        kind=_kind_of(str(row["media_type"]), str(row.get("media_product_type", "FEED"))),
        posted_at=instant_of(row["timestamp"]),
        url=row.get("permalink"),
    )


def _kind_of(media_type: str, product: str) -> str:
    if product == "STORY":
        return "story"
    if media_type == "CAROUSEL_ALBUM":
        return "carousel"
    return "reel" if media_type == "VIDEO" else "image"
