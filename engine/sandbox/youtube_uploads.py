"""YouTube's upload host: resumable sessions, films in one request, and thumbnails.

Sources: https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol, read
2026-11-23; the discovery document of youtube.v3, revision 20261104, read 2026-11-25.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from engine.sandbox.state import Account, SeenRequest, World
from engine.sandbox.surface import JSON, Answer
from engine.sandbox.videos import inspect
from engine.sandbox.youtube_errors import YouTubeError
from engine.sandbox.youtube_exchange import Body, Exchange, Host, json_answer
from engine.sandbox.youtube_metadata import check_snippet, completed_status
from engine.sandbox.youtube_resources import video_resource
from engine.sandbox.youtube_state import STEP, Session, Video

UPLOADS: Final = ("/upload/youtube/v3/", "/resumable/upload/youtube/v3/")
WHOLE_LIMIT: Final = 64 * 1024 * 1024  # bytes that come in one request with their metadata
THUMBNAIL_LIMIT: Final = 50 * 1024 * 1024  # bytes
THUMBNAIL_COST: Final = 50  # units
PICTURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
BOUNDARY: Final = re.compile(r'multipart/related;.*boundary="?([^";]+)"?', re.IGNORECASE)
HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
REPORTED: Final = ["snippet", "status"]


@dataclass(frozen=True, slots=True)
class Span:
    """What an upload request says of its bytes; ``start`` None asks how far the session is."""

    start: int | None
    end: int = -1
    total: int | None = None

    @property
    def is_odd(self) -> bool:
        """A piece of a size that only the last may have."""
        is_last = self.total is None or self.end + 1 >= self.total
        return self.start is not None and not is_last and (self.end + 1 - self.start) % STEP != 0


class Uploads:
    """The ASGI application for YouTube's upload paths."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def serve(self, exchange: Exchange) -> None:
        """Find out which call it is, and see to it."""
        resource = exchange.scope["path"].partition("/youtube/v3/")[2]
        match exchange.method, resource:
            case "POST", "thumbnails/set":
                await self._set_thumbnail(exchange)
            case "POST", "videos" if exchange.query.get("uploadType") in ("multipart", "media"):
                await self._take_whole(exchange)
            case "POST", "videos":
                await self._start(exchange)
            case "PUT", "videos":
                await self._take_piece(exchange)
            case _:
                await self._refuse(exchange)

    async def _start(self, exchange: Exchange) -> None:
        """A session; no video exists yet."""
        metadata: dict[str, Any] | YouTubeError
        try:
            metadata = await exchange.body.read_json()
        except YouTubeError as error:
            metadata = error
        seen = exchange.see(
            "create_container", None if isinstance(metadata, YouTubeError) else metadata
        )

        async def act(is_repeat: bool) -> Answer:
            caller = _uploader(exchange)
            if isinstance(metadata, YouTubeError):
                raise metadata
            session = _new_session(exchange, caller, metadata)
            return Answer(200, b"", [JSON, _location(exchange, session)])

        await self._host.answer(exchange, seen, act)

    async def _take_piece(self, exchange: Exchange) -> None:
        """``PUT`` to a session: bytes, or the question how many have come."""
        world = exchange.world
        span = _span_of(exchange.headers)
        session = world.youtube.sessions.get(exchange.query.get("upload_id", ""))
        call = "probe_upload" if span is not None and span.start is None else "upload"
        seen = exchange.see(call, account=None if session is None else session.account)

        async def act(is_repeat: bool) -> Answer:
            alive = _alive(world, session)
            if exchange.token is not None and exchange.caller() is not alive.account:
                raise YouTubeError("forbidden")
            if span is None:
                raise YouTubeError("badRequest")
            if span.is_odd:
                raise YouTubeError("invalidChunk")
            await _store(alive, span, exchange.body)
            return await _progress(exchange, seen, alive)

        fault = world.faults.peek_bytes(exchange.method, seen.path, call, seen.account)
        if fault is not None:
            if session is not None and span is not None:
                await _store(session, span, exchange.body, fault.after_bytes)
            await self._host.cut(exchange, seen, fault)
            return
        await self._host.answer(exchange, seen, act)

    async def _take_whole(self, exchange: Exchange) -> None:
        """Metadata and film in one request, or the film alone."""
        seen = exchange.see("upload")

        async def act(is_repeat: bool) -> Answer:
            caller = _uploader(exchange)
            metadata, film = _parts_of(
                exchange.headers.get("content-type", ""), await exchange.body.read(WHOLE_LIMIT)
            )
            seen.json = metadata
            session = _new_session(exchange, caller, metadata)
            session.size = len(film)
            session.take(film)
            return await _progress(exchange, seen, session)

        await self._host.answer(exchange, seen, act)

    async def _set_thumbnail(self, exchange: Exchange) -> None:
        seen = exchange.see("set_thumbnail")

        async def act(is_repeat: bool) -> Answer:
            caller = exchange.caller()
            exchange.spend("units", THUMBNAIL_COST)
            video = exchange.world.youtube.videos.get(exchange.query.get("videoId", ""))
            if video is None or video.account is not caller:
                raise YouTubeError("videoNotFound")
            picture = await exchange.body.read(THUMBNAIL_LIMIT)
            if not picture and not is_repeat:
                raise YouTubeError("mediaBodyRequired")
            if not picture.startswith(PICTURES) and not is_repeat:
                raise YouTubeError("invalidImage")
            video.has_thumbnail = True
            address = {"url": f"{exchange.base_url}/watch?v={video.id}"}
            return json_answer(
                {"kind": "youtube#thumbnailSetResponse", "items": [{"default": address}]}
            )

        await self._host.answer(exchange, seen, act)

    async def _refuse(self, exchange: Exchange) -> None:
        async def act(is_repeat: bool) -> Answer:
            raise YouTubeError("notFound")

        await self._host.answer(exchange, exchange.see("unknown"), act)


