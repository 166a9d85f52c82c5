"""Instagram content publishing, as the Instagram API answers.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/content-publishing
and the reference pages ig-container, ig-user/media, ig-user/media_publish and
ig-user/content_publishing_limit beside it.
"""

from typing import Any, Final

from engine.sandbox import instagram_media, uploads
from engine.sandbox.graph import Call, GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.instagram_containers import ContainerMaker
from engine.sandbox.instagram_media import flicker
from engine.sandbox.listing import chosen
from engine.sandbox.media import MediaChecker
from engine.sandbox.state import DAY_S, Container, PublicPost, World

STATUS_TEXTS: Final = {
    "IN_PROGRESS": "In Progress: Media is still being processed.",
    "FINISHED": "Finished: Media has been uploaded and it is ready to be published.",
    "PUBLISHED": "Published: Media has been published.",
    "EXPIRED": "Expired: The container was not published within 24 hours.",
}


class Instagram:
    """The calls of one Instagram account, its containers and its posts."""

    def __init__(self, checker: MediaChecker) -> None:
        self._maker = ContainerMaker(checker)
        self._of_account = {
            ("POST", "media"): Call("create_container", self._maker.create, True),
            ("POST", "media_publish"): Call("publish", self._publish, True),
            # The generated software development kits spell it this way.
            ("POST", "mediapublish"): Call("publish", self._publish, True),
            ("GET", "media"): Call("list_posts", instagram_media.list_posts, True),
            ("GET", "stories"): Call("list_stories", instagram_media.list_stories, True),
            ("GET", "content_publishing_limit"): Call("read_limit", self._read_limit, True),
            ("POST", "ig-api-upload"): Call("upload", self._upload),
            ("GET", "ig-api-upload"): Call("read_upload", self._read_upload),
            ("POST", "comments"): Call("create_comment", instagram_media.create_comment),
            ("GET", "comments"): Call("list_comments", instagram_media.list_comments),
        }
        self._of_comment = {
            ("POST", "replies"): Call("create_reply", instagram_media.create_reply),
            ("GET", "replies"): Call("list_replies", instagram_media.list_replies),
        }
        self._one_comment = {
            "GET": Call("read_comment", instagram_media.read_comment),
            "POST": Call("hide_comment", instagram_media.hide_comment),
            "DELETE": Call("delete_comment", instagram_media.delete_comment),
        }
        self._read_container_call = Call("read_container", self._read_container)
        self._read_post_call = Call("read_post", instagram_media.read_post)
        self._delete_post_call = Call("delete_post", instagram_media.delete_post)

    def route(self, world: World, method: str, segments: tuple[str, ...]) -> Call | None:
        """The call that a method and path mean, or None."""
        if len(segments) == 2:
            call = self._of_account.get((method, segments[1]))
            if call is None and segments[0] in world.comments:
                call = self._of_comment.get((method, segments[1]))
            return call
        if len(segments) == 1 and segments[0] in world.comments:
            return self._one_comment.get(method)
        if len(segments) == 1 and segments[0]:
            if method == "GET":
                is_post = segments[0] in world.posts
                return self._read_post_call if is_post else self._read_container_call
            if method == "DELETE":
                return self._delete_post_call
        return None

    async def _upload(self, request: GraphRequest) -> dict[str, Any]:
        container = _uploading(request)
        if "file_url" in request.parameters:
            return await self._maker.fetch_upload(request, container)
        if container.received is None:
            raise uploads.UploadRefused("ProcessingFailedError", "Nothing is to be uploaded here")
        answer = await uploads.receive(request, container.received)
        container.is_fetched = True
        return answer

    async def _read_upload(self, request: GraphRequest) -> dict[str, Any]:
        container = _uploading(request)
        if container.received is None:
            raise GraphError(100, 33)
        return uploads.progress(container.id, container.received)

    async def _read_container(self, request: GraphRequest) -> dict[str, Any]:
        container = request.world.containers.get(request.node)
        if container is None or container.account is not request.account:
            raise GraphError(100, 33)
        flicker(request.world)
        state = container.status_code(request.world.clock.now(), request.world.switches)
        container.polls += 1
        values = {
            "id": container.id,
            "status_code": state,
            "status": STATUS_TEXTS.get(
                state,
                f"Error: Media upload has failed with error code {container.failure_subcode}",
            ),
        }
        names = request.fields()
        if "video_status" in names or "copyright_check_status" in names:
            values |= _video_values(container, state)
        return chosen(values, names, "ShadowIGMediaBuilder")

    async def _publish(self, request: GraphRequest) -> dict[str, Any]:
        world, account = request.world, request.account
        now = world.clock.now()
        container = world.containers.get(request.parameters.get("creation_id", ""))
        if (
            container is None
            or container.account is not account
            or container.is_carousel_item
            or container.platform != "instagram"
        ):
            raise GraphError(24, 2207008)
        if repeated := refuse_publish(request, container, now):
            return {"id": repeated.id}
        if account.quota_used(now) >= world.switches.publish_quota:
            raise GraphError(9, 2207042)
        return {"id": world.show(container, request.seen.arrived_at, request.seen.id).id}

    async def _read_limit(self, request: GraphRequest) -> dict[str, Any]:
        used = request.account.quota_used(request.world.clock.now())
        values = {
            "quota_usage": used,
            "config": {
                "quota_total": request.world.switches.publish_quota,
                "quota_duration": int(DAY_S),
            },
        }
        return {"data": [chosen(values, request.fields("quota_usage"), "Limit")]}


def refuse_publish(request: GraphRequest, container: Container, now: float) -> PublicPost | None:
    """Refuse what cannot be published now; gives the post that a repetition is answered with.

    Raises:
        GraphError: the container is not ready, has failed, is too old, or is published already.
    """
    switches = request.world.switches
    state = container.status_code(now, switches)
    if state == "EXPIRED":
        code, subcode = map(int, switches.expired_publish.split("/"))
        raise GraphError(code, subcode)
    if state in ("IN_PROGRESS", "ERROR"):
        raise GraphError(9007, 2207027)
    if container.post is not None and not request.is_repeat:
        if switches.republish == "error":
            raise GraphError(24, 2207008)
        if switches.republish == "same":
            return container.post
    return None


def _uploading(request: GraphRequest) -> Container:
    container = request.world.containers.get(request.node)
    if container is None or container.account is not request.account:
        raise uploads.UploadRefused("NotAuthorizedError", "Invalid upload address")
    return container


def _video_values(container: Container, state: str) -> dict[str, Any]:
    """How far the bytes and the work on them are; absent for pictures.

    Source: the generated fields of PyPI facebook-business 26.0.3, read 2026-11-25.
    """
    if container.video_url is None and container.received is None:
        return {"video_status": None, "copyright_check_status": None}
    is_there = container.received is None or container.received.is_whole
    uploading: dict[str, Any] = {"status": "complete" if is_there else "in_progress"}
    if container.received is not None:
        uploading["bytes_transferred"] = container.received.offset
    processed = {"FINISHED": "complete", "PUBLISHED": "complete", "ERROR": "error"}
    is_done = state in ("FINISHED", "PUBLISHED")
    return {
        "video_status": {
            "uploading_phase": uploading,
            "processing_phase": {"status": processed.get(state, "in_progress")},
        },
        "copyright_check_status": {
            "status": "completed" if is_done else "in_progress",
            "matches_found": False,
        },
    }
