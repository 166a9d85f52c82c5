"""What is published: every platform and kind, and how a content asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.words import Platform, PostFormat


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

    def media_at(self, sandbox_url: str, number: int) -> list[dict[str, Any]]:
        """The content's media, small, from the sandbox."""
        where = f"{sandbox_url}/sandbox/media/320x320"
        files: Mapping[str, str] = {"image": ".jpg", "video": ".mp4?seconds=5"}
        return [
            {"kind": kind, "url": f"{where}/m{(number + place) % 8}{files[kind]}"}
            for place, kind in enumerate(self.media)
        ]


KINDS = (Kind(Platform.INSTAGRAM, "image", PostFormat.POST, ("image",)),)
