"""Publishing on a Facebook Page, as the Graph API answers: posts, photos, videos and reels.

Sources, read 2026-11-25: the edges and parameters that facebook-business 26.0.3 generates for Page,
PagePost, Photo and AdVideo; https://developers.facebook.com/docs/pages-api/posts and
https://developers.facebook.com/docs/video-api/guides/reels-publishing.
"""

import json
import re
from datetime import datetime
from typing import Any, Final

from engine.sandbox.comments import create_comment, list_comments
from engine.sandbox.graph import Call, GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import chosen, flicker, graph_time, page_of
from engine.sandbox.media import MediaChecker
from engine.sandbox.state import Medium, Node, PublicPost, Upload, World

TEXT_LIMIT: Final = 63_206  # characters
DUPLICATE_WITHIN_S: Final = 600.0
ATTACHED: Final = re.compile(r"attached_media\[(\d+)\]")
CHUNK: Final = 4 * 1024 * 1024  # bytes that a transfer is asked for at once


class Facebook:
    """The calls of one Page and of what it made."""

    def __init__(self, checker: MediaChecker) -> None:
        self._checker = checker
        self._lists = {
            "published_posts": ("text", "photo", "photos", "video"),
            "feed": ("text", "photo", "photos", "video"),
            "videos": ("video", "reel"),
            "video_reels": ("reel",),
            "photos": ("photo",),
        }

    def route(self, request: GraphRequest, method: str, edge: str) -> Call | None:
        """The call that a method, a node and its edge mean, or None."""
        world, node = request.world, request.node
        if method == "DELETE" and not edge:
            is_ours = node in world.nodes or (
                node in world.posts and world.posts[node].platform == "facebook"
            )
            return Call("delete_post", _delete) if is_ours else None
        if method == "GET":
            return self._read(request, edge)
        if method != "POST":
            return None
        if edge == "comments":
            return Call("create_comment", create_comment)
        if not edge:
            wants = {"is_published", "published"} & request.parameters.keys()
            return Call("publish" if wants else "update_post", _update)
        is_hidden = request.parameters.get("published", "true").lower() == "false"
        acts = {"feed": self._create_post, "photos": self._create_photo}
        if edge in acts:
            return Call("create_container" if is_hidden else "publish", acts[edge], True)
        if edge in ("videos", "video_reels"):
            return self._video(request, edge, is_hidden=is_hidden)
        return None

    def _read(self, request: GraphRequest, edge: str) -> Call | None:
        if edge == "comments":
            return Call("list_comments", list_comments)
        if edge == "scheduled_posts":
            return Call("list_posts", _list_scheduled, True)
        if edge in self._lists:
            kinds = self._lists[edge]

            async def act(given: GraphRequest) -> dict[str, Any]:
                return _list_posts(given, kinds)

            return Call("list_posts", act, True)
        if edge or request.node not in request.world.nodes:
            return None
        is_looking = {"status", "is_published", "published"} & set(request.fields())
        return Call("read_container" if is_looking else "read_post", _read_node)

    def _video(self, request: GraphRequest, edge: str, *, is_hidden: bool) -> Call:
        phase = request.parameters.get("upload_phase", "")
        if edge == "video_reels":
            if phase == "start":
                return Call("create_container", _start_reel, True)
            is_public = request.parameters.get("video_state") == "PUBLISHED"
            return Call("publish" if is_public else "update_post", self._finish_reel, True)
        if phase == "start":
            return Call("create_container", _start_video, True)
        if phase == "transfer":
            return Call("upload", _transfer_video, True)
        return Call("create_container" if is_hidden else "publish", self._finish_video, True)

    async def _create_post(self, request: GraphRequest) -> dict[str, Any]:
        given, world, account = request.parameters, request.world, request.account
        message = given.get("message", "")
        if len(message) > TEXT_LIMIT:
            raise GraphError(100, message="(#100) The message is too long")
        photos = _attached_photos(request)
        link = given.get("link")
        if not message and not photos and not link:
            raise GraphError(100, message="(#100) The parameter message or link is required")
        if link is not None and (not link.startswith(("http://", "https://"))):
            raise GraphError(1609005)
        if link is not None and world.switches.unreachable_links:
            raise GraphError(1609005)
        if world.switches.refuse_duplicates and _is_said_again(request, message):
            raise GraphError(506)
        node = Node(
            id=f"{account.id}_{world.number():010d}",
            account=account,
            kind="post",
            text=message,
            media=[medium for photo in photos for medium in photo.media],
            created_at=world.clock.now(),
            attached=tuple(photo.id for photo in photos),
            link=link,
            scheduled_at=_scheduled_in(given),
        )
        world.nodes[node.id] = node
        if given.get("published", "true").lower() != "false":
            _publish(request, node)
        return {"id": node.id}

    async def _create_photo(self, request: GraphRequest) -> dict[str, Any]:
        given, world = request.parameters, request.world
        url = given.get("url")
        if url is None and not request.files:
            raise GraphError(100, message="(#100) The parameter url or a file is required")
        medium = Medium("image", url, given.get("alt_text_custom"))
        if url is not None and world.switches.fetch_media:
            await self._checker.check_now([medium], "photo")
        node = Node(
            id=f"122{world.number():012d}",
            account=request.account,
            kind="photo",
            text=given.get("caption") or given.get("message", ""),
            media=[medium],
            created_at=world.clock.now(),
        )
        world.nodes[node.id] = node
        if given.get("published", "true").lower() == "false":
            return {"id": node.id}
        post = _publish(request, node)
        return {"id": node.id, "post_id": post.id}

    async def _finish_video(self, request: GraphRequest) -> dict[str, Any]:
        """The one call of a video given by its address or bytes, or the last of a chunked one."""
        given, world = request.parameters, request.world
        _check_description(given)
        if given.get("upload_phase") == "finish":
            node = _upload_session(request)
            if node.upload is None or not node.upload.is_whole:
                raise GraphError(1363037)
            node.phase = "finish"
        else:
            url = given.get("file_url")
            if url is None and not request.files:
                raise GraphError(1363020)
            node = _new_video(request, "video", Medium("video", url))
            if url is not None and world.switches.fetch_media:
                await self._checker.check_now(node.media, "video")
            world.nodes[node.id] = node
        node.text, node.title = given.get("description", ""), given.get("title", "")
        if given.get("published", "true").lower() != "false":
            _publish(request, node)
        if given.get("upload_phase") == "finish":
            return {"success": True}
        return {"id": node.id}

    async def _finish_reel(self, request: GraphRequest) -> dict[str, Any]:
        given = request.parameters
        _check_description(given)
        node = request.world.nodes.get(given.get("video_id", ""))
        if node is None or node.account is not request.account or node.kind != "reel":
            raise GraphError(100, 33)
        upload = node.upload
        has_bytes = upload is not None and upload.is_whole
        if not has_bytes and node.media[0].url is None:
            raise GraphError(1363030)
        if request.world.switches.fetch_media:
            await self._checker.check_now(node.media, "reel")
        if node.post is not None:
            return {"success": True}
        node.text, node.title = given.get("description", node.text), given.get("title", "")
        node.phase = "finish"
        if given.get("video_state") == "PUBLISHED":
            post = _publish(request, node)
            return {"success": True, "post_id": post.id}
        node.scheduled_at = _scheduled_in(given)
        return {"success": True}


