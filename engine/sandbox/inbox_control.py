"""What people do on the imitated platforms: posts that are there, and comments under them."""

from typing import Any, Final

from engine.sandbox.instructions import BadInstruction
from engine.sandbox.page_objects import PagePost
from engine.sandbox.state import (
    AUTO_TOKEN,
    Account,
    Comment,
    PageObject,
    PublicPost,
    SeenRequest,
    World,
    shortcode_of,
)
from engine.sandbox.youtube_state import Video

GUEST: Final = "guest"
POSTS_LIMIT: Final = 10_000


def add_posts(world: World, account_id: str, platform: str, count: int) -> list[str]:
    """Make posts of an account that everybody sees; gives their ids, the oldest first.

    Raises:
        BadInstruction: there is no such platform, or they would be too many.
    """
    makers = {
        "instagram": _public_post,
        "threads": _public_post,
        "facebook": _page_post,
        "youtube": _video,
    }
    if platform not in makers or not 0 < count <= POSTS_LIMIT:
        raise BadInstruction(f"a platform of {', '.join(makers)}, and 1 to {POSTS_LIMIT} posts")
    account = world.accounts.get(account_id) or world.add_account(
        account_id, f"account_{account_id}", f"{AUTO_TOKEN}{account_id}"
    )
    return [makers[platform](world, account, platform) for _ in range(count)]


def _public_post(world: World, account: Account, platform: str) -> str:
    number, now = world.number(), world.clock.now()
    post = PublicPost(
        number=number,
        id=f"180{number:014d}",
        account=account,
        container_id="",
        caption=f"게시물 {number}",
        alt_text=None,
        image_url="",
        shortcode=shortcode_of(number),
        posted_at=now,
        arrived_at=now,
        request_id="",
        platform=platform,
        kind="image" if platform == "instagram" else "text",
    )
    world.keep(post)
    return post.id


def _page_post(world: World, account: Account, platform: str) -> str:
    number, now = world.number(), world.clock.now()
    post = PagePost(
        number=number,
        id=f"{account.id}_{number}",
        account=account,
        created_at=now,
        arrived_at=now,
        request_id="",
        text=f"게시물 {number}",
        kind="text",
    )
    world.page_objects[post.id] = post
    post.appear(world, now)
    return post.id


def _video(world: World, account: Account, platform: str) -> str:
    number, now = world.number(), world.clock.now()
    video = Video(
        id=f"v{number:010d}",
        number=number,
        account=account,
        snippet={"title": f"동영상 {number}", "description": "", "categoryId": "22"},
        status={"privacyStatus": "public"},
        size=0,
        sha256="",
        file_name="",
        created_at=now,
        last_said_by=SeenRequest("", "POST", "/sandbox/posts", "seed", account.id, now),
    )
    world.youtube.videos[video.id] = video
    world.youtube.show(world, video)
    return video.id


def add_comment(world: World, given: dict[str, Any]) -> str:
    """Let somebody write under a post, or answer a comment; gives the comment's id.

    Raises:
        BadInstruction: there is no such post or comment.
    """
    author = _author(world, given.get("author_id", GUEST), given.get("author", "손님"))
    post = world.page_objects.get(given.get("post", "")) or world.posts.get(given.get("post", ""))
    if post is None:
        raise BadInstruction("no such post")
    if isinstance(post, PublicPost) and post.platform == "threads":
        return _threads_reply(world, post, author, given)
    parent = None
    if "parent" in given:
        if given["parent"] not in world.comments:
            raise BadInstruction("no such comment to answer")
        parent = world.comments[given["parent"]][1]
    comment = world.comment(post, author, given.get("text", ""), id_of(post, parent), parent)
    comment.posted_at = given.get("at", comment.posted_at)
    comment.is_hidden = given.get("is_held", False)
    return comment.id


def id_of(post: PublicPost | PageObject, parent: Comment | None) -> str:
    """What a new comment's id looks like; ``{}`` stands for its number."""
    if isinstance(post, PageObject):
        return f"{post.id.rpartition('_')[2]}_{{}}"
    if post.platform == "youtube":
        return "Ug{:012d}" if parent is None else f"{parent.id}.{{}}"
    return "178{:014d}"


def _author(world: World, author_id: str, name: str) -> Account:
    """Who comments; a guest has no token and is no account of the sandbox."""
    return world.accounts.get(author_id) or Account(author_id, name, "")


def _threads_reply(world: World, post: PublicPost, author: Account, given: dict[str, Any]) -> str:
    answered = world.posts.get(given.get("parent", post.id))
    if answered is None:
        raise BadInstruction("no such reply to answer")
    reply_id = _public_post(world, author, "threads")
    reply = world.posts[reply_id]
    reply.caption, reply.parent = given.get("text", ""), answered
    reply.posted_at = given.get("at", reply.posted_at)
    answered.replies.append(reply)
    return reply_id


def change_comment(world: World, comment_id: str, given: dict[str, Any]) -> None:
    """Let its author write something else.

    Raises:
        BadInstruction: there is no such comment.
    """
    if comment_id in world.comments:
        comment = world.comments[comment_id][1]
        comment.text = given.get("text", comment.text)
        comment.edited_at = world.clock.now()
        comment.is_hidden = given.get("is_held", comment.is_hidden)
    elif (reply := world.posts.get(comment_id)) is not None and reply.parent is not None:
        reply.caption = given.get("text", reply.caption)
    else:
        raise BadInstruction("no such comment")


def remove_comment(world: World, comment_id: str) -> None:
    """Let its author delete a comment.

    Raises:
        BadInstruction: there is no such comment.
    """
    if comment_id in world.comments:
        world.uncomment(comment_id)
    elif (reply := world.posts.get(comment_id)) is not None and reply.parent is not None:
        reply.is_deleted = True
    else:
        raise BadInstruction("no such comment")
