"""What goes wrong, chosen by seed: at the workers' points, at the platform, and at the servers."""

import asyncio
import signal
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import asyncpg

from tests.chaos.publishing.crew import Crew
from tests.chaos.publishing.kinds import Kind
from tests.chaos.publishing.plans import Action, Plan, Point
from tests.chaos.publishing.servers import Servers

LESSER: Sequence[tuple[Action, Point]] = (
    (Action.FREEZE, Point.AFTER_CLAIM_COMMIT),
    (Action.FREEZE, Point.AFTER_SENDING_COMMIT),
    (Action.FREEZE, Point.REQUEST_LEFT),
    (Action.FREEZE, Point.ANSWERED),
    (Action.TERMINATE, Point.REQUEST_LEFT),
    (Action.TERMINATE, Point.AFTER_SENDING_COMMIT),
    (Action.STEP_CLOCK, Point.STAGED),
    (Action.STEP_CLOCK, Point.AFTER_SENDING_COMMIT),
    (Action.KILL_VALKEY, Point.BEFORE_ACK),
    (Action.KILL_VALKEY, Point.AFTER_RESULT_COMMIT),
    (Action.KILL_POSTGRES, Point.BEFORE_RESULT_COMMIT),
    (Action.KILL_POSTGRES, Point.BEFORE_SENDING_COMMIT),
)
"""Beside the kills: a lease that ends while its holder lives, a deploy in mid-call, a clock that is
set, Valkey gone at acknowledgement, PostgreSQL gone in mid-transaction."""

LESSER_EVERY = 4  # one for so many kills


class Plans:
    """Kills spread evenly over points and kinds, the lesser misfortunes in between.

    Args:
        dice: the order.
        kinds: what is published.
        common: of every plan: patience, heartbeats.
        step_s: how far a clock jumps at most; 0 lets clocks alone.
        with_lesser: or kills only.
    """

    def __init__(
        self,
        dice: Random,
        kinds: Sequence[Kind],
        common: Mapping[str, Any],
        *,
        step_s: float = 0.0,
        with_lesser: bool = True,
    ) -> None:
        self._dice = dice
        self._kinds = kinds
        self._common = common
        self._step_s = step_s
        self._number = 0
        self._kills = self._endless([(p, k) for p in Point for k in kinds])
        self._lesser = self._endless(LESSER)
        self._with_lesser = with_lesser

    def _endless(self, choices: Sequence[Any]) -> Iterator[Any]:
        while True:
            yield from self._dice.sample(choices, len(choices))

    def harmless(self) -> Plan:
        """For workers that see the run to its end."""
        self._number += 1
        return Plan(number=self._number, **self._common)

    def next(self) -> Plan:
        """The next one in turn."""
        self._number += 1
        dice = self._dice
        point, kind = next(self._kills)
        values: dict[str, Any] = {
            "action": Action.KILL,
            "point": point,
            "platform": str(kind.platform),
            "kind": kind.name,
            "nth": dice.choice((1, 1, 2, 3)),
            "delay_s": dice.choice((0.0, 0.005, 0.02)),
        }
        if self._with_lesser:
            if self._number % LESSER_EVERY == 0:
                values["before"] = next(self._lesser)
                values["clock_step_s"] = dice.uniform(-self._step_s, self._step_s)
            if dice.random() < 0.2:
                values["clock_off_s"] = dice.uniform(-self._step_s, self._step_s)
            values["actor_fails_every"] = dice.choice((0, 0, 4))
        return Plan(number=self._number, **values, **self._common)


class Platform:
    """Has the sandbox misbehave on some of the publishing calls of some accounts.

    Args:
        sandbox: whose truth it is all the same.
        dice: which calls, and how.
        answer_late_s: longer than the worker waits.
        arrive_late_s: how long a request may lie at the platform before it is carried out; less
            than a doubt waits, as on the real ones.
    """

    def __init__(
        self, servers: Servers, dice: Random, *, answer_late_s: float, arrive_late_s: float
    ) -> None:
        self._servers = servers
        self._dice = dice
        self._answer_late_s = answer_late_s
        self._arrive_late_s = arrive_late_s
        self.planned = 0

    def _one(self) -> dict[str, Any]:
        dice = self._dice
        once = {"carry_out": 1}
        never = {"carry_out": 0}
        blocked = {"answer": "error", "status": 403, "code": 4, "subcode": 2207051}
        down = {"answer": "error", "status": 500, "code": 2}
        faults: Sequence[dict[str, Any]] = (
            {"answer": "normal", "delay_after_s": self._answer_late_s, **once},
            {"answer": "normal", "delay_before_s": dice.uniform(0, self._arrive_late_s), **once},
            {"answer": "close", "delay_before_s": dice.uniform(0, self._arrive_late_s), **once},
            {"answer": dice.choice(("close", "reset")), **never},
            {"answer": dice.choice(("close", "reset")), **once},
            {**down, **once},
            {**down, **never},
            {**blocked, **once},
            {"answer": "html", "status": 502, **once},
            {"answer": "truncated", **once},
            {"answer": "wrong_json", **once},
            {**down, "carry_out": 2},
            {"answer": "close", "carry_out": 2},
        )
        # Twice and blocked-in-earnest are rare: such posts end with a person, or not at all.
        if dice.random() < 0.03:
            return {**blocked, **never}
        return dice.choice(faults[:-2] if dice.random() < 0.9 else faults)

    async def run(self) -> None:
        """Plan faults for a moment, take back those that struck nobody, and again."""
        while True:
            for _ in range(12):
                await self._servers.sandbox.ask(
                    "POST",
                    "/sandbox/faults",
                    {"call": "publish", "nth": self._dice.randrange(1, 25), **self._one()},
                )
                self.planned += 1
            await asyncio.sleep(self._dice.uniform(1.0, 2.0))
            await self._servers.sandbox.ask("DELETE", "/sandbox/faults")

    async def relent(self) -> None:
        """From now on it behaves."""
        await self._servers.sandbox.ask("DELETE", "/sandbox/faults")


class Mishaps:
    """What befalls servers and processes at any moment, whatever passes which point."""

    KINDS = ("cut", "valkey", "postgres", "scheduler", "kill", "freeze")

    def __init__(self, servers: Servers, crew: Crew, dice: Random) -> None:
        self._servers = servers
        self._crew = crew
        self._dice = dice
        self.befell: dict[str, int] = dict.fromkeys(self.KINDS, 0)

    async def run(self, *, every_s: tuple[float, float]) -> None:
        """Each kind once, then as it comes."""
        first = self._dice.sample(self.KINDS, len(self.KINDS))
        weights = (6, 3, 1, 2, 3, 1)
        while True:
            await asyncio.sleep(self._dice.uniform(*every_s))
            name = first.pop() if first else self._dice.choices(self.KINDS, weights)[0]
            self.befell[name] += 1
            await self._befall(name)

    async def _befall(self, name: str) -> None:
        working = [worker for worker in self._crew.working.values() if worker.is_alive]
        match name:
            case "cut":  # connections of the database, whatever they are in the middle of
                try:
                    await self._servers.pool.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND application_name <> 'chaos'"
                        " AND random() < 0.5"
                    )
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    return  # it is down as it is
            case "valkey":
                self._servers.valkey.kill(signal.SIGKILL)
            case "postgres":
                self._servers.postgres.kill(signal.SIGQUIT)
            case "scheduler":
                self._crew.kill_scheduler(self._dice.randrange(2))
            case "kill" if working:
                self._crew.kill(self._dice.choice(working))
            case "freeze" if working:
                self._crew.freeze(self._dice.choice(working))
