"""Comments under posts: what an account writes under its own, and reading it back."""

from typing import Any, Final

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import graph_time, page_of
from engine.sandbox.state import Comment, PublicPost

INSTAGRAM_PAGE: Final = 50


def add_comment(request: GraphRequest, post: PublicPost, text: str) -> Comment:
    """Write a comment as the account of the request's token."""
    if not text.strip():
        raise GraphError(100, message="(#100) The parameter message is required")
    number = request.world.number()
    comment = Comment(number, f"178{number:014d}", text, request.account, request.world.clock.now())
    post.comments.append(comment)
    return comment


async def create_comment(request: GraphRequest) -> dict[str, Any]:
    """``POST /{post}/comments``."""
    post = _post_of(request)
    return {"id": add_comment(request, post, request.parameters.get("message", "")).id}


async def list_comments(request: GraphRequest) -> dict[str, Any]:
    """``GET /{post}/comments``, newest first; ``since`` is Facebook's only."""
    post = _post_of(request)
    limit = INSTAGRAM_PAGE if post.platform == "instagram" else 100
    return page_of(
        request, post.comments, lambda one: one.created_at, _listed, "Comment", limit=limit
    )


def _post_of(request: GraphRequest) -> PublicPost:
    post = request.world.posts.get(request.node)
    if post is None or post.account is not request.account:
        raise GraphError(100, 33)
    return post


def _listed(comment: Comment) -> dict[str, Any]:
    account = comment.account
    return {
        "id": comment.id,
        "text": comment.text,
        "message": comment.text,
        "timestamp": graph_time(comment.created_at),
        "created_time": graph_time(comment.created_at),
        "username": account.username,
        "from": {"id": account.id, "username": account.username, "name": account.username},
        "parent_id": None,
        "like_count": 0,
        "hidden": False,
        "is_hidden": False,
    }
