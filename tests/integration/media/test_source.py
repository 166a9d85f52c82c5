"""Reading other people's URLs over real sockets."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing

import psutil
import pytest

from engine.errors import MediaChanged, MediaForbidden, MediaTooLarge, MediaUnreachable
from engine.media import source as source_module
from engine.media.source import CHUNK_BYTES, OPEN_AT_ONCE, HttpMediaSource
from engine.ports import MediaSource
from tests.file_server import FileServer

pytestmark = pytest.mark.integration

CONTENT = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(256)) * 40
SIZE = len(CONTENT)  # 320 KiB


async def whole(
    source: MediaSource, url: str, offset: int = 0, *, version: str | None = None
) -> bytes:
    body = b""
    async with aclosing(source.stream(url, offset, version=version)) as chunks:
        async for chunk in chunks:
            assert 0 < len(chunk) <= CHUNK_BYTES
            body += chunk
    return body


async def test_head_tells_size_type_and_ranges(server: FileServer, source: HttpMediaSource) -> None:
    url = server.put("/a.mp4", CONTENT, content_type="Video/MP4; codecs=x")
    head = await source.head(url)
    assert (head.size_bytes, head.content_type, head.accepts_ranges) == (SIZE, "video/mp4", True)
    assert await source.size(url) == SIZE
    assert server.sent_bytes <= 2


async def test_head_of_a_server_without_ranges_reads_no_body(
    server: FileServer, source: HttpMediaSource
) -> None:
    url = server.put("/a.mp4", CONTENT * 100, knows_ranges=False)
    head = await source.head(url)
    assert (head.size_bytes, head.accepts_ranges) == (SIZE * 100, False)
    assert head.version == (await source.head(url)).version


async def test_size_that_nobody_tells_is_none_and_an_error_where_it_is_needed(
    server: FileServer, source: HttpMediaSource
) -> None:
    url = server.put("/a.mp4", CONTENT, knows_ranges=False, tells_size=False)
    assert (await source.head(url)).size_bytes is None
    with pytest.raises(MediaUnreachable) as caught:
        await source.size(url)
    assert not caught.value.is_retryable
    assert await whole(source, url) == CONTENT


@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize("offset", [0, 1, 65_536, 100_000, SIZE - 1, SIZE])
async def test_stream_begins_at_the_offset(
    server: FileServer, source: HttpMediaSource, knows_ranges: bool, offset: int
) -> None:
    url = server.put("/a.mp4", CONTENT, knows_ranges=knows_ranges)
    version = (await source.head(url)).version
    assert await whole(source, url, offset, version=version) == CONTENT[offset:]
    assert server.requests[-1].range == f"bytes={offset}-"


@pytest.mark.parametrize("knows_ranges", [True, False])
async def test_offset_behind_the_end_means_another_file(
    server: FileServer, source: HttpMediaSource, knows_ranges: bool
) -> None:
    url = server.put("/a.mp4", CONTENT, knows_ranges=knows_ranges)
    with pytest.raises(MediaChanged):
        await whole(source, url, SIZE + 1)


async def test_empty_file_is_an_empty_stream(server: FileServer, source: HttpMediaSource) -> None:
    url = server.put("/empty", b"")
    assert await whole(source, url) == b""
    assert await source.size(url) == 0


@pytest.mark.parametrize("knows_ranges", [True, False])
async def test_broken_connection_is_resumed_where_it_broke(
    server: FileServer, source: HttpMediaSource, knows_ranges: bool
) -> None:
    url = server.put("/a.mp4", CONTENT, knows_ranges=knows_ranges, cut_after=[100_000, 200_000])
    assert await whole(source, url) == CONTENT
    assert len(server.requests) == 3


async def test_connection_that_always_breaks_is_given_up(
    server: FileServer, source: HttpMediaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "RESUME_WAIT_S", (0.001,))
    url = server.put("/a.mp4", CONTENT, cut_after=[1000] * 50)
    with pytest.raises(MediaUnreachable) as caught:
        await whole(source, url)
    assert caught.value.is_retryable
    assert len(server.requests) == source_module.RESUMES + 1


async def test_file_that_is_replaced_while_it_is_read_is_never_spliced(
    server: FileServer, source: HttpMediaSource
) -> None:
    url = server.put("/a.mp4", CONTENT, cut_after=[100_000])
    received = bytearray()

    async def read_on() -> None:
        async with aclosing(source.stream(url)) as chunks:
            async for chunk in chunks:
                received.extend(chunk)
                server.put("/a.mp4", CONTENT[::-1])

    with pytest.raises(MediaChanged):
        await read_on()
    assert 0 < len(received) < SIZE
    assert received == CONTENT[: len(received)]


async def test_resuming_with_the_version_of_another_file_is_refused(
    server: FileServer, source: HttpMediaSource
) -> None:
    url = server.put("/a.mp4", CONTENT)
    version = (await source.head(url)).version
    server.put("/a.mp4", CONTENT + b"more")
    with pytest.raises(MediaChanged):
        await whole(source, url, 1000, version=version)
    assert await whole(source, url) == CONTENT + b"more"


async def test_resuming_without_a_version_is_held_against_what_was_seen(
    server: FileServer, source: HttpMediaSource
) -> None:
    url = server.put("/a.mp4", CONTENT)
    await source.size(url)
    server.put("/a.mp4", CONTENT[::-1])
    with pytest.raises(MediaChanged):
        await whole(source, url, 1000)


@pytest.mark.parametrize("declared", [SIZE // 2, SIZE * 2])
async def test_range_s_own_figures_win_over_a_false_length(
    server: FileServer, source: HttpMediaSource, declared: int
) -> None:
    url = server.put("/a.mp4", CONTENT, declared=declared)
    assert await whole(source, url) == CONTENT


async def test_file_shorter_than_declared_is_no_whole_file(
    server: FileServer, source: HttpMediaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "RESUMES", 0)
    url = server.put("/a.mp4", CONTENT, declared=SIZE * 2, knows_ranges=False)
    with pytest.raises(MediaUnreachable) as caught:
        await whole(source, url)
    assert caught.value.is_retryable


async def test_stalled_server_is_given_up(
    server: FileServer, source: HttpMediaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "RESUMES", 0)
    url = server.put("/a.mp4", CONTENT, stalls_after=70_000)
    with pytest.raises(MediaUnreachable) as caught:
        await whole(source, url)
    assert (caught.value.code, caught.value.is_retryable) == ("timeout", True)


async def test_dawdling_server_is_given_up(
    server: FileServer, source: HttpMediaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "SLOWEST_OVER_S", 0.0)
    monkeypatch.setattr(source_module, "SLOWEST_BYTES_PER_S", 10**15)
    monkeypatch.setattr(source_module, "RESUMES", 0)
    with pytest.raises(MediaUnreachable) as caught:
        await whole(source, server.put("/a.mp4", CONTENT))
    assert caught.value.code == "slow"


@pytest.mark.parametrize(
    ("status", "is_retryable"),
    [(400, False), (401, False), (403, False), (404, False), (429, True), (500, True), (503, True)],
)
async def test_status_says_whether_a_retry_can_help(
    server: FileServer, source: HttpMediaSource, status: int, is_retryable: bool
) -> None:
    url = server.put("/a.mp4", CONTENT, status=status)
    with pytest.raises(MediaUnreachable) as caught:
        await source.head(url + "?signature=secret")
    assert (caught.value.code, caught.value.is_retryable) == (f"status_{status}", is_retryable)
    assert "secret" not in f"{caught.value}{caught.value.evidence}"


async def test_nobody_listening_may_be_tried_again(source: HttpMediaSource) -> None:
    async with FileServer().running() as gone:
        url = gone.url("/a")
    with pytest.raises(MediaUnreachable) as caught:
        await source.head(url)
    assert caught.value.is_retryable


async def test_compressed_answer_is_refused_unread(
    server: FileServer, source: HttpMediaSource
) -> None:
    with pytest.raises(MediaUnreachable) as caught:
        await source.head(server.put("/a.jpg", CONTENT, encoding="gzip"))
    assert caught.value.code == "bad_answer"


async def test_redirects_are_followed_to_a_limit(
    server: FileServer, source: HttpMediaSource
) -> None:
    server.put("/file", CONTENT)
    url = server.put("/one", b"", status=302, location="two")
    server.put("/two", b"", status=307, location=server.url("/file"))
    assert await whole(source, url) == CONTENT
    with pytest.raises(MediaUnreachable) as caught:
        await source.head(server.put("/round", b"", status=301, location="/round"))
    assert caught.value.code == "redirects"


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "http://127.0.0.1:22/", "http://a:b@127.0.0.1:8080/", "ftp://a.test/"],
)
async def test_redirect_to_what_is_forbidden_is_not_followed(
    server: FileServer, source: HttpMediaSource, location: str
) -> None:
    with pytest.raises(MediaForbidden):
        await source.head(server.put("/a", b"", status=302, location=location))


async def test_redirect_from_outside_to_loopback_is_not_followed(server: FileServer) -> None:
    """The first hop is at a public name; the test's network takes it to this machine."""
    server.put("/inner", CONTENT)
    url = server.put("/a", b"", status=302, location=server.url("/inner"))

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8"] if host == "outside.test" else [host]

    source = HttpMediaSource(resolve=resolve)
    backend = source._client._transport._pool._network_backend
    network = backend._network

    class Detour(type(network)):
        async def connect_tcp(self, host, *arguments, **options):
            assert host == "8.8.8.8"
            return await network.connect_tcp("127.0.0.1", *arguments, **options)

    backend._network = Detour()
    with pytest.raises(MediaForbidden) as caught:
        await source.head(url.replace("127.0.0.1", "outside.test"))
    assert caught.value.code == "private_address"
    assert [request.path for request in server.requests] == ["/a"]
    await source.close()


