"""Making Instagram containers: images, carousels and their items, reels, stories.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/content-publishing
and the reference of ig-user/media beside it.
"""

import re
import unicodedata
from typing import Any, Final

import orjson

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import is_true, number_of
from engine.sandbox.media import MediaChecker
from engine.sandbox.media_rules import (
    CAROUSEL_VIDEO,
    INSTAGRAM_PICTURE,
    REEL,
    STORY_PICTURE,
    STORY_VIDEO,
    Rules,
)
from engine.sandbox.state import Container, Received

CAPTION_LIMIT: Final = 2200  # characters
HASHTAG_LIMIT: Final = 30
MENTION_LIMIT: Final = 20
ALT_TEXT_LIMIT: Final = 1000  # characters
CAROUSEL_LEAST: Final = 2
CAROUSEL_MOST: Final = 10
HASHTAG: Final = re.compile(r"#\w")
MENTION: Final = re.compile(r"(?<!\w)@\w")
KINDS: Final = {
    "IMAGE": "image",
    "VIDEO": "video",  # inside a carousel only, since 2023-11
    "REELS": "reel",
    "STORIES": "story",
    "CAROUSEL": "carousel",
}
BAD_MEDIA_TYPE: Final = (100, 2207023)
BAD_CAROUSEL: Final = (100, 2207028)


class ContainerMaker:
    """Reads the parameters of ``POST /{ig-user}/media``.

    Args:
        checker: fetches what the parameters point to.
    """

    def __init__(self, checker: MediaChecker) -> None:
        self._checker = checker

    async def create(self, request: GraphRequest) -> dict[str, Any]:
        """``{"id"}``, and ``uri`` when the bytes are to be uploaded."""
        given, world = request.parameters, request.world
        now = world.clock.now()
        if request.account.spent("containers", now) >= world.switches.container_quota:
            raise GraphError(9, 2207042, message="Too many containers were created today")
        container = _container(request, f"179{world.number():014d}", now)
        answer: dict[str, Any] = {"id": container.id}
        if container.children:
            container.is_fetched = True
        elif given.get("upload_type") == "resumable":
            container.received = Received()
            answer["uri"] = f"{request.base_url}/ig-api-upload/{request.version}/{container.id}"
        else:
            await self._fetch(request, container)
        if world.switches.container_error_subcode is not None:
            container.failure_subcode = world.switches.container_error_subcode
        request.account.spend("containers", now)
        world.containers[container.id] = container
        return answer

    async def fetch_upload(self, request: GraphRequest, container: Container) -> dict[str, Any]:
        """Fetch the file that an upload's header ``file_url`` points to."""
        container.video_url, container.received = request.parameters["file_url"], None
        await self._fetch(request, container)
        return {"success": True, "message": "Upload successful."}

    async def _fetch(self, request: GraphRequest, container: Container) -> None:
        url = container.video_url or container.image_url
        if not url.isascii() or not url.startswith(("http://", "https://")):
            raise GraphError(9004, 2207052)
        switches = request.world.switches
        if not switches.fetch_media:
            container.is_fetched = True
        elif switches.media_faults == "direct":
            await self._checker.check_now(url, _rules(container))
            container.is_fetched = True
        else:
            self._checker.check_soon(container, url, _rules(container))


def _container(request: GraphRequest, container_id: str, now: float) -> Container:
    given = request.parameters
    kind = _kind(given)
    is_item = is_true(given, "is_carousel_item")
    container = Container(
        id=container_id,
        account=request.account,
        caption="" if is_item or kind == "story" else _caption(given),
        image_url="" if kind in ("reel", "video", "carousel") else given.get("image_url", ""),
        alt_text=_alt_text(given, kind),
        created_at=now,
        kind=kind,
        video_url=None if kind in ("image", "carousel") else given.get("video_url") or None,
        is_carousel_item=is_item,
        children=_children(request, now) if kind == "carousel" else (),
    )
    _check_form(container, given)
    if len(given) > 1:
        container.details = _details(given, kind)
    return container


def _kind(given: dict[str, str]) -> str:
    media_type = given.get("media_type") or ("CAROUSEL" if "children" in given else "IMAGE")
    kind = KINDS.get(media_type)
    is_item = is_true(given, "is_carousel_item")
    if kind is None or (kind == "video") > is_item or (is_item and kind not in ("image", "video")):
        raise GraphError(*BAD_MEDIA_TYPE)
    return kind


