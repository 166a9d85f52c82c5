"""Comments under posts, photos and videos of a Page.

Source: the generated parameters and fields of Comment in PyPI facebook-business 26.0.3, read
2026-11-25.
"""

from typing import Any, Final

from engine.sandbox.conversations import take_away
from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.instagram_media import flicker
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


async def create_comment(request: GraphRequest) -> dict[str, Any]:
    """Write under a thing, as the Page."""
    thing = own(request)
    text = request.parameters.get("message", "")
    if not text or len(text) > TEXT_LIMIT:
        raise GraphError(100, message="(#100) The parameter message is required")
    comment = request.world.comment(thing, request.account, text, f"{bare_id(thing)}_{{}}")
    return {"id": comment.id}


async def create_reply(request: GraphRequest) -> dict[str, Any]:
    """Answer a comment, as the Page; two levels are shown."""
    thing, comment = _own_comment(request)
    text = request.parameters.get("message", "")
    if not text or len(text) > TEXT_LIMIT:
        raise GraphError(100, message="(#100) The parameter message is required")
    reply = request.world.comment(
        thing, request.account, text, f"{bare_id(thing)}_{{}}", comment.parent or comment
    )
    return {"id": reply.id}


async def list_comments(request: GraphRequest) -> dict[str, Any]:
    """``filter=stream`` has all levels; ``order`` is ``chronological`` unless it says otherwise."""
    thing = own(request)
    is_stream = request.parameters.get("filter") == "stream"
    found = [one for one in thing.comments if is_stream or one.parent is None]
    return _page(request, thing, found)


async def list_replies(request: GraphRequest) -> dict[str, Any]:
    """What was answered to one comment."""
    thing, comment = _own_comment(request)
    return _page(request, thing, [one for one in thing.comments if one.parent is comment])


async def read_comment(request: GraphRequest) -> dict[str, Any]:
    """One comment's fields."""
    thing, comment = _own_comment(request)
    flicker(request.world)
    return chosen(_as_listed(thing, comment, request), request.fields(), "Comment")


async def hide_comment(request: GraphRequest) -> dict[str, Any]:
    """``is_hidden=true`` or ``false``. Idempotent."""
    thing, comment = _own_comment(request)
    comment.is_hidden = is_true(request.parameters, "is_hidden")
    request.world.push("hide" if comment.is_hidden else "unhide", thing, comment)
    return {"success": True}


async def delete_comment(request: GraphRequest) -> dict[str, Any]:
    """A comment with its replies."""
    thing, comment = _own_comment(request)
    take_away(request.world, thing, comment)
    return {"success": True}


def bare_id(thing: PageObject) -> str:
    """The part of a thing's id that its comments' ids begin with."""
    return thing.id.rpartition("_")[2] if isinstance(thing, PagePost) else thing.id


def counted(thing: PageObject) -> dict[str, Any]:
    """The newest comment and their number, as ``comments.limit(1).summary(true){id}`` has it."""
    shown = [one for one in thing.comments if one.is_shown]
    return {
        "data": [{"id": one.id} for one in shown[-1:]],
        "summary": {"order": "ranked", "total_count": len(shown)},
    }


def _own_comment(request: GraphRequest) -> tuple[PageObject, Comment]:
    under, comment = request.world.comments[request.node]
    if (
        not isinstance(under, PageObject)
        or under.account is not request.account
        or not comment.is_shown
    ):
        raise GraphError(100, 33)
    return under, comment


def _page(request: GraphRequest, thing: PageObject, comments: list[Comment]) -> dict[str, Any]:
    within = window(request.parameters)
    is_newest_first = request.parameters.get("order") == "reverse_chronological"
    found = [one for one in comments if one.is_shown and within(one.posted_at)]
    answer = page_of(
        request,
        found[::-1] if is_newest_first else found,
        lambda comment: _as_listed(thing, comment, request),
        kind="Comment",
        is_newest_first=is_newest_first,
        of_comments=thing if is_newest_first else None,
    )
    if is_true(request.parameters, "summary"):
        answer["summary"] = counted(thing)["summary"]
    return answer


def _as_listed(thing: PageObject, comment: Comment, request: GraphRequest) -> dict[str, Any]:
    author = comment.author if request.world.switches.comment_authors else None
    replies = [one for one in thing.comments if one.parent is comment and one.is_shown]
    return {
        "id": comment.id,
        "message": comment.text,
        "created_time": printed(comment.posted_at),
        "from": author and {"id": author.id, "name": author.username},
        "parent": None if comment.parent is None else {"id": comment.parent.id},
        "comment_count": len(replies),
        "like_count": 0,
        "is_hidden": comment.is_hidden,
        "can_hide": author is not request.account,
        "can_reply_privately": False,
        "permalink_url": f"{request.base_url}/{comment.id}",
    }