def _check_description(given: dict[str, str]) -> None:
    if len(given.get("description", "")) > TEXT_LIMIT:
        raise GraphError(1390008)


def _publish(request: GraphRequest, node: Node) -> PublicPost:
    """Let everybody see a node, from now on; once, however often it is asked for."""
    world = request.world
    if node.post is None:
        number = world.number()
        photo = node.kind == "photo"
        count = len(node.attached)
        kinds = {"post": ("text", "photo", "photos")[min(count, 2)], "photo": "photo"}
        code = f"{'reel' if node.kind == 'reel' else 'posts'}/{node.id}"
        node.post = world.add_post(
            number=number,
            id=f"{node.account.id}_{number:010d}" if photo else node.id,
            account=node.account,
            platform="facebook",
            kind=kinds.get(node.kind, node.kind),
            container_id=node.id,
            caption=node.text,
            title=node.title,
            media=node.media,
            path=f"/{code}/",
            arrived_at=request.seen.arrived_at,
            request_id=request.seen.id,
        )
        world.by_path[node.post.path] = node.post
    node.is_published = True
    return node.post


async def _update(request: GraphRequest) -> dict[str, Any]:
    """``POST /{post}`` and ``POST /{video}``: text, time, and being published."""
    given = request.parameters
    node = request.world.nodes.get(request.node)
    if node is None or node.account is not request.account:
        raise GraphError(100, 33)
    if "message" in given or "description" in given:
        node.text = given.get("message", given.get("description", ""))
        if node.post is not None:
            node.post.caption = node.text
    if "scheduled_publish_time" in given:
        node.scheduled_at = _scheduled_in(given)
    wants = given.get("is_published", given.get("published", "")).lower()
    if wants == "true":
        if node.failure is not None or _is_processing(request.world, node):
            raise GraphError(1363047)
        _publish(request, node)
    return {"success": True}


