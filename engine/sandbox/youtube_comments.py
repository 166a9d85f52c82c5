"""YouTube's threads and comments: listing, writing, moderating.

Hidden comments leave the lists of the public and of their channel, as rejected ones do.

Sources: the discovery document of youtube.v3, revision 20261104, read 2026-11-25.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from engine.sandbox.conversations import say_in_between, take_away
from engine.sandbox.state import Comment, PublicPost
from engine.sandbox.youtube_errors import YouTubeError
from engine.sandbox.youtube_resources import comment_resource, thread_resource

if TYPE_CHECKING:
    from engine.sandbox.youtube import YouTubeRequest

SIZE_DEFAULT: Final = 20
SIZE_LIMIT: Final = 100
COMMENT_LIMIT: Final = 10_000  # characters


async def create_thread(request: "YouTubeRequest") -> dict[str, Any]:
    """Write under a video, as the channel."""
    snippet = object_in(request.body, "snippet")
    post = _commented(request, snippet.get("videoId"))
    text = _text(object_in(object_in(snippet, "topLevelComment"), "snippet"))
    comment = request.world.comment(post, request.account, text, "Ug{:012d}")
    return thread_resource(request.world, post, comment)


async def list_threads(request: "YouTubeRequest") -> dict[str, Any]:
    """By video, by channel, or by id; newest first. A new reply does not move its thread.

    Those that wait for review are listed only when ``moderationStatus`` asks for them.
    """
    world = request.world
    if "id" in request.query:
        found = [world.comments.get(id_) for id_ in request.query["id"].split(",")]
        items = [
            thread_resource(world, under, comment)
            for under, comment in filter(None, found)
            if isinstance(under, PublicPost) and comment.parent is None and comment.is_shown
        ]
        return {"kind": "youtube#commentThreadListResponse", "items": items}
    if "allThreadsRelatedToChannelId" in request.query:
        return _threads_of_channel(request)
    post = _commented(request, request.query.get("videoId"))
    is_wanted = _wanted(request)
    tops = [one for one in reversed(post.comments) if one.parent is None and is_wanted(one)]
    page, following = _page(request, post, tops)
    answer: dict[str, Any] = {
        "kind": "youtube#commentThreadListResponse",
        "items": [thread_resource(world, post, comment) for comment in page],
        "pageInfo": {"totalResults": len(page), "resultsPerPage": SIZE_LIMIT},
    }
    return answer | ({"nextPageToken": following} if following else {})


async def list_comments(request: "YouTubeRequest") -> dict[str, Any]:
    """The replies of a thread, or comments by their ids."""
    world = request.world
    if "id" in request.query:
        found = [world.comments.get(id_) for id_ in request.query["id"].split(",")]
        items = [
            comment_resource(world, under, comment)
            for under, comment in filter(None, found)
            if isinstance(under, PublicPost) and comment.is_shown
        ]
        return {"kind": "youtube#commentListResponse", "items": items}
    under, parent = _existing(request, request.query.get("parentId", ""))
    replies = [one for one in reversed(under.comments) if one.parent is parent and _is_listed(one)]
    page, following = _page(request, under, replies)
    answer: dict[str, Any] = {
        "kind": "youtube#commentListResponse",
        "items": [comment_resource(world, under, comment) for comment in page],
    }
    return answer | ({"nextPageToken": following} if following else {})


async def create_comment(request: "YouTubeRequest") -> dict[str, Any]:
    """Answer a thread, as the channel."""
    snippet = object_in(request.body, "snippet")
    if not snippet.get("parentId"):
        raise YouTubeError("parentIdMissing")
    under, parent = _existing(request, str(snippet["parentId"]))
    text = _text(snippet)
    reply = request.world.comment(under, request.account, text, f"{parent.id}.{{}}", parent)
    return comment_resource(request.world, under, reply)


async def set_moderation(request: "YouTubeRequest") -> None:
    """``rejected`` and ``heldForReview`` hide, ``published`` shows again."""
    status = request.query.get("moderationStatus")
    if status not in ("published", "rejected", "heldForReview"):
        raise YouTubeError("invalidParameter", message="Invalid value for moderationStatus")
    for id_ in request.query.get("id", "").split(","):
        under, comment = _existing(request, id_)
        if under.account is not request.account:
            raise YouTubeError("forbidden")
        comment.is_hidden = status != "published"


async def delete_comment(request: "YouTubeRequest") -> None:
    """Only what the channel itself wrote."""
    under, comment = _existing(request, request.query.get("id", ""))
    if comment.author is not request.account:
        raise YouTubeError("forbidden")
    take_away(request.world, under, comment)


def object_in(values: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of a body; missing is empty.

    Raises:
        YouTubeError: it is something else than an object.
    """
    value = values.get(name, {})
    if not isinstance(value, dict):
        raise YouTubeError("badRequest", message=f"Invalid value for {name}")
    return dict(value)


