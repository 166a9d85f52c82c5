"""A film's way to YouTube: resumable, private, and never twice.

The session's address is kept before any byte is sent. Whoever goes on after a crash asks the
session how much came; it answers with the video if all of it had. Only when the session itself is
gone are the channel's uploads searched for a video that can be ours.

Source: https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol, read
2026-11-23.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

from engine.errors import MediaChanged, MediaUnreachable, OutcomeUnknown, RetryLater, SeveralFound
from engine.platforms.connection import Answer
from engine.platforms.uploading import Uploader
from engine.platforms.youtube_api import YouTubeApi, again, items_of, json_of, unreadable
from engine.platforms.youtube_errors import refusal
from engine.platforms.youtube_resources import is_unseen
from engine.ports import AccountAccess, MediaHead, MediaSource, Parts

CHUNK: Final = 32 * 256 * 1024  # bytes; the protocol wants multiples of 256 KiB
FRUITLESS_TRIES: Final = 5  # in a row, none of which brought the upload on
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
CLOCK_MARGIN: Final = timedelta(seconds=120)  # the platform's clock may run this far behind ours
OUR_NAME: Final = "sns-"
STORED: Final = re.compile(r"bytes=0-([0-9]+)")
LOST: Final = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Session:
    """An upload that was begun, as it is kept in the post's row.

    Attributes:
        url: the session's address; whoever knows it can send bytes.
        file_name: ours alone, so that the video is known by it where the platform gives it back.
        size: of the film, in bytes.
        version: of the film's bytes.
        begun_at: RFC 3339.
    """

    url: str
    file_name: str
    size: int
    version: str
    begun_at: str

    def kept(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class VideoUpload:
    """Brings one film to YouTube, from wherever an earlier try ended.

    Args:
        api: for looking through the channel's uploads.
        uploader: for the bytes.
        upload_url: such as ``https://www.googleapis.com/upload/youtube/v3``; the token goes to no
            other host.
        media: where the bytes come from.
        now: the present, aware.
    """

    def __init__(
        self,
        api: YouTubeApi,
        uploader: Uploader,
        upload_url: str,
        media: MediaSource,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._uploader = uploader
        self._upload_url = upload_url.rstrip("/")
        self._media = media
        self._now = now

    async def run(
        self,
        access: AccountAccess,
        url: str,
        video: dict[str, Any],
        parts: Parts,
        *,
        notifies: bool,
    ) -> str:
        """Have the film at ``url`` there; gives the video's id.

        Raises:
            MediaFault: the film cannot be had.
            SeveralFound: the session is lost, and several videos can be its own.
        """
        head = await self._media.head(url)
        kept = parts.get("session")
        if kept is not None:
            session = Session(**kept)
            video_id = await self._go_on(access, url, session, head, video, parts)
            if video_id is not None:
                return video_id
            await parts.keep(session=None)
        session = await self._begin(access, head, video, notifies=notifies)
        await parts.keep(session=session.kept())
        video_id = await self._send(access, url, session, 0, parts)
        if video_id is None:
            raise RetryLater("the upload session is gone", code="session-lost")
        return video_id

    async def _begin(
        self, access: AccountAccess, head: MediaHead, video: dict[str, Any], *, notifies: bool
    ) -> Session:
        if head.size_bytes is None:
            raise MediaUnreachable(
                "the media host does not tell the size", code="no_size", is_retryable=False
            )
        file_name, begun_at = f"{OUR_NAME}{uuid4().hex}.mp4", self._now().isoformat()
        said = head.content_type or ""
        answer = await self._ask(
            access,
            "POST",
            f"{self._upload_url}/videos?uploadType=resumable&part=snippet,status"
            f"&notifySubscribers={'true' if notifies else 'false'}",
            {
                "Content-Type": "application/json; charset=utf-8",
                "X-Upload-Content-Length": str(head.size_bytes),
                "X-Upload-Content-Type": said if said.startswith("video/") else "video/*",
                "Slug": file_name,
            },
            json.dumps(video, ensure_ascii=False).encode(),
        )
        if answer.status != 200:
            raise refusal(answer, now=self._now())
        address = self._own(answer.headers.get("location", ""))
        if address is None:
            raise unreadable("an upload address that is not on its own host")
        return Session(address, file_name, head.size_bytes, head.version, begun_at)

    async def _go_on(
        self,
        access: AccountAccess,
        url: str,
        session: Session,
        head: MediaHead,
        video: dict[str, Any],
        parts: Parts,
    ) -> str | None:
        """The video of a session that was begun earlier; None when there is none to be had."""
        stored = await self._probe(access, session)
        if isinstance(stored, str):
            return stored
        if stored is not None:
            if (head.size_bytes, head.version) != (session.size, session.version):
                return None  # other bytes by now; what is not whole never becomes a video
            video_id = await self._send(access, url, session, stored, parts)
            if video_id is not None:
                return video_id
        return await self._find(access, session, str(video["snippet"]["title"]))

    async def _send(
        self, access: AccountAccess, url: str, session: Session, offset: int, parts: Parts
    ) -> str | None:
        """Send what is missing; gives the video's id, or None when the session is gone."""
        fruitless = 0
        while True:
            before = offset
            failure: RetryLater | None = None
            try:
                async with aclosing(_Film(self._media, url, offset, session.version)) as film:
                    while True:
                        size = min(CHUNK, session.size - offset)
                        answer = await self._put(access, session, film, offset, size)
                        if answer.status != 308:
                            break
                        session = await self._moved(answer, session, parts)
                        stored = _stored(answer)
                        if stored != offset + size or stored >= session.size:
                            offset = stored
                            break
                        offset = stored
            except OutcomeUnknown as lost:
                failure = again(lost)
            else:
                if answer.status in (200, 201):
                    return _video_id(answer)
                if answer.status in LOST:
                    return None
                if answer.status != 308:
                    error = refusal(answer, now=self._now())
                    if answer.status < 500 or not isinstance(error, RetryLater):
                        raise error
                    failure = error
            fruitless = 0 if offset > before else fruitless + 1
            if fruitless >= FRUITLESS_TRIES:
                raise failure or RetryLater("the upload does not go on", code="upload-stuck")
            await asyncio.sleep(min(FIRST_PAUSE_S * 2**fruitless, LONGEST_PAUSE_S))
            found = await self._probe(access, session)
            if found is None or isinstance(found, str):
                return found
            if found > offset:
                fruitless = 0
            offset = found

    async def _put(
        self,
        access: AccountAccess,
        session: Session,
        film: "_Film",
        offset: int,
        size: int,
    ) -> Answer:
        last = offset + size - 1
        span = f"bytes {offset}-{last}/{session.size}" if size else f"bytes */{session.size}"
        return await self._uploader.send(
            "PUT",
            session.url,
            headers={
                **_authorisation(access),
                "Content-Length": str(size),
                "Content-Range": span,
            },
            body=film.take(size) if size else b"",
        )

    async def _probe(self, access: AccountAccess, session: Session) -> int | str | None:
        """How many bytes came; the video's id if that was all of them; None without a session."""
        answer = await self._ask(
            access,
            "PUT",
            session.url,
            {"Content-Length": "0", "Content-Range": f"bytes */{session.size}"},
        )
        if answer.status == 308:
            return _stored(answer)
        if answer.status in (200, 201):
            return _video_id(answer)
        if answer.status in LOST:
            return None
        raise refusal(answer, now=self._now())

    async def _find(self, access: AccountAccess, session: Session, title: str) -> str | None:
        """The one private video that a lost session left, if it left one.

        A name of ours decides where the platform gives it back; else title, size and time do.
        """
        oldest = datetime.fromisoformat(session.begun_at) - CLOCK_MARGIN
        found: list[str] = []
        async for page in uploads_since(self._api, access, oldest, "snippet,status,fileDetails"):
            found += [str(video["id"]) for video in page if _can_be(video, session, title, oldest)]
        if len(found) > 1:
            raise SeveralFound(
                "유튜브 스튜디오에 제목과 크기가 같은 비공개 동영상이 여러 개 있습니다. 하나만 "
                "남기고 지운 뒤 다시 승인해 주세요.",
                code="several-found",
                evidence={"videos": found},
            )
        return found[0] if found else None

    async def _ask(
        self,
        access: AccountAccess,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes = b"",
    ) -> Answer:
        try:
            return await self._uploader.send(
                method, url, headers={**_authorisation(access), **headers}, body=body
            )
        except OutcomeUnknown as lost:
            raise again(lost) from None

    def _own(self, address: str) -> str | None:
        """An absolute address on the upload host; None for any other, which gets no token."""
        whole = urljoin(self._upload_url, address) if address else ""
        ours, theirs = urlsplit(self._upload_url), urlsplit(whole)
        same = (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)
        return whole if same else None

    async def _moved(self, answer: Answer, session: Session, parts: Parts) -> Session:
        """The session at its new address, if the answer names one on the upload host."""
        address = self._own(answer.headers.get("location", ""))
        if address is None or address == session.url:
            return session
        session = replace(session, url=address)
        await parts.keep(session=session.kept())
        return session


