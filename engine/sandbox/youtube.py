"""YouTube's data and upload hosts, as far as publishing needs them.

Sources, read 2026-11-23: the discovery document of youtube.v3, revision 20261104;
https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol and
.../determine_quota_cost.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope, Send

from engine.sandbox.faults import Fault
from engine.sandbox.state import Account, Comment, SeenRequest, World
from engine.sandbox.surface import JSON, Answer, Surface, base_url_of, gone
from engine.sandbox.videos import inspect
from engine.sandbox.wire import Wire, wire_of
from engine.sandbox.youtube_errors import YouTubeError
from engine.sandbox.youtube_state import STEP, Session, Video

DATA: Final = "/youtube/v3/"
UPLOADS: Final = ("/upload/youtube/v3/", "/resumable/upload/youtube/v3/")
PREFIXES: Final = (DATA, *UPLOADS)
TITLE_LIMIT: Final = 100
DESCRIPTION_LIMIT: Final = 5000  # bytes
TAGS_LIMIT: Final = 500  # characters
CATEGORIES: Final = frozenset(map(str, range(1, 45)))
THUMBNAIL_LIMIT: Final = 50 * 1024 * 1024
RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
COSTS: Final = {"GET": 1, "POST": 50, "PUT": 50, "DELETE": 50}
JSON_KEPT: Final = 64 * 1024


@dataclass(slots=True)
class YouTubeRequest:
    """One request of the data host."""

    world: World
    query: dict[str, str]
    body: dict[str, Any]
    account: Account
    seen: SeenRequest
    base_url: str

    def parts(self) -> list[str]:
        """What ``part`` asks for."""
        return [name for name in self.query.get("part", "").split(",") if name]


Act = Callable[[YouTubeRequest], Awaitable[dict[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class _Upload:
    """What an upload request says of its bytes."""

    start: int | None  # None asks how far the session is
    end: int | None
    total: int | None
    headers: dict[str, str] = field(default_factory=dict)


class YouTube:
    """The ASGI application for YouTube's paths."""

    def __init__(self, world: Callable[[], World], surface: Surface) -> None:
        self._world = world
        self._surface = surface
        self._acts: dict[tuple[str, str], tuple[str, Act]] = {
            ("GET", "videos"): ("read_container", _list_videos),
            ("PUT", "videos"): ("update_video", _update_video),
            ("DELETE", "videos"): ("delete_post", _delete_video),
            ("GET", "channels"): ("read_channel", _list_channels),
            ("GET", "playlistItems"): ("list_posts", _list_uploads),
            ("GET", "videoCategories"): ("read_categories", _list_categories),
            ("POST", "commentThreads"): ("create_comment", _create_thread),
            ("GET", "commentThreads"): ("list_comments", _list_threads),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request from its first byte to its answer, or to its planned misfortune."""
        wire = wire_of(scope)
        try:
            if scope["path"].startswith(UPLOADS):
                await self._serve_upload(scope, receive, send, wire)
            else:
                await self._serve(scope, receive, send, wire)
        except asyncio.CancelledError:
            wire.reset()
            await gone(receive)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, wire: Wire) -> None:
        world, method = self._world(), scope["method"]
        query, token = _query_and_token(scope)
        body = await _json_body(receive)
        resource = scope["path"].removeprefix(DATA)
        name, act = self._acts.get((method, resource), ("unknown", _unknown))
        if name == "update_video" and _makes_visible(world, body):
            name = "publish"
        seen = self._see(world, scope, name, wire, query, body)
        account = world.account_of(token) if token else None
        seen.account = None if account is None else account.id

        async def carry_out(is_repeat: bool) -> Answer:
            try:
                caller = _authenticated(world, account)
                _spend(world, "units", COSTS[method])
                request = YouTubeRequest(world, query, body, caller, seen, base_url_of(scope))
                answer = await act(request)
                return Answer(
                    200 if answer is not None else 204, orjson.dumps(answer or {}), [JSON]
                )
            except YouTubeError as error:
                return Answer(error.status, error.body(), [JSON])

        await self._surface.respond(
            world, seen, carry_out, _planned_error, wire=wire, receive=receive, send=send
        )

    async def _serve_upload(self, scope: Scope, receive: Receive, send: Send, wire: Wire) -> None:
        world, method = self._world(), scope["method"]
        query, token = _query_and_token(scope)
        headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]}
        if scope["path"].endswith("/thumbnails/set"):
            await self._thumbnail(scope, receive, send, wire, query, token)
            return
        if "upload_id" not in query:
            await self._start(scope, receive, send, wire, query, headers, token)
            return
        said = _upload_of(headers)
        name = "probe_upload" if said.start is None else "upload"
        seen = self._see(world, scope, name, wire, query, {})
        session = world.youtube.sessions.get(query["upload_id"])
        seen.account = None if session is None else session.account.id
        fault = world.faults.peek_bytes(method, seen.path, name, seen.account)
        is_whole = await _store(
            session, said, receive, None if fault is None else fault.after_bytes
        )
        if fault is not None:
            self._surface.note(world, fault, seen)
            wire.close()
            await gone(receive)
            return
        if not is_whole:
            return  # the caller is gone; what came stays

        async def carry_out(is_repeat: bool) -> Answer:
            try:
                return await _progress(world, seen, session, said)
            except YouTubeError as error:
                return Answer(error.status, error.body(), [JSON])

        await self._surface.respond(
            world, seen, carry_out, _planned_error, wire=wire, receive=receive, send=send
        )

    async def _start(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        wire: Wire,
        query: dict[str, str],
        headers: dict[str, str],
        token: str | None,
    ) -> None:
        """``POST``: a session; no video exists yet."""
        world = self._world()
        body = await _json_body(receive)
        seen = self._see(world, scope, "create_container", wire, query, body)
        account = world.account_of(token) if token else None
        seen.account = None if account is None else account.id

        async def carry_out(is_repeat: bool) -> Answer:
            try:
                caller = _authenticated(world, account)
                _spend(world, "uploads", 1)
                if world.switches.upload_limit_reached:
                    raise YouTubeError("uploadLimitExceeded")
                snippet, status = _checked(body)
                number = world.number()
                session = Session(
                    id=f"upload{number:012d}",
                    account=caller,
                    snippet=snippet,
                    status=status,
                    size=int(headers.get("x-upload-content-length", "0")),
                    created_at=world.clock.now(),
                    file_name=headers.get("slug", ""),
                )
                world.youtube.sessions[session.id] = session
                where = (
                    f"{base_url_of(scope)}{scope['path']}"
                    f"?uploadType=resumable&upload_id={session.id}"
                )
                return Answer(200, b"", [JSON, (b"location", where.encode())])
            except YouTubeError as error:
                return Answer(error.status, error.body(), [JSON])

        await self._surface.respond(
            world, seen, carry_out, _planned_error, wire=wire, receive=receive, send=send
        )

    async def _thumbnail(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        wire: Wire,
        query: dict[str, str],
        token: str | None,
    ) -> None:
        world = self._world()
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        seen = self._see(world, scope, "set_thumbnail", wire, query, {})
        account = world.account_of(token) if token else None
        seen.account = None if account is None else account.id

        async def carry_out(is_repeat: bool) -> Answer:
            try:
                caller = _authenticated(world, account)
                _spend(world, "units", COSTS["POST"])
                video = _own_video(world, caller, query.get("videoId", ""))
                if not 0 < size <= THUMBNAIL_LIMIT:
                    raise YouTubeError("mediaBodyRequired")
                video.has_thumbnail = True
                return Answer(200, orjson.dumps({"kind": "youtube#thumbnailSetResponse"}), [JSON])
            except YouTubeError as error:
                return Answer(error.status, error.body(), [JSON])

        await self._surface.respond(
            world, seen, carry_out, _planned_error, wire=wire, receive=receive, send=send
        )

    def _see(
        self,
        world: World,
        scope: Scope,
        call: str,
        wire: Wire,
        query: dict[str, str],
        body: dict[str, Any],
    ) -> SeenRequest:
        number = world.number()
        seen = SeenRequest(
            id=f"Y{number:010d}",
            method=scope["method"],
            path=scope["path"],
            call=call,
            account=None,
            arrived_at=wire.arrived_at,
            query=query,
            json=body if len(orjson.dumps(body)) <= JSON_KEPT else None,
        )
        world.requests.append(seen)
        return seen


def _planned_error(fault: Fault, seen: SeenRequest) -> Answer:
    reason = fault.reason or ("backendError" if (fault.status or 500) >= 500 else "badRequest")
    error = YouTubeError(reason, message=fault.message, status=fault.status)
    return Answer(error.status, error.body(), [JSON])


def _query_and_token(scope: Scope) -> tuple[dict[str, str], str | None]:
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    token = query.pop("access_token", None)
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            token = value[7:].strip().decode("latin-1")
    return query, token


async def _json_body(receive: Receive) -> dict[str, Any]:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _authenticated(world: World, account: Account | None) -> Account:
    if account is None or account.token_subcode is not None:
        raise YouTubeError("authError")
    if account.token_expires_at is not None and world.clock.now() >= account.token_expires_at:
        raise YouTubeError("authError")
    return account


def _spend(world: World, bucket: str, units: int) -> None:
    """Count a call; what is over the day's quota is refused, and counted all the same."""
    switches, now = world.switches, world.clock.now()
    if switches.youtube_quota_model == "units" and bucket == "uploads":
        bucket, units = "units", 1600
    is_upload = bucket == "uploads"
    limit = switches.youtube_uploads_a_day if is_upload else switches.youtube_units_a_day
    if world.youtube.spend(bucket, units, now) > limit:
        raise YouTubeError("quotaExceeded")


def _checked(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    snippet, status = dict(body.get("snippet") or {}), dict(body.get("status") or {})
    title = snippet.get("title", "")
    if not isinstance(title, str) or not 0 < len(title) <= TITLE_LIMIT or {"<", ">"} & set(title):
        raise YouTubeError("invalidTitle")
    if len(str(snippet.get("description", "")).encode()) > DESCRIPTION_LIMIT:
        raise YouTubeError("invalidDescription")
    if sum(len(tag) + (2 if " " in tag else 0) + 1 for tag in snippet.get("tags") or ()) > (
        TAGS_LIMIT + 1
    ):
        raise YouTubeError("invalidTags")
    if str(snippet.get("categoryId", "22")) not in CATEGORIES:
        raise YouTubeError("invalidCategoryId")
    _check_status(status)
    status.setdefault("privacyStatus", "public")
    return snippet, status


def _check_status(status: dict[str, Any]) -> None:
    if "publishAt" not in status:
        return
    try:
        datetime.fromisoformat(str(status["publishAt"]))
    except ValueError:
        raise YouTubeError("invalidPublishAt") from None
    if status.get("privacyStatus") != "private":
        raise YouTubeError("invalidPublishAt")


def _upload_of(headers: dict[str, str]) -> _Upload:
    found = RANGE.fullmatch(headers.get("content-range", ""))
    if found is None:
        length = int(headers.get("content-length", "0"))
        return _Upload(0, length - 1, length)
    total = None if found[3] == "*" else int(found[3])
    if found[1] is None:
        return _Upload(None, None, total)
    return _Upload(int(found[1]), int(found[2]), total)


async def _store(
    session: Session | None, said: _Upload, receive: Receive, after_bytes: int | None
) -> bool:
    """Store an upload's bytes as they come; of a broken piece, whole steps of 256 KiB only.

    Gives whether the request came to its end.
    """
    pending, came, more = b"", 0, True
    takes = session is not None and session.video is None and said.start == session.received
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        if after_bytes is not None and came + len(piece) >= after_bytes:
            piece, more = piece[: after_bytes - came], False
        came += len(piece)
        if not takes or session is None:
            continue
        pending += piece
        whole = len(pending) // STEP * STEP
        session.take(pending[:whole])
        pending = pending[whole:]
    is_whole = after_bytes is None
    if takes and session is not None and is_whole:
        session.take(pending)
    return is_whole or after_bytes is not None


async def _progress(
    world: World, seen: SeenRequest, session: Session | None, said: _Upload
) -> Answer:
    """What the session has by now: 308 with its range, or the video."""
    now = world.clock.now()
    if (
        session is None
        or world.switches.sessions_lost
        or (now - session.created_at >= world.switches.session_life_s)
    ):
        raise YouTubeError("notFound")
    if said.total is not None and session.size == 0:
        session.size = said.total
    if said.start is not None and said.end is not None and said.total is not None:
        is_last = said.end == said.total - 1
        if not is_last and (said.end + 1 - said.start) % STEP:
            raise YouTubeError("invalidChunk")
    if session.video is None and session.size and session.received >= session.size:
        session.video = await _new_video(world, seen, session)
    if session.video is not None:
        video = session.video
        return Answer(200, orjson.dumps(_as_resource(world, video, ["snippet", "status"])), [JSON])
    headers = [JSON]
    if session.received:
        headers.append((b"range", f"bytes=0-{session.received - 1}".encode()))
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
    )
    if session.file is not None:
        session.file.seek(0)
        facts = await asyncio.to_thread(inspect, session.file.read())
        session.file.close()
        session.file = None
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
    if video.status.get("privacyStatus") in ("public", "unlisted"):
        _show(world, video, seen)
    return video


def _show(world: World, video: Video, seen: SeenRequest, *, posted_at: float | None = None) -> None:
    if video.post is not None:
        return
    video.post = world.add_post(
        number=world.number(),
        id=video.id,
        account=video.account,
        platform="youtube",
        kind=video.kind,
        container_id=video.id,
        caption=str(video.snippet.get("description", "")),
        title=str(video.snippet.get("title", "")),
        media=[],
        path=f"/watch?v={video.id}",
        posted_at=posted_at,
        arrived_at=seen.arrived_at,
        request_id=seen.id,
    )


def _show_what_is_due(world: World, seen: SeenRequest) -> None:
    """Let videos appear whose ``publishAt`` the sandbox's clock has passed."""
    now = world.clock.now()
    for video in world.youtube.videos.values():
        text = video.status.get("publishAt")
        if text is None or video.post is not None:
            continue
        at = datetime.fromisoformat(str(text)).timestamp()
        if at <= now:
            video.status["privacyStatus"] = "public"
            _show(world, video, seen, posted_at=at)


def _own_video(world: World, account: Account, video_id: str) -> Video:
    video = world.youtube.videos.get(video_id)
    if video is None or video.account is not account:
        raise YouTubeError("videoNotFound")
    return video


def _makes_visible(world: World, body: dict[str, Any]) -> bool:
    status = body.get("status") or {}
    return status.get("privacyStatus") in ("public", "unlisted") or "publishAt" in status


async def _unknown(request: YouTubeRequest) -> None:
    raise YouTubeError("notFound")


async def _list_videos(request: YouTubeRequest) -> dict[str, Any]:
    _show_what_is_due(request.world, request.seen)
    items = []
    for video_id in request.query.get("id", "").split(","):
        video = request.world.youtube.videos.get(video_id)
        if video is not None and (video.account is request.account or video.post is not None):
            items.append(_as_resource(request.world, video, request.parts()))
    return {"kind": "youtube#videoListResponse", "items": items}


async def _update_video(request: YouTubeRequest) -> dict[str, Any]:
    body, world = request.body, request.world
    video = _own_video(world, request.account, str(body.get("id", "")))
    parts = request.parts()
    if "snippet" in parts:
        snippet = dict(body.get("snippet") or {})
        if "categoryId" not in snippet:
            raise YouTubeError("invalidVideoMetadata")
        _checked({"snippet": snippet})
        video.snippet = snippet
    if "status" in parts:
        status = dict(body.get("status") or {})
        _check_status(status)
        if "publishAt" in status and video.post is not None:
            raise YouTubeError("invalidPublishAt")
        video.status = status
        if status.get("privacyStatus") in ("public", "unlisted"):
            _show(world, video, request.seen)
        _show_what_is_due(world, request.seen)
    return _as_resource(world, video, parts)


async def _delete_video(request: YouTubeRequest) -> None:
    video = _own_video(request.world, request.account, request.query.get("id", ""))
    if video.post is not None:
        request.world.delete_post(video.post)
    del request.world.youtube.videos[video.id]


async def _list_channels(request: YouTubeRequest) -> dict[str, Any]:
    account = request.account
    uploads = f"UU{account.id.removeprefix('UC')}"
    item = {
        "kind": "youtube#channel",
        "id": account.id,
        "snippet": {"title": account.username},
        "contentDetails": {"relatedPlaylists": {"uploads": uploads}},
        "statistics": {"videoCount": str(len(account.posts))},
    }
    parts = request.parts()
    chosen = {name: value for name, value in item.items() if name in ("kind", "id", *parts)}
    return {"kind": "youtube#channelListResponse", "items": [chosen]}


async def _list_uploads(request: YouTubeRequest) -> dict[str, Any]:
    """The uploads of a channel, private ones too for its owner; newest first."""
    account = request.account
    if request.query.get("playlistId") != f"UU{account.id.removeprefix('UC')}":
        raise YouTubeError("notFound")
    size = min(50, int(request.query.get("maxResults", "5")))
    below = int(request.query.get("pageToken") or 0)
    found = [
        video
        for video in reversed(request.world.youtube.videos.values())
        if video.account is account and (not below or video.number < below)
    ]
    page = found[:size]
    answer: dict[str, Any] = {
        "kind": "youtube#playlistItemListResponse",
        "items": [
            {
                "kind": "youtube#playlistItem",
                "snippet": {
                    "title": video.snippet.get("title", ""),
                    "publishedAt": _instant(video.created_at),
                    "resourceId": {"videoId": video.id},
                },
                "contentDetails": {"videoId": video.id},
            }
            for video in page
        ],
        "pageInfo": {"totalResults": len(found), "resultsPerPage": size},
    }
    if len(found) > len(page):
        answer["nextPageToken"] = str(page[-1].number)
    return answer


async def _list_categories(request: YouTubeRequest) -> dict[str, Any]:
    names = {"22": "People & Blogs", "24": "Entertainment", "26": "Howto & Style"}
    items = [{"id": id_, "snippet": {"title": title}} for id_, title in names.items()]
    return {"kind": "youtube#videoCategoryListResponse", "items": items}


async def _create_thread(request: YouTubeRequest) -> dict[str, Any]:
    snippet = request.body.get("snippet") or {}
    post = request.world.posts.get(str(snippet.get("videoId", "")))
    if post is None:
        raise YouTubeError("videoNotFound")
    if request.world.switches.comments_disabled:
        raise YouTubeError("commentsDisabled")
    text = ((snippet.get("topLevelComment") or {}).get("snippet") or {}).get("textOriginal", "")
    if not text:
        raise YouTubeError("commentTextRequired")
    number = request.world.number()
    comment = Comment(number, f"Ug{number:012d}", text, request.account, request.world.clock.now())
    post.comments.append(comment)
    return _thread(post.id, comment)


async def _list_threads(request: YouTubeRequest) -> dict[str, Any]:
    post = request.world.posts.get(request.query.get("videoId", ""))
    if post is None:
        raise YouTubeError("videoNotFound")
    if request.world.switches.comments_disabled:
        raise YouTubeError("commentsDisabled")
    items = [_thread(post.id, comment) for comment in reversed(post.comments)]
    return {
        "kind": "youtube#commentThreadListResponse",
        "items": items[: int(request.query.get("maxResults", "20"))],
        "pageInfo": {"totalResults": len(items), "resultsPerPage": 20},
    }


def _thread(video_id: str, comment: Comment) -> dict[str, Any]:
    return {
        "kind": "youtube#commentThread",
        "id": comment.id,
        "snippet": {
            "videoId": video_id,
            "canReply": True,
            "totalReplyCount": 0,
            "isPublic": True,
            "topLevelComment": {
                "id": comment.id,
                "snippet": {
                    "textDisplay": comment.text,
                    "textOriginal": comment.text,
                    "authorDisplayName": comment.account.username,
                    "authorChannelId": {"value": comment.account.id},
                    "likeCount": 0,
                    "publishedAt": _instant(comment.created_at),
                    "updatedAt": _instant(comment.created_at),
                },
            },
        },
    }


def _as_resource(world: World, video: Video, parts: list[str]) -> dict[str, Any]:
    is_done = world.clock.now() - video.created_at >= world.switches.container_ready_s
    upload = "processed" if is_done else "uploaded"
    status = {"uploadStatus": upload, **video.status}
    if video.rejection is not None:
        status |= {"uploadStatus": "rejected", "rejectionReason": video.rejection}
    elif video.failure is not None:
        status |= {"uploadStatus": "failed", "failureReason": video.failure}
    values = {
        "snippet": {
            **video.snippet,
            "channelId": video.account.id,
            "publishedAt": _instant(video.created_at),
        },
        "status": status,
        "processingDetails": {"processingStatus": "succeeded" if is_done else "processing"},
        "fileDetails": {"fileName": video.file_name, "fileSize": str(video.size)},
        "contentDetails": {"duration": f"PT{round(video.duration_s)}S"},
        "statistics": {"viewCount": "0", "likeCount": "0", "commentCount": "0"},
    }
    return {
        "kind": "youtube#video",
        "id": video.id,
        **{name: values[name] for name in parts if name in values},
    }


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
