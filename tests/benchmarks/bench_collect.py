"""How fast comments come in, what an idle round costs, and how soon a browser knows.

Runs a whole stack of its own on free ports: ``python -m tests.benchmarks.bench_collect``. First
``--comments`` comments over ``--accounts`` accounts on all four platforms are waiting, and one
medium worker collects them; ``comments_per_s`` counts rows that are committed, from the message
``sync_comments`` to the last. Then the same round again over unchanged data: ``rows_written`` are
rows of the inbox and of the outbox's comment messages that it wrote, ``calls_when_idle`` the
platform calls by account and platform, as the sandbox counted them. Last, ``--pushed`` single
comments are written on Instagram and Facebook and delivered by webhook; ``webhook_ms`` is from the
comment's existence on the platform to its ``new_comment`` in a WebSocket client, with sentiment.
"""

import argparse
import asyncio
import json
import math
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
from sqlmodel.ext.asyncio.session import AsyncSession

from engine.cli.demo_comments import ask_for_sync, connect_webhooks
from engine.cli.folder import Folder
from engine.cli.launch import Stack, launched
from engine.cli.ports import Ports
from engine.cli.token import mint
from engine.cli.watcher import Watcher
from engine.settings import Settings
from models.accounts import AccessToken, Platform, PlatformAccount
from models.database import open_database, open_listener
from models.people import Client, ClientMember, Role, User

CLIENTS = 10
POSTS = 20  # an account
BATCH = 2000
LOOK_EVERY_S = 0.25
DEADLINE_S = 600.0
PUSH_EVERY_S = 0.1
PLATFORMS = tuple(Platform)
TEXTS = (
    "오늘도 잘 보고 갑니다 ㅎㅎ",
    "배송이 너무 늦네요. 언제 오나요?",
    "색감이 정말 예뻐요 😍",
    "문의드립니다. 매장 재고가 있나요?",
    "두 번째 구매인데 이번 건 별로였어요ㅠㅠ",
)


def say(text: str) -> None:
    print(f"• {text}", file=sys.stderr, flush=True)


def percentile(ordered: Sequence[float], rank: int) -> float:
    """Nearest-rank percentile of sorted values, in 0.1."""
    return round(ordered[max(0, math.ceil(len(ordered) * rank / 100) - 1)], 1)


class Bench:
    """The load, on a stack that is up."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient, database: asyncpg.Connection) -> None:
        self._stack = stack
        self._http = http
        self._database = database
        self._settings = Settings.load(stack.settings)
        self.operator_id = 0
        self.posts: list[tuple[Platform, str]] = []

    async def prepare(self, accounts: int) -> None:
        """Clients, accounts and posts of its own; the sample's accounts rest."""
        vault = self._settings.vault()
        await self._database.execute("UPDATE platform_accounts SET status = 'stopped'")
        engine = open_database(self._settings.database_url, pool_size=2)
        async with AsyncSession(engine, expire_on_commit=False) as session:
            clients = [Client(name=f"벤치마크 {number}") for number in range(CLIENTS)]
            operator = User(email="bench@example.com", name="벤치마크", role=Role.OPERATOR)
            session.add_all([*clients, operator])
            await session.flush()
            assert operator.id
            self.operator_id = operator.id
            for client in clients:
                assert client.id
                session.add(ClientMember(client_id=client.id, user_id=operator.id))
            rows = []
            for number in range(accounts):
                client_id = clients[number % CLIENTS].id
                assert client_id
                id_ = f"1799{number:010d}"
                rows.append(
                    PlatformAccount(
                        client_id=client_id,
                        platform=PLATFORMS[number % len(PLATFORMS)],
                        platform_user_id=id_,
                        username=f"bench{number}",
                        sealed_token=vault.seal(AccessToken(f"sandbox-token-{id_}")),
                    )
                )
            session.add_all(rows)
            await session.commit()
        await engine.dispose()
        for row in rows:
            made = await self._ask("POST", "/sandbox/accounts", {"id": row.platform_user_id})
            made = await self._ask(
                "POST",
                "/sandbox/posts",
                {"account": row.platform_user_id, "platform": row.platform, "count": POSTS},
            )
            self.posts += [(row.platform, id_) for id_ in made["ids"]]

    async def seed(self, count: int) -> None:
        """Comments on every post, the same number on each, as far as that goes."""
        comments = [
            {
                "post": self.posts[number % len(self.posts)][1],
                "text": f"{TEXTS[number % len(TEXTS)]} {number}",
                "author": f"손님{number % 997}",
                "author_id": f"9{number % 997:08d}",
            }
            for number in range(count)
        ]
        for start in range(0, count, BATCH):
            batch = comments[start : start + BATCH]
            await self._ask("POST", "/sandbox/comments/batch", {"comments": batch})

    async def collect(self, expected: int) -> dict[str, Any]:
        """One round from its message until the inbox holds everything and nobody works."""
        started, peak = time.perf_counter(), 0
        await ask_for_sync(self._settings.database_url)
        await asyncio.sleep(LOOK_EVERY_S)
        found, filled_s = 0, 0.0
        while time.perf_counter() - started < DEADLINE_S:
            peak = max(peak, self._memory())
            found = await self._database.fetchval("SELECT count(*) FROM comments_inbox")
            if found >= expected and not filled_s:
                filled_s = time.perf_counter() - started
            open_ = await self._database.fetchval(
                "SELECT count(*) FROM collection_states WHERE queued_at IS NOT NULL"
            )
            waiting = await self._database.fetchval(
                "SELECT count(*) FROM outbox WHERE consumed_at IS NULL"
                " AND actor IN ('sync_comments', 'sync_account')"
            )
            if found >= expected and not open_ and not waiting:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        return {"found": found, "seconds": filled_s, "peak_mib": peak}

    async def written(self) -> tuple[int, ...]:
        """What a round over unchanged data must leave as it is."""
        row = await self._database.fetchrow("""
            SELECT count(*), coalesce(sum(xmin::text::bigint), 0),
                   (SELECT count(*) FROM outbox WHERE key LIKE 'new_comment:%'
                    OR key LIKE 'analyze_sentiment:%')
            FROM comments_inbox
        """)
        return tuple(int(value) for value in row)

    async def calls(self) -> Counter[str]:
        """Requests to the platforms so far, by account."""
        seen = (await self._ask("GET", "/sandbox/requests"))["requests"]
        return Counter(one["account"] for one in seen if one["account"])

    async def push(self, count: int) -> list[float]:
        """Milliseconds from each comment's existence to its event, sentiment known."""
        arrived: dict[str, tuple[float, Any]] = {}
        watcher = Watcher(
            self._stack.edge_url.replace("http", "ws", 1),
            mint(self._settings, self.operator_id, ["operator"], ()),
            lambda frame: arrived.setdefault(
                str(frame.get("message")), (time.perf_counter(), frame.get("sentiment"))
            ),
        )
        watching = asyncio.create_task(watcher.run())
        posts = [id_ for platform, id_ in self.posts if platform in ("instagram", "facebook")]
        sent: dict[str, float] = {}
        try:
            async with asyncio.timeout(10):
                await watcher.connected.wait()
            await connect_webhooks(self._stack, self._http)
            for number in range(count):
                text = f"{TEXTS[number % len(TEXTS)]} 웹훅 {number}"
                sent[text] = time.perf_counter()
                await self._ask(
                    "POST",
                    "/sandbox/comments",
                    {"post": posts[number % len(posts)], "text": text, "author": "손님"},
                )
                await asyncio.sleep(PUSH_EVERY_S)
            deadline = time.perf_counter() + 10
            while len(sent.keys() & arrived.keys()) < count and time.perf_counter() < deadline:
                await asyncio.sleep(0.05)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        missing = [text for text in sent if text not in arrived]
        if missing:
            raise SystemExit(f"{len(missing)} pushed comments did not reach the browser")
        without = sum(1 for text in sent if arrived[text][1] is None)
        if without:
            say(f"{without} of {count} came without their sentiment")
        return sorted((arrived[text][0] - at) * 1000 for text, at in sent.items())

    async def drain(self) -> float:
        """Seconds until the analyses and events of the load have gone."""
        started = time.perf_counter()
        while time.perf_counter() - started < DEADLINE_S:
            left = await self._database.fetchval(
                "SELECT count(*) FROM outbox WHERE sent_at IS NULL"
                " OR (kind = 'message' AND consumed_at IS NULL)"
            )
            if not left:
                break
            await asyncio.sleep(1)
        return round(time.perf_counter() - started, 1)

    def _memory(self) -> int:
        """Resident MiB of the medium worker."""
        process = psutil.Process(self._stack.supervisor.states()["medium"].pid)
        family = [process, *process.children()]
        return max(one.memory_info().rss >> 20 for one in family)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = await self._http.request(method, path, json=body)
        if not answer.is_success:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()


