"""Instagram posts that are public: reading, listing, deleting, and what is written under them.

Sources, read 2026-11-23: the reference pages ig-user/media, ig-user/stories, ig-media,
ig-media/comments and ig-comment/replies under
https://developers.facebook.com/docs/instagram-platform/reference.
"""

from typing import Any, Final

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import chosen, page_of, printed, window
from engine.sandbox.state import DAY_S, Comment, PublicPost, World

COMMENT_LIMIT: Final = 2200  # characters
COMMENTS_OF_A_PAGE: Final = 50
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
        (one for one in reversed(post.comments) if one.parent is None),
        lambda comment: _as_comment(post, comment),
        kind="Comment",
        default=COMMENTS_OF_A_PAGE,
        most=COMMENTS_OF_A_PAGE,
    )


async def create_reply(request: GraphRequest) -> dict[str, Any]:
    """Answer a comment; a reply to a reply lands under the comment on top."""
    post, comment = _own_comment(request)
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
        (one for one in post.comments if one.parent is comment),
        lambda reply: _as_comment(post, reply),
        kind="Comment",
        default=COMMENTS_OF_A_PAGE,
        most=COMMENTS_OF_A_PAGE,
        is_newest_first=False,
    )


def _own(request: GraphRequest) -> PublicPost:
    post = request.world.posts.get(request.node)
    if post is None or post.account is not request.account or post.is_deleted:
        raise GraphError(100, 33)
    return post


def _own_comment(request: GraphRequest) -> tuple[PublicPost, Comment]:
    under, comment = request.world.comments[request.node]
    if not isinstance(under, PublicPost) or under.account is not request.account:
        raise GraphError(100, 33)
    return under, comment


def _text(request: GraphRequest) -> str:
    text = request.parameters.get("message", "")
    if not text or len(text) > COMMENT_LIMIT:
        raise GraphError(100, message="(#100) The parameter message is required")
    return text


def _as_comment(post: PublicPost, comment: Comment) -> dict[str, Any]:
    replies = [one for one in post.comments if one.parent is comment]
    return {
        "id": comment.id,
        "text": comment.text,
        "timestamp": printed(comment.posted_at),
        "username": comment.author.username,
        "from": {"id": comment.author.id, "username": comment.author.username},
        "like_count": 0,
        "hidden": False,
        "parent_id": None if comment.parent is None else comment.parent.id,
        "media": {"id": post.id, "media_product_type": PRODUCT_TYPES.get(post.kind, "FEED")},
        "replies": {"data": [_as_comment(post, one) for one in replies]} if replies else None,
        "user": {"id": comment.author.id},
    }


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
        "comments_count": len(post.comments),
        "like_count": 0,
        "thumbnail_url": None,
    }
