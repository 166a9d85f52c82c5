"""Posts and photos of a Page: making, changing, reading and listing them."""

import unicodedata
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from engine.sandbox.facebook_comments import counted, own
from engine.sandbox.facebook_schedule import scheduled_time, wanted_of
from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.instagram_media import flicker
from engine.sandbox.listing import chosen, is_true, page_of, printed, window
from engine.sandbox.media import MediaChecker
from engine.sandbox.media_rules import PAGE_PICTURE, MediaFault
from engine.sandbox.page_objects import PagePost, Photo, PostKind, ask_to_appear
from engine.sandbox.parameters import Parameters
from engine.sandbox.state import Medium, PageObject, World
from engine.sandbox.uploads import medium_of

MESSAGE_LIMIT: Final = 63_206  # characters; seen in the field, not documented
BAD_PICTURE: Final = 324
STATUS_TYPES: Final = {
    "text": "mobile_status_update",
    "photo": "added_photos",
    "photos": "added_photos",
    "video": "added_video",
}


class PagePosts:
    """The calls that make and read posts and photos.

    Args:
        checker: fetches and checks photos and links.
    """

    def __init__(self, checker: MediaChecker) -> None:
        self._checker = checker

    async def create(self, request: GraphRequest) -> dict[str, Any]:
        """``POST /{page}/feed``: public at once, later, or not by itself."""
        given = request.parameters
        wanted, at = wanted_of(request)
        message = _message(given, "message")
        photos = _attached(request)
        link = given.get("link")
        if not message and not photos and not link:
            raise GraphError(100, message="(#100) A post needs a message, a link or a photo")
        _refuse_duplicate(request, message)
        if link is not None:
            await self._scrape(request.world, link)
        kind: PostKind = "text" if not photos else "photo" if len(photos) == 1 else "photos"
        post = _post(request, kind, message, photos)
        post.link = link
        _arrange(request, post, wanted, at)
        return {"id": post.id}

    async def create_photo(self, request: GraphRequest) -> dict[str, Any]:
        """``POST /{page}/photos``: by ``url`` or as the multipart file ``source``."""
        given = request.parameters
        wanted, at = wanted_of(request)
        caption = _message(given, "caption") or _message(given, "message")
        medium = await self._picture(request)
        medium.alt_text = given.get("alt_text_custom")
        photo = Photo(**_common(request, "122{:013d}"), text=caption, medium=medium)
        medium.id = photo.id
        request.world.page_objects[photo.id] = photo
        answer = {"id": photo.id}
        if wanted != "never":
            _refuse_duplicate(request, caption)
            post = _post(request, "photo", caption, (photo,))
            _arrange(request, post, wanted, at)
            answer["post_id"] = post.id
        return answer

    async def update(self, request: GraphRequest) -> dict[str, Any]:
        """``POST /{post}``: another text, another time, or public now. Idempotent."""
        given, world = request.parameters, request.world
        world.settle()
        post = own(request)
        if "message" in given:
            post.text = _message(given, "message")
            if post.public is not None:
                post.public.caption = post.text
        if "scheduled_publish_time" in given:
            if post.public is not None:
                raise GraphError(100, message="(#100) A published post cannot be scheduled")
            post.scheduled_at = scheduled_time(request)
            ask_to_appear(post, world, request.seen, post.scheduled_at)
        if is_true(given, "is_published") and post.public is None:
            ask_to_appear(post, world, request.seen, world.clock.now())
        elif given.get("is_published", "").lower() in ("false", "0") and post.public is not None:
            raise GraphError(100, message="(#100) A published post cannot be hidden again")
        return {"success": True}

    async def delete(self, request: GraphRequest) -> dict[str, Any]:
        """``DELETE /{post}`` or ``DELETE /{photo}``."""
        delete(request.world, own(request))
        return {"success": True}

    async def read(self, request: GraphRequest) -> dict[str, Any]:
        """``GET /{post}``."""
        request.world.settle()
        post = own(request)
        flicker(request.world)
        return chosen(_as_listed(post, request.base_url), request.fields(), "Post")

    async def read_photo(self, request: GraphRequest) -> dict[str, Any]:
        """``GET /{photo}``."""
        photo = own(request)
        flicker(request.world)
        return chosen(_as_photo(photo, request.base_url), request.fields(), "Photo")

    async def list_public(self, request: GraphRequest) -> dict[str, Any]:
        """``/feed``, ``/posts`` and ``/published_posts``: newest first, without reels."""
        request.world.settle()
        within = window(request.parameters)
        found = [
            post
            for post in _of_page(request)
            if post.public is not None and within(post.public.posted_at)
        ]
        found.sort(key=_public_number, reverse=True)
        return page_of(
            request,
            [_Place(_public_number(post), post) for post in found],
            lambda place: _as_listed(place.post, request.base_url),
            kind="Post",
        )

    async def list_scheduled(self, request: GraphRequest) -> dict[str, Any]:
        """``/scheduled_posts``, newest first."""
        request.world.settle()
        within = window(request.parameters)
        return page_of(
            request,
            (
                post
                for post in _of_page(request)
                if post.public is None and post.scheduled_at is not None and within(post.created_at)
            ),
            lambda post: _as_listed(post, request.base_url),
            kind="Post",
        )

    async def list_photos(self, request: GraphRequest) -> dict[str, Any]:
        """``/photos``: those that everybody sees, newest first."""
        request.world.settle()
        within = window(request.parameters)
        return page_of(
            request,
            (
                thing
                for thing in reversed(request.world.page_objects.values())
                if isinstance(thing, Photo)
                and thing.account is request.account
                and not thing.is_deleted
                and thing.post is not None
                and thing.post.public is not None
                and within(thing.created_at)
            ),
            lambda photo: _as_photo(photo, request.base_url),
            kind="Photo",
        )

    async def _picture(self, request: GraphRequest) -> Medium:
        url, body = request.parameters.get("url"), request.parameters.files.get("source")
        if (url is None) == (body is None):
            raise GraphError(BAD_PICTURE, message="(#324) Requires upload file")
        try:
            if body is not None:
                if request.world.switches.fetch_media:
                    await self._checker.check_bytes(body, PAGE_PICTURE)
                return await medium_of("image", body)
            if request.world.switches.fetch_media:
                await self._checker.check_now(str(url), PAGE_PICTURE)
        except MediaFault as fault:
            raise GraphError(
                BAD_PICTURE, message=f"(#324) Missing or invalid image file: {fault}"
            ) from None
        return Medium("image", url)

    async def _scrape(self, world: World, link: str) -> None:
        address = urlsplit(link)
        is_bad = address.scheme not in ("http", "https") or not address.hostname
        # RFC 2606: a name under .invalid never leads anywhere.
        if is_bad or str(address.hostname).endswith(".invalid"):
            raise GraphError(1609005)
        if world.switches.scrape_links and not await self._checker.answers(link):
            raise GraphError(1609005)


