"""How late posts are, as the platforms measure it, and what the processes weigh.

Runs a whole stack of its own on free ports: ``python -m tests.benchmarks.bench_publish``. One post
per second first, then two hundred due in one second over twenty accounts, on all four platforms in
turn (pictures, Page posts, texts, Shorts), each of which answers after 20 ms. Lateness is the
sandbox's arrival time of the publish request's first byte less the planned time; nothing of it
comes from our own rows.

``relay_ms`` is taken by probes while the posts go out: from just before the commit of an outbox
row to its event in a subscriber of the user's live channel, so the commit itself and Redis'
publish are in it.
"""

import argparse
import asyncio
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from engine.cli.folder import Folder
from engine.cli.launch import Stack, launched
from engine.cli.ports import Ports
from engine.services.outboxing import put_event
from engine.settings import Settings
from models import channels
from models.accounts import AccessToken, Platform, PlatformAccount
from models.contents import Content, ContentTarget
from models.database import open_database
from models.events import Event
from models.people import Client, Role, User
from models.words import ContentStatus, PostFormat

PLATFORM_ANSWER_MS = 20
LEAD_S = 12.0
BURST_LEAD_S = 40.0  # fifty films are uploaded before
PLATFORMS = tuple(Platform)
PROBE_EVERY_S = 0.2
SETTLE_S = 5.0


def say(text: str) -> None:
    print(f"• {text}", file=sys.stderr, flush=True)


class Bench:
    """The load, on a stack that is up."""

    def __init__(self, stack: Stack, database: AsyncEngine, settings: Settings) -> None:
        self._stack = stack
        self._database = database
        self._settings = settings
        self._http = httpx.AsyncClient(base_url=stack.sandbox_url, trust_env=False, timeout=30)
        self._client_id = self._author_id = 0

    async def prepare(self, accounts: int) -> list[PlatformAccount]:
        """An agency of its own, so that the sample data stays out of the figures."""
        await self._http.post("/sandbox/switches", json={"answer_ms": PLATFORM_ANSWER_MS})
        vault = self._settings.vault()
        async with AsyncSession(self._database, expire_on_commit=False) as session:
            client = Client(name="벤치마크")
            author = User(email="bench@example.com", name="벤치마크", role=Role.OPERATOR)
            session.add_all([client, author])
            await session.flush()
            assert client.id
            assert author.id
            self._client_id, self._author_id = client.id, author.id
            rows = [
                PlatformAccount(
                    client_id=client.id,
                    platform=PLATFORMS[number % len(PLATFORMS)],
                    platform_user_id=f"1799{number:010d}",
                    username=f"bench{number}",
                    sealed_token=vault.seal(AccessToken(f"sandbox-token-1799{number:010d}")),
                )
                for number in range(accounts)
            ]
            session.add_all(rows)
            await session.commit()
        return rows

    async def measure(
        self, accounts: Sequence[PlatformAccount], due: Sequence[datetime], name: str
    ) -> dict[str, Any]:
        """Schedule one post per due time, wait, and read lateness from the sandbox."""
        planned = {}
        async with AsyncSession(self._database, expire_on_commit=False) as session:
            contents = [
                Content(
                    client_id=self._client_id,
                    created_by=self._author_id,
                    title=f"{name} {number}",
                    body=f"{name} {number}",
                    **self._form(accounts[number % len(accounts)].platform),
                    status=ContentStatus.APPROVED,
                    scheduled_at=at,
                )
                for number, at in enumerate(due)
            ]
            session.add_all(contents)
            await session.flush()
            for number, content in enumerate(contents):
                assert content.id
                assert content.scheduled_at
                account_id = accounts[number % len(accounts)].id
                assert account_id
                session.add(ContentTarget(content_id=content.id, platform_account_id=account_id))
                planned[content.body] = content.scheduled_at
            await session.commit()
        deadline = due[-1] + timedelta(seconds=60)
        while datetime.now(UTC) < deadline:
            await asyncio.sleep(1.0)
            if datetime.now(UTC) < due[-1]:
                continue
            posts = (await self._http.get("/sandbox/truth")).json()["posts"]
            ours = [post for post in posts if post["caption"] in planned]
            if len(ours) >= len(planned):
                break
        late_ms = sorted(
            (post["arrived_at"] - planned[post["caption"]].timestamp()) * 1000 for post in ours
        )
        if len(late_ms) != len(planned) or len({post["caption"] for post in ours}) != len(ours):
            raise SystemExit(f"{name}: {len(late_ms)} posts for {len(planned)} intents")
        return {
            "posts": len(late_ms),
            "p50_ms": percentile(late_ms, 50),
            "p99_ms": percentile(late_ms, 99),
            "max_ms": round(late_ms[-1], 1),
            "early": sum(1 for late in late_ms if late < 0),
        }

    def _form(self, platform: Platform) -> dict[str, Any]:
        """What a post on this platform is made of."""
        at = f"{self._stack.sandbox_url}/sandbox/media"
        if platform == Platform.YOUTUBE:
            film = {"kind": "video", "url": f"{at}/320x568/b.mp4?seconds=3"}
            return {"media": [film], "format": PostFormat.REEL}
        if platform == Platform.THREADS:
            return {"media": []}
        return {"media": [{"kind": "image", "url": f"{at}/320x320/b.jpg"}]}

    async def probe_relay(self, stopping: asyncio.Event) -> list[float]:
        """Commit an event now and then; milliseconds until a subscriber has it."""
        samples: list[float] = []
        async with Redis.from_url(self._settings.redis_url) as redis, redis.pubsub() as pubsub:
            await pubsub.subscribe(channels.live(self._author_id))
            number = 0
            while not stopping.is_set():
                async with self._database.connect() as connection:
                    transaction = await connection.begin()
                    await put_event(
                        connection,
                        key=f"probe:{number}",
                        user_id=self._author_id,
                        event=Event(trace_id=f"probe{number}"),
                        trace_id=f"probe{number}",
                    )
                    started = time.perf_counter()
                    await transaction.commit()
                wanted = f'"probe{number}"'.encode()
                async with asyncio.timeout(10):
                    async for message in pubsub.listen():
                        if message["type"] == "message" and wanted in message["data"]:
                            break
                samples.append((time.perf_counter() - started) * 1000)
                number += 1
                await asyncio.sleep(PROBE_EVERY_S)
        return sorted(samples)

    def memory(self) -> dict[str, int]:
        """Resident MiB of the processes that do the work, at rest."""
        states = self._stack.supervisor.states()
        found = {}
        for name in ("critical", "scheduler", "edge"):
            process = psutil.Process(states[name].pid)
            children = process.children()
            if children:  # dramatiq's master waits; its child works
                found[f"{name}_master"] = process.memory_info().rss >> 20
                process = max(children, key=lambda child: child.memory_info().rss)
            found[name] = process.memory_info().rss >> 20
        return found

    async def close(self) -> None:
        await self._http.aclose()


