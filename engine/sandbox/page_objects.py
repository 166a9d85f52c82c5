"""Posts, photos and videos of Facebook Pages: what they hold and when they become public."""

from dataclasses import dataclass, field
from typing import Any, Literal

from engine.sandbox.media_rules import MediaFault
from engine.sandbox.state import (
    Medium,
    PageObject,
    PublicPost,
    Received,
    SeenRequest,
    World,
    shortcode_of,
)
from engine.sandbox.switches import Switches

PostKind = Literal["text", "photo", "photos", "video"]


@dataclass(slots=True, eq=False, kw_only=True)
class Photo(PageObject):
    """One photo, alone or attached to a post."""

    medium: Medium
    post: "PagePost | None" = None

    def due_at(self, switches: Switches) -> float | None:
        """Never by itself: the post that shows it decides."""
        return None

    def appear(self, world: World, at: float) -> None:
        """Be seen with the post that shows it."""


@dataclass(slots=True, eq=False, kw_only=True)
class PagePost(PageObject):
    """One entry of a Page's feed."""

    kind: PostKind
    photos: tuple[Photo, ...] = ()
    video: "Video | None" = None
    link: str | None = None

    def due_at(self, switches: Switches) -> float | None:
        """When it was asked for; a post waits for nothing else."""
        return self.appears_at

    def appear(self, world: World, at: float) -> None:
        """Show itself to everybody."""
        media = tuple(photo.medium for photo in self.photos)
        self.public = _shown(self, world, at, self.kind, media)
        if self.link is not None:
            self.public.details["link"] = self.link


@dataclass(slots=True, eq=False, kw_only=True)
class Video(PageObject):
    """One video or reel, from the start of its upload on.

    Attributes:
        filled_at: when its last byte was there.
        is_good: it was looked at, or nobody looks.
    """

    kind: Literal["video", "reel"]
    title: str = ""
    file_url: str | None = None
    received: Received = field(default_factory=Received)
    filled_at: float | None = None
    is_good: bool = False
    is_cancelled: bool = False
    fault: MediaFault | None = None
    post: PagePost | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def fetched(self) -> None:
        """The file that it points to is there and good."""
        self.is_good = True

    def refused(self, fault: MediaFault) -> None:
        """The file that it points to is not there, or not good."""
        self.fault = fault

    def ready_at(self, switches: Switches) -> float | None:
        """When the platform is done with it; None as long as that is open."""
        if self.filled_at is None or not self.is_good or self.fault is not None:
            return None
        return self.filled_at + switches.container_ready_s

    def due_at(self, switches: Switches) -> float | None:
        """As soon as it is ready and its time has come."""
        ready_at = self.ready_at(switches)
        if ready_at is None or self.appears_at is None:
            return None
        return max(ready_at, self.appears_at)

    def appear(self, world: World, at: float) -> None:
        """Show itself to everybody; a video also enters the feed, a reel does not."""
        medium = Medium("video", self.file_url)
        if self.file_url is None:
            medium.size_bytes = self.received.offset
            medium.sha256 = self.received.digest.hexdigest()
        self.public = _shown(self, world, at, self.kind, (medium,))
        self.public.title = self.title
        if self.kind == "video":
            number = world.number()
            self.post = PagePost(
                number=number,
                id=f"{self.account.id}_{number}",
                account=self.account,
                created_at=at,
                arrived_at=self.arrived_at,
                request_id=self.request_id,
                text=self.text,
                kind="video",
                video=self,
                public=self.public,
                comments=self.comments,
            )
            world.page_objects[self.post.id] = self.post


def ask_to_appear(thing: PageObject, world: World, seen: SeenRequest, at: float) -> None:
    """Let a thing be public from an instant on, and remember which request wanted it."""
    thing.appears_at = at
    thing.arrived_at, thing.request_id = seen.arrived_at, seen.id
    world.pending[thing.id] = thing
    world.settle()


def _shown(
    thing: PageObject, world: World, at: float, kind: str, media: tuple[Medium, ...]
) -> PublicPost:
    number = world.number()
    thing.scheduled_at = None
    post = PublicPost(
        number=number,
        id=thing.id,
        account=thing.account,
        container_id=thing.id,
        caption=thing.text,
        alt_text=media[0].alt_text if media else None,
        image_url=(media[0].url or "") if media and media[0].kind == "image" else "",
        shortcode=shortcode_of(number),
        posted_at=at,
        arrived_at=thing.arrived_at,
        request_id=thing.request_id,
        platform="facebook",
        kind=kind,
        media=media,
        comments=thing.comments,
    )
    world.keep(post)
    return post