class _Place:
    """A post in the order in which posts became public."""

    def __init__(self, number: int, post: PagePost) -> None:
        self.number = number
        self.post = post


def delete(world: World, thing: PageObject) -> None:
    """Take a thing away, and what it shows with it."""
    thing.is_deleted = True
    world.pending.pop(thing.id, None)
    if thing.public is not None:
        thing.public.is_deleted = True


def _common(request: GraphRequest, pattern: str) -> dict[str, Any]:
    number = request.world.number()
    return {
        "number": number,
        "id": pattern.format(number),
        "account": request.account,
        "created_at": request.world.clock.now(),
        "arrived_at": request.seen.arrived_at,
        "request_id": request.seen.id,
    }


def _post(
    request: GraphRequest, kind: PostKind, message: str, photos: tuple[Photo, ...]
) -> PagePost:
    common = _common(request, f"{request.account.id}_{{}}")
    post = PagePost(**common, kind=kind, text=message, photos=photos)
    for photo in photos:
        photo.post = post
    request.world.page_objects[post.id] = post
    return post


def _arrange(request: GraphRequest, post: PagePost, wanted: str, at: float | None) -> None:
    if wanted == "now":
        ask_to_appear(post, request.world, request.seen, request.world.clock.now())
    elif at is not None:
        post.scheduled_at = at
        ask_to_appear(post, request.world, request.seen, at)