def _scheduled_in(given: dict[str, str]) -> float | None:
    text = given.get("scheduled_publish_time")
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise GraphError(100, message="(#100) scheduled_publish_time is no time") from None


def _attached_photos(request: GraphRequest) -> list[Node]:
    given = request.parameters
    numbered = sorted(
        (int(found[1]), text) for name, text in given.items() if (found := ATTACHED.fullmatch(name))
    )
    entries = [json.loads(text) for _, text in numbered]
    if "attached_media" in given:
        entries += json.loads(given["attached_media"])
    photos = []
    for entry in entries:
        photo = request.world.nodes.get(str(entry.get("media_fbid", "")))
        if photo is None or photo.account is not request.account or photo.kind != "photo":
            raise GraphError(100, message="(#100) Invalid parameter: attached_media")
        photos.append(photo)
    return photos


def _is_said_again(request: GraphRequest, message: str) -> bool:
    since = request.world.clock.now() - DUPLICATE_WITHIN_S
    return any(
        post.caption == message and post.posted_at >= since and post.platform == "facebook"
        for post in request.account.posts
    )


def _new_video(request: GraphRequest, kind: str, medium: Medium) -> Node:
    return Node(
        id=f"555{request.world.number():012d}",
        account=request.account,
        kind=kind,
        text="",
        media=[medium],
        created_at=request.world.clock.now(),
    )


async def _start_video(request: GraphRequest) -> dict[str, Any]:
    size = int(request.parameters.get("file_size", "0"))
    node = _new_video(request, "video", Medium("video", None))
    node.phase, node.upload = "transfer", Upload(size)
    request.world.nodes[node.id] = node
    return {
        "video_id": node.id,
        "upload_session_id": node.id,
        "start_offset": "0",
        "end_offset": str(min(size, CHUNK)),
    }


def _upload_session(request: GraphRequest) -> Node:
    node = request.world.nodes.get(request.parameters.get("upload_session_id", ""))
    if node is None or node.account is not request.account:
        raise GraphError(1363041)
    return node


async def _transfer_video(request: GraphRequest) -> dict[str, Any]:
    node = _upload_session(request)
    upload = node.upload
    chunk = request.files.get("video_file_chunk")
    if upload is None or upload.size is None or chunk is None:
        raise GraphError(1363020)
    if int(request.parameters.get("start_offset", "-1")) != upload.received:
        raise GraphError(1363037)
    upload.received += len(chunk)
    return {
        "start_offset": str(upload.received),
        "end_offset": str(min(upload.size, upload.received + CHUNK)),
    }


async def _start_reel(request: GraphRequest) -> dict[str, Any]:
    node = _new_video(request, "reel", Medium("video", None))
    node.phase, node.upload = "start", Upload()
    request.world.nodes[node.id] = node
    url = f"{request.base_url}/video-upload/{request.version}/{node.id}"
    return {"video_id": node.id, "upload_url": url}


async def _read_node(request: GraphRequest) -> dict[str, Any]:
    node = request.world.nodes[request.node]
    if node.account is not request.account:
        raise GraphError(100, 33)
    if node.post is not None and node.post.is_deleted:
        raise GraphError(100, 33)
    flicker(request.world)
    return {"id": node.id, **chosen(_node_fields(request, node), request.fields(), "PagePost")}


