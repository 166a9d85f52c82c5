"""A reel whose upload was cut off by a crash goes on from what the platform has."""

from collections.abc import AsyncIterator

import pytest

from engine.media.source import HttpMediaSource
from engine.platforms.instagram import InstagramClient
from engine.ports import AccountAccess, Container, ContainerState, Media, Post
from models.accounts import AccessToken
from models.words import PostFormat
from tests.fakes.parts import MemoryParts
from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"
ACCESS = AccountAccess(ACCOUNT, AccessToken(RunningSandbox.token(ACCOUNT)))


@pytest.fixture
async def client(sandbox: RunningSandbox) -> AsyncIterator[InstagramClient]:
    sandbox.switch(container_ready_s=0)
    media = HttpMediaSource(allow_private=True)
    client = InstagramClient(
        sandbox.graph_url, upload_url=f"{sandbox.base_url}/ig-api-upload/v25.0", media=media
    )
    yield client
    await client.close()
    await media.close()


async def test_an_upload_that_was_whole_before_the_crash_is_not_begun_again(
    sandbox: RunningSandbox, client: InstagramClient
) -> None:
    """Nothing is left to send then, and a range that begins at a file's end is refused (416)."""
    film = f"{sandbox.base_url}/sandbox/media/540x960/a.mp4?seconds=4"
    post = Post("릴스", (Media(film, kind="video"),), format=PostFormat.REEL)
    parts = MemoryParts()
    container_id = await client.prepare(ACCESS, post, parts)
    await parts.keep(is_uploaded=None)  # the crash: the bytes are there, and our row is behind
    assert await client.prepare(ACCESS, post, parts) == container_id
    assert len(sandbox.requests(call="upload")) == 1
    reading = await client.read_container(ACCESS, Container(container_id, "reel"))
    assert reading.state in (ContainerState.READY, ContainerState.IN_PROGRESS)


async def test_a_film_that_was_replaced_meanwhile_goes_into_a_container_of_its_own(
    sandbox: RunningSandbox, client: InstagramClient
) -> None:
    film = f"{sandbox.base_url}/sandbox/media/540x960/a.mp4?seconds=4"
    post = Post("릴스", (Media(film, kind="video"),), format=PostFormat.REEL)
    parts = MemoryParts()
    before = await client.prepare(ACCESS, post, parts)
    await parts.keep(is_uploaded=None, version='["another", null, 1]')
    after = await client.prepare(ACCESS, post, parts)
    assert after != before
    assert len(sandbox.requests(call="upload")) == 2
