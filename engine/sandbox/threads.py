"""Threads: containers, posts, replies.

Sources, read 2026-11-23: https://developers.facebook.com/docs/threads/posts (of 2026-04-14),
.../threads/reference/publishing (of 2026-04-20), .../threads/overview and
.../threads/troubleshooting.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from engine.sandbox.conversations import root_of
from engine.sandbox.graph import Call, GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.instagram import refuse_publish
from engine.sandbox.instagram_media import flicker
from engine.sandbox.listing import chosen, is_true, page_of, printed, window
from engine.sandbox.media import MediaChecker
from engine.sandbox.parameters import Parameters
from engine.sandbox.state import DAY_S, Container, PublicPost, World
from engine.sandbox.threads_containers import ThreadsContainerMaker

POSTS, REPLIES, DELETIONS = "threads_posts", "threads_replies", "threads_deletions"
MEDIA_TYPES = {
    "text": "TEXT_POST",
    "image": "IMAGE",
    "video": "VIDEO",
    "carousel": "CAROUSEL_ALBUM",
}


class Threads:
    """The calls of one Threads account, its containers and its posts."""

    def __init__(self, checker: MediaChecker) -> None:
        self._maker = ThreadsContainerMaker(checker)
        self._of_account = {
            ("POST", "threads"): _call("create_container", self._create, True, _create_name),
            ("POST", "threads_publish"): _call("publish", self._publish, True, _publish_name),
            ("GET", "threads"): _call("list_posts", self._list_posts, True),
            ("GET", "replies"): _call("list_replies", self._list_replies),
            ("GET", "conversation"): _call("list_conversation", self._list_conversation),
            ("POST", "manage_reply"): _call("hide_comment", self._hide),
            ("GET", "threads_publishing_limit"): _call("read_limit", self._read_limit, True),
        }
        self._read_container_call = _call("read_container", self._read_container)
        self._read_post_call = _call("read_post", self._read_post)
        self._delete_post_call = _call("delete_post", self._delete_post)

    def route(self, world: World, method: str, segments: tuple[str, ...]) -> Call | None:
        """The call that a method and path mean, or None."""
        if len(segments) == 2:
            # The comments of Instagram have replies too.
            if segments[1] == "replies" and segments[0] in world.comments:
                return None
            return self._of_account.get((method, segments[1]))
        if len(segments) != 1:
            return None
        post = world.posts.get(segments[0])
        if post is not None and post.platform == "threads":
            if method == "GET":
                return self._read_post_call
            return self._delete_post_call if method == "DELETE" else None
        container = world.containers.get(segments[0])
        if container is not None and container.platform == "threads" and method == "GET":
            return self._read_container_call
        return None

    async def _create(self, request: GraphRequest) -> dict[str, Any]:
        container = await self._maker.create(request)
        if is_true(request.parameters, "auto_publish_text"):
            if container.kind != "text":
                raise GraphError(100, message="Param auto_publish_text is for text posts only")
            return {"id": self._show(request, container).id}
        return {"id": container.id}

    async def _read_container(self, request: GraphRequest) -> dict[str, Any]:
        container = request.world.containers[request.node]
        if container.account is not request.account:
            raise GraphError(100, 33)
        flicker(request.world)
        now = request.world.clock.now()
        state = container.status_code(now, request.world.switches)
        container.polls += 1
        if state == "FINISHED" and container.finished_at is None:
            container.finished_at = now
        values = {
            "id": container.id,
            "status": state,
            "error_message": (container.failure_reason or "UNKNOWN") if state == "ERROR" else None,
        }
        return chosen(values, request.fields("id,status"), "ThreadsMediaContainer")

    async def _publish(self, request: GraphRequest) -> dict[str, Any]:
        world = request.world
        now = world.clock.now()
        container = world.containers.get(request.parameters.get("creation_id", ""))
        if (
            container is None
            or container.account is not request.account
            or container.is_carousel_item
            or container.platform != "threads"
        ):
            raise GraphError(24, 2207008)
        if repeated := refuse_publish(request, container, now):
            return {"id": repeated.id}
        late_s = world.switches.late_container_s
        if late_s and (container.finished_at is None or now < container.finished_at + late_s):
            # Seen in the field: the host that publishes learns of the container a little later.
            raise GraphError(24, 2207008)
        return {"id": self._show(request, container).id}

    def _show(self, request: GraphRequest, container: Container) -> PublicPost:
        world, account = request.world, request.account
        now = world.clock.now()
        what, most = POSTS, world.switches.threads_quota
        if container.reply_to is not None:
            what, most = REPLIES, world.switches.threads_reply_quota
        if account.spent(what, now) >= most:
            raise _quota_spent("posts" if what == POSTS else "replies")
        account.spend(what, now)
        post = world.show(container, request.seen.arrived_at, request.seen.id)
        if post.parent is not None:
            post.parent.replies.append(post)
        return post

    async def _read_post(self, request: GraphRequest) -> dict[str, Any]:
        post = _existing(request)
        flicker(request.world)
        return chosen(_as_listed(post, request), request.fields(), "ThreadsMedia")

    async def _delete_post(self, request: GraphRequest) -> dict[str, Any]:
        post = _existing(request)
        now = request.world.clock.now()
        if post.account is not request.account:
            raise GraphError(10)
        most = request.world.switches.threads_delete_quota
        if request.account.spent(DELETIONS, now) >= most:
            raise _quota_spent("deletions")
        request.account.spend(DELETIONS, now)
        post.is_deleted = True
        return {"success": True, "deleted_id": post.id}

    async def _list_posts(self, request: GraphRequest) -> dict[str, Any]:
        within = window(request.parameters)
        return page_of(
            request,
            (
                post
                for post in reversed(request.account.posts)
                if post.platform == "threads"
                and post.parent is None
                and not post.is_deleted
                and within(post.posted_at)
            ),
            lambda post: _as_listed(post, request),
            kind="ThreadsMedia",
        )

    async def _list_replies(self, request: GraphRequest) -> dict[str, Any]:
        post = _existing(request)
        return _replies_page(request, post, [one for one in post.replies if one.is_shown])

    async def _list_conversation(self, request: GraphRequest) -> dict[str, Any]:
        post = _existing(request)
        found = [one for one in _below(post) if one.is_shown]
        found.sort(key=lambda one: one.number)
        return _replies_page(request, post, found)

    async def _hide(self, request: GraphRequest) -> dict[str, Any]:
        reply = _existing(request)
        if reply.parent is None or root_of(reply).account is not request.account:
            raise GraphError(10)
        reply.is_hidden = is_true(request.parameters, "hide")
        return {"success": True}

    async def _read_limit(self, request: GraphRequest) -> dict[str, Any]:
        now, account = request.world.clock.now(), request.account
        switches = request.world.switches
        values: dict[str, Any] = {}
        for prefix, what, most in (
            ("", POSTS, switches.threads_quota),
            ("reply_", REPLIES, switches.threads_reply_quota),
            ("delete_", DELETIONS, switches.threads_delete_quota),
        ):
            values[f"{prefix}quota_usage"] = account.spent(what, now)
            values[f"{prefix}config"] = {"quota_total": most, "quota_duration": int(DAY_S)}
        return {"data": [chosen(values, request.fields("quota_usage"), "ThreadsLimit")]}


def _call(
    name: str,
    act: Callable[[GraphRequest], Awaitable[Any]],
    concerns_account: bool = False,
    name_by: Callable[[World, str, Parameters], str] | None = None,
) -> Call:
    return Call(name, act, concerns_account, "threads", name_by)


def _create_name(world: World, node: str, given: Parameters) -> str:
    return "publish" if is_true(given, "auto_publish_text") else "create_container"


def _publish_name(world: World, node: str, given: Parameters) -> str:
    made = world.containers.get(given.get("creation_id", ""))
    return "create_comment" if made is not None and made.reply_to is not None else "publish"


def _quota_spent(what: str) -> GraphError:
    # The code is not documented for Threads; that of Instagram's quota is the nearest.
    return GraphError(9, 2207042, message=f"The limit of {what} in 24 hours is reached")


def _existing(request: GraphRequest) -> PublicPost:
    post = request.world.posts.get(request.node)
    if post is None or post.platform != "threads" or not post.is_shown:
        raise GraphError(100, 33)
    return post


def _below(post: PublicPost) -> list[PublicPost]:
    return [one for reply in post.replies if reply.is_shown for one in (reply, *_below(reply))]


def _replies_page(
    request: GraphRequest, post: PublicPost, rising: list[PublicPost]
) -> dict[str, Any]:
    """Newest first unless ``reverse=false``, as documented."""
    is_newest_first = is_true(request.parameters, "reverse", default=True)
    return page_of(
        request,
        rising[::-1] if is_newest_first else rising,
        lambda reply: _as_listed(reply, request),
        kind="ThreadsMedia",
        is_newest_first=is_newest_first,
        of_comments=root_of(post) if is_newest_first else None,
    )


def _as_listed(post: PublicPost, request: GraphRequest) -> dict[str, Any]:
    root = root_of(post)
    is_named = not post.is_anonymous and request.world.switches.comment_authors
    media = post.media[0] if post.media else None
    is_reply = post.parent is not None
    return {
        "id": post.id,
        "media_product_type": "THREADS",
        "media_type": MEDIA_TYPES[post.kind],
        "media_url": media.url if media else None,
        "text": post.caption or None,
        "permalink": f"{request.base_url}{post.path}",
        "shortcode": post.shortcode,
        "timestamp": printed(post.posted_at),
        "username": post.account.username if is_named else None,
        "owner": {"id": post.account.id} if is_named else None,
        "is_quote_post": False,
        "is_reply": is_reply,
        "is_reply_owned_by_me": is_reply and post.account is request.account,
        "root_post": {"id": root.id} if is_reply else None,
        "replied_to": {"id": post.parent.id} if post.parent is not None else None,
        "has_replies": any(reply.is_shown for reply in post.replies),
        "hide_status": "HIDDEN" if post.is_hidden else "NOT_HUSHED",
        "alt_text": post.alt_text,
        "topic_tag": post.details.get("topic_tag"),
        "link_attachment_url": post.details.get("link_attachment"),
        "reply_audience": post.details.get("reply_control"),
        "children": {"data": [{"id": one.id} for one in post.media]}
        if post.kind == "carousel"
        else None,
        "thumbnail_url": None,
    }