def _is_processing(world: World, node: Node) -> bool:
    return (
        node.kind in ("video", "reel")
        and world.clock.now() - node.created_at < world.switches.container_ready_s
    )


def _node_fields(request: GraphRequest, node: Node) -> dict[str, Any]:
    post = node.post
    is_processing = _is_processing(request.world, node)
    upload = node.upload
    is_uploaded = upload is None or upload.is_whole or node.media[0].url is not None
    words = {True: "complete", False: "in_progress"}
    ready = "error" if node.failure else ("processing" if is_processing else "ready")
    return {
        "id": node.id,
        "message": node.text,
        "description": node.text,
        "title": node.title,
        "created_time": graph_time(post.posted_at if post else node.created_at),
        "permalink_url": f"{request.base_url}{post.path}" if post else None,
        "is_published": node.is_published,
        "published": node.is_published,
        "scheduled_publish_time": node.scheduled_at,
        "status_type": "added_photos" if node.attached else "mobile_status_update",
        "from": {"id": node.account.id, "name": node.account.username},
        "post_id": post.id if post else None,
        "attachments": {"data": [{"media_type": one.kind} for one in node.media]},
        "status": {
            "video_status": ready if is_uploaded else "uploading",
            "uploading_phase": {
                "status": words[is_uploaded],
                "bytes_transferred": 0 if upload is None else upload.received,
            },
            "processing_phase": {
                "status": "not_started" if not is_uploaded else words[not is_processing]
            },
            "publishing_phase": {
                "status": "complete" if post else "not_started",
                "publish_status": "published" if post else "draft",
                **({"publish_time": graph_time(post.posted_at)} if post else {}),
            },
        },
    }


def _list_posts(request: GraphRequest, kinds: tuple[str, ...]) -> dict[str, Any]:
    _publish_what_is_due(request.world)
    posts = [
        one for one in request.account.posts if one.platform == "facebook" and one.kind in kinds
    ]
    return page_of(
        request,
        posts,
        lambda one: one.posted_at,
        lambda one: {
            **_node_fields(request, request.world.nodes[one.container_id]),
            "id": one.id,
        },
        "PagePost",
    )


async def _list_scheduled(request: GraphRequest) -> dict[str, Any]:
    _publish_what_is_due(request.world)
    waiting = [
        node
        for node in request.world.nodes.values()
        if node.account is request.account and node.scheduled_at and not node.is_published
    ]
    return {
        "data": [
            {"id": node.id, **chosen(_node_fields(request, node), request.fields(), "PagePost")}
            for node in waiting
        ]
    }


def _publish_what_is_due(world: World) -> None:
    """Let scheduled posts appear whose time the sandbox's clock has passed."""
    now = world.clock.now()
    for node in list(world.nodes.values()):
        if node.scheduled_at is None or node.is_published or node.scheduled_at > now:
            continue
        node.is_published = True
        number = world.number()
        node.post = world.add_post(
            number=number,
            id=node.id,
            account=node.account,
            platform="facebook",
            kind=node.kind if node.kind in ("video", "reel") else "text",
            container_id=node.id,
            caption=node.text,
            title=node.title,
            media=node.media,
            path=f"/posts/{node.id}/",
            posted_at=node.scheduled_at,
            arrived_at=node.created_at,
            request_id="scheduled",
        )
        world.by_path[node.post.path] = node.post


async def _delete(request: GraphRequest) -> dict[str, Any]:
    world = request.world
    post = world.posts.get(request.node)
    node = world.nodes.get(request.node if post is None else post.container_id)
    if node is None or node.account is not request.account:
        raise GraphError(100, 33)
    if node.post is not None:
        world.delete_post(node.post)
    del world.nodes[node.id]
    return {"success": True}


def upload_to(world: World, node_id: str) -> tuple[Node, Upload] | None:
    """The reel that takes bytes under this id, and its upload."""
    node = world.nodes.get(node_id)
    if node is None or node.upload is None or node.kind != "reel":
        return None
    return node, node.upload