def _uploader(exchange: Exchange) -> Account:
    """Who uploads, when one may still do so today."""
    caller = exchange.caller()
    exchange.spend("uploads", 1)
    if exchange.world.switches.upload_limit_reached:
        raise YouTubeError("uploadLimitExceeded")
    return caller


def _new_session(exchange: Exchange, account: Account, metadata: dict[str, Any]) -> Session:
    snippet, status = metadata.get("snippet") or {}, metadata.get("status") or {}
    if not isinstance(snippet, dict) or not isinstance(status, dict):
        raise YouTubeError("invalidVideoMetadata")
    check_snippet(snippet)
    size = exchange.headers.get("x-upload-content-length", "")
    session = Session(
        id=f"upload{exchange.world.number():012d}",
        account=account,
        snippet=dict(snippet),
        status=completed_status(status),
        size=int(size) if size.isdecimal() else None,
        created_at=exchange.world.clock.now(),
        file_name=exchange.headers.get("slug", ""),
    )
    exchange.world.youtube.sessions[session.id] = session
    return session


def _location(exchange: Exchange, session: Session) -> tuple[bytes, bytes]:
    path = exchange.scope["path"]
    address = f"{exchange.base_url}{path}?uploadType=resumable&upload_id={session.id}"
    return b"location", address.encode()


def _alive(world: World, session: Session | None) -> Session:
    switches = world.switches
    if (
        session is None
        or switches.sessions_lost
        or world.clock.now() - session.created_at >= switches.session_life_s
    ):
        raise YouTubeError("notFound")
    return session


def _span_of(headers: dict[str, str]) -> Span | None:
    """What is sent, or None when the headers make no sense."""
    given = headers.get("content-range")
    if given is None:
        length = int(headers.get("content-length", "0"))
        return Span(0, length - 1, length)
    found = RANGE.fullmatch(given)
    if found is None:
        return None
    total = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return Span(None, total=total)
    return Span(int(found[1]), int(found[2]), total)


async def _store(session: Session, span: Span, body: Body, limit: int | None = None) -> None:
    """Store bytes as they come; of a piece that breaks off, whole steps of 256 KiB only.

    Args:
        session: where they go, if they begin where it stands; otherwise they are dropped.
        span: what the request says of them.
        body: where they come from.
        limit: bytes after which the request counts as broken off.
    """
    if span.start is not None:
        session.turn += 1
    turn, came, pending = session.turn, 0, bytearray()
    takes = session.video is None and span.start == session.received
    if span.total is not None and session.size is None:
        session.size = span.total
    async for piece in body.pieces():
        came += len(piece)
        # Bytes of a connection that has died may come after a younger one has begun.
        if not takes or session.turn != turn:
            continue
        pending += piece if limit is None else piece[: max(0, limit - (came - len(piece)))]
        whole = len(pending) // STEP * STEP
        session.take(bytes(pending[:whole]))
        del pending[:whole]
        if limit is not None and came >= limit:
            return
    if takes and session.turn == turn:
        session.take(bytes(pending))


async def _progress(exchange: Exchange, seen: SeenRequest, session: Session) -> Answer:
    """What the session has by now: 308 with its range, or the video."""
    async with session.finishing:
        if session.video is None and session.received == session.size:
            session.video = await _new_video(exchange.world, seen, session)
    if session.video is not None:
        return json_answer(video_resource(exchange.world, session.video, REPORTED))
    headers = [JSON]
    if session.received:
        headers.append((b"range", f"bytes=0-{session.received - 1}".encode()))
    if exchange.world.switches.sessions_move:
        del exchange.world.youtube.sessions[session.id]
        session.id = f"upload{exchange.world.number():012d}"
        exchange.world.youtube.sessions[session.id] = session
        headers.append(_location(exchange, session))
    return Answer(308, b"", headers)


async def _new_video(world: World, seen: SeenRequest, session: Session) -> Video:
    number = world.number()
    video = Video(
        id=f"v{number:010d}",
        number=number,
        account=session.account,
        snippet=session.snippet,
        status=session.status,
        size=session.received,
        sha256=session.digest.hexdigest(),
        file_name=session.file_name,
        created_at=world.clock.now(),
        last_said_by=seen,
    )
    film = await asyncio.to_thread(session.film)
    if not session.received:
        video.failure = "emptyFile"
    elif film is not None:
        facts = await asyncio.to_thread(inspect, film)
        if facts is None:
            video.failure = "invalidFile"
        else:
            video.width, video.height = facts.width, facts.height
            video.duration_s = facts.duration_s
    if world.switches.reject_duplicates and any(
        one.sha256 == video.sha256 and one.account is video.account
        for one in world.youtube.videos.values()
    ):
        video.rejection = "duplicate"
    world.youtube.videos[video.id] = video
    if video.status["privacyStatus"] != "private":
        world.youtube.show(world, video)
    return video


def _parts_of(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Metadata and film of ``multipart/related`` (RFC 2387); of anything else, the film alone."""
    found = BOUNDARY.match(content_type)
    if found is None:
        return {}, body
    pieces = body.split(b"--" + found[1].encode())[1:-1]
    contents = [HEAD_END.split(piece, 1)[-1] for piece in pieces]
    if len(contents) != 2:
        raise YouTubeError("badRequest")
    try:
        metadata = orjson.loads(contents[0])
    except orjson.JSONDecodeError:
        raise YouTubeError("parseError") from None
    if not isinstance(metadata, dict):
        raise YouTubeError("parseError")
    film = contents[1]
    # The line's end before a boundary belongs to the boundary.
    return metadata, film[: -2 if film.endswith(b"\r\n") else -1]
