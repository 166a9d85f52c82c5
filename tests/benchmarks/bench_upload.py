"""What a film of gigabytes costs in memory on its way to YouTube and Instagram.

``python -m tests.benchmarks.bench_upload``: uploads a film of 2 GiB from the sandbox's media host
to its upload hosts, through the adapters, and prints by how much this process grew. The sandbox
makes the bytes as they leave and counts them as they come, so that nothing else is measured.
"""

import argparse
import asyncio
import json
import sys
import threading
import time
from typing import Any

import psutil

from engine.media.source import HttpMediaSource
from engine.platforms.instagram import InstagramClient
from engine.platforms.youtube import YouTubeClient
from engine.ports import AccountAccess, Media, PlatformClient, Post
from models.accounts import AccessToken
from models.words import PostFormat
from tests.fakes.parts import MemoryParts
from tests.running_sandbox import RunningSandbox

MIB = 1024 * 1024


class Peak:
    """The largest resident size of this process while the block runs."""

    def __enter__(self) -> "Peak":
        self._process = psutil.Process()
        self.before = self.peak = self._process.memory_info().rss
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(0.02):
            self.peak = max(self.peak, self._process.memory_info().rss)

    @property
    def growth_mib(self) -> float:
        return round((self.peak - self.before) / MIB, 1)


async def upload(client: PlatformClient, account: str, url: str) -> dict[str, Any]:
    access = AccountAccess(account, AccessToken(RunningSandbox.token(account)))
    film = Post("큰 동영상", (Media(url, kind="video"),), title="큰 동영상", format=PostFormat.REEL)
    started = time.perf_counter()
    with Peak() as peak:
        await client.prepare(access, film, MemoryParts())
    seconds = time.perf_counter() - started
    return {"growth_mib": peak.growth_mib, "seconds": round(seconds, 1)}


async def measure(sandbox: RunningSandbox, size: int) -> dict[str, Any]:
    media = HttpMediaSource(allow_private=True)
    youtube = YouTubeClient(
        f"{sandbox.base_url}/youtube/v3",
        upload_url=f"{sandbox.base_url}/upload/youtube/v3",
        watch_url=f"{sandbox.base_url}/watch",
        media=media,
    )
    instagram = InstagramClient(
        sandbox.graph_url,
        upload_url=f"{sandbox.base_url}/ig-api-upload/v25.0",
        media=media,
    )
    url = f"{sandbox.base_url}/sandbox/media/bytes/{size}.mp4"
    double = psutil.Process(sandbox.pid)
    before = double.memory_info().rss
    figures: dict[str, Any] = {"size_mib": size // MIB}
    for name, client, account in (
        ("youtube", youtube, "UCbench"),
        ("instagram", instagram, "17841400000000001"),
    ):
        print(f"• {size // MIB} MiB to {name}", file=sys.stderr, flush=True)
        figures[name] = await upload(client, account, url)
        await client.close()
    await media.close()
    figures["sandbox_growth_mib"] = round((double.memory_info().rss - before) / MIB, 1)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--mib", type=int, default=2048, help="size of the film")
    given = parser.parse_args()
    with RunningSandbox() as sandbox:
        print(json.dumps(asyncio.run(measure(sandbox, given.mib * MIB)), separators=(",", ":")))


if __name__ == "__main__":
    main()
