"""Facebook Pages: everything is made unpublished, and published by one call on a known id.

Of the forms that the platform offers, these are the two-phase ones. Posts, photos and videos become
visible by setting a flag, which may be set again without harm; a reel by its last phase, whose
video's id is known from the first.

Sources, read 2026-11-25: the edges and parameters that facebook-business 26.0.3 generates for Page,
PagePost, Photo and AdVideo; https://developers.facebook.com/docs/pages-api/posts and
https://developers.facebook.com/docs/video-api/guides/reels-publishing.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from engine.errors import (
    OutcomeUnknown,
    PlatformError,
    RetryLater,
)
from engine.platforms.facebook_rules import kind_of, problems_of
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
)
from engine.platforms.media_urls import ascii_url
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
    Parts,
    Post,
    Quota,
)

# Meta promises nowhere we know of how long it keeps what is unpublished: after the default life,
# a day, it is prepared anew.
IS_REPEATABLE: Final = KindTraits(is_idempotent=True)
TRAITS: Final[Mapping[str, KindTraits]] = {
    "text": IS_REPEATABLE,
    "photo": IS_REPEATABLE,
    "photos": IS_REPEATABLE,
    "video": KindTraits(is_idempotent=True, may_publish_in_progress=True),
    "reel": KindTraits(),
}
FILMS: Final = ("video", "reel")
SCOPES: Final = frozenset({"pages_manage_posts", "pages_read_engagement", "pages_show_list"})
POST_FIELDS: Final = "id,is_published,permalink_url"
FILM_FIELDS: Final = "id,status,published,permalink_url,post_id"
LISTS: Final[Mapping[str, tuple[str, str]]] = {
    "video": ("videos", "id,description,created_time,permalink_url"),
    "reel": ("video_reels", "id,description,created_time,permalink_url"),
}
POSTS: Final = (
    "published_posts",
    "id,message,created_time,permalink_url,attachments{type,subattachments{type}}",
)
# What a post has attached, by Facebook's own word; several photos are one album. A link's preview
# is attached too, and leaves a text a text.
ATTACHED: Final[Mapping[str, str]] = {
    "photo": "photo",
    "album": "photos",
    "video_inline": "video",
}
COMMENT_FIELDS: Final = "id,message,created_time,from"


class FacebookClient:
    """``engine.ports.PlatformClient`` for Facebook Pages.

    Args:
        base_url: with the version, such as ``https://graph.facebook.com/v26.0``.
        upload_url: what every upload address must begin with; the token goes nowhere else.
        publish_timeout_s: seconds until a publish without an answer has an unknown outcome.
        app_secret: when given, every token goes with its ``appsecret_proof``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        upload_url: str,
        publish_timeout_s: float = 30.0,
        app_secret: str | None = None,
    ) -> None:
        self._graph = GraphClient(
            base_url, publish_timeout_s=publish_timeout_s, app_secret=app_secret
        )
        self._upload_url = upload_url.rstrip("/") + "/"
        self._uploader = Uploader()

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
        """See the port; the rules are in ``facebook_rules``."""
        return problems_of(post)

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        """See the port. Everything is unpublished, and its id kept as soon as it is known."""
        match kind_of(post):
            case "video":
                return await self._video(access, post)
            case "reel":
                return await self._reel(access, post, parts)
        photos = await self._photos(access, post, parts)
        parameters = {"message": _text(post), "published": "false"}
        parameters |= {
            f"attached_media[{place}]": json.dumps({"media_fbid": photo})
            for place, photo in enumerate(photos)
        }
        if post.link is not None:
            parameters["link"] = ascii_url(post.link)
        if "place_id" in post.options:
            parameters["place"] = str(post.options["place_id"])
        value = await self._graph.post(access, self._of(access, "feed"), parameters)
        return id_of(value, RetryLater)

    async def _photos(self, access: AccountAccess, post: Post, parts: Parts) -> list[str]:
        photos: list[str] = list(parts.get("photos") or [])
        for media in post.media[len(photos) :]:
            value = await self._graph.post(
                access, self._of(access, "photos"), _photo_parameters(media)
            )
            photos.append(id_of(value, RetryLater))
            await parts.keep(photos=photos)
        return photos

    async def _video(self, access: AccountAccess, post: Post) -> str:
        """An unpublished video; the platform fetches the film by itself.

        A lost answer leaves at most an unpublished video that nobody sees.
        """
        parameters = {
            "file_url": ascii_url(post.media[0].url),
            "description": _text(post),
            "title": str(post.options.get("title") or post.title),
            "published": "false",
        }
        return id_of(
            await self._graph.post(access, self._of(access, "videos"), parameters), RetryLater
        )

    async def _reel(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        video_id: str | None = parts.get("video_id")
        upload_url: str | None = parts.get("upload_url")
        if video_id is None or upload_url is None:
            started = await self._graph.post(
                access, self._of(access, "video_reels"), {"upload_phase": "start"}
            )
            video_id = id_of(started, RetryLater, name="video_id")
            upload_url = str(started.get("upload_url", ""))
            if not upload_url.startswith(self._upload_url):
                raise RetryLater(
                    "the platform names an upload host that is not its own",
                    code="upload-host-unknown",
                )
            await parts.keep(video_id=video_id, upload_url=upload_url)
        if not parts.get("is_uploaded"):
            await self._hand_over(access, post.media[0], upload_url)
            await parts.keep(is_uploaded=True)
        return video_id

    async def _hand_over(self, access: AccountAccess, media: Media, upload_url: str) -> None:
        """Have the platform fetch a film into an upload; may be asked again."""
        try:
            answer = await self._uploader.send(
                "POST",
                upload_url,
                headers={
                    "Authorization": f"OAuth {access.token.reveal()}",
                    "file_url": ascii_url(media.url),
                },
            )
        except OutcomeUnknown as lost:
            raise again(lost) from None
        value_of(answer, access)

    async def read_container(self, access: AccountAccess, container: Container) -> ContainerReading:
        """See the port. What is published names its post by itself: it is the same thing."""
        is_film = container.kind in FILMS
        try:
            value = await self._graph.get(
                access,
                f"/{segment(container.id)}",
                {"fields": FILM_FIELDS if is_film else POST_FIELDS},
            )
        except PlatformError as error:
            if says_missing(error):
                return ContainerReading(ContainerState.UNKNOWN, str(error))
            raise
        if not isinstance(value.get("published" if is_film else "is_published"), bool):
            raise unreadable("a post that does not say whether it is published")
        if value.get("published") or value.get("is_published"):
            link = value.get("permalink_url")
            url = link if isinstance(link, str) and link else None
            return ContainerReading(ContainerState.PUBLISHED, post_id=container.id, url=url)
        return _reading_of_film(value, container.kind) if is_film else READY

    async def publish(self, access: AccountAccess, container: Container, post: Post) -> str:
        """See the port; the post's id is the container's."""
        if container.kind == "reel":
            parameters = {
                "upload_phase": "finish",
                "video_id": container.id,
                "video_state": "PUBLISHED",
                "description": _text(post),
                "title": str(post.options.get("title") or post.title),
            }
            if "place_id" in post.options:
                parameters["place"] = str(post.options["place_id"])
            path = self._of(access, "video_reels")
        else:
            flag = "published" if container.kind == "video" else "is_published"
            parameters, path = {flag: "true"}, f"/{segment(container.id)}"
        value = await self._graph.post_visibly(access, path, parameters)
        if value.get("success") is not True:
            raise OutcomeUnknown(
                "the platform did not say that it published",
                code="unreadable",
                evidence={"fields": sorted(value)},
            )
        return container.id

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        """See the port."""
        return await self._graph.link_of(access, post_id, "permalink_url")

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        """See the port. Videos and reels have lists of their own."""
        edge, fields = LISTS.get(kind, POSTS)
        path = self._of(access, edge)
        return await self._graph.live_posts(
            access, path, fields, since, partial(_post_of, kind=kind)
        )

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        """See the port."""
        value = await self._graph.post_visibly(
            access, f"/{segment(post_id)}/comments", {"message": text}
        )
        return id_of(value, OutcomeUnknown)

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        """See the port; the Page's own are told by their author's id."""
        rows = await self._graph.rows(
            access,
            f"/{segment(post_id)}/comments",
            {
                "fields": COMMENT_FIELDS,
                "filter": "toplevel",
                "order": "reverse_chronological",
                "since": str(int(since.timestamp())),
            },
        )
        return own_comments(rows, access, since, text="message", instant="created_time")

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        """See the port."""
        await self._graph.delete(access, f"/{segment(post_id)}")

    async def discard(self, access: AccountAccess, container: Container) -> None:
        """See the port. An unpublished post would stay in the Page's Business Suite."""
        reading = await self.read_container(access, container)
        if reading.state is not ContainerState.PUBLISHED:
            await self._graph.delete(access, f"/{segment(container.id)}")

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        """See the port: Pages have no daily number of posts."""
        return None

    async def warm_up(self) -> None:
        """See the port."""
        await self._graph.warm_up()

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()
        await self._uploader.close()

    def _of(self, access: AccountAccess, edge: str) -> str:
        return f"/{segment(access.platform_user_id)}/{edge}"


READY: Final = ContainerReading(ContainerState.READY)


def _text(post: Post) -> str:
    return unicodedata.normalize("NFC", post.text)


def _photo_parameters(media: Media) -> dict[str, str]:
    parameters = {"url": ascii_url(media.url), "published": "false"}
    if media.alt_text:
        parameters["alt_text_custom"] = media.alt_text
    return parameters


def _reading_of_film(value: Mapping[str, Any], kind: str) -> ContainerReading:
    """How far an unpublished film is.

    A reel waits for its last phase before the platform works on it, so bytes that are there are
    all that can be asked for.
    """
    status = value.get("status")
    if not isinstance(status, dict):
        raise unreadable("a video without a status")
    detail = json.dumps(status, ensure_ascii=False)
    phases = {
        name: (status.get(f"{name}_phase") or {}).get("status")
        for name in ("uploading", "processing")
    }
    if status.get("video_status") == "error" or "error" in phases.values():
        return ContainerReading(ContainerState.FAILED, detail)
    if status.get("video_status") == "expired":
        return ContainerReading(ContainerState.EXPIRED, detail)
    if kind == "reel":
        is_ready = phases["uploading"] == "complete"
    else:
        is_ready = status.get("video_status") == "ready" or phases["processing"] == "complete"
    return ContainerReading(
        ContainerState.READY if is_ready else ContainerState.IN_PROGRESS, detail
    )


def _post_of(row: Mapping[str, Any], kind: str) -> LivePost:
    attached = (row.get("attachments") or {}).get("data") or [{}]
    listed = kind if kind in FILMS else ATTACHED.get(attached[0].get("type", ""), "text")
    return LivePost(
        post_id=str(row["id"]),
        text=unicodedata.normalize("NFC", row.get("message") or row.get("description") or ""),
        kind=listed,
        posted_at=instant_of(row["created_time"]),
        url=row.get("permalink_url"),
    )
