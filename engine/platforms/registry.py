"""Which adapter speaks for which platform."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from engine.platforms.instagram import InstagramClient
from engine.ports import PlatformClient
from engine.settings import Settings
from models.accounts import Platform


def open_platforms(settings: Settings) -> Mapping[Platform, PlatformClient]:
    """One client per platform that can be published to; the caller closes them."""
    secret = settings.meta_app_secret
    return {
        Platform.INSTAGRAM: InstagramClient(
            settings.instagram_base_url,
            publish_timeout_s=settings.publish_timeout_s,
            app_secret=None if secret is None else secret.get_secret_value(),
        ),
    }


@asynccontextmanager
async def opened_platforms(settings: Settings) -> AsyncIterator[Mapping[Platform, PlatformClient]]:
    """The clients for the length of a block."""
    platforms = open_platforms(settings)
    try:
        yield platforms
    finally:
        for platform in platforms.values():
            await platform.close()