def _check_form(container: Container, given: dict[str, str]) -> None:
    """Exactly the file that the kind needs must be given."""
    if container.kind == "carousel":
        return
    if given.get("upload_type") == "resumable":
        if container.kind == "image" or container.video_url or container.image_url:
            raise GraphError(100, message="Only a video without a URL can be uploaded")
    elif container.kind == "image" and not container.image_url:
        raise GraphError(100, message="The parameter image_url is required")
    elif container.kind in ("reel", "video") and not container.video_url:
        raise GraphError(100, message="The parameter video_url is required")
    elif container.kind == "story" and bool(container.video_url) == bool(container.image_url):
        raise GraphError(100, message="A story needs either image_url or video_url")


def _caption(given: dict[str, str]) -> str:
    caption = unicodedata.normalize("NFC", given.get("caption", ""))
    if (
        len(caption) > CAPTION_LIMIT
        or len(HASHTAG.findall(caption)) > HASHTAG_LIMIT
        or len(MENTION.findall(caption)) > MENTION_LIMIT
    ):
        raise GraphError(36004, 2207010)
    return caption


def _alt_text(given: dict[str, str], kind: str) -> str | None:
    alt_text = given.get("alt_text")
    if alt_text is None:
        return None
    if kind != "image":
        raise GraphError(100, message="Param alt_text is supported for images only")
    if len(alt_text) > ALT_TEXT_LIMIT:
        raise GraphError(100, message="Param alt_text must be at most 1000 characters long")
    return alt_text


def _children(request: GraphRequest, now: float) -> tuple[Container, ...]:
    """The items in the order given, as a list joined by commas or as a JSON array."""
    text = request.parameters.get("children", "")
    ids = _json_list(text, "children") if text.startswith("[") else text.split(",")
    ids = [str(one).strip() for one in ids if str(one).strip()]
    if not CAROUSEL_LEAST <= len(ids) <= CAROUSEL_MOST:
        raise GraphError(*BAD_CAROUSEL)
    children = []
    for one in ids:
        child = request.world.containers.get(one)
        if child is None or child.account is not request.account or not child.is_carousel_item:
            raise GraphError(24, 2207006)
        state = child.status_code(now, request.world.switches)
        if state == "EXPIRED":
            raise GraphError(-2, 2207020)
        if state != "FINISHED":
            raise GraphError(9007, 2207027)
        children.append(child)
    return tuple(children)


def _details(given: dict[str, str], kind: str) -> dict[str, Any]:
    """Whatever else belongs to the post and is not to be lost."""
    details: dict[str, Any] = {}
    if "user_tags" in given:
        details["user_tags"] = _user_tags(given, kind)
    if "collaborators" in given:
        collaborators = _json_list(given["collaborators"], "collaborators")
        if kind == "story" or not all(isinstance(one, str) for one in collaborators):
            raise GraphError(100, message="Param collaborators must be an array of usernames")
        details["collaborators"] = collaborators
    if "location_id" in given:
        if not given["location_id"].isdigit() or kind == "story":
            raise GraphError(100, message="Param location_id must be the id of a Page")
        details["location_id"] = given["location_id"]
    if kind == "reel":
        if "cover_url" in given:
            details["cover_url"] = given["cover_url"]
        if "thumb_offset" in given:
            details["thumb_offset"] = int(number_of(given, "thumb_offset", 0))
            if details["thumb_offset"] < 0:
                raise GraphError(1, 2207057)
        details["share_to_feed"] = is_true(given, "share_to_feed", default=True)
        if "audio_name" in given:
            details["audio_name"] = given["audio_name"]
    return details


def _user_tags(given: dict[str, str], kind: str) -> list[dict[str, Any]]:
    """Tags on a picture have a place on it, from 0 to 1; those on a video have none."""
    tags = _json_list(given["user_tags"], "user_tags")
    for tag in tags:
        if not isinstance(tag, dict) or not isinstance(tag.get("username"), str):
            raise GraphError(100, message="Param user_tags needs a username in every tag")
        if kind != "image":
            continue
        for axis in ("x", "y"):
            place = tag.get(axis)
            if not isinstance(place, int | float) or not 0 <= place <= 1:
                raise GraphError(100, message="Param user_tags needs x and y from 0 to 1")
    return tags


def _json_list(text: str, name: str) -> list[Any]:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, list):
        raise GraphError(100, message=f"(#100) Param {name} must be an array")
    return values


def _rules(container: Container) -> Rules:
    is_video = container.video_url is not None
    if container.kind == "story":
        return STORY_VIDEO if is_video else STORY_PICTURE
    if not is_video:
        return INSTAGRAM_PICTURE
    rules = CAROUSEL_VIDEO if container.is_carousel_item else REEL
    offset_ms = container.details.get("thumb_offset", 0)
    return rules.with_thumbnail(offset_ms / 1000) if offset_ms else rules
