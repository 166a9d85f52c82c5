"""One run of the crash matrix: a stack of its own, misfortunes, peace, and the account."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cryptography.fernet import Fernet

from models.accounts import TokenVault
from tests.chaos.publishing.accounting import Books, Tally
from tests.chaos.publishing.crew import Crew
from tests.chaos.publishing.intents import Load
from tests.chaos.publishing.kinds import Kind
from tests.chaos.publishing.misfortunes import Mishaps, Plans, Platform
from tests.chaos.publishing.plans import Action, Plan, Point, Strike
from tests.chaos.publishing.servers import Servers

SAY_EVERY_S = 5.0
ENDLESS = 10**9
OPEN = "('pending', 'staged', 'sending', 'in_doubt')"


def say(text: str) -> None:
    """Progress, for whoever watches."""
    sys.stderr.write(f"• {text}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class Waits:
    """The publishing settings of a run, in seconds."""

    lease_s: float = 10.0
    publish_timeout_s: float = 30.0
    retry_base_s: float = 30.0
    doubt_wait_s: float = 60.0
    doubt_give_up_s: float = 600.0
    circuit_open_s: float = 15.0
    retry_max: int = 3

    def scaled(self, factor: float) -> "Waits":
        """The same, shorter.

        Never a lease under 2.5 s: a sender keeps 1 s of it as a margin, and one that is renewed
        late on a busy machine must still be sure of it. A retry there burns no post: 10 instead of
        3, since the same minute holds many more misfortunes.
        """
        return Waits(
            lease_s=max(2.5, self.lease_s * factor),
            publish_timeout_s=self.publish_timeout_s * factor,
            retry_base_s=self.retry_base_s * factor,
            doubt_wait_s=self.doubt_wait_s * factor,
            doubt_give_up_s=self.doubt_give_up_s * factor,
            circuit_open_s=self.circuit_open_s * factor,
            retry_max=10,
        )

    def environment(self) -> dict[str, str]:
        """As the engine's settings."""
        return {f"SNS_{name.upper()}": str(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a run is like.

    Attributes:
        name: for progress.
        kills: of worker processes, at least.
        waits: of its workers.
        workers: at once.
        in_flight: open intents.
        lead_s: from approval to due time.
        with_mishaps: platform, servers and clocks misbehave too.
        is_forked: workers come from the nursery.
        new_account_each: no account is used twice.
        republish: what the sandbox makes of a second publish of one container.
        outbox_overdue_s: a message unconsumed for so long is relayed again.
        beat_s: the broker's heartbeat; None leaves its own.
        give_up_s: longest for the misfortunes; then for the peace after them.
    """

    name: str
    kills: int
    waits: Waits
    workers: int
    in_flight: int
    lead_s: tuple[float, float]
    with_mishaps: bool
    is_forked: bool
    new_account_each: bool = False
    republish: str = "error"
    outbox_overdue_s: float = 120.0
    beat_s: float | None = None
    give_up_s: tuple[float, float] = (300.0, 300.0)


@dataclass(slots=True)
class Outcome:
    """What a run found; ``is_settled`` says that nothing was left open, and no event unsent."""

    tally: Tally
    kills: int
    recovery_s: Sequence[tuple[float, float]]
    is_settled: bool


class Run:
    """See the module."""

    def __init__(self, shape: Shape, kinds: Sequence[Kind], seed: int, folder: Path) -> None:
        self._shape = shape
        self._folder = folder
        dice = Random(f"{shape.name} {seed}")
        self._dice = dice
        key = Fernet.generate_key().decode()
        self._key = key
        self._servers = Servers(folder, Random(dice.random()))
        waits = shape.waits
        self._plans = Plans(
            Random(dice.random()),
            kinds,
            {
                "patience_s": 1.0 if shape.with_mishaps else 8.0,
                "is_first_claim": not shape.with_mishaps,
                "beat_s": shape.beat_s,
                "actor_backoff_ms": 1000 if shape.with_mishaps else None,
            },
            step_s=waits.doubt_wait_s / 2,
            with_lesser=shape.with_mishaps,
        )
        self._load = Load(
            self._servers,
            TokenVault([key]),
            kinds,
            Random(dice.random()),
            lead_s=shape.lead_s,
            in_flight=shape.in_flight,
            cancels=0.06 if shape.with_mishaps else 0.0,
            commands=0.2 if shape.with_mishaps else 0.0,
            pairs=0.1 if shape.with_mishaps else 0.0,
            new_account_each=shape.new_account_each,
        )
        self._crew: Crew

    async def run(self) -> Outcome:
        """Everything, from the first server to the account; the servers are ended in any case."""
        try:
            await self._servers.start()
            await self._load.prepare()
            await self._servers.sandbox.ask(
                "POST",
                "/sandbox/switches",
                {
                    "answer_ms": 20,
                    # More is published here in minutes than is allowed in a day.
                    "publish_quota": ENDLESS,
                    "threads_quota": ENDLESS,
                    "youtube_uploads_a_day": ENDLESS,
                    "youtube_units_a_day": ENDLESS,
                    "republish": self._shape.republish,
                    # Reads deny what exists, and lists have holes, as on the real ones.
                    "flicker_every": 13 if self._shape.with_mishaps else 0,
                    "sparse_pages": self._shape.with_mishaps,
                },
            )
            self._crew = Crew(
                self._folder,
                self._environment(),
                size=self._shape.workers,
                next_plan=self._next_plan,
                lease_s=self._shape.waits.lease_s,
                is_forked=self._shape.is_forked,
                on_strike=self._on_strike,
            )
            try:
                await self._crew.start()
                return await self._close_books(is_settled=await self._suffer_then_settle())
            finally:
                await self._crew.stop()
        finally:
            await self._servers.stop()

    @property
    def _kills(self) -> int:
        return sum(1 for strike in self._crew.strikes if strike.action == "kill")

    def _on_strike(self, strike: Strike) -> None:
        match strike.action:
            case Action.KILL_VALKEY:
                self._servers.valkey.kill(signal.SIGKILL)
            case Action.KILL_POSTGRES:
                self._servers.postgres.kill(signal.SIGQUIT)  # "immediate": then it recovers

    def _next_plan(self) -> Plan:
        if self._crew.is_resting:
            return self._plans.harmless()
        return self._plans.next()

    def _environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("SNS_")}
        url = self._servers.sandbox.url
        return clean | {
            "SNS_DATABASE_URL": self._servers.database_url,
            "SNS_REDIS_URL": self._servers.redis_url,
            "SNS_TOKEN_KEYS": self._key,
            "SNS_JWT_SECRET": "x" * 40,
            "SNS_INSTAGRAM_BASE_URL": f"{url}/v25.0",
            "SNS_INSTAGRAM_UPLOAD_URL": f"{url}/ig-api-upload/v25.0",
            "SNS_FACEBOOK_BASE_URL": f"{url}/v26.0",
            "SNS_FACEBOOK_UPLOAD_URL": f"{url}/video-upload/v26.0",
            "SNS_THREADS_BASE_URL": f"{url}/v1.0",
            "SNS_YOUTUBE_BASE_URL": f"{url}/youtube/v3",
            "SNS_YOUTUBE_UPLOAD_URL": f"{url}/upload/youtube/v3",
            "SNS_MEDIA_ALLOW_PRIVATE": "True",
            "SNS_METRICS_PORT_CRITICAL": "0",
            "SNS_METRICS_PORT_SCHEDULER": "0",
            "SNS_OUTBOX_OVERDUE_S": str(self._shape.outbox_overdue_s),
            **self._shape.waits.environment(),
        }

    async def _suffer_then_settle(self) -> bool:
        shape, waits = self._shape, self._shape.waits
        mishaps = Mishaps(self._servers, self._crew, Random(self._dice.random()))
        platform = Platform(
            self._servers,
            Random(self._dice.random()),
            answer_late_s=waits.publish_timeout_s * 1.3,
            arrive_late_s=waits.doubt_wait_s * 0.5,
        )
        # Those that only end by a fault of the run itself; then it must not go on.
        loading, suffering = [self._load.start(), *self._servers.keepers, *self._crew.tasks], []
        if shape.with_mishaps:
            suffering = [
                asyncio.create_task(mishaps.run(every_s=(0.7, 2.5))),
                asyncio.create_task(platform.run()),
            ]
        try:
            await self._until_killed_enough([*loading, *suffering], within_s=shape.give_up_s[0])
        finally:
            for task in suffering:
                task.cancel()
            await asyncio.gather(*suffering, return_exceptions=True)
        say(f"{shape.name}: {self._kills} kills, {len(self._load.intents)} intents; settling")
        await platform.relent()
        await self._load.finish()
        await self._crew.rest()
        return await self._until_settled(within_s=shape.give_up_s[1])

    async def _until_killed_enough(
        self, suffering: Sequence[asyncio.Task[None]], *, within_s: float
    ) -> None:
        began = said = time.monotonic()
        while self._kills < self._shape.kills:
            now = time.monotonic()
            for task in suffering:
                if task.done():
                    task.result()
            if now - began > within_s:
                raise TimeoutError(
                    f"{self._shape.name}: {self._kills} of {self._shape.kills} kills "
                    f"within {within_s:.0f} s"
                )
            if now - said > SAY_EVERY_S:
                said = now
                say(f"{self._shape.name}: {self._kills} kills, {len(self._load.intents)} intents")
            await asyncio.sleep(0.05)

    async def _until_settled(self, *, within_s: float) -> bool:
        """Whether every intent came to an end, and every event was sent, in time."""
        began = said = time.monotonic()
        while True:
            [row] = await self._servers.ask(f"""
                SELECT
                    (SELECT count(*) FROM publishing_logs WHERE status IN {OPEN}) AS open,
                    (SELECT count(*) FROM contents c JOIN content_targets t ON t.content_id = c.id
                     LEFT JOIN publishing_logs l USING (content_id, platform_account_id)
                     WHERE l.id IS NULL AND c.status = 'approved') AS unarmed,
                    (SELECT count(*) FROM outbox WHERE sent_at IS NULL) AS unsent
                """)
            if not any(row.values()):
                return True
            now = time.monotonic()
            if now - began > within_s:
                say(f"{self._shape.name}: not settled within {within_s:.0f} s: {row}")
                return False
            if now - said > SAY_EVERY_S:
                said = now
                say(f"{self._shape.name}: settling, {row}")
            await asyncio.sleep(0.2)

    async def _close_books(self, *, is_settled: bool) -> Outcome:
        books = await Books.read(self._servers)
        tally = books.account(self._load.intents)
        self._tell(books, tally)
        recovery = [
            found
            for strike in self._crew.strikes
            if strike.action == "kill"
            for log_id in strike.posts[:1]
            if (found := books.recovery_s(log_id, strike.at)) is not None
        ]
        return Outcome(tally, self._kills, recovery, is_settled)

    def _tell(self, books: Books, tally: Tally) -> None:
        name = self._shape.name
        for intent, complaint in tally.complaints:
            say(f"{name}: {complaint}\n{books.evidence(intent)}")
        points = Counter(f"{s.action} {s.point}" for s in self._crew.strikes)
        kinds = Counter(f"{s.platform} {s.kind}" for s in self._crew.strikes if s.platform)
        say(f"{name}: {_listed(points)}")
        left = [
            books.was_carried_out(log_id, strike.at)
            for strike in self._crew.strikes
            if (strike.action, strike.point) == (Action.KILL, Point.REQUEST_LEFT)
            for log_id in strike.posts[:1]
        ]
        say(f"{name}: of {len(left)} requests that left and were killed, {sum(left)} became posts")
        say(f"{name}: struck {_listed(kinds)}; reasons {_listed(tally.reasons)}")


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in sorted(counted.items())) or "none"
