"""A film's way to YouTube over real sockets, broken at each step.

The host here speaks the resumable protocol and nothing else of YouTube but the list of uploads.
"""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engine.errors import RetryLater, SeveralFound
from engine.platforms.youtube import YouTubeClient
from engine.ports import AccountAccess, Media, MediaHead, Post
from models.accounts import AccessToken
from tests.fakes.parts import MemoryParts

SIZE = 20 * 1024 * 1024 + 7  # two whole chunks and a rest
POST = Post("설명", (Media("https://a.test/a.mp4", "video"),), title="제목")
ACCESS = AccountAccess("UC1", AccessToken("token"))
UNIT = 256 * 1024


class Film:
    """A media source of zeros that tells from where it was read."""

    def __init__(self):
        self.offsets = []

    async def head(self, url):
        return MediaHead(SIZE, "video/mp4", True, "v1")

    async def stream(self, url, offset=0, *, version=None):
        assert version == "v1"  # else it could go on with another film's bytes
        self.offsets.append(offset)
        while offset < SIZE:
            size = min(1024 * 1024, SIZE - offset)
            yield bytes(size)
            offset += size


class Host:
    """Sessions and videos. ``troubles`` are met by the next requests that bring bytes."""

    def __init__(self):
        self.stored, self.videos, self.spans, self.troubles = {}, [], [], []
        self.lost = set()
        self.base_url = ""
        self.app = Starlette(
            routes=[
                Route("/upload/videos", self.begin, methods=["POST"]),
                Route("/session/{id}", self.take, methods=["PUT"]),
                Route("/data/channels", self.channels),
                Route("/data/playlistItems", self.uploads),
                Route("/data/videos", self.list_videos),
            ]
        )

    async def begin(self, request):
        video, number = await request.json(), str(len(self.stored))
        self.stored[number] = 0
        self.names = {**getattr(self, "names", {}), number: request.headers["slug"]}
        self.titles = {number: video["snippet"]["title"]}
        assert video["status"]["privacyStatus"] == "private"
        return Response(headers={"Location": f"{self.base_url}/session/{number}"})

    async def take(self, request):
        number, span = request.path_params["id"], request.headers["content-range"]
        if number in self.lost:
            return Response(status_code=404)
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", span)
        if found[1] is None:
            return self.answer(number)
        self.spans.append(span)
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble == "503":
            return Response(status_code=503)
        assert int(found[1]) == self.stored[number]
        came = 0
        try:
            async for piece in request.stream():
                came += len(piece)
                if trouble == "half" and came > 3 * UNIT:
                    self.stored[number] += came // UNIT * UNIT
                    return Response(status_code=503)
        except ClientDisconnect:
            self.stored[number] += came // UNIT * UNIT
            raise
        if trouble != "nothing-stored":
            self.stored[number] += came
        answer = self.answer(number)
        if trouble == "lose-session":
            self.lost.add(number)
            return Response(status_code=503)
        return Response(status_code=503) if trouble == "after" else answer

    def answer(self, number):
        stored = self.stored[number]
        if stored == SIZE:
            if all(video["number"] != number for video in self.videos):
                self.add(number, self.names[number])
            return JSONResponse({"id": f"video-{number}"})
        return Response(
            status_code=308, headers={"Range": f"bytes=0-{stored - 1}"} if stored else {}
        )

    def add(self, number, name):
        self.videos.append(
            {
                "number": number,
                "id": f"video-{number}",
                "snippet": {"title": "제목", "publishedAt": datetime.now(UTC).isoformat()},
                "status": {"privacyStatus": "private"},
                "fileDetails": {"fileName": name, "fileSize": str(SIZE)},
            }
        )

    async def channels(self, request):
        lists = {"contentDetails": {"relatedPlaylists": {"uploads": "UU1"}}}
        return JSONResponse({"items": [lists]})

    async def uploads(self, request):
        return JSONResponse(
            {
                "items": [
                    {"contentDetails": {"videoId": v["id"]}, "snippet": v["snippet"]}
                    for v in self.videos
                ]
            }
        )

    async def list_videos(self, request):
        wanted = request.query_params["id"].split(",")
        return JSONResponse({"items": [v for v in self.videos if v["id"] in wanted]})


