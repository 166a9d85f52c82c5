"""Instagram content publishing, as the Instagram API answers.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/content-publishing
and the reference pages ig-container, ig-user/media, ig-user/media_publish and
ig-user/content_publishing_limit beside it.
"""

import json
import re
import unicodedata
from typing import Any, Final

from engine.sandbox.comments import create_comment, list_comments
from engine.sandbox.graph import Call, GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import chosen, flicker, graph_time, page_of
from engine.sandbox.media import MediaChecker
from engine.sandbox.state import DAY_S, Container, Medium, PublicPost, Upload, World

CAPTION_LIMIT: Final = 2200  # characters
HASHTAG_LIMIT: Final = 30
MENTION_LIMIT: Final = 20
ALT_TEXT_LIMIT: Final = 1000  # characters
CHILDREN: Final = range(2, 11)
CONTAINERS_A_DAY: Final = 400
STORY_LIFE_S: Final = DAY_S
HASHTAG: Final = re.compile(r"#\w")
MENTION: Final = re.compile(r"(?<!\w)@\w")
STATUS_TEXTS: Final = {
    "IN_PROGRESS": "In Progress: Media is still being processed.",
    "FINISHED": "Finished: Media has been uploaded and it is ready to be published.",
    "PUBLISHED": "Published: Media has been published.",
    "EXPIRED": "Expired: The container was not published within 24 hours.",
}
KINDS: Final = {"IMAGE": "image", "REELS": "reel", "STORIES": "story", "CAROUSEL": "carousel"}


class Instagram:
    """The calls of one Instagram account, its containers and its posts."""

    def __init__(self, checker: MediaChecker) -> None:
        self._checker = checker
        publish = Call("publish", _publish, concerns_account=True)
        self._of_account = {
            ("POST", "media"): Call("create_container", self._create_container, True),
            ("POST", "media_publish"): publish,
            # The generated software development kits spell it this way.
            ("POST", "mediapublish"): publish,
            ("GET", "media"): Call("list_posts", _list_posts, True),
            ("GET", "stories"): Call("list_posts", _list_stories, True),
            ("GET", "content_publishing_limit"): Call("read_limit", _read_limit, True),
        }
        self._of_post = {
            ("POST", "comments"): Call("create_comment", create_comment),
            ("GET", "comments"): Call("list_comments", list_comments),
        }
        self._read_container = Call("read_container", _read_container)
        self._read_post = Call("read_post", _read_post)
        self._delete = Call("delete_post", _delete)

    def route(self, request: GraphRequest, method: str, edge: str) -> Call | None:
        """The call that a method, a node and its edge mean, or None."""
        if edge:
            on_post = request.node in request.world.posts
            return (self._of_post if on_post else self._of_account).get((method, edge))
        if method == "GET" and request.node:
            is_post = request.node in request.world.posts
            return self._read_post if is_post else self._read_container
        if method == "DELETE":
            return self._delete
        return None

    async def _create_container(self, request: GraphRequest) -> dict[str, Any]:
        given, world = request.parameters, request.world
        account = request.account
        if account.made_in_a_day(world.clock.now()) >= CONTAINERS_A_DAY:
            raise GraphError(9, 2207042)
        container = _container_of(request)
        if not world.switches.fetch_media or not container.media or container.upload is not None:
            container.is_fetched = True
        elif world.switches.media_faults == "direct":
            await self._checker.check_now(container.media, container.kind)
            container.is_fetched = True
        else:
            self._checker.check_soon(container)
        world.containers[container.id] = container
        account.made_at.append(container.created_at)
        made = {"id": container.id}
        if given.get("upload_type") == "resumable":
            made["uri"] = f"{request.base_url}/ig-api-upload/{request.version}/{container.id}"
        return made


