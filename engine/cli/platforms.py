"""The platforms' clients for the length of one command."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from engine.media.probe import Prober
from engine.media.source import HttpMediaSource
from engine.platforms.registry import open_platforms
from engine.ports import MediaProbe, PlatformClient
from engine.settings import Settings
from models.accounts import Platform


@asynccontextmanager
async def opened(
    settings: Settings,
) -> AsyncIterator[tuple[Mapping[Platform, PlatformClient], MediaProbe]]:
    """Every client, and what looks at media; closed after the block."""
    media = HttpMediaSource(allow_private=settings.media_allow_private)
    probe = Prober(media)
    platforms = open_platforms(settings, media)
    try:
        yield platforms, probe
    finally:
        for platform in platforms.values():
            await platform.close()
        await probe.close()
        await media.close()