class _Film:
    """A film's bytes from an offset on, handed out chunk by chunk; holds one piece at most."""

    def __init__(self, media: MediaSource, url: str, offset: int, version: str) -> None:
        self._pieces = media.stream(url, offset, version=version)
        self._rest = b""

    async def take(self, size: int) -> AsyncIterator[bytes]:
        """The next ``size`` bytes."""
        while size:
            piece = self._rest or await anext(self._pieces, b"")
            if not piece:
                raise MediaChanged("the media at this address has become shorter", code="changed")
            sent, self._rest = piece[:size], piece[size:]
            size -= len(sent)
            yield sent

    async def aclose(self) -> None:
        """End the reading."""
        await self._pieces.aclose()


async def uploads_since(
    api: YouTubeApi, access: AccountAccess, oldest: datetime, part: str
) -> AsyncIterator[list[dict[str, Any]]]:
    """The channel's own videos, uploaded at or after ``oldest``, newest first, page by page.

    By its uploads playlist: a search would cost a hundred times as much, and finds late.
    """
    channels = items_of(
        await api.get(access, "/channels", {"part": "contentDetails", "mine": "true"})
    )
    try:
        playlist = str(channels[0]["contentDetails"]["relatedPlaylists"]["uploads"])
    except (IndexError, KeyError, TypeError):
        raise unreadable("a channel without a list of uploads") from None
    asked = {"part": "snippet,contentDetails", "playlistId": playlist, "maxResults": "50"}
    async for page in api.pages(access, "/playlistItems", asked):
        try:
            young = [
                str(item["contentDetails"]["videoId"])
                for item in page
                if datetime.fromisoformat(item["snippet"]["publishedAt"]) >= oldest
            ]
        except (KeyError, TypeError, ValueError):
            raise unreadable("an upload without id or time") from None
        if young:
            query = {"part": part, "id": ",".join(young), "maxResults": "50"}
            yield items_of(await api.get(access, "/videos", query))
        if len(young) < len(page):
            return


def _can_be(video: dict[str, Any], session: Session, title: str, oldest: datetime) -> bool:
    try:
        snippet, status = video["snippet"], video["status"]
        uploaded_at = datetime.fromisoformat(snippet["publishedAt"])
    except (KeyError, TypeError, ValueError):
        raise unreadable("a video without title, state or time") from None
    if not is_unseen(status) or uploaded_at < oldest:
        return False
    file = video.get("fileDetails") or {}
    name = str(file.get("fileName", ""))
    if name.startswith(OUR_NAME):
        return name == session.file_name
    size = file.get("fileSize")
    return snippet.get("title") == title and size in (None, str(session.size), session.size)


def _stored(answer: Answer) -> int:
    """How many bytes the platform has; no ``Range`` means none."""
    found = STORED.fullmatch(answer.headers.get("range", "").strip())
    return int(found[1]) + 1 if found else 0


def _video_id(answer: Answer) -> str:
    video_id = (json_of(answer) or {}).get("id")
    if not isinstance(video_id, str) or not video_id:
        raise unreadable("a finished upload without a video")  # the session will say it again
    return video_id


def _authorisation(access: AccountAccess) -> dict[str, str]:
    return {"Authorization": f"Bearer {access.token.reveal()}"}
