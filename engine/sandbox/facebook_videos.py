"""Videos and reels of a Page: their uploads, their processing, their appearance.

Sources, read 2026-11-25: the generated parameters and fields of PyPI facebook-business 26.0.3 and
https://developers.facebook.com/docs/video-api/guides/reels-publishing.
"""

from typing import Any, Final, Literal

from engine.sandbox import uploads
from engine.sandbox.facebook_comments import own
from engine.sandbox.facebook_posts import delete
from engine.sandbox.facebook_schedule import scheduled_time, wanted_of
from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.instagram_media import flicker
from engine.sandbox.listing import chosen, is_true, number_of, page_of, printed, window
from engine.sandbox.media import MediaChecker
from engine.sandbox.media_rules import PAGE_REEL, PAGE_VIDEO, MediaFault
from engine.sandbox.page_objects import Video, ask_to_appear
from engine.sandbox.state import World

CHUNK: Final = 4 * 1024 * 1024  # bytes of a chunk that the platform asks for
# characters of a description
TEXT_LIMITS: Final[dict[str, int]] = {"reel": 2200, "video": 63_206}
NO_FILE: Final = 1363020
WRONG_OFFSET: Final = 1363037
NO_SESSION: Final = 1363041
WRONG_SIZE: Final = 1363045
TEXT_TOO_LONG: Final = 1390008
SESSION: Final = "u"  # an upload session is its video's id behind this letter


class PageVideos:
    """The calls that make and read videos.

    Args:
        checker: fetches and checks files.
    """

    def __init__(self, checker: MediaChecker) -> None:
        self._checker = checker

    async def create(self, request: GraphRequest) -> dict[str, Any]:
        """``POST /{page}/videos``: whole, or in the phases of a chunked upload."""
        match request.parameters.get("upload_phase"):
            case None:
                return await self._create_whole(request)
            case "start":
                return _start_chunks(request)
            case "transfer":
                return await _transfer(request)
            case "finish":
                return _finish_chunks(request)
            case "cancel":
                _of_session(request).is_cancelled = True
                return {"success": True}
        raise GraphError(100, message="(#100) Param upload_phase must be one of those documented")

    async def reel(self, request: GraphRequest) -> dict[str, Any]:
        """``POST /{page}/video_reels``: ``start`` gives the address, ``finish`` decides."""
        match request.parameters.get("upload_phase"):
            case "start":
                video = _new(request, "reel")
                address = f"{request.base_url}/video-upload/{request.version}/{video.id}"
                return {"video_id": video.id, "upload_url": address}
            case "finish":
                return _finish_reel(request)
        raise GraphError(100, message="(#100) Param upload_phase must be start or finish")

    async def upload(self, request: GraphRequest) -> dict[str, Any]:
        """Bytes for a reel, or the header ``file_url`` that says where they are."""
        video = _own_video(request)
        if "file_url" in request.parameters:
            self._fetch(request, video, request.parameters["file_url"])
            return {"success": True}
        answer = await uploads.receive(request, video.received)
        _filled(video, request.world)
        return answer

    async def read_upload(self, request: GraphRequest) -> dict[str, Any]:
        """How many bytes are there."""
        return uploads.progress(request.node, _own_video(request).received)

    async def update(self, request: GraphRequest) -> dict[str, Any]:
        """``POST /{video}``: other words, another time, or public now. Idempotent."""
        given, world = request.parameters, request.world
        world.settle()
        video = _own_video(request)
        video.text = given.get("description", video.text)
        video.title = given.get("name", given.get("title", video.title))
        if video.public is not None:
            video.public.caption, video.public.title = video.text, video.title
        elif "scheduled_publish_time" in given:
            video.scheduled_at = scheduled_time(request)
            ask_to_appear(video, world, request.seen, video.scheduled_at)
        elif is_true(given, "published"):
            _publish(request, video)
        return {"success": True}

    async def delete(self, request: GraphRequest) -> dict[str, Any]:
        """``DELETE /{video}``."""
        video = _own_video(request)
        delete(request.world, video)
        if video.post is not None:
            video.post.is_deleted = True
        return {"success": True}

    async def read(self, request: GraphRequest) -> dict[str, Any]:
        """``GET /{video}``."""
        request.world.settle()
        video = _own_video(request)
        flicker(request.world)
        return chosen(_as_listed(video, request), request.fields(), "Video")

    async def list_videos(self, request: GraphRequest) -> dict[str, Any]:
        """``/videos``: those that everybody sees, newest first."""
        return _listed(request, "video")

    async def list_reels(self, request: GraphRequest) -> dict[str, Any]:
        """``/video_reels``: those that everybody sees, newest first."""
        return _listed(request, "reel")

    async def _create_whole(self, request: GraphRequest) -> dict[str, Any]:
        given = request.parameters
        wanted, at = wanted_of(request)
        body = given.files.get("source")
        if (body is None) == ("file_url" not in given):
            raise GraphError(NO_FILE)
        if body is not None and request.world.switches.fetch_media:
            try:
                await self._checker.check_bytes(body, PAGE_VIDEO)
            except MediaFault as fault:
                raise GraphError(fault.page_code) from None
        video = _new(request, "video")
        _describe(request, video)
        if body is not None:
            video.received.file_size = len(body)
            await video.received.take(body)
            _filled(video, request.world)
        else:
            self._fetch(request, video, given["file_url"])
        _arrange(request, video, wanted, at)
        return {"id": video.id}

    def _fetch(self, request: GraphRequest, video: Video, url: str) -> None:
        video.file_url = url
        video.filled_at = request.world.clock.now()
        if request.world.switches.fetch_media:
            rules = PAGE_REEL if video.kind == "reel" else PAGE_VIDEO
            self._checker.check_soon(video, url, rules)
        else:
            video.fetched()


