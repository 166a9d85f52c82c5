"""Comments under posts, photos and videos of a Page.

Source: the generated parameters and fields of Comment in PyPI facebook-business 26.0.3, read
2026-11-25.
"""

from typing import Any, Final

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import chosen, is_true, page_of, printed, window
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


def _under(request: GraphRequest) -> tuple[PageObject, Comment | None]:
    """The thing of a Page and, if the path names one, the comment under it."""
    if request.node not in request.world.comments:
        return own(request), None
    under, comment = request.world.comments[request.node]
    if not isinstance(under, PageObject) or under.account is not request.account:
        raise GraphError(100, 33)
    return under, comment


def _below(thing: PageObject, comment: Comment | None) -> list[Comment]:
    """What stands under a thing, or answers a comment on any level; the oldest first."""
    if comment is None:
        return thing.comments
    above = {comment.id}
    found = []
    for one in thing.comments:
        if one.parent is not None and one.parent.id in above:
            above.add(one.id)
            found.append(one)
    return found


async def read_comment(request: GraphRequest) -> dict[str, Any]:
    """One comment's fields."""
    _, comment = _commented(request)
    return chosen(_as_listed(comment, request), request.fields(), "Comment")


async def change_comment(request: GraphRequest) -> dict[str, Any]:
    """Hide a comment, or show it again."""
    _, comment = _commented(request)
    comment.is_hidden = is_true(request.parameters, "is_hidden")
    return {"success": True}


async def delete_comment(request: GraphRequest) -> dict[str, Any]:
    """Delete a comment, whoever wrote it."""
    _, comment = _commented(request)
    request.world.uncomment(comment.id)
    return {"success": True}


def _commented(request: GraphRequest) -> tuple[PageObject, Comment]:
    thing, comment = _under(request)
    if comment is None:
        raise GraphError(100, 33)
    return thing, comment


async def create_comment(request: GraphRequest) -> dict[str, Any]:
    """Write under a thing, or answer a comment, as the Page."""
    thing, answered = _under(request)
    text = request.parameters.get("message", "")
    if not text or len(text) > TEXT_LIMIT:
        raise GraphError(100, message="(#100) The parameter message is required")
    prefix = _bare_id(thing)
    comment = request.world.comment(thing, request.account, text, f"{prefix}_{{}}", answered)
    return {"id": comment.id}


async def list_comments(request: GraphRequest) -> dict[str, Any]:
    """``order`` is ``chronological`` unless it says otherwise; ``summary`` counts them all."""
    thing, above = _under(request)
    within = window(request.parameters)
    is_newest_first = request.parameters.get("order") == "reverse_chronological"
    is_stream = request.parameters.get("filter") == "stream"
    found = [
        one
        for one in _below(thing, above)
        if within(one.posted_at) and (is_stream or one.parent is above)
    ]
    answer = page_of(
        request,
        reversed(found) if is_newest_first else found,
        lambda comment: _as_listed(comment, request),
        kind="Comment",
        is_newest_first=is_newest_first,
    )
    if is_true(request.parameters, "summary"):
        answer["summary"] = {"order": "ranked", "total_count": len(thing.comments)}
    return answer


def _bare_id(thing: PageObject) -> str:
    return thing.id.rpartition("_")[2] if isinstance(thing, PagePost) else thing.id


def summary_of(thing: PageObject) -> dict[str, Any]:
    """The newest comment and how many there are, over all levels."""
    return {
        "data": [{"id": thing.comments[-1].id}] if thing.comments else [],
        "summary": {"total_count": len(thing.comments)},
    }


def _as_listed(comment: Comment, request: GraphRequest) -> dict[str, Any]:
    under, _ = request.world.comments[comment.id]
    return {
        "id": comment.id,
        "message": comment.text,
        "created_time": printed(comment.posted_at),
        "from": {"id": comment.author.id, "name": comment.author.username},
        "parent": None if comment.parent is None else {"id": comment.parent.id},
        "comment_count": sum(one.parent is comment for one in under.comments),
        "like_count": 0,
        "is_hidden": comment.is_hidden,
        "can_hide": False,
        "can_reply_privately": False,
        "permalink_url": f"{request.base_url}/{comment.id}",
    }
