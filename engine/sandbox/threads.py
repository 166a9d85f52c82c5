"""Threads publishing, as the Threads API answers.

Sources, read 2026-11-23: https://developers.facebook.com/docs/threads/posts, reference/publishing
and troubleshooting beside it.
"""

import json
import re
import unicodedata
from typing import Any, Final

from engine.sandbox.comments import add_comment
from engine.sandbox.graph import Call, GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import chosen, flicker, graph_time, page_of
from engine.sandbox.media import MediaChecker
from engine.sandbox.state import DAY_S, Comment, Container, Medium, PublicPost

TEXT_LIMIT: Final = 500  # characters; an emoji counts as its UTF-8 bytes
LINK_LIMIT: Final = 5
CHILDREN: Final = range(2, 21)
POSTS_A_DAY: Final = 250
LINK: Final = re.compile(r"https?://\S+")
KINDS: Final = {"TEXT": "text", "IMAGE": "image", "VIDEO": "video", "CAROUSEL": "carousel"}
TYPES: Final = {
    "text": "TEXT_POST",
    "image": "IMAGE",
    "video": "VIDEO",
    "carousel": "CAROUSEL_ALBUM",
}


class Threads:
    """The calls of one Threads user, its containers and its posts."""

    def __init__(self, checker: MediaChecker) -> None:
        self._checker = checker
        self._of_account = {
            ("POST", "threads"): Call("create_container", self._create_container, True),
            ("POST", "threads_publish"): Call("publish", _publish, True),
            ("GET", "threads"): Call("list_posts", _list_posts, True),
            ("GET", "threads_publishing_limit"): Call("read_limit", _read_limit, True),
        }
        self._of_post = {
            ("GET", "replies"): Call("list_comments", _list_replies),
            ("GET", "conversation"): Call("list_comments", _list_replies),
        }
        self._read_container = Call("read_container", _read_container)
        self._read_post = Call("read_post", _read_post)
        self._delete = Call("delete_post", _delete)
        self._reply = Call("create_comment", _publish, concerns_account=True)

    def route(self, request: GraphRequest, method: str, edge: str) -> Call | None:
        """The call that a method, a node and its edge mean, or None."""
        if (method, edge) == ("POST", "threads_publish"):
            made = request.world.containers.get(request.parameters.get("creation_id", ""))
            if made is not None and made.reply_to is not None:
                return self._reply
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
        kind = KINDS.get(given.get("media_type", ""))
        if kind is None:
            raise GraphError(100, message="Param media_type must be one of TEXT, IMAGE, VIDEO")
        text = unicodedata.normalize("NFC", given.get("text", ""))
        if length_of(text) > TEXT_LIMIT:
            raise GraphError(100, message="Param text must be at most 500 characters long.")
        if len(set(LINK.findall(text))) > LINK_LIMIT:
            raise GraphError(100, message="THREADS_API__LINK_LIMIT_EXCEEDED")
        if kind == "text" and not text:
            raise GraphError(100, message="The parameter text is required")
        children = _children_of(request) if kind == "carousel" else ()
        container = Container(
            id=f"177{world.number():014d}",
            account=request.account,
            platform="threads",
            kind=kind,
            caption=text,
            media=_media_of(given, kind),
            created_at=world.clock.now(),
            children=children,
            reply_to=given.get("reply_to_id"),
        )
        if world.switches.fetch_media and container.media:
            self._checker.check_soon(container)
        else:
            container.is_fetched = True
        world.containers[container.id] = container
        if kind == "text" and given.get("auto_publish_text", "").lower() == "true":
            world.show(container, request.seen.arrived_at, request.seen.id)
        return {"id": container.id}


def length_of(text: str) -> int:
    """Characters, an emoji by its UTF-8 bytes.

    Source: https://developers.facebook.com/docs/threads/overview, read 2026-11-23.
    """
    return sum(len(one.encode()) if ord(one) > 0xFFFF else 1 for one in text)


def _media_of(given: dict[str, str], kind: str) -> list[Medium]:
    if kind not in ("image", "video"):
        return []
    url = given.get(f"{kind}_url", "")
    if not url:
        raise GraphError(100, message=f"The parameter {kind}_url is required")
    return [Medium(kind, url, given.get("alt_text"))]


def _children_of(request: GraphRequest) -> tuple[Container, ...]:
    text = request.parameters.get("children", "")
    ids = json.loads(text) if text.startswith("[") else [one for one in text.split(",") if one]
    if len(ids) not in CHILDREN:
        raise GraphError(100, message="Param children must be 2 to 20 containers")
    children = [request.world.containers.get(str(id_)) for id_ in ids]
    found = tuple(child for child in children if child and child.account is request.account)
    if len(found) != len(children):
        raise GraphError(24, 2207006)
    now, switches = request.world.clock.now(), request.world.switches
    if any(child.status_code(now, switches) != "FINISHED" for child in found):
        raise GraphError(9007, 2207027)
    return found


