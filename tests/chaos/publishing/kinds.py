"""What is published: every platform and kind, and how a content asks for it."""

from dataclasses import dataclass
from typing import Any

from models.words import Platform, PostFormat

PICTURE, FILM = "image", "video"
# Small, and good for every kind: a Facebook reel has to be upright and 540 pixels wide.
# One of each sort, since every new worker looks at each file once.
FILES = {PICTURE: "540x540/a.jpg", FILM: "540x960/a.mp4?seconds=3"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of post on one platform.

    Attributes:
        platform: where.
        name: the platform client's own word, as the truth has it too.
        format: what the content says.
        media: ``image`` or ``video`` each.
        shows: the field of a live post that shows the intent's own words; None for posts without
            any, which get an account of their own to be told apart.
    """

    platform: Platform
    name: str
    format: PostFormat
    media: tuple[str, ...]
    shows: str | None = "caption"

    def fits(self, wanted: str | None) -> bool:
        """Whether ``threads``, ``reel`` or ``youtube/short`` means this one; None means all."""
        return wanted in (None, self.platform, self.name, f"{self.platform}/{self.name}")

    def media_at(self, sandbox_url: str) -> list[dict[str, Any]]:
        """The content's media, from the sandbox."""
        return [
            {"kind": sort, "url": f"{sandbox_url}/sandbox/media/{FILES[sort]}"}
            for sort in self.media
        ]


def _instagram(name: str, *media: str, format_: PostFormat = PostFormat.POST) -> Kind:
    shows = None if format_ is PostFormat.STORY else "caption"
    return Kind(Platform.INSTAGRAM, name, format_, media, shows)


def _facebook(name: str, *media: str, format_: PostFormat = PostFormat.POST) -> Kind:
    return Kind(Platform.FACEBOOK, name, format_, media)


def _threads(name: str, *media: str) -> Kind:
    return Kind(Platform.THREADS, name, PostFormat.POST, media)


def _youtube(name: str, format_: PostFormat) -> Kind:
    return Kind(Platform.YOUTUBE, name, format_, (FILM,), shows="title")


KINDS = (
    _instagram("image", PICTURE),
    _instagram("carousel", PICTURE, PICTURE, FILM),
    _instagram("reel", FILM, format_=PostFormat.REEL),
    _instagram("story", PICTURE, format_=PostFormat.STORY),
    _facebook("text"),
    _facebook("photo", PICTURE),
    _facebook("photos", PICTURE, PICTURE),
    _facebook("video", FILM),
    _facebook("reel", FILM, format_=PostFormat.REEL),
    _threads("text"),
    _threads("image", PICTURE),
    _threads("carousel", PICTURE, PICTURE),
    _threads("video", FILM),
    _youtube("video", PostFormat.POST),
    _youtube("short", PostFormat.REEL),
)
