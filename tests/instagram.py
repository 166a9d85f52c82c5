"""An Instagram adapter with what tests do not care about filled in."""

from typing import Any

from engine.media.source import HttpMediaSource
from engine.platforms.instagram import InstagramClient


def instagram_client(base_url: str, **details: Any) -> InstagramClient:
    """On a sandbox, or on any other host at ``base_url``."""
    root, _, version = base_url.rpartition("/")
    return InstagramClient(
        base_url,
        upload_url=f"{root}/ig-api-upload/{version}",
        **{"media": HttpMediaSource(allow_private=True), **details},
    )
