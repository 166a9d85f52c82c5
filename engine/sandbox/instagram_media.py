"""Instagram posts that are public: reading, listing, deleting, and what is written under them.

Sources, read 2026-11-23: the reference pages ig-user/media, ig-user/stories, ig-media,
ig-media/comments and ig-comment/replies under
https://developers.facebook.com/docs/instagram-platform/reference.
"""

import re
from typing import Any, Final

from engine.sandbox.conversations import take_away
from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import chosen, is_true, page_of, printed, window
from engine.sandbox.state import DAY_S, Comment, PublicPost, World

COMMENT_LIMIT: Final = 2200  # characters
COMMENTS_OF_A_PAGE: Final = 50
REPLIES_DEFAULT: Final = 25
REPLIES_LIMIT: Final = re.compile(r"replies\.limit\((\d+)\)")
MEDIA_TYPES: Final = {"image": "IMAGE", "carousel": "CAROUSEL_ALBUM", "reel": "VIDEO"}
PRODUCT_TYPES: Final = {"reel": "REELS", "story": "STORY"}


def flicker(world: World) -> None:
    """Now and then a good read says that the thing does not exist, as seen in the field.

    Source: https://github.com/gitroomhq/postiz-app/issues/1562, read 2026-11-23.
    """
    if world.switches.flicker_every:
        world.reads += 1
        if world.reads % world.switches.flicker_every == 0:
            raise GraphError(100, 33)


async def read_post(request: GraphRequest) -> dict[str, Any]:
    """One post's fields."""
    post = _own(request)
    flicker(request.world)
    return chosen(_as_listed(post, request.base_url), request.fields(), "Media")


async def list_posts(request: GraphRequest) -> dict[str, Any]:
    """Everything but stories, newest first."""
    within = window(request.parameters)
    return page_of(
        request,
        (
            post
            for post in reversed(request.account.posts)
            if post.platform == "instagram"
            and post.kind != "story"
            and not post.is_deleted
            and within(post.posted_at)
        ),
        lambda post: _as_listed(post, request.base_url),
        kind="Media",
    )


async def list_stories(request: GraphRequest) -> dict[str, Any]:
    """Stories of the last day, newest first."""
    oldest = request.world.clock.now() - DAY_S
    return page_of(
        request,
        (
            post
            for post in reversed(request.account.posts)
            if post.platform == "instagram"
            and post.kind == "story"
            and not post.is_deleted
            and post.posted_at > oldest
        ),
        lambda post: _as_listed(post, request.base_url),
        kind="Media",
    )


async def delete_post(request: GraphRequest) -> dict[str, Any]:
    """Only by way of Facebook Login, which the sandbox does not tell apart."""
    post = _own(request)
    post.is_deleted = True
    return {"success": True, "deleted_id": post.id}


async def create_comment(request: GraphRequest) -> dict[str, Any]:
    """Write under a post."""
    post = _own(request)
    comment = request.world.comment(post, request.account, _text(request), "178{:014d}")
    return {"id": comment.id}


async def list_comments(request: GraphRequest) -> dict[str, Any]:
    """Top level only, newest first, at most 50 on a page, without a filter of time."""
    post = _own(request)
    return page_of(
        request,
        [one for one in reversed(post.comments) if one.parent is None and one.is_shown],
        lambda comment: _as_comment(post, comment, request),
        kind="Comment",
        default=COMMENTS_OF_A_PAGE,
        most=COMMENTS_OF_A_PAGE,
        of_comments=post,
    )


async def create_reply(request: GraphRequest) -> dict[str, Any]:
    """Answer a comment; a reply to a reply lands under the comment on top."""
    post, comment = _own_comment(request)
    if comment.is_hidden:
        raise GraphError(100, message="(#100) A hidden comment cannot be answered")
    text = _text(request)
    reply = request.world.comment(
        post, request.account, text, "178{:014d}", comment.parent or comment
    )
    return {"id": reply.id}


async def list_replies(request: GraphRequest) -> dict[str, Any]:
    """The replies to one comment, oldest first."""
    post, comment = _own_comment(request)
    return page_of(
        request,
        [one for one in post.comments if one.parent is comment and one.is_shown],
        lambda reply: _as_comment(post, reply, request),
        kind="Comment",
        default=COMMENTS_OF_A_PAGE,
        most=COMMENTS_OF_A_PAGE,
        is_newest_first=False,
    )