def _message(given: Parameters, name: str) -> str:
    message = unicodedata.normalize("NFC", given.get(name, ""))
    if len(message) > MESSAGE_LIMIT:
        raise GraphError(100, message=f"(#100) Param {name} is too long")
    return message


def _attached(request: GraphRequest) -> tuple[Photo, ...]:
    """The photos of ``attached_media``, one JSON array or numbered keys, in order."""
    given = request.parameters
    try:
        rows = orjson.loads(given.get("attached_media", "[]"))
        numbered = sorted(
            (int(name[len("attached_media[") : -1]), text)
            for name, text in given.items()
            if name.startswith("attached_media[")
        )
        rows = [*rows, *(orjson.loads(text) for _, text in numbered)]
        ids = [str(row["media_fbid"]) for row in rows]
    except (ValueError, TypeError, KeyError):
        raise GraphError(100, message="(#100) Param attached_media is invalid") from None
    photos = []
    for one in ids:
        photo = request.world.page_objects.get(one)
        if not isinstance(photo, Photo) or photo.account is not request.account:
            raise GraphError(100, message=f"(#100) No unpublished photo {one} to attach")
        photos.append(photo)
    return tuple(photos)


def _refuse_duplicate(request: GraphRequest, message: str) -> None:
    """Refuse the same words again within a while, if the switch says so."""
    window_s = request.world.switches.duplicate_s
    if not window_s or not message or request.is_repeat:
        return
    since = request.world.clock.now() - window_s
    for post in _of_page(request):
        if post.created_at > since and post.text == message:
            raise GraphError(506)


def _of_page(request: GraphRequest) -> Iterator[PagePost]:
    """The Page's posts, newest first."""
    for thing in reversed(request.world.page_objects.values()):
        if (
            isinstance(thing, PagePost)
            and thing.account is request.account
            and not thing.is_deleted
            and (thing.public is None or not thing.public.is_deleted)
        ):
            yield thing


def _public_number(post: PagePost) -> int:
    return post.public.number if post.public is not None else 0


def _as_listed(thing: PageObject, base_url: str) -> dict[str, Any]:
    if not isinstance(thing, PagePost):
        raise GraphError(100, 33)
    public = thing.public
    shown_at = public.posted_at if public is not None else thing.created_at
    return {
        "id": thing.id,
        "message": thing.text or None,
        "created_time": printed(shown_at),
        "updated_time": printed(shown_at),
        "permalink_url": f"{base_url}{public.path}" if public else f"{base_url}/{thing.id}",
        "is_published": public is not None,
        "scheduled_publish_time": None if thing.scheduled_at is None else int(thing.scheduled_at),
        "status_type": STATUS_TYPES[thing.kind] if thing.link is None else "shared_story",
        "from": {"id": thing.account.id, "name": thing.account.username},
        "admin_creator": None,
        "attachments": _attachments(thing),
        "full_picture": thing.photos[0].medium.url if thing.photos else None,
        "shares": None,
        "story": None,
        "comments": counted(thing),
    }


def _attachments(post: PagePost) -> dict[str, Any] | None:
    rows = [
        {
            "type": "photo",
            "media": {"image": {"src": photo.medium.url or ""}},
            "target": {"id": photo.id},
        }
        for photo in post.photos
    ]
    if len(rows) > 1:
        return {"data": [{"type": "album", "subattachments": {"data": rows}}]}
    if rows:
        return {"data": rows}
    if post.video is not None:
        return {"data": [{"type": "video_inline", "target": {"id": post.video.id}}]}
    if post.link is not None:
        return {"data": [{"type": "share", "url": post.link, "unshimmed_url": post.link}]}
    return None


def _as_photo(thing: PageObject, base_url: str) -> dict[str, Any]:
    if not isinstance(thing, Photo):
        raise GraphError(100, 33)
    return {
        "id": thing.id,
        "name": thing.text or None,
        "created_time": printed(thing.created_at),
        "updated_time": printed(thing.created_at),
        "alt_text": thing.medium.alt_text,
        "alt_text_custom": thing.medium.alt_text,
        "from": {"id": thing.account.id, "name": thing.account.username},
        "link": f"{base_url}/{thing.id}",
        "images": [{"source": thing.medium.url}] if thing.medium.url else None,
        "page_story_id": thing.post.id if thing.post is not None else None,
    }