async def test_read_gives_a_small_file_and_refuses_a_large_one_early(
    server: FileServer, source: HttpMediaSource
) -> None:
    url = server.put("/a.jpg", CONTENT)
    assert await source.read(url, SIZE) == CONTENT
    large = server.put("/b.jpg", CONTENT * 100)
    server.sent_bytes = 0
    with pytest.raises(MediaTooLarge):
        await source.read(large, SIZE)
    silent = server.put("/c.jpg", CONTENT * 2, knows_ranges=False, tells_size=False)
    with pytest.raises(MediaTooLarge):
        await source.read(silent, SIZE)


async def test_part_of_a_file(server: FileServer, source: HttpMediaSource) -> None:
    url = server.put("/a.mp4", CONTENT)
    version = (await source.head(url)).version
    assert await source.read_part(url, 5, 10, version=version) == CONTENT[5:15]
    assert await source.read_part(url, SIZE - 5, 10, version=version) == CONTENT[-5:]
    server.put("/a.mp4", CONTENT[::-1])
    with pytest.raises(MediaChanged):
        await source.read_part(url, 5, 10, version=version)


async def test_streams_that_are_left_early_give_their_places_back(
    server: FileServer, source: HttpMediaSource
) -> None:
    url = server.put("/a.mp4", CONTENT)
    for _ in range(OPEN_AT_ONCE + 4):
        async with aclosing(source.stream(url)) as chunks:
            assert await anext(chunks)
    async with asyncio.timeout(5):
        assert await whole(source, url) == CONTENT


async def test_memory_stays_flat_over_256_mib(server: FileServer) -> None:
    size = 256 * 1024 * 1024
    block = bytes(range(256)) * 256
    url = server.put("/large", lambda start, length: block[:length], size=size)
    source = HttpMediaSource(allow_private=True)
    process = psutil.Process()
    received, sampled = 0, 0
    before = peak = process.memory_info().rss
    async with aclosing(source.stream(url)) as chunks:
        async for chunk in chunks:
            received += len(chunk)
            if received - sampled > 8 * CHUNK_BYTES:
                sampled, peak = received, max(peak, process.memory_info().rss)
    await source.close()
    assert received == size
    assert peak - before < 32 * 1024 * 1024