async def read_comment(request: GraphRequest) -> dict[str, Any]:
    """One comment's fields."""
    post, comment = _own_comment(request)
    flicker(request.world)
    return chosen(_as_comment(post, comment, request), request.fields(), "Comment")


async def hide_comment(request: GraphRequest) -> dict[str, Any]:
    """``hide=true`` or ``false``. Idempotent."""
    _, comment = _own_comment(request)
    comment.is_hidden = is_true(request.parameters, "hide")
    return {"success": True}


async def delete_comment(request: GraphRequest) -> dict[str, Any]:
    """A comment with its replies."""
    post, comment = _own_comment(request)
    take_away(request.world, post, comment)
    return {"success": True}


def _own(request: GraphRequest) -> PublicPost:
    post = request.world.posts.get(request.node)
    if post is None or post.account is not request.account or post.is_deleted:
        raise GraphError(100, 33)
    return post


def _own_comment(request: GraphRequest) -> tuple[PublicPost, Comment]:
    under, comment = request.world.comments[request.node]
    if (
        not isinstance(under, PublicPost)
        or under.account is not request.account
        or not comment.is_shown
    ):
        raise GraphError(100, 33)
    return under, comment


def _text(request: GraphRequest) -> str:
    text = request.parameters.get("message", "")
    if not text or len(text) > COMMENT_LIMIT:
        raise GraphError(100, message="(#100) The parameter message is required")
    return text


def _as_comment(post: PublicPost, comment: Comment, request: GraphRequest) -> dict[str, Any]:
    replies = [one for one in post.comments if one.parent is comment and one.is_shown]
    author = comment.author if request.world.switches.comment_authors else None
    return {
        "id": comment.id,
        "text": comment.text,
        "timestamp": printed(comment.posted_at),
        "username": author and author.username,
        "from": author and {"id": author.id, "username": author.username},
        "like_count": 0,
        "hidden": comment.is_hidden,
        "parent_id": None if comment.parent is None else comment.parent.id,
        "media": {"id": post.id, "media_product_type": PRODUCT_TYPES.get(post.kind, "FEED")},
        "replies": _inlined(post, comment, replies, request) if replies else None,
        "user": author and {"id": author.id},
    }


def _inlined(
    post: PublicPost, comment: Comment, replies: list[Comment], request: GraphRequest
) -> dict[str, Any]:
    """The first replies of a comment; ``next`` says that there are more."""
    asked = REPLIES_LIMIT.search(request.parameters.get("fields", ""))
    limit = int(asked[1]) if asked else REPLIES_DEFAULT
    answer: dict[str, Any] = {"data": [_as_comment(post, one, request) for one in replies[:limit]]}
    if len(replies) > limit:
        next_page = f"{request.base_url}/{request.version}/{comment.id}/replies"
        answer["paging"] = {"cursors": {"after": "unused"}, "next": next_page}
    return answer


def _as_listed(post: PublicPost, base_url: str) -> dict[str, Any]:
    media = post.media[0] if post.media else None
    media_type = MEDIA_TYPES.get(post.kind) or (
        "VIDEO" if media and media.kind == "video" else "IMAGE"
    )
    children = None
    if post.kind == "carousel":
        children = {"data": [{"id": medium.id} for medium in post.media]}
    return {
        "id": post.id,
        "caption": post.caption,
        "alt_text": post.alt_text or "",
        "media_type": media_type,
        "media_product_type": PRODUCT_TYPES.get(post.kind, "FEED"),
        "media_url": media.url if media else None,
        "permalink": f"{base_url}{post.path}",
        "shortcode": post.shortcode,
        "timestamp": printed(post.posted_at),
        "username": post.account.username,
        "owner": {"id": post.account.id},
        "children": children,
        "is_shared_to_feed": post.details.get("share_to_feed"),
        "comments_count": sum(one.is_shown for one in post.comments),
        "comments": _newest(post),
        "like_count": 0,
        "thumbnail_url": None,
    }


def _newest(post: PublicPost) -> dict[str, Any] | None:
    """The newest comment on top, as ``comments.limit(1){id,timestamp}`` has it."""
    tops = (one for one in reversed(post.comments) if one.parent is None and one.is_shown)
    newest = next(tops, None)
    if newest is None:
        return None
    return {"data": [{"id": newest.id, "timestamp": printed(newest.posted_at)}]}
