"""YouTube: a private upload, made ahead of time, and one call that lets people see it.

Publishing sets a status on a video whose id is known, so it may be said again without harm.

Sources, read 2026-11-25: the discovery document of youtube.v3, revision 20261104, and
https://developers.google.com/youtube/v3/docs.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from engine.errors import (
    ContainerGone,
    InputInvalid,
    MediaFault,
    OutcomeUnknown,
    ReconnectNeeded,
    Unsupported,
)
from engine.platforms.media_refusals import refusal_of
from engine.platforms.uploading import Uploader
from engine.platforms.youtube_api import YouTubeApi, again, items_of, unreadable
from engine.platforms.youtube_resources import final_status, is_unseen, reading_of, video_of
from engine.platforms.youtube_rules import kind_of, problems_of
from engine.platforms.youtube_upload import VideoUpload, uploads_since
from engine.ports import (
    AccountAccess,
    Container,
    ContainerReading,
    ContainerState,
    InputProblem,
    KindTraits,
    LiveComment,
    LivePost,
    MediaSource,
    Parts,
    Post,
    Quota,
)

TRAITS: Final[Mapping[str, KindTraits]] = dict.fromkeys(
    ("video", "short"),
    KindTraits(is_idempotent=True, may_publish_in_progress=True, life_s=None),
)
SCOPES: Final = frozenset({"https://www.googleapis.com/auth/youtube.force-ssl"})
CATEGORY: Final = "22"  # people and blogs
PREPARED_WITHIN: Final = timedelta(days=7)  # an upload is made public at most so much later


class YouTubeClient:
    """``engine.ports.PlatformClient`` for YouTube.

    Args:
        base_url: with the version, such as ``https://youtube.googleapis.com/youtube/v3``.
        upload_url: where bytes go; the token goes nowhere else.
        watch_url: what links begin with, such as ``https://www.youtube.com/watch``.
        media: where a video's bytes come from.
        publish_timeout_s: seconds until a publish without an answer has an unknown outcome.
        category_id: of a video whose options name none.
        now: the present, aware.
    """

    def __init__(
        self,
        base_url: str,
        *,
        upload_url: str,
        watch_url: str,
        media: MediaSource,
        publish_timeout_s: float = 30.0,
        category_id: str = CATEGORY,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = YouTubeApi(base_url, publish_timeout_s=publish_timeout_s, now=now)
        self._uploader = Uploader()
        self._upload = VideoUpload(self._api, self._uploader, upload_url, media, now)
        self._upload_url = upload_url.rstrip("/")
        self._watch_url = watch_url
        self._media = media
        self._category_id = category_id
        self._now = now

    def kind_of(self, post: Post) -> str:
        """See the port."""
        return kind_of(post)

    def traits_of(self, kind: str) -> KindTraits:
        """See the port."""
        return TRAITS[kind]

    def scopes_of(self, kind: str) -> frozenset[str]:
        """See the port; this one is good for every call that is made here."""
        return SCOPES

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """See the port; the rules are in ``youtube_rules``."""
        return problems_of(post, self._now())

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        """See the port. The container is the video, private."""
        try:
            video_id: str | None = parts.get("video_id")
            if video_id is None:
                video_id = await self._upload.run(
                    access,
                    post.media[0].url,
                    video_of(post, category_id=self._category_id),
                    parts,
                    notifies=bool(post.options.get("notify_subscribers", True)),
                )
                await parts.keep(video_id=video_id, session=None)
            thumbnail = post.options.get("thumbnail_url")
            if thumbnail and not parts.get("has_thumbnail"):
                await self._set_thumbnail(access, video_id, str(thumbnail))
                await parts.keep(has_thumbnail=True)
        except MediaFault as fault:
            field = "media[0]" if parts.get("video_id") is None else "options.youtube.thumbnail_url"
            raise refusal_of(fault, field) from fault
        return video_id

    async def _set_thumbnail(self, access: AccountAccess, video_id: str, url: str) -> None:
        """Give the video its picture; saying it again changes nothing."""
        head = await self._media.head(url)
        if head.size_bytes is None:
            raise InputInvalid(
                "미리보기 이미지 주소가 파일 크기를 알려 주지 않습니다. 다른 곳에 올려 주세요.",
                code="media_without_size",
                english="The thumbnail's host does not tell its size; put it elsewhere.",
            )
        query = urlencode({"videoId": video_id, "uploadType": "media"})
        try:
            async with aclosing(self._media.stream(url, version=head.version)) as picture:
                answer = await self._uploader.send(
                    "POST",
                    f"{self._upload_url}/thumbnails/set?{query}",
                    headers={
                        "Authorization": f"Bearer {access.token.reveal()}",
                        "Content-Type": head.content_type or "application/octet-stream",
                        "Content-Length": str(head.size_bytes),
                    },
                    body=picture,
                )
            self._api.value_of(answer)
        except OutcomeUnknown as lost:
            raise again(lost) from None
        except ReconnectNeeded as error:
            if error.evidence.get("status") != 403:
                raise
            raise InputInvalid(
                "이 채널은 맞춤 미리보기 이미지를 쓸 수 없습니다. 유튜브에서 전화번호를 인증하거나 "
                "미리보기 이미지를 빼 주세요.",
                code=error.code,
                english="This channel may not have thumbnails of its own; verify it or leave "
                "the thumbnail out.",
                evidence=error.evidence,
            ) from error

    async def read_container(self, access: AccountAccess, container: Container) -> ContainerReading:
        """See the port. A visible video names its post by itself: it is the same thing."""
        video = await self._video(access, container.id, "snippet,status,processingDetails")
        if video is None:
            return ContainerReading(ContainerState.UNKNOWN, "no such video")
        reading = reading_of(video, self._link(container.id, container.kind))
        if reading is None:
            raise unreadable("a video without a known state")
        return reading

    async def publish(self, access: AccountAccess, container: Container, post: Post) -> str:
        """See the port; the post's id is the video's."""
        status = final_status(post)
        video = await self._api.send_visibly(
            "PUT", access, "/videos", {"part": "status"}, {"id": container.id, "status": status}
        )
        given = video.get("status")
        if video.get("id") != container.id or not isinstance(given, dict):
            raise OutcomeUnknown("the answer is about something else", code="unreadable")
        if is_unseen(given):
            raise Unsupported(
                "유튜브가 동영상을 비공개로 두었습니다. 채널과 앱의 상태를 유튜브에서 확인해 "
                "주세요.",
                code="kept-private",
            )
        return container.id

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        """See the port. The link follows from the id; it is given once people can see the video."""
        video = await self._video(access, post_id, "status")
        is_seen = video is not None and not is_unseen(video.get("status") or {})
        return self._link(post_id, kind) if is_seen else None

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        """See the port. The platform does not tell a Short from a video; all are called ``kind``.

        A video counts from when it became public, while the list goes by when it was uploaded.
        """
        oldest = since.replace(microsecond=0)
        posts: dict[str, LivePost] = {}
        pages = uploads_since(self._api, access, oldest - PREPARED_WITHIN, "snippet,status")
        async for page in pages:
            for video in page:
                try:
                    if is_unseen(video["status"]):
                        continue
                    post = self._post_of(video, kind)
                except (KeyError, TypeError, ValueError):
                    raise unreadable("a video without id, state or time") from None
                posts[post.post_id] = post
        newest_first = sorted(posts.values(), key=lambda post: post.posted_at, reverse=True)
        return [post for post in newest_first if post.posted_at >= oldest]

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        """See the port; the comment is the channel's own."""
        snippet = {
            "channelId": access.platform_user_id,
            "videoId": post_id,
            "topLevelComment": {"snippet": {"textOriginal": text}},
        }
        try:
            thread = await self._api.send_visibly(
                "POST", access, "/commentThreads", {"part": "snippet"}, {"snippet": snippet}
            )
        except ContainerGone as gone:
            raise InputInvalid(
                "댓글을 달 동영상이 유튜브에 없습니다.",
                code=gone.code,
                english="The video to comment on is not there.",
                evidence=gone.evidence,
            ) from None
        comment_id = thread.get("id")
        if not isinstance(comment_id, str) or not comment_id:
            raise OutcomeUnknown("a comment without an id", code="unreadable")
        return comment_id

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        """See the port; the channel's own are told by their author's id."""
        oldest = since.replace(microsecond=0)
        asked = {
            "part": "snippet",
            "videoId": post_id,
            "maxResults": "100",
            "order": "time",
            "textFormat": "plainText",
        }
        found: list[LiveComment] = []
        async for page in self._api.pages(access, "/commentThreads", asked):
            try:
                comments = [(thread, _comment_of(thread)) for thread in page]
                found += [
                    comment
                    for thread, comment in comments
                    if _author_of(thread) == access.platform_user_id and comment.posted_at >= oldest
                ]
            except (KeyError, TypeError, ValueError):
                raise unreadable("a comment without id or time") from None
            if page and all(comment.posted_at < oldest for _, comment in comments):
                break
        return sorted(found, key=lambda comment: comment.posted_at, reverse=True)

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        """See the port."""
        await self._api.delete(access, "/videos", {"id": post_id})

    async def discard(self, access: AccountAccess, container: Container) -> None:
        """See the port. A private video would stay on the channel for ever."""
        video = await self._video(access, container.id, "status")
        if video is not None and is_unseen(video.get("status") or {}):
            await self._api.delete(access, "/videos", {"id": container.id})

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        """See the port: YouTube does not say how much is left."""
        return None

    async def warm_up(self) -> None:
        """See the port."""
        await self._api.warm_up()

    async def close(self) -> None:
        """See the port."""
        await self._api.close()
        await self._uploader.close()

    async def _video(
        self, access: AccountAccess, video_id: str, part: str
    ) -> dict[str, Any] | None:
        items = items_of(await self._api.get(access, "/videos", {"part": part, "id": video_id}))
        return next((item for item in items if item.get("id") == video_id), None)

    def _link(self, video_id: str, kind: str) -> str:
        if kind == "short":
            return f"{self._watch_url.removesuffix('/watch')}/shorts/{quote(video_id, safe='')}"
        return f"{self._watch_url}?{urlencode({'v': video_id})}"

    def _post_of(self, video: Mapping[str, Any], kind: str) -> LivePost:
        video_id, snippet = str(video["id"]), video["snippet"]
        return LivePost(
            post_id=video_id,
            text=unicodedata.normalize("NFC", snippet.get("description") or ""),
            kind=kind,
            posted_at=datetime.fromisoformat(snippet["publishedAt"]),
            url=self._link(video_id, kind),
        )


def _comment_of(thread: Mapping[str, Any]) -> LiveComment:
    comment = thread["snippet"]["topLevelComment"]
    snippet = comment["snippet"]
    text = snippet.get("textOriginal") or snippet.get("textDisplay") or ""
    return LiveComment(
        str(comment["id"]), str(text), datetime.fromisoformat(snippet["publishedAt"])
    )


def _author_of(thread: Mapping[str, Any]) -> str:
    author = thread["snippet"]["topLevelComment"]["snippet"].get("authorChannelId") or {}
    return str(author.get("value", ""))