def _container_of(request: GraphRequest) -> Container:
    given = request.parameters
    is_child = given.get("is_carousel_item", "").lower() == "true"
    media_type = given.get("media_type", "IMAGE")
    if media_type == "VIDEO" and not is_child:
        raise GraphError(100, 2207023, message="VIDEO is no media type of single posts any more")
    if is_child:
        if media_type not in ("IMAGE", "VIDEO"):
            raise GraphError(100, 2207023, message="A carousel holds pictures and videos")
        kind = "carousel"
    elif media_type in KINDS:
        kind = KINDS[media_type]
    else:
        raise GraphError(100, 2207023)
    children = _children_of(request) if kind == "carousel" and not is_child else ()
    media = [] if children else [_medium_of(given, kind, media_type)]
    return Container(
        id=f"179{request.world.number():014d}",
        account=request.account,
        platform="instagram",
        kind=kind,
        caption=_caption_of(given, is_child=is_child, kind=kind),
        media=media,
        created_at=request.world.clock.now(),
        children=children,
        upload=Upload() if given.get("upload_type") == "resumable" else None,
    )


def _caption_of(given: dict[str, str], *, is_child: bool, kind: str) -> str:
    caption = unicodedata.normalize("NFC", given.get("caption", ""))
    if (
        len(caption) > CAPTION_LIMIT
        or len(HASHTAG.findall(caption)) > HASHTAG_LIMIT
        or len(MENTION.findall(caption)) > MENTION_LIMIT
    ):
        raise GraphError(36004, 2207010)
    return "" if is_child or kind == "story" else caption


def _medium_of(given: dict[str, str], kind: str, media_type: str) -> Medium:
    alt_text = given.get("alt_text")
    if alt_text is not None and len(alt_text) > ALT_TEXT_LIMIT:
        raise GraphError(100, message="Param alt_text must be at most 1000 characters long")
    if alt_text is not None and kind in ("reel", "story"):
        raise GraphError(100, message="Param alt_text is for pictures only")
    _check_tags(given.get("user_tags"), has_places=kind != "reel")
    if given.get("upload_type") == "resumable":
        return Medium("video", None)
    wants_video = kind == "reel" or media_type == "VIDEO"
    for name in ("image_url", "video_url"):
        url = given.get(name, "")
        if not url:
            continue
        if (name == "video_url") != wants_video and kind != "story":
            raise GraphError(100, 2207023)
        if not url.isascii() or not url.startswith(("http://", "https://")):
            raise GraphError(9004, 2207052)
        return Medium("video" if name == "video_url" else "image", url, alt_text)
    name = "video_url" if wants_video else "image_url"
    raise GraphError(100, message=f"The parameter {name} is required")


def _check_tags(text: str | None, *, has_places: bool) -> None:
    """People on a picture have places; those in a reel have none."""
    if text is None:
        return
    try:
        tags = json.loads(text)
        names = [tag["username"] for tag in tags]
        places = [(float(tag["x"]), float(tag["y"])) for tag in tags if has_places]
    except (ValueError, KeyError, TypeError):
        raise GraphError(100, message="Param user_tags must be a list of tags") from None
    if not all(isinstance(name, str) and name for name in names):
        raise GraphError(100, message="Param user_tags: every tag has a username")
    if any(not (0 <= x <= 1 and 0 <= y <= 1) for x, y in places):
        raise GraphError(100, message="Param user_tags: x and y are from 0 to 1")


def _children_of(request: GraphRequest) -> tuple[Container, ...]:
    text = request.parameters.get("children", "")
    ids = json.loads(text) if text.startswith("[") else [one for one in text.split(",") if one]
    if len(ids) not in CHILDREN:
        raise GraphError(100, 2207028)
    children = []
    for id_ in ids:
        child = request.world.containers.get(str(id_))
        if child is None or child.account is not request.account:
            raise GraphError(24, 2207006)
        state = child.status_code(request.world.clock.now(), request.world.switches)
        if state != "FINISHED":
            raise GraphError(9007, 2207027)
        children.append(child)
    return tuple(children)


async def _read_container(request: GraphRequest) -> dict[str, Any]:
    container = request.world.containers.get(request.node)
    if container is None or container.account is not request.account:
        raise GraphError(100, 33)
    flicker(request.world)
    state = container.status_code(request.world.clock.now(), request.world.switches)
    container.polls += 1
    upload = container.upload
    values = {
        "id": container.id,
        "status_code": state,
        "status": STATUS_TEXTS.get(
            state, f"Error: Media upload has failed with error code {container.failure}"
        ),
        "copyright_check_status": {"status": "completed", "matches_found": False},
        "video_status": {
            "uploading_phase": {
                "status": "complete" if upload is None or upload.is_whole else "in_progress",
                "bytes_transferred": 0 if upload is None else upload.received,
            }
        },
    }
    return chosen(values, request.fields(), "ShadowIGMediaBuilder")


