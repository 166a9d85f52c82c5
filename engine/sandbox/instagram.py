"""Instagram content publishing: single images, as the Instagram API answers.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/content-publishing
and the reference pages ig-container, ig-user/media, ig-user/media_publish and
ig-user/content_publishing_limit beside it.
"""

import base64
import binascii
import math
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

from engine.sandbox.graph import Call, GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.media import MediaChecker
from engine.sandbox.state import DAY_S, Container, PublicPost, World

CAPTION_LIMIT: Final = 2200  # characters
HASHTAG_LIMIT: Final = 30
MENTION_LIMIT: Final = 20
ALT_TEXT_LIMIT: Final = 1000  # characters
PAGE_DEFAULT: Final = 25
PAGE_LIMIT: Final = 100
HASHTAG: Final = re.compile(r"#\w")
MENTION: Final = re.compile(r"(?<!\w)@\w")
STATUS_TEXTS: Final = {
    "IN_PROGRESS": "In Progress: Media is still being processed.",
    "FINISHED": "Finished: Media has been uploaded and it is ready to be published.",
    "PUBLISHED": "Published: Media has been published.",
    "EXPIRED": "Expired: The container was not published within 24 hours.",
}


class Instagram:
    """The calls of one Instagram account, its containers and its posts."""

    def __init__(self, checker: MediaChecker) -> None:
        self._checker = checker
        self._of_account = {
            ("POST", "media"): Call("create_container", self._create_container, True),
            ("POST", "media_publish"): Call("publish", self._publish, True),
            # The generated software development kits spell it this way.
            ("POST", "mediapublish"): Call("publish", self._publish, True),
            ("GET", "media"): Call("list_posts", self._list_posts, True),
            ("GET", "content_publishing_limit"): Call("read_limit", self._read_limit, True),
        }
        self._read_container_call = Call("read_container", self._read_container)
        self._read_post_call = Call("read_post", self._read_post)

    def route(self, world: World, method: str, segments: tuple[str, ...]) -> Call | None:
        """The call that a method and path mean, or None."""
        if len(segments) == 2:
            return self._of_account.get((method, segments[1]))
        if len(segments) == 1 and method == "GET" and segments[0]:
            is_post = segments[0] in world.posts
            return self._read_post_call if is_post else self._read_container_call
        return None

    async def _create_container(self, request: GraphRequest) -> dict[str, Any]:
        given = request.parameters
        if given.get("media_type", "IMAGE") != "IMAGE" or "children" in given:
            raise GraphError(100, 2207023, message="Only single images can be published here")
        caption = unicodedata.normalize("NFC", given.get("caption", ""))
        if (
            len(caption) > CAPTION_LIMIT
            or len(HASHTAG.findall(caption)) > HASHTAG_LIMIT
            or len(MENTION.findall(caption)) > MENTION_LIMIT
        ):
            raise GraphError(36004, 2207010)
        alt_text = given.get("alt_text")
        if alt_text is not None and len(alt_text) > ALT_TEXT_LIMIT:
            raise GraphError(100, message="Param alt_text must be at most 1000 characters long")
        image_url = given.get("image_url", "")
        if not image_url:
            raise GraphError(100, message="The parameter image_url is required")
        if not image_url.isascii() or not image_url.startswith(("http://", "https://")):
            raise GraphError(9004, 2207052)
        world = request.world
        container = Container(
            id=f"179{world.number():014d}",
            account=request.account,
            caption=caption,
            image_url=image_url,
            alt_text=alt_text,
            created_at=world.clock.now(),
        )
        if not world.switches.fetch_media:
            container.is_fetched = True
        elif world.switches.media_faults == "direct":
            await self._checker.check_now(container)
        else:
            self._checker.check_soon(container)
        world.containers[container.id] = container
        return {"id": container.id}

    async def _read_container(self, request: GraphRequest) -> dict[str, Any]:
        container = request.world.containers.get(request.node)
        if container is None or container.account is not request.account:
            raise GraphError(100, 33)
        _flicker(request.world)
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
        return _chosen(values, request.fields(), "ShadowIGMediaBuilder")

    async def _publish(self, request: GraphRequest) -> dict[str, Any]:
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

    async def _read_post(self, request: GraphRequest) -> dict[str, Any]:
        post = request.world.posts[request.node]
        if post.account is not request.account:
            raise GraphError(100, 33)
        _flicker(request.world)
        return _chosen(_as_listed(post, request.base_url), request.fields(), "Media")

    async def _list_posts(self, request: GraphRequest) -> dict[str, Any]:
        given = request.parameters
        since = _number(given, "since", 0.0)
        until = _number(given, "until", math.inf)
        limit = int(_number(given, "limit", PAGE_DEFAULT))
        if limit < 1:
            raise GraphError(100, message="(#100) limit must be a positive number")
        below, is_gap = _position(given.get("after"))
        names = request.fields()
        wanted = [
            post
            for post in reversed(request.account.posts)
            # The platform compares whole seconds, as it prints them.
            if since <= int(post.posted_at) <= until and (below is None or post.number < below)
        ]
        page = [] if is_gap else wanted[: min(limit, PAGE_LIMIT)]
        rows = [
            {"id": post.id, **_chosen(_as_listed(post, request.base_url), names, "Media")}
            for post in page
        ]
        if not wanted:
            return {"data": []}
        if is_gap:
            next_cursor, has_more = _cursor(below, is_gap=False), True
        else:
            next_cursor = _cursor(page[-1].number, is_gap=request.world.switches.sparse_pages)
            has_more = len(wanted) > len(page)
        first = page[0].number if page else (below or 0)
        paging: dict[str, Any] = {
            "cursors": {"before": _cursor(first, is_gap=False), "after": next_cursor}
        }
        if has_more:
            paging["next"] = (
                f"{request.base_url}/{request.version}{request.seen.path}"
                f"?fields={','.join(names)}&limit={limit}&after={next_cursor}"
            )
        return {"data": rows, "paging": paging}

    async def _read_limit(self, request: GraphRequest) -> dict[str, Any]:
        used = request.account.quota_used(request.world.clock.now())
        values = {
            "quota_usage": used,
            "config": {
                "quota_total": request.world.switches.publish_quota,
                "quota_duration": int(DAY_S),
            },
        }
        return {"data": [_chosen(values, request.fields("quota_usage"), "Limit")]}


