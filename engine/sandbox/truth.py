"""What is really there, for tests and measurements: posts that everybody sees, requests seen."""

from typing import Any

from engine.sandbox.state import PublicPost, World


def visible_posts(
    world: World, account: str | None, since: float, base_url: str = ""
) -> list[dict[str, Any]]:
    """Every public post in the order it appeared, with its publish request's arrival.

    Args:
        world: the present world.
        account: only this account's posts.
        since: only posts that appeared at or after this instant of the sandbox's clock.
        base_url: what the posts' own pages lie under.
    """
    world.settle()
    return [
        _listed(post, base_url)
        for post in world.posts.values()
        # A reply on Threads is a post by itself, but nobody's intent: it is told as a comment.
        if post.parent is None and account in (None, post.account.id) and post.posted_at >= since
    ]


def seen_requests(
    world: World, path: str | None, account: str | None, call: str | None
) -> list[dict[str, Any]]:
    """The latest requests, oldest first; answered, refused or left without an answer."""
    return [
        seen.listed()
        for seen in world.requests
        if (path is None or path in seen.path)
        and account in (None, seen.account)
        and call in (None, seen.call)
    ]


def _listed(post: PublicPost, base_url: str) -> dict[str, Any]:
    return {
        "id": post.id,
        "account": post.account.id,
        "caption": post.caption,
        "alt_text": post.alt_text,
        "container_id": post.container_id,
        "image_url": post.image_url,
        "shortcode": post.shortcode,
        "posted_at": post.posted_at,
        "arrived_at": post.arrived_at,
        "request_id": post.request_id,
        "platform": post.platform,
        "kind": post.kind,
        "title": post.title,
        "media": [medium.listed() for medium in post.media],
        "url": f"{base_url}{post.path}",
        "comments": post.own_comments(),
        "is_deleted": post.is_deleted,
        **post.details,
    }
