"""YouTube: a film is sent as a private video ahead of time, and made public by one call.

Nobody but the channel sees a private video, and changing its privacy may be repeated, so the
visible call is idempotent on an id that is known beforehand. What must not happen twice is the
upload: its session's address is kept before the first byte, and a session that has ended without an
answer is asked what became of it.

Sources, read 2026-11-23: the discovery document of youtube.v3, revision 20261104, and
https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from engine.errors import (
    ContainerGone,
    InputInvalid,
    MediaFault,
    MediaUnreachable,
    OutcomeUnknown,
    RetryLater,
)
from engine.platforms.connection import Answer
from engine.platforms.transport import READ_TIMEOUT_S, Transport
from engine.platforms.uploading import Uploader
from engine.platforms.youtube_errors import refusal
from engine.platforms.youtube_rules import (
    kind_of,
    problems_of,
    snippet_of,
    status_of,
    title_of,
)
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

CHUNK: Final = 8 * 1024 * 1024  # bytes; a multiple of 256 KiB, and all that is held in memory
TRIES: Final = 5  # of one chunk, each after asking how far the session is
PAGES: Final = 4  # of 50 uploads each, searched for a video whose session is gone
CLOCK_MARGIN: Final = timedelta(seconds=120)
THUMBNAIL_LIMIT: Final = 2 * 1024 * 1024  # bytes; the guide's, which is less than the reference's
TRAITS: Final = KindTraits(is_idempotent=True, may_publish_in_progress=True, life_s=None)
SCOPES: Final = frozenset(
    {
        "https://www.googleapis.com/auth/youtube.upload",
        "https://www.googleapis.com/auth/youtube.force-ssl",
    }
)


class YouTubeClient:
    """``engine.ports.PlatformClient`` for YouTube.

    Args:
        base_url: of the data host, such as ``https://youtube.googleapis.com/youtube/v3``.
        upload_url: where sessions begin; every session must stay on its host.
        watch_url: where people watch, without ``/watch``.
        media: where films come from.
        publish_timeout_s: seconds until a publish without an answer has an unknown outcome.
    """

    def __init__(
        self,
        base_url: str,
        *,
        upload_url: str,
        watch_url: str,
        media: MediaSource,
        publish_timeout_s: float = 30.0,
    ) -> None:
        self._transport = Transport(base_url)
        self._upload_url = upload_url.rstrip("/")
        self._watch_url = watch_url.rstrip("/")
        self._uploader = Uploader()
        self._media = media
        self._publish_timeout_s = publish_timeout_s

    def kind_of(self, post: Post) -> str:
        """See the port."""
        return kind_of(post)

    def traits_of(self, kind: str) -> KindTraits:
        """See the port."""
        return {"video": TRAITS, "short": TRAITS}[kind]

    def scopes_of(self, kind: str) -> frozenset[str]:
        """See the port."""
        return SCOPES

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """See the port; the rules are in ``youtube_rules``."""
        return problems_of(post)

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        """See the port: the private video's id."""
        video_id: str | None = parts.get("video_id")
        if video_id is None:
            try:
                video_id = await self._upload(access, post, parts)
            except MediaUnreachable as fault:
                raise RetryLater(str(fault), code="media_unreachable") from fault
            except MediaFault as fault:
                raise InputInvalid(
                    "동영상 파일을 읽을 수 없습니다. 파일을 다시 올려 주세요.",
                    code="media_unusable",
                    english=str(fault),
                ) from fault
            await parts.keep(video_id=video_id)
        if "thumbnail_url" in post.options and not parts.get("has_thumbnail"):
            await self._set_thumbnail(access, video_id, str(post.options["thumbnail_url"]))
            await parts.keep(has_thumbnail=True)
        return video_id

    async def _upload(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        url = post.media[0].url
        size = (await self._media.head(url)).size_bytes
        if size is None:
            raise InputInvalid(
                "동영상 주소가 파일 크기를 알려 주지 않습니다. 다른 곳에 올려 주세요.",
                code="media_without_size",
                english="The video's host does not tell its size; put it elsewhere.",
            )
        session: str | None = parts.get("session")
        if session is not None:
            try:
                return await self._send(access, session, url, size, begun=True)
            except ContainerGone:
                found = await self._find_upload(access, post, size, parts)
                if found is not None:
                    return found
        session = await self._start(access, post, size, parts)
        return await self._send(access, session, url, size, begun=False)

    async def _start(self, access: AccountAccess, post: Post, size: int, parts: Parts) -> str:
        """Begin a session, and keep its address before anything is sent to it."""
        body = {"snippet": snippet_of(post), "status": status_of(post, is_hidden=True)}
        query = {
            "uploadType": "resumable",
            "part": "snippet,status",
            "notifySubscribers": _word(post.options.get("notify_subscribers", True)),
        }
        try:
            answer = await self._uploader.send(
                "POST",
                f"{self._upload_url}/videos?{urlencode(query)}",
                headers={
                    **_bearer(access),
                    "Content-Type": "application/json; charset=UTF-8",
                    "X-Upload-Content-Length": str(size),
                    "X-Upload-Content-Type": "video/*",
                },
                body=json.dumps(body, ensure_ascii=False).encode(),
            )
        except OutcomeUnknown as lost:
            raise RetryLater(str(lost), code=lost.code, evidence=lost.evidence) from None
        if answer.status != 200:
            raise refusal(answer)
        session = answer.headers.get("location", "")
        self._check_host(session)
        await parts.keep(session=session, begun_at=datetime.now(UTC).isoformat())
        return session

    def _check_host(self, session: str) -> None:
        """The token goes nowhere but to the configured host, whatever an answer names."""
        if urlsplit(session)[:2] != urlsplit(self._upload_url)[:2]:
            raise RetryLater(
                "the platform names an upload host that is not its own", code="upload-host-unknown"
            )

    async def _send(
        self, access: AccountAccess, session: str, url: str, size: int, *, begun: bool
    ) -> str:
        """Send what is missing, piece by piece; gives the video's id.

        Raises:
            ContainerGone: the session is not known any more.
            RetryLater: it broke too often; go on from there another time.
        """
        offset, tries = 0, 0
        is_sure = not begun  # of where the session stands
        while True:
            try:
                if not is_sure:
                    answer = await self._put(access, session, f"bytes */{size}", b"")
                else:
                    answer = await self._send_chunk(access, session, url, offset, size)
            except OutcomeUnknown as lost:
                answer = None
                tries += 1
                if tries >= TRIES:
                    raise RetryLater(str(lost), code=lost.code) from None
            if answer is None or answer.status >= 500:
                is_sure = False
                if answer is not None:
                    tries += 1
                    if tries >= TRIES:
                        raise refusal(answer)
                continue
            if answer.status in (200, 201):
                return _id_of(answer)
            if answer.status != 308:
                raise refusal(answer)
            session = answer.headers.get("location", session)
            self._check_host(session)
            reached = _reached(answer)
            tries = 0 if reached > offset else tries
            offset, is_sure = reached, True

    async def _send_chunk(
        self, access: AccountAccess, session: str, url: str, offset: int, size: int
    ) -> Answer:
        end = min(offset + CHUNK, size)
        return await self._put(
            access,
            session,
            f"bytes {offset}-{end - 1}/{size}",
            _at_most(self._media.stream(url, offset), end - offset),
            length=end - offset,
        )

    async def _put(
        self,
        access: AccountAccess,
        session: str,
        content_range: str,
        body: bytes | AsyncIterator[bytes],
        *,
        length: int = 0,
    ) -> Answer:
        return await self._uploader.send(
            "PUT",
            session,
            headers={
                **_bearer(access),
                "Content-Range": content_range,
                "Content-Length": str(length),
            },
            body=body,
        )

    async def _find_upload(
        self, access: AccountAccess, post: Post, size: int, parts: Parts
    ) -> str | None:
        """The video of a session that is gone, if it had come to its end.

        Raises:
            InputInvalid: several could be it, and a person has to delete all but one.
        """
        since = datetime.fromisoformat(str(parts.get("begun_at"))) - CLOCK_MARGIN
        wanted = title_of(post)
        found = [
            video_id
            for video_id, title in await self._uploads(access, since)
            if title == wanted and await self._has_size(access, video_id, size)
        ]
        if len(found) > 1:
            raise InputInvalid(
                "같은 제목과 크기의 동영상이 채널에 여러 개 있습니다. 유튜브 스튜디오에서 하나만 "
                "남기고 지운 뒤 다시 승인해 주세요.",
                code="several_uploads",
                english="The channel has several such videos; delete all but one in the Studio.",
                evidence={"found": found},
            )
        return found[0] if found else None

    async def _uploads(self, access: AccountAccess, since: datetime) -> list[tuple[str, str]]:
        """Id and title of what was uploaded since then, newest first."""
        channels = await self._get(access, "/channels", {"part": "contentDetails", "mine": "true"})
        try:
            playlist = channels["items"][0]["contentDetails"]["relatedPlaylists"]["uploads"]
        except (KeyError, IndexError, TypeError):
            raise _unreadable("no channel") from None
        query = {"part": "snippet", "playlistId": str(playlist), "maxResults": "50"}
        uploads: list[tuple[str, str]] = []
        for _ in range(PAGES):
            page = await self._get(access, "/playlistItems", query)
            try:
                rows = [
                    (
                        str(item["snippet"]["resourceId"]["videoId"]),
                        str(item["snippet"]["title"]),
                        datetime.fromisoformat(item["snippet"]["publishedAt"]),
                    )
                    for item in page["items"]
                ]
            except (KeyError, TypeError, ValueError):
                raise _unreadable("a list of uploads that cannot be read") from None
            uploads += [(video_id, title) for video_id, title, at in rows if at >= since]
            token = page.get("nextPageToken")
            if token is None or any(at < since for _, _, at in rows):
                break
            query["pageToken"] = str(token)
        return uploads

    async def _has_size(self, access: AccountAccess, video_id: str, size: int) -> bool:
        video = await self._video(access, video_id, "fileDetails")
        details = (video or {}).get("fileDetails") or {}
        return str(details.get("fileSize")) == str(size)

    async def _set_thumbnail(self, access: AccountAccess, video_id: str, url: str) -> None:
        """May be repeated: a video has one picture."""
        body = b""
        try:
            async for piece in self._media.stream(url):
                body += piece
                if len(body) > THUMBNAIL_LIMIT:
                    raise InputInvalid(
                        "미리보기 이미지를 2MB 이하로 줄여 주세요.",
                        code="thumbnail_too_large",
                        english="Reduce the thumbnail to at most 2 MB.",
                    )
        except MediaFault as fault:
            raise RetryLater(str(fault), code="media_unreachable") from fault
        kind = "image/png" if body.startswith(b"\x89PNG") else "image/jpeg"
        try:
            answer = await self._uploader.send(
                "POST",
                f"{self._upload_url}/thumbnails/set?{urlencode({'videoId': video_id})}",
                headers={**_bearer(access), "Content-Type": kind},
                body=body,
            )
        except OutcomeUnknown as lost:
            raise RetryLater(str(lost), code=lost.code) from None
        if answer.status != 200:
            raise refusal(answer)

    async def read_container(self, access: AccountAccess, container: Container) -> ContainerReading:
        """See the port. A public video is its own live post."""
        video = await self._video(access, container.id, "status")
        if video is None:
            return ContainerReading(ContainerState.UNKNOWN, "no such video")
        status = video.get("status")
        if not isinstance(status, dict):
            raise _unreadable("a video without a status")
        detail = json.dumps(status, ensure_ascii=False)
        if status.get("privacyStatus") in ("public", "unlisted") or "publishAt" in status:
            return ContainerReading(
                ContainerState.PUBLISHED,
                detail,
                post_id=container.id,
                url=self._link(container.id, container.kind),
            )
        match status.get("uploadStatus"):
            case "processed":
                return ContainerReading(ContainerState.READY, detail)
            case "uploaded":
                return ContainerReading(ContainerState.IN_PROGRESS, detail)
            case "failed" | "rejected":
                return ContainerReading(ContainerState.FAILED, detail)
        return ContainerReading(ContainerState.UNKNOWN, detail)

    async def publish(self, access: AccountAccess, container: Container, post: Post) -> str:
        """See the port; the post's id is the video's."""
        answer = await self._transport.send_json(
            "PUT",
            "/videos",
            {"part": "status"},
            {"id": container.id, "status": status_of(post, is_hidden=False)},
            access.token,
            timeout_s=self._publish_timeout_s,
        )
        if answer.status != 200:
            raise refusal(answer, is_visible=True)
        if _value_of(answer, OutcomeUnknown).get("id") != container.id:
            raise OutcomeUnknown("success without the video's id", code="unreadable")
        return container.id

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        """See the port. The link follows from the id; it is given once the video is there."""
        video = await self._video(access, post_id, "status")
        return None if video is None else self._link(post_id, kind)

    def _link(self, video_id: str, kind: str) -> str:
        if kind == "short":
            return f"{self._watch_url}/shorts/{video_id}"
        return f"{self._watch_url}/watch?v={video_id}"

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        """See the port: uploads that people can see. Their time is that of the upload."""
        posts = []
        for video_id, _ in await self._uploads(access, since.replace(microsecond=0)):
            video = await self._video(access, video_id, "snippet,status")
            if video is None or video.get("status", {}).get("privacyStatus") == "private":
                continue
            try:
                snippet = video["snippet"]
                posts.append(
                    LivePost(
                        post_id=video_id,
                        text=str(snippet.get("description", "")),
                        kind=kind,
                        posted_at=datetime.fromisoformat(snippet["publishedAt"]),
                        url=self._link(video_id, kind),
                    )
                )
            except (KeyError, TypeError, ValueError):
                raise _unreadable("a video without a time") from None
        return posts

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        """See the port."""
        answer = await self._transport.send_json(
            "POST",
            "/commentThreads",
            {"part": "snippet"},
            {
                "snippet": {
                    "channelId": access.platform_user_id,
                    "videoId": post_id,
                    "topLevelComment": {"snippet": {"textOriginal": text}},
                }
            },
            access.token,
            timeout_s=self._publish_timeout_s,
        )
        if answer.status != 200:
            raise refusal(answer, is_visible=True)
        return _id_of(answer, OutcomeUnknown)

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        """See the port; the newest hundred threads, in which one's own of a moment ago is."""
        page = await self._get(
            access,
            "/commentThreads",
            {
                "part": "snippet",
                "videoId": post_id,
                "maxResults": "100",
                "order": "time",
                "textFormat": "plainText",
            },
        )
        found = []
        try:
            for item in page.get("items", []):
                top = item["snippet"]["topLevelComment"]
                snippet = top["snippet"]
                at = datetime.fromisoformat(snippet["publishedAt"])
                author = (snippet.get("authorChannelId") or {}).get("value")
                if author == access.platform_user_id and at >= since.replace(microsecond=0):
                    said = snippet.get("textOriginal") or snippet["textDisplay"]
                    found.append(LiveComment(str(top["id"]), str(said), at))
        except (KeyError, TypeError, ValueError):
            raise _unreadable("a comment without id or time") from None
        return sorted(found, key=lambda comment: comment.posted_at, reverse=True)

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        """See the port."""
        try:
            answer = await self._transport.delete("/videos", {"id": post_id}, access.token)
        except OutcomeUnknown as lost:
            raise RetryLater(str(lost), code=lost.code) from None
        if answer.status not in (200, 204, 404):
            raise refusal(answer)

    async def discard(self, access: AccountAccess, container: Container) -> None:
        """See the port: a private video would stay in the channel."""
        reading = await self.read_container(access, container)
        if reading.state is not ContainerState.PUBLISHED:
            await self.delete(access, container.id, container.kind)

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        """See the port: the platform does not tell what is left."""
        return None

    async def warm_up(self) -> None:
        """See the port."""
        await self._transport.warm_up()

    async def close(self) -> None:
        """See the port."""
        await self._transport.close()
        await self._uploader.close()

    async def _video(
        self, access: AccountAccess, video_id: str, part: str
    ) -> dict[str, Any] | None:
        value = await self._get(access, "/videos", {"part": part, "id": video_id})
        items = value.get("items")
        if not isinstance(items, list):
            raise _unreadable("a list of videos that is none")
        return items[0] if items else None

    async def _get(
        self, access: AccountAccess, path: str, query: Mapping[str, str]
    ) -> dict[str, Any]:
        try:
            answer = await self._transport.get(path, query, access.token, timeout_s=READ_TIMEOUT_S)
        except OutcomeUnknown as lost:
            raise RetryLater(str(lost), code=lost.code, evidence=lost.evidence) from None
        if answer.status != 200:
            raise refusal(answer)
        return _value_of(answer, RetryLater)


def _bearer(access: AccountAccess) -> dict[str, str]:
    return {"Authorization": f"Bearer {access.token.reveal()}"}


def _word(value: object) -> str:
    return "true" if value else "false"


def _reached(answer: Answer) -> int:
    """How many bytes a session has; without a range it has none."""
    last = answer.headers.get("range", "").rpartition("-")[2]
    return int(last) + 1 if last.isdecimal() else 0


async def _at_most(pieces: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The first ``size`` bytes; a source that has fewer breaks the request, which is right."""
    left = size
    async for piece in pieces:
        yield piece[:left]
        left -= len(piece[:left])
        if not left:
            return


def _value_of(answer: Answer, missing: type[RetryLater | OutcomeUnknown]) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise missing("the platform answered with nothing readable", code="unreadable")
    return value


def _id_of(answer: Answer, missing: type[RetryLater | OutcomeUnknown] = RetryLater) -> str:
    given = _value_of(answer, missing).get("id")
    if not isinstance(given, str) or not given:
        raise missing("the platform answered success without an id", code="unreadable")
    return given


def _unreadable(what: str) -> RetryLater:
    return RetryLater(f"the platform answered with {what}", code="unreadable")