def _flicker(world: World) -> None:
    """Now and then a good read says that the thing does not exist, as seen in the field.

    Source: https://github.com/gitroomhq/postiz-app/issues/1562, read 2026-11-23.
    """
    if world.switches.flicker_every:
        world.reads += 1
        if world.reads % world.switches.flicker_every == 0:
            raise GraphError(100, 33)


def _as_listed(post: PublicPost, base_url: str) -> dict[str, Any]:
    return {
        "id": post.id,
        "caption": post.caption,
        "alt_text": post.alt_text or "",
        "media_type": "IMAGE",
        "media_product_type": "FEED",
        "media_url": post.image_url,
        "permalink": f"{base_url}/p/{post.shortcode}/",
        "shortcode": post.shortcode,
        "timestamp": datetime.fromtimestamp(post.posted_at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "username": post.account.username,
    }


def _chosen(values: dict[str, Any], names: list[str], kind: str) -> dict[str, Any]:
    for name in names:
        if name not in values:
            raise GraphError(
                100, message=f"(#100) Tried accessing nonexisting field ({name}) on type ({kind})"
            )
    return {name: values[name] for name in names}


def _number(given: dict[str, str], name: str, default: float) -> float:
    if name not in given:
        return default
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise GraphError(100, message=f"(#100) Param {name} must be a number")
    return value


def _cursor(number: int | None, *, is_gap: bool) -> str:
    return base64.urlsafe_b64encode(f"{'g' if is_gap else 'p'}{number}".encode()).decode()


def _position(cursor: str | None) -> tuple[int | None, bool]:
    """The number to go on below, and whether an empty page stands in between."""
    if cursor is None:
        return None, False
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
        return int(text[1:]), text.startswith("g")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise GraphError(100, message="(#100) Invalid parameter: after") from None
