"""What people do with comments, whatever the platform: write, change, take away, be released."""

from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from engine.sandbox.instructions import BadInstruction
from engine.sandbox.state import (
    Account,
    Comment,
    PageObject,
    Person,
    PublicPost,
    World,
    shortcode_of,
)

IDS: Final = {"instagram": "178{:014d}", "youtube": "Ug{:012d}"}
PASSER_BY: Final = Person("900000001", "지나가던사람")

Said = Comment | PublicPost  # on Threads a reply is a post
Place = PublicPost | PageObject


@dataclass(frozen=True, slots=True)
class Wanted:
    """A comment that is to be written."""

    post: str
    text: str
    author: str | None = "손님"
    author_id: str | None = None
    parent: str | None = None
    at: float | None = None
    is_held: bool = False


def write(world: World, wanted: Wanted) -> Said:
    """Write a comment as somebody.

    Raises:
        BadInstruction: there is no such post, or no such comment to answer.
    """
    place = _place(world, wanted.post)
    author = None
    if wanted.author is not None:
        author = Person(
            wanted.author_id or f"9{crc32(wanted.author.encode('utf-8', 'replace')):010d}",
            wanted.author,
        )
    if isinstance(place, PublicPost) and place.platform == "threads":
        return _reply_on_threads(world, place, wanted, author)
    parent = None
    if wanted.parent is not None:
        under, parent = world.comments.get(wanted.parent, (None, None))
        if parent is None or under is not place:
            raise BadInstruction(f"there is no comment {wanted.parent} under {wanted.post}")
        if parent.parent is not None:
            parent = parent.parent
    return world.comment(
        place,
        author,
        wanted.text,
        _id_form(place, parent),
        parent,
        at=wanted.at,
        is_held=wanted.is_held,
    )


def change(
    world: World,
    said_id: str,
    *,
    text: str | None = None,
    is_held: bool | None = None,
    is_hidden: bool | None = None,
) -> Said:
    """Edit a comment, release it from review, hide it.

    Raises:
        BadInstruction: there is none.
    """
    under, said = find(world, said_id)
    verb = None
    if text is not None:
        said.edited_at = world.clock.now()
        verb = "edited"
        if isinstance(said, Comment):
            said.text = text
        else:
            said.caption = text
    if is_held is not None:
        verb = "add" if said.is_held and not is_held else verb
        said.is_held = is_held
    if is_hidden is not None:
        said.is_hidden = is_hidden
        verb = verb or ("hide" if is_hidden else "unhide")
    if verb is not None and isinstance(said, Comment) and not said.is_held:
        world.push(verb, under, said)
    return said


def take_away(world: World, under: Place, said: Said) -> None:
    """Delete a comment and what was answered to it."""
    said.is_deleted = True
    if isinstance(said, PublicPost):
        for reply in said.replies:
            take_away(world, under, reply)
        return
    world.push("remove", under, said)
    for one in under.comments:
        if one.parent is said and not one.is_deleted:
            take_away(world, under, one)


def find(world: World, said_id: str) -> tuple[Place, Said]:
    """A comment and what it stands under.

    Raises:
        BadInstruction: there is none.
    """
    if said_id in world.comments:
        return world.comments[said_id]
    post = world.posts.get(said_id)
    if post is None or post.parent is None:
        raise BadInstruction(f"there is no comment {said_id}")
    return root_of(post), post


def root_of(post: PublicPost) -> PublicPost:
    """The post that a conversation on Threads began with."""
    while post.parent is not None:
        post = post.parent
    return post


def say_in_between(world: World, place: Place) -> None:
    """Somebody comments while a list is being read."""
    if isinstance(place, PublicPost) and place.platform == "threads":
        _reply_on_threads(world, place, Wanted(place.id, "그 사이에 쓴 글"), PASSER_BY)
    else:
        world.comment(place, PASSER_BY, "그 사이에 쓴 글", _id_form(place, None))


def everything(world: World, account: str | None, post: str | None) -> list[dict[str, Any]]:
    """Every comment there ever was, oldest first."""
    said: list[tuple[Place, Said]] = list(world.comments.values())
    said += [(root_of(one), one) for one in world.posts.values() if one.parent is not None]
    said.sort(key=lambda pair: pair[1].number)
    return [
        _listed(under, one)
        for under, one in said
        if account in (None, under.account.id) and post in (None, under.id)
    ]


def _listed(under: Place, said: Said) -> dict[str, Any]:
    is_post = isinstance(said, PublicPost)
    author: Account | Person | None = said.account if isinstance(said, PublicPost) else said.author
    if isinstance(said, PublicPost) and said.is_anonymous:
        author = None
    return {
        "id": said.id,
        "post": under.id,
        "account": under.account.id,
        "platform": under.platform if isinstance(under, PublicPost) else "facebook",
        "parent": said.parent.id if said.parent is not None and said.parent is not under else None,
        "text": said.caption if isinstance(said, PublicPost) else said.text,
        "author": None if author is None else author.username,
        "at": said.posted_at,
        "edited_at": said.edited_at,
        "is_held": said.is_held,
        "is_hidden": said.is_hidden,
        "is_deleted": said.is_deleted or (is_post and _is_buried(said)),
        "is_own": author is under.account,
    }


def _is_buried(said: Said) -> bool:
    """Whether something above a reply on Threads was deleted."""
    above = said.parent
    return (
        above is not None and above.parent is not None and (above.is_deleted or _is_buried(above))
    )


def _place(world: World, post_id: str) -> Place:
    world.settle()
    thing = world.page_objects.get(post_id)
    if thing is not None and thing.public is not None and not thing.is_deleted:
        return thing
    post = world.posts.get(post_id)
    if post is None or post.is_deleted or post.parent is not None:
        raise BadInstruction(f"there is no public post {post_id}")
    return post


def _id_form(place: Place, parent: Comment | None) -> str:
    if isinstance(place, PageObject):
        return f"{place.id.rpartition('_')[2]}_{{}}"
    if place.platform == "youtube" and parent is not None:
        return f"{parent.id}.{{}}"
    return IDS.get(place.platform, "c{:014d}")


def _reply_on_threads(
    world: World, place: PublicPost, wanted: Wanted, author: Person | None
) -> PublicPost:
    above = place
    if wanted.parent is not None:
        found = world.posts.get(wanted.parent)
        if found is None or root_of(found) is not place:
            raise BadInstruction(f"there is no reply {wanted.parent} under {place.id}")
        above = found
    number = world.number()
    person = author or PASSER_BY
    reply = PublicPost(
        number=number,
        id=f"180{number:014d}",
        # Somebody who has no account here, and no token that anybody knows.
        account=Account(person.id, person.username, ""),
        container_id="",
        caption=wanted.text,
        alt_text=None,
        image_url="",
        shortcode=shortcode_of(number),
        posted_at=world.clock.now() if wanted.at is None else wanted.at,
        arrived_at=0.0,
        request_id="",
        platform="threads",
        kind="text",
        parent=above,
        is_held=wanted.is_held,
        is_anonymous=author is None,
    )
    above.replies.append(reply)
    world.keep(reply)
    return reply
