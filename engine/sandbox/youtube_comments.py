"""Single comments of YouTube: replies, moderation, deletion.

Source: the discovery document of youtube.v3, revision 20261104, read 2026-11-25.
"""

from typing import Any, Final

from engine.sandbox.inbox_control import id_of
from engine.sandbox.state import Comment, PublicPost
from engine.sandbox.youtube_errors import YouTubeError
from engine.sandbox.youtube_request import YouTubeRequest
from engine.sandbox.youtube_resources import comment_resource, thread_resource

PAGE_DEFAULT: Final = 20
PAGE_LIMIT: Final = 100
STATES: Final = ("published", "rejected", "heldForReview")


async def list_replies(request: YouTubeRequest) -> dict[str, Any]:
    """By ``parentId``, the newest first; or the comments of some ids."""
    request.parts()
    if "id" in request.query:
        found = [_found(request, one) for one in request.query["id"].split(",")]
        items = [comment_resource(post.id, comment) for post, comment in filter(None, found)]
        return {"kind": "youtube#commentListResponse", "items": items}
    post, parent = _existing(request, request.query.get("parentId", ""), "parentCommentNotFound")
    size = request.number("maxResults", PAGE_DEFAULT, PAGE_LIMIT)
    below = request.number("pageToken", 0, 10**9)
    replies = [
        one
        for one in reversed(post.comments)
        if one.parent is parent and not one.is_hidden and (not below or one.number < below)
    ]
    page = replies[:size]
    answer: dict[str, Any] = {
        "kind": "youtube#commentListResponse",
        "items": [comment_resource(post.id, one) for one in page],
    }
    if len(replies) > len(page):
        answer["nextPageToken"] = str(page[-1].number)
    return answer


def threads_by_id(request: YouTubeRequest) -> dict[str, Any]:
    """The threads that comments of some ids began."""
    found = [_found(request, one) for one in request.query["id"].split(",")]
    items = [
        thread_resource(post, comment)
        for post, comment in filter(None, found)
        if comment.parent is None
    ]
    return {"kind": "youtube#commentThreadListResponse", "items": items}


async def create_reply(request: YouTubeRequest) -> dict[str, Any]:
    """Answer a thread."""
    snippet = request.body.get("snippet") or {}
    parent_id = snippet.get("parentId")
    if not parent_id:
        raise YouTubeError("parentIdMissing")
    post, parent = _existing(request, str(parent_id), "parentCommentNotFound")
    text = snippet.get("textOriginal")
    if not text:
        raise YouTubeError("commentTextRequired")
    reply = request.world.comment(post, request.account, text, id_of(post, parent), parent)
    return comment_resource(post.id, reply)


async def moderate(request: YouTubeRequest) -> None:
    """Hide comments under one's own video, or show them again."""
    status = request.query.get("moderationStatus")
    if status not in STATES:
        raise YouTubeError("operationNotSupported")
    for comment_id in request.query.get("id", "").split(","):
        post, comment = _existing(request, comment_id, "commentNotFound")
        if post.account is not request.account:
            raise YouTubeError("forbidden")
        comment.is_hidden = status != "published"


async def delete_comment(request: YouTubeRequest) -> None:
    """Only what one wrote oneself."""
    _, comment = _existing(request, request.query.get("id", ""), "commentNotFound")
    if comment.author is not request.account:
        raise YouTubeError("forbidden")
    request.world.uncomment(comment.id)


def _existing(request: YouTubeRequest, comment_id: str, missing: str) -> tuple[PublicPost, Comment]:
    found = _found(request, comment_id)
    if found is None:
        raise YouTubeError(missing)
    return found


def _found(request: YouTubeRequest, comment_id: str) -> tuple[PublicPost, Comment] | None:
    under, comment = request.world.comments.get(comment_id, (None, None))
    if not isinstance(under, PublicPost) or comment is None or under.platform != "youtube":
        return None
    return under, comment