def percentile(ordered: Sequence[float], rank: int) -> float:
    """Nearest-rank percentile of sorted values, in 0.1."""
    return round(ordered[max(0, math.ceil(len(ordered) * rank / 100) - 1)], 1)


def first_second(after_s: float) -> datetime:
    return (datetime.now(UTC) + timedelta(seconds=after_s + 1)).replace(microsecond=0)


async def run(stack: Stack, *, steady: int, burst: int, accounts: int) -> dict[str, Any]:
    settings = Settings.load(stack.settings)
    database = open_database(settings.database_url, pool_size=2)
    bench = Bench(stack, database, settings)
    try:
        rows = await bench.prepare(accounts)
        say(f"letting the stack rest for {SETTLE_S:.0f} s, then weighing it")
        await asyncio.sleep(SETTLE_S)
        memory = bench.memory()
        stopping = asyncio.Event()
        probing = asyncio.create_task(bench.probe_relay(stopping))
        say(f"{steady} posts, one per second ({steady + LEAD_S:.0f} s)")
        start = first_second(LEAD_S)
        calm = await bench.measure(
            rows, [start + timedelta(seconds=n) for n in range(steady)], "steady"
        )
        stopping.set()
        relay_ms = await probing
        say(f"{burst} posts due in one second, over {accounts} accounts")
        storm = await bench.measure(rows, [first_second(BURST_LEAD_S)] * burst, "burst")
    finally:
        await bench.close()
        await database.dispose()
    return {
        "steady": calm,
        "burst": storm,
        "early": calm.pop("early") + storm.pop("early"),
        "platforms": len(PLATFORMS),
        "platform_answer_ms": PLATFORM_ANSWER_MS,
        "relay_ms": {
            "p50": percentile(relay_ms, 50),
            "p99": percentile(relay_ms, 99),
            "samples": len(relay_ms),
        },
        "rss_mib": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--steady", type=int, default=120, help="posts at one per second")
    parser.add_argument("--burst", type=int, default=200, help="posts due in one second")
    parser.add_argument("--accounts", type=int, default=20)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="sns-bench-"))
    try:
        with launched(Folder.at(root), Ports.free(), say=say) as stack:
            figures = asyncio.run(
                run(
                    stack,
                    steady=arguments.steady,
                    burst=arguments.burst,
                    accounts=arguments.accounts,
                )
            )
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(figures, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