async def _publish(request: GraphRequest) -> dict[str, Any]:
    world, account = request.world, request.account
    now = world.clock.now()
    container = world.containers.get(request.parameters.get("creation_id", ""))
    if container is None or container.account is not account:
        raise GraphError(24, 2207008)
    state = container.status_code(now, world.switches)
    if state == "EXPIRED":
        code, subcode = map(int, world.switches.expired_publish.split("/"))
        raise GraphError(code, subcode)
    if state in ("IN_PROGRESS", "ERROR"):
        raise GraphError(9007, 2207027)
    if container.post is not None and not request.is_repeat:
        if world.switches.republish == "error":
            raise GraphError(24, 2207008)
        if world.switches.republish == "same":
            return {"id": container.post.id}
    if account.quota_used(now) >= world.switches.publish_quota:
        raise GraphError(9, 2207042)
    return {"id": world.show(container, request.seen.arrived_at, request.seen.id).id}


async def _read_post(request: GraphRequest) -> dict[str, Any]:
    post = request.world.posts[request.node]
    if post.account is not request.account:
        raise GraphError(100, 33)
    flicker(request.world)
    return chosen(_as_listed(post, request.base_url), request.fields(), "Media")


async def _delete(request: GraphRequest) -> dict[str, Any]:
    post = request.world.posts.get(request.node)
    if post is None or post.account is not request.account:
        raise GraphError(100, 33)
    request.world.delete_post(post)
    return {"success": True, "deleted_id": post.id}


async def _list_posts(request: GraphRequest) -> dict[str, Any]:
    return _page(request, [one for one in _own(request) if one.kind != "story"])


async def _list_stories(request: GraphRequest) -> dict[str, Any]:
    oldest = request.world.clock.now() - STORY_LIFE_S
    stories = [one for one in _own(request) if one.kind == "story" and one.posted_at > oldest]
    return _page(request, stories)


def _own(request: GraphRequest) -> list[PublicPost]:
    return [one for one in request.account.posts if one.platform == "instagram"]


def _page(request: GraphRequest, posts: list[PublicPost]) -> dict[str, Any]:
    return page_of(
        request,
        posts,
        lambda one: one.posted_at,
        lambda one: _as_listed(one, request.base_url),
        "Media",
    )


async def _read_limit(request: GraphRequest) -> dict[str, Any]:
    used = request.account.quota_used(request.world.clock.now())
    values = {
        "quota_usage": used,
        "config": {
            "quota_total": request.world.switches.publish_quota,
            "quota_duration": int(DAY_S),
        },
    }
    return {"data": [chosen(values, request.fields("quota_usage"), "Limit")]}


def _as_listed(post: PublicPost, base_url: str) -> dict[str, Any]:
    types = {"carousel": "CAROUSEL_ALBUM", "reel": "VIDEO"}
    is_video = bool(post.media) and post.media[0].kind == "video"
    products = {"reel": "REELS", "story": "STORY"}
    return {
        "id": post.id,
        "caption": post.caption,
        "alt_text": post.alt_text or "",
        "media_type": types.get(post.kind, "VIDEO" if is_video else "IMAGE"),
        "media_product_type": products.get(post.kind, "FEED"),
        "media_url": post.image_url,
        "permalink": f"{base_url}{post.path}",
        "shortcode": post.shortcode,
        "timestamp": graph_time(post.posted_at),
        "username": post.account.username,
        "children": {"data": [{"id": f"{post.id}{place}"} for place in range(len(post.media))]},
    }


def upload_to(world: World, node: str) -> tuple[Any, Upload] | None:
    """The container that takes bytes under this id, and its upload."""
    container = world.containers.get(node)
    if container is None or container.upload is None:
        return None
    return container, container.upload
