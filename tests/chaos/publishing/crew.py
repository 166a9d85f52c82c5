"""The processes that are killed: critical workers with warm successors, and two schedulers."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.cli.servers import tethered
from tests.chaos.publishing.plans import Plan, Strike
from tests.chaos.publishing.servers import ROOT, end, start

MASTER = ("-m", "dramatiq", "tests.chaos.publishing.worker:critical", "--processes", "1")
# Without the second a master notices only after 30 s that its worker was killed while it booted.
OPTIONS = ("--threads", "2", "--worker-fork-timeout", "500")
LOOK_S = 0.02


class Worker:
    """A dramatiq command line with one worker process, waiting at its gate for a plan."""

    def __init__(self, number: int, folder: Path, environment: dict[str, str]) -> None:
        self._gate = folder / f"gate-{number}"
        os.mkfifo(self._gate)
        self.log = folder / f"worker-{number}.log"
        self._process = start(
            tethered("SIGKILL", sys.executable, *MASTER, *OPTIONS),
            self.log,
            cwd=ROOT,
            env={**environment, "CHAOS_GATE": str(self._gate)},
        )
        self.plan: Plan | None = None

    async def give(self, plan: Plan) -> None:
        """Open the gate, once the worker stands at it."""
        while True:
            try:
                pipe = os.open(self._gate, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                if not self.is_alive:
                    raise RuntimeError(f"a worker did not start; see {self.log}") from None
                await asyncio.sleep(LOOK_S)
                continue
            self.plan = plan
            os.write(pipe, plan.to_json())
            os.close(pipe)
            self._gate.unlink()
            return

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process that works, the master's child; None when there is none."""
        master = self._process.pid
        with suppress(OSError, ValueError, IndexError):
            child = Path(f"/proc/{master}/task/{master}/children").read_text().split()[0]
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
            return None if state == "Z" else int(child)
        return None

    async def until_dead(self) -> None:
        while self.is_alive:
            await asyncio.sleep(LOOK_S)

    def terminate(self) -> None:
        """As a deploy does."""
        if self.is_alive:
            self._process.terminate()

    def end(self) -> None:
        """At once, and its worker with it."""
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        end(self._process, signal.SIGKILL)


class Crew:
    """``size`` workers at any time, each replaced by a warm one when it dies.

    Args:
        folder: for gates, logs and strikes.
        environment: settings of the workers and schedulers.
        size: how many work at once.
        next_plan: gives the plan of the next worker.
        lease_s: how long a frozen worker stays frozen, at least.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        *,
        size: int,
        next_plan: Callable[[], Plan],
        lease_s: float,
    ) -> None:
        self._folder = folder
        self._strikes_file = folder / "strikes"
        self._strikes_file.touch()
        self._environment = {**environment, "CHAOS_STRIKES": str(self._strikes_file)}
        self._size = size
        self._next_plan = next_plan
        self._lease_s = lease_s
        self._number = 0
        self._read_to = 0
        self._warm: asyncio.Queue[Worker] = asyncio.Queue()
        self._everyone: list[Worker] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._thaws: set[asyncio.Task[None]] = set()
        self._schedulers: list[subprocess.Popen[bytes]] = []
        self.working: dict[int, Worker] = {}
        self.strikes: list[Strike] = []
        self.is_resting = False

    def start(self) -> None:
        """Start the schedulers, the workers and their successors."""
        for number in range(2):
            self._schedulers.append(self._scheduler(number))
        for _ in range(2 * self._size):
            self._warm_up_one()
        for slot in range(self._size):
            self._tasks.append(asyncio.create_task(self._man(slot)))
        self._tasks.append(asyncio.create_task(self._read_strikes()))

    def kill_scheduler(self, number: int) -> None:
        """With -9; another one takes its place at once."""
        end(self._schedulers[number], signal.SIGKILL)
        self._schedulers[number] = self._scheduler(number)

    def kill(self, worker: Worker) -> None:
        """SIGKILL to a worker at no particular point."""
        if (pid := worker.pid) is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.strikes.append(Strike(0, "kill", "anywhere", time.time(), pid, [], None, None))

    def freeze(self, worker: Worker) -> None:
        """SIGSTOP until its lease is over."""
        if (pid := worker.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            self._thaw_later(pid)

    async def rest(self) -> None:
        """Let everybody finish, and be followed by workers without a misfortune."""
        self.is_resting = True
        for worker in [*self.working.values()]:
            worker.terminate()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._thaws, return_exceptions=True)
        for worker in self._everyone:
            worker.end()
        for scheduler in self._schedulers:
            end(scheduler, signal.SIGTERM)

    def _scheduler(self, number: int) -> subprocess.Popen[bytes]:
        command = tethered("SIGKILL", sys.executable, "scheduler.py")
        return start(
            command, self._folder / f"scheduler-{number}.log", cwd=ROOT, env=self._environment
        )

    def _warm_up_one(self) -> None:
        self._number += 1
        worker = Worker(self._number, self._folder, self._environment)
        self._everyone.append(worker)
        self._warm.put_nowait(worker)

    async def _man(self, slot: int) -> None:
        while True:
            worker = await self._warm.get()
            await worker.give(self._next_plan())
            self.working[slot] = worker
            self._warm_up_one()
            await worker.until_dead()
            self._everyone.remove(worker)

    async def _read_strikes(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with self._strikes_file.open("rb") as file:
                file.seek(self._read_to)
                *lines, _ = file.read().split(b"\n")
                self._read_to += sum(len(line) + 1 for line in lines)
            for line in lines:
                strike = Strike.from_json(line)
                self.strikes.append(strike)
                if strike.action == "freeze":
                    self._thaw_later(strike.pid)

    def _thaw_later(self, pid: int) -> None:
        async def thaw() -> None:
            try:
                await asyncio.sleep(self._lease_s * 1.4)
            finally:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

        task = asyncio.create_task(thaw())
        self._thaws.add(task)
        task.add_done_callback(self._thaws.discard)