@pytest.fixture
async def host(monkeypatch):
    monkeypatch.setattr("engine.platforms.youtube_upload.FIRST_PAUSE_S", 0.01)
    host = Host()
    server = uvicorn.Server(uvicorn.Config(host.app, port=0, log_level="critical"))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    host.base_url = f"http://127.0.0.1:{port}"
    yield host
    server.should_exit = True
    await task


@pytest.fixture
def film():
    return Film()


async def prepare(host, film, parts):
    """By a new client, as after a crash."""
    client = YouTubeClient(
        f"{host.base_url}/data",
        upload_url=f"{host.base_url}/upload",
        watch_url="https://watch.test/watch",
        media=film,
    )
    try:
        return await client.prepare(ACCESS, POST, parts)
    finally:
        await client.close()


async def test_a_film_goes_up_in_chunks_of_whole_units(host, film):
    parts = MemoryParts()
    assert await prepare(host, film, parts) == "video-0"
    assert host.spans == [
        f"bytes 0-8388607/{SIZE}",
        f"bytes 8388608-16777215/{SIZE}",
        f"bytes 16777216-{SIZE - 1}/{SIZE}",
    ]
    assert film.offsets == [0]
    assert parts.history[0] == "session"
    assert parts.kept == {"video_id": "video-0"}


@pytest.mark.parametrize("trouble", ["503", "half", "nothing-stored", "after"])
@pytest.mark.parametrize("chunk", [0, 2])
async def test_a_broken_chunk_is_gone_on_from(host, film, trouble, chunk):
    host.troubles = [None] * chunk + [trouble]
    assert await prepare(host, film, MemoryParts()) == "video-0"
    assert len(host.stored) == len(host.videos) == 1


async def test_after_a_crash_the_session_goes_on(host, film):
    parts = MemoryParts()
    host.troubles = [None, *["503"] * 6]
    with pytest.raises(RetryLater):
        await prepare(host, film, parts)
    host.troubles = []
    assert await prepare(host, film, MemoryParts(parts.kept)) == "video-0"
    assert film.offsets[-1] == 8 * 1024 * 1024
    assert len(host.stored) == len(host.videos) == 1


async def test_a_finished_video_is_told_by_its_session(host, film):
    parts = MemoryParts()
    await prepare(host, film, parts)
    session = MemoryParts({"session": session_of(host, "0")})
    assert await prepare(host, film, session) == "video-0"
    assert len(host.stored) == len(host.videos) == 1


async def test_a_lost_session_that_left_a_video_leaves_one(host, film):
    parts = MemoryParts()
    host.troubles = [None, None, "lose-session"]
    with pytest.raises(RetryLater):
        await prepare(host, film, parts)
    assert await prepare(host, film, MemoryParts(parts.kept)) == "video-0"
    assert len(host.stored) == len(host.videos) == 1


async def test_a_lost_session_without_a_video_is_begun_anew(host, film):
    parts = MemoryParts()
    host.troubles = ["lose-session"]
    with pytest.raises(RetryLater):
        await prepare(host, film, parts)
    assert await prepare(host, film, MemoryParts(parts.kept)) == "video-1"
    assert len(host.videos) == 1


async def test_several_videos_that_can_be_ours_need_a_person(host, film):
    parts = MemoryParts()
    host.troubles = ["lose-session"]
    with pytest.raises(RetryLater):
        await prepare(host, film, parts)
    host.add("8", "unknown")
    host.add("9", "unknown")
    with pytest.raises(SeveralFound, match="여러 개"):
        await prepare(host, film, MemoryParts(parts.kept))
    assert len(host.stored) == 1


def session_of(host, number):
    return {
        "url": f"{host.base_url}/session/{number}",
        "file_name": host.names[number],
        "size": SIZE,
        "version": "v1",
        "begun_at": (datetime.now(UTC) - timedelta(seconds=5)).isoformat(),
    }