def _threads_of_channel(request: "YouTubeRequest") -> dict[str, Any]:
    channel = request.query["allThreadsRelatedToChannelId"]
    if channel != request.account.id:
        raise YouTubeError("channelNotFound")
    is_wanted = _wanted(request)
    found = [
        (post, one)
        for post in request.account.posts
        if post.platform == "youtube" and not post.is_deleted
        for one in post.comments
        if one.parent is None and is_wanted(one)
    ]
    found.sort(key=lambda pair: pair[1].number, reverse=True)
    size = request.number("maxResults", SIZE_DEFAULT, SIZE_LIMIT)
    below = int(request.query.get("pageToken") or 2**62)
    left = [(post, one) for post, one in found if one.number < below]
    answer: dict[str, Any] = {
        "kind": "youtube#commentThreadListResponse",
        "items": [thread_resource(request.world, post, one) for post, one in left[:size]],
    }
    return answer | ({"nextPageToken": str(left[size - 1][1].number)} if len(left) > size else {})


def _wanted(request: "YouTubeRequest") -> Callable[[Comment], bool]:
    status = request.query.get("moderationStatus", "published")
    if status == "heldForReview":
        return lambda comment: comment.is_held and not comment.is_deleted
    return _is_listed


def _page(
    request: "YouTubeRequest", post: PublicPost, found: list[Comment]
) -> tuple[list[Comment], str | None]:
    """A page of what was found, and the token of the next."""
    size = request.number("maxResults", SIZE_DEFAULT, SIZE_LIMIT)
    below = request.query.get("pageToken", "")
    if below and not below.isdecimal():
        raise YouTubeError("invalidPageToken")
    switches = request.world.switches
    if switches.comment_empty_page and not below:
        return [], str(2**62)
    if switches.comment_pages_shift:
        start = int(below or 0)
        if start + size >= len(found):
            return found[start:], None
        say_in_between(request.world, post)
        return found[start : start + size], str(start + size)
    wanted = [one for one in found if not below or one.number < int(below)]
    page = wanted[:size]
    return page, str(page[-1].number) if page and len(wanted) > len(page) else None


def _is_listed(comment: Comment) -> bool:
    """Lists hold what is published, unless they are asked for something else."""
    return comment.is_shown and not comment.is_hidden


def _existing(request: "YouTubeRequest", comment_id: str) -> tuple[PublicPost, Comment]:
    under, comment = request.world.comments.get(comment_id, (None, None))
    if comment is None or not isinstance(under, PublicPost) or not comment.is_shown:
        raise YouTubeError("commentNotFound")
    return under, comment


def _commented(request: "YouTubeRequest", video_id: object) -> PublicPost:
    """The video that a comment is about."""
    post = request.world.posts.get(str(video_id))
    if post is None or post.is_deleted:
        raise YouTubeError("videoNotFound")
    if request.world.switches.comments_disabled:
        raise YouTubeError("commentsDisabled")
    return post


def _text(snippet: dict[str, Any]) -> str:
    text = snippet.get("textOriginal")
    if not text or not isinstance(text, str):
        raise YouTubeError("commentTextRequired")
    if len(text) > COMMENT_LIMIT:
        raise YouTubeError("commentTextTooLong")
    return text