async def run(stack: Stack, *, comments: int, accounts: int, pushed: int) -> dict[str, Any]:
    http = httpx.AsyncClient(base_url=stack.sandbox_url, trust_env=False, timeout=60)
    database = await open_listener(stack.database_url)
    try:
        bench = Bench(stack, http, database)
        say(f"seeding {comments} comments over {accounts} accounts")
        await bench.prepare(accounts)
        await bench.seed(comments)
        say("collecting")
        first = await bench.collect(comments)
        doubled = await database.fetchval("""
            SELECT count(*) FROM (SELECT 1 FROM comments_inbox
            GROUP BY platform_account_id, platform_comment_id HAVING count(*) > 1) AS twice
        """)
        say("letting analyses and events go")
        drained_s = await bench.drain()
        before, calls = await bench.written(), await bench.calls()
        say("collecting again over unchanged data")
        await bench.collect(comments)
        spent = await bench.calls() - calls
        unchanged = await bench.written() == before
        say(f"{pushed} comments by webhook")
        webhook_ms = await bench.push(pushed)
    finally:
        await http.aclose()
        await database.close()
    by_platform: dict[str, list[int]] = {}
    for number in range(accounts):
        platform = PLATFORMS[number % len(PLATFORMS)]
        by_platform.setdefault(platform, []).append(spent[f"1799{number:010d}"])
    return {
        "comments": comments,
        "accounts": accounts,
        "comments_per_s": round(comments / first["seconds"]) if first["seconds"] else 0,
        "peak_mib": first["peak_mib"],
        "lost": max(0, comments - first["found"]),
        "doubled": doubled,
        "drained_s": drained_s,
        "second_run_writes_nothing": unchanged,
        "watched_posts": POSTS,
        "calls_when_idle": {
            platform: round(sum(values) / len(values), 2)
            for platform, values in by_platform.items()
        },
        "webhook_ms": {"p50": percentile(webhook_ms, 50), "p99": percentile(webhook_ms, 99)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--comments", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--pushed", type=int, default=200, help="comments that come by webhook")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="sns-bench-"))
    try:
        with launched(Folder.at(root), Ports.free(), say=say) as stack:
            figures = asyncio.run(
                run(
                    stack,
                    comments=arguments.comments,
                    accounts=arguments.accounts,
                    pushed=arguments.pushed,
                )
            )
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(figures, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