def _new(request: GraphRequest, kind: Literal["video", "reel"]) -> Video:
    number = request.world.number()
    video = Video(
        number=number,
        id=f"123{number:013d}",
        account=request.account,
        created_at=request.world.clock.now(),
        arrived_at=request.seen.arrived_at,
        request_id=request.seen.id,
        kind=kind,
    )
    request.world.page_objects[video.id] = video
    return video


def _describe(request: GraphRequest, video: Video) -> None:
    given = request.parameters
    video.text = given.get("description", video.text)
    video.title = given.get("title", video.title)
    if len(video.text) > TEXT_LIMITS[video.kind]:
        raise GraphError(TEXT_TOO_LONG)


def _arrange(request: GraphRequest, video: Video, wanted: str, at: float | None) -> None:
    if wanted == "now":
        _publish(request, video)
    elif at is not None:
        video.scheduled_at = at
        ask_to_appear(video, request.world, request.seen, at)


def _publish(request: GraphRequest, video: Video) -> None:
    """Let it be public as soon as it is ready; asking once more changes nothing."""
    is_asked = video.appears_at is not None and video.scheduled_at is None
    if video.public is None and not is_asked:
        video.scheduled_at = None
        ask_to_appear(video, request.world, request.seen, request.world.clock.now())


def _filled(video: Video, world: World) -> None:
    if video.filled_at is None:
        video.filled_at = world.clock.now()
    video.fetched()


def _start_chunks(request: GraphRequest) -> dict[str, Any]:
    size = int(number_of(request.parameters, "file_size", 0))
    if not 0 < size <= uploads.SIZE_LIMIT:
        raise GraphError(1363023 if size > 0 else 1363022)
    video = _new(request, "video")
    video.received.file_size = size
    _describe(request, video)
    return {"video_id": video.id, "upload_session_id": f"{SESSION}{video.id}", **_next(video)}


async def _transfer(request: GraphRequest) -> dict[str, Any]:
    video = _of_session(request)
    body = request.parameters.files.get("video_file_chunk")
    if request.is_repeat:
        return _next(video)
    if not body:
        raise GraphError(NO_FILE)
    if int(number_of(request.parameters, "start_offset", -1)) != video.received.offset:
        raise GraphError(WRONG_OFFSET, data=_next(video))
    if video.received.offset + len(body) > (video.received.file_size or 0):
        raise GraphError(WRONG_SIZE)
    await video.received.take(body)
    if video.received.is_whole:
        _filled(video, request.world)
    return _next(video)


def _finish_chunks(request: GraphRequest) -> dict[str, Any]:
    video = _of_session(request)
    wanted, at = wanted_of(request)
    if not video.received.is_whole:
        raise GraphError(WRONG_SIZE)
    if video.public is None:
        _describe(request, video)
        _arrange(request, video, wanted, at)
    return {"success": True}


def _next(video: Video) -> dict[str, Any]:
    """Which bytes the platform wants next; none are left when both offsets are equal."""
    offset, size = video.received.offset, video.received.file_size or 0
    return {"start_offset": str(offset), "end_offset": str(min(offset + CHUNK, size))}


