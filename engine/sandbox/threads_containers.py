"""Making Threads containers: texts, images, videos, carousels, replies.

Sources, read 2026-11-23: https://developers.facebook.com/docs/threads/posts (of 2026-04-14) and
.../threads/reference/publishing (of 2026-04-20).
"""

import re
import unicodedata
from typing import Any, Final

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import is_true
from engine.sandbox.media import MediaChecker
from engine.sandbox.media_rules import THREADS_PICTURE, THREADS_VIDEO
from engine.sandbox.state import Container, PublicPost

TEXT_LIMIT: Final = 500  # characters, an emoji counting as its UTF-8 bytes
ALT_TEXT_LIMIT: Final = 1000  # characters
LINK_LIMIT: Final = 5  # distinct ones
TOPIC_LIMIT: Final = 50  # characters
CAROUSEL_LEAST: Final = 2
CAROUSEL_MOST: Final = 20
LINK: Final = re.compile(r"https?://[^\s<>\"]+")
KINDS: Final = {"TEXT": "text", "IMAGE": "image", "VIDEO": "video", "CAROUSEL": "carousel"}
REPLY_CONTROLS: Final = (
    "everyone",
    "accounts_you_follow",
    "mentioned_only",
    "parent_post_author_only",
    "followers_only",
)
# Symbols that Unicode does not count as pictures, or parts that join pictures to one emoji.
EMOJI_PARTS: Final = re.compile("[\u200d\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U0001f1e6-\U0001f1ff]")


class ThreadsContainerMaker:
    """Reads the parameters of ``POST /{user}/threads``.

    Args:
        checker: fetches what the parameters point to.
    """

    def __init__(self, checker: MediaChecker) -> None:
        self._checker = checker

    async def create(self, request: GraphRequest) -> Container:
        """The new container, already known to the world."""
        given, world = request.parameters, request.world
        kind = KINDS.get(given.get("media_type", ""))
        if kind is None:
            raise GraphError(100, message="(#100) Param media_type must be one of those documented")
        container = Container(
            id=f"181{world.number():014d}",
            account=request.account,
            caption=_text(given),
            image_url=given.get("image_url", "") if kind == "image" else "",
            alt_text=_alt_text(given, kind),
            created_at=world.clock.now(),
            platform="threads",
            kind=kind,
            video_url=given.get("video_url") or None if kind == "video" else None,
            is_carousel_item=is_true(given, "is_carousel_item"),
            reply_to=_reply_to(request),
            details=_details(given, kind),
        )
        if kind == "carousel":
            container.children = _children(request)
        if kind in ("text", "carousel"):
            if container.is_carousel_item or (kind == "text" and not container.caption):
                raise GraphError(100, message="(#100) The parameter text is required")
            container.is_fetched = True
        else:
            await self._fetch(request, container)
        if world.switches.threads_error is not None:
            container.failure_reason = world.switches.threads_error
        world.containers[container.id] = container
        return container

    async def _fetch(self, request: GraphRequest, container: Container) -> None:
        url = container.video_url or container.image_url
        if not url.isascii() or not url.startswith(("http://", "https://")):
            name = "video_url" if container.kind == "video" else "image_url"
            raise GraphError(100, message=f"(#100) The parameter {name} is required")
        rules = THREADS_VIDEO if container.kind == "video" else THREADS_PICTURE
        if not request.world.switches.fetch_media:
            container.is_fetched = True
        elif request.world.switches.media_faults == "direct":
            await self._checker.check_now(url, rules)
            container.is_fetched = True
        else:
            self._checker.check_soon(container, url, rules)


def length_of(text: str) -> int:
    """How long a text is to Threads: an emoji counts as its UTF-8 bytes."""
    return sum(len(letter.encode()) if _is_emoji(letter) else 1 for letter in text)


def _is_emoji(letter: str) -> bool:
    is_picture = ord(letter) > 0x2190 and unicodedata.category(letter) == "So"
    return is_picture or EMOJI_PARTS.match(letter) is not None


def _text(given: dict[str, str]) -> str:
    text = unicodedata.normalize("NFC", given.get("text", ""))
    if length_of(text) > TEXT_LIMIT:
        raise GraphError(100, message="(#100) Param text must be at most 500 characters long")
    links = set(LINK.findall(text))
    if given.get("link_attachment"):
        links.add(given["link_attachment"])
    if len(links) > LINK_LIMIT:
        raise GraphError(100, message="THREADS_API__LINK_LIMIT_EXCEEDED")
    return text


def _alt_text(given: dict[str, str], kind: str) -> str | None:
    alt_text = given.get("alt_text")
    if alt_text is not None and (kind not in ("image", "video") or len(alt_text) > ALT_TEXT_LIMIT):
        raise GraphError(100, message="(#100) Param alt_text is for a picture or video, up to 1000")
    return alt_text


def _reply_to(request: GraphRequest) -> PublicPost | None:
    if "reply_to_id" not in request.parameters:
        return None
    post = request.world.posts.get(request.parameters["reply_to_id"])
    if post is None or post.platform != "threads" or post.is_deleted:
        raise GraphError(100, message="(#100) Param reply_to_id is no post that can be replied to")
    return post


def _children(request: GraphRequest) -> tuple[Container, ...]:
    text = request.parameters.get("children", "").strip("[]")
    ids = [one.strip(' "') for one in text.split(",") if one.strip(' "')]
    if not CAROUSEL_LEAST <= len(ids) <= CAROUSEL_MOST:
        raise GraphError(100, message="(#100) Param children must have from 2 to 20 items")
    now = request.world.clock.now()
    children = []
    for one in ids:
        child = request.world.containers.get(one)
        if (
            child is None
            or child.account is not request.account
            or child.platform != "threads"
            or not child.is_carousel_item
        ):
            raise GraphError(24, 2207006)
        if child.status_code(now, request.world.switches) != "FINISHED":
            raise GraphError(9007, 2207027)
        children.append(child)
    return tuple(children)


def _details(given: dict[str, str], kind: str) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if "topic_tag" in given:
        tag = given["topic_tag"]
        if not 1 <= len(tag) <= TOPIC_LIMIT or "." in tag or "&" in tag:
            raise GraphError(100, message="(#100) Param topic_tag has from 1 to 50, no . and no &")
        details["topic_tag"] = tag
    if "link_attachment" in given:
        if kind != "text" or LINK.fullmatch(given["link_attachment"]) is None:
            raise GraphError(100, message="(#100) Param link_attachment is a URL for a text post")
        details["link_attachment"] = given["link_attachment"]
    if "reply_control" in given:
        if given["reply_control"] not in REPLY_CONTROLS:
            raise GraphError(100, message="(#100) Param reply_control must be one of those listed")
        details["reply_control"] = given["reply_control"]
    if "location_id" in given:
        details["location_id"] = given["location_id"]
    return details