async def _read_container(request: GraphRequest) -> dict[str, Any]:
    container = request.world.containers.get(request.node)
    if container is None or container.account is not request.account:
        raise GraphError(100, 33)
    flicker(request.world)
    state = container.status_code(request.world.clock.now(), request.world.switches)
    container.polls += 1
    values: dict[str, Any] = {"id": container.id, "status": state}
    if state == "ERROR":
        values["error_message"] = str(container.failure)
    names = [name for name in request.fields() if name != "error_message" or state == "ERROR"]
    return {"id": container.id, **chosen(values, names, "ThreadsContainer")}


async def _publish(request: GraphRequest) -> dict[str, Any]:
    world, account = request.world, request.account
    now = world.clock.now()
    container = world.containers.get(request.parameters.get("creation_id", ""))
    if container is None or container.account is not account:
        raise GraphError(24, 2207006)
    state = container.status_code(now, world.switches)
    if state == "EXPIRED":
        raise GraphError(24, 2207008)
    if state in ("IN_PROGRESS", "ERROR"):
        raise GraphError(9007, 2207027)
    if container.post is not None and not request.is_repeat:
        if world.switches.republish == "error":
            raise GraphError(24, 2207008)
        if world.switches.republish == "same":
            return {"id": container.post.id}
    if container.reply_to is not None:
        parent = world.posts.get(container.reply_to)
        if parent is None:
            raise GraphError(100, message="The post to reply to does not exist")
        return {"id": add_comment(request, parent, container.caption).id}
    if account.quota_used(now) >= min(POSTS_A_DAY, world.switches.threads_quota):
        raise GraphError(9, 2207042, message="The user has reached the limit of posts per day")
    return {"id": world.show(container, request.seen.arrived_at, request.seen.id).id}


async def _read_post(request: GraphRequest) -> dict[str, Any]:
    post = request.world.posts[request.node]
    if post.account is not request.account:
        raise GraphError(100, 33)
    flicker(request.world)
    return chosen(_as_listed(post, request.base_url), request.fields(), "Threads")


async def _delete(request: GraphRequest) -> dict[str, Any]:
    post = request.world.posts.get(request.node)
    if post is None or post.account is not request.account:
        raise GraphError(100, 33)
    request.world.delete_post(post)
    return {"success": True, "deleted_id": post.id}


async def _list_posts(request: GraphRequest) -> dict[str, Any]:
    return page_of(
        request,
        [one for one in request.account.posts if one.platform == "threads"],
        lambda one: one.posted_at,
        lambda one: _as_listed(one, request.base_url),
        "Threads",
    )


async def _list_replies(request: GraphRequest) -> dict[str, Any]:
    post = request.world.posts.get(request.node)
    if post is None:
        raise GraphError(100, 33)

    def listed(comment: Comment) -> dict[str, Any]:
        return {
            "id": comment.id,
            "text": comment.text,
            "username": comment.account.username,
            "timestamp": graph_time(comment.created_at),
            "is_reply": True,
            "is_reply_owned_by_me": comment.account is request.account,
            "has_replies": False,
            "hide_status": "NOT_HUSHED",
        }

    return page_of(request, post.comments, lambda one: one.created_at, listed, "Reply")


async def _read_limit(request: GraphRequest) -> dict[str, Any]:
    used = request.account.quota_used(request.world.clock.now())
    total = min(POSTS_A_DAY, request.world.switches.threads_quota)
    values = {
        "quota_usage": used,
        "config": {"quota_total": total, "quota_duration": int(DAY_S)},
        "reply_quota_usage": 0,
        "reply_config": {"quota_total": 1000, "quota_duration": int(DAY_S)},
        "delete_quota_usage": 0,
        "delete_config": {"quota_total": 100, "quota_duration": int(DAY_S)},
    }
    return {"data": [chosen(values, request.fields("quota_usage"), "Limit")]}


def _as_listed(post: PublicPost, base_url: str) -> dict[str, Any]:
    return {
        "id": post.id,
        "media_product_type": "THREADS",
        "media_type": TYPES[post.kind],
        "text": post.caption,
        "permalink": f"{base_url}{post.path}",
        "shortcode": post.shortcode,
        "timestamp": graph_time(post.posted_at),
        "username": post.account.username,
        "is_quote_post": False,
        "alt_text": post.alt_text or "",
    }
