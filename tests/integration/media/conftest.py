from collections.abc import AsyncIterator

import pytest

from engine.media.probe import Prober
from engine.media.source import HttpMediaSource
from tests.file_server import FileServer


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer().running() as running:
        yield running


@pytest.fixture
async def source() -> AsyncIterator[HttpMediaSource]:
    opened = HttpMediaSource(allow_private=True, read_timeout_s=0.3)
    yield opened
    await opened.close()


@pytest.fixture
async def prober(source: HttpMediaSource) -> AsyncIterator[Prober]:
    opened = Prober(source)
    yield opened
    await opened.close()
