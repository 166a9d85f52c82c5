"""Comments under posts, photos and videos of a Page.

Source: the generated parameters and fields of Comment in PyPI facebook-business 26.0.3, read
2026-11-25.
"""

from typing import Any, Final

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import is_true, page_of, printed, window
from engine.sandbox.page_objects import PagePost
from engine.sandbox.state import Comment, PageObject

TEXT_LIMIT: Final = 8000  # characters


def own(request: GraphRequest) -> PageObject:
    """The thing of a Page that the path names.

    Raises:
        GraphError: there is none that this account may touch.
    """
    thing = request.world.page_objects.get(request.node)
    if thing is None or thing.account is not request.account or thing.is_deleted:
        raise GraphError(100, 33)
    return thing


async def create_comment(request: GraphRequest) -> dict[str, Any]:
    """Write under a thing, as the Page."""
    thing = own(request)
    text = request.parameters.get("message", "")
    if not text or len(text) > TEXT_LIMIT:
        raise GraphError(100, message="(#100) The parameter message is required")
    prefix = _bare_id(thing)
    comment = request.world.comment(thing, request.account, text, f"{prefix}_{{}}")
    return {"id": comment.id}


async def list_comments(request: GraphRequest) -> dict[str, Any]:
    """``order`` is ``chronological`` unless it says otherwise; ``summary`` counts them all."""
    thing = own(request)
    within = window(request.parameters)
    is_newest_first = request.parameters.get("order") == "reverse_chronological"
    found = [one for one in thing.comments if within(one.posted_at)]
    answer = page_of(
        request,
        reversed(found) if is_newest_first else found,
        lambda comment: _as_listed(comment, request.base_url),
        kind="Comment",
        is_newest_first=is_newest_first,
    )
    if is_true(request.parameters, "summary"):
        answer["summary"] = {"order": "ranked", "total_count": len(thing.comments)}
    return answer


def _bare_id(thing: PageObject) -> str:
    return thing.id.rpartition("_")[2] if isinstance(thing, PagePost) else thing.id


def _as_listed(comment: Comment, base_url: str) -> dict[str, Any]:
    return {
        "id": comment.id,
        "message": comment.text,
        "created_time": printed(comment.posted_at),
        "from": {"id": comment.author.id, "name": comment.author.username},
        "parent": None,
        "comment_count": 0,
        "like_count": 0,
        "is_hidden": False,
        "can_hide": False,
        "can_reply_privately": False,
        "permalink_url": f"{base_url}/{comment.id}",
    }