def _of_session(request: GraphRequest) -> Video:
    session = request.parameters.get("upload_session_id", "")
    video = request.world.page_objects.get(session.removeprefix(SESSION))
    if (
        not isinstance(video, Video)
        or video.account is not request.account
        or video.is_cancelled
        or video.is_deleted
    ):
        raise GraphError(NO_SESSION)
    return video


def _finish_reel(request: GraphRequest) -> dict[str, Any]:
    given = request.parameters
    request.world.settle()
    video = request.world.page_objects.get(given.get("video_id", ""))
    if not isinstance(video, Video) or video.account is not request.account or video.is_deleted:
        raise GraphError(100, 33)
    if video.filled_at is None:
        raise GraphError(NO_FILE)
    state = given.get("video_state")
    at = scheduled_time(request) if state == "SCHEDULED" else None
    if state not in ("DRAFT", "PUBLISHED", "SCHEDULED"):
        raise GraphError(100, message="(#100) Param video_state must be one of those documented")
    if video.public is None:
        _describe(request, video)
        wanted = "now" if state == "PUBLISHED" else "later" if at else "never"
        _arrange(request, video, wanted, at)
    return {"success": True}


def _own_video(request: GraphRequest) -> Video:
    video = own(request)
    if not isinstance(video, Video):
        raise GraphError(100, 33)
    return video


def _listed(request: GraphRequest, kind: str) -> dict[str, Any]:
    request.world.settle()
    within = window(request.parameters)
    return page_of(
        request,
        (
            thing
            for thing in reversed(request.world.page_objects.values())
            if isinstance(thing, Video)
            and thing.kind == kind
            and thing.account is request.account
            and thing.public is not None
            and not thing.public.is_deleted
            and within(thing.public.posted_at)
        ),
        lambda video: _as_listed(video, request),
        kind="Video",
    )


def _as_listed(video: Video, request: GraphRequest) -> dict[str, Any]:
    public = video.public
    shown_at = public.posted_at if public is not None else video.created_at
    page = f"{request.base_url}{public.path}" if public else f"{request.base_url}/{video.id}"
    scheduled_at = video.scheduled_at
    return {
        "id": video.id,
        "title": video.title or None,
        "description": video.text or None,
        "created_time": printed(shown_at),
        "updated_time": printed(shown_at),
        "permalink_url": page,
        "post_id": None if video.post is None else video.post.id.rpartition("_")[2],
        "published": public is not None,
        "scheduled_publish_time": None if scheduled_at is None else printed(scheduled_at),
        "from": {"id": video.account.id, "name": video.account.username},
        "source": video.file_url,
        "length": None,
        "status": _status(video, request.world),
    }


def _status(video: Video, world: World) -> dict[str, Any]:
    """The phases of a video under their generated names."""
    ready_at = video.ready_at(world.switches)
    is_ready = ready_at is not None and ready_at <= world.clock.now()
    fault = video.fault
    uploading: dict[str, Any] = {"status": "not_started"}
    if video.filled_at is not None:
        uploading["status"] = "complete"
    elif video.received.offset:
        uploading["status"] = "in_progress"
    if video.file_url is None:
        uploading["bytes_transferred"] = video.received.offset
        if video.received.file_size is not None:
            uploading["source_file_size"] = video.received.file_size
    processing: dict[str, Any] = {"status": "not_started"}
    if fault is not None:
        processing["status"] = "error"
        processing["errors"] = [{"code": fault.page_code, "message": str(fault)}]
    elif video.filled_at is not None:
        processing["status"] = "complete" if is_ready else "in_progress"
    return {
        "video_status": _word(video, is_ready=is_ready),
        "uploading_phase": uploading,
        "processing_phase": processing,
        "publishing_phase": _publishing(video),
    }


def _word(video: Video, *, is_ready: bool) -> str:
    if video.fault is not None:
        return "error"
    if video.is_cancelled:
        return "expired"
    if video.filled_at is None:
        return "uploading"
    return "ready" if is_ready else "processing"


def _publishing(video: Video) -> dict[str, Any]:
    if video.public is not None:
        at = printed(video.public.posted_at)
        return {"status": "complete", "publish_status": "published", "publish_time": at}
    if video.scheduled_at is not None:
        at = printed(video.scheduled_at)
        return {"status": "not_started", "publish_status": "scheduled", "publish_time": at}
    if video.appears_at is not None:
        return {"status": "in_progress"}
    return {"status": "not_started", "publish_status": "draft"}
