"""The processes that are killed: critical workers with warm successors, and two schedulers."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.cli.servers import tethered
from tests.chaos.publishing.plans import Action, Plan, Strike
from tests.chaos.publishing.servers import ROOT, end, start

ARGUMENTS = (
    *("tests.chaos.publishing.worker:critical", "--processes", "1", "--threads", "2"),
    # Or a master would notice only after 30 s that its worker was killed while it booted.
    *("--worker-fork-timeout", "500"),
)
LOOK_S = 0.02


class Process:
    """A process by its descriptor: an id may be a stranger's by the time that it is used."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def signal(self, number: signal.Signals) -> bool:
        """Send it; False when it is gone."""
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except (ProcessLookupError, OSError):
            return False
        return True

    def forget(self) -> None:
        """Close the descriptor. Idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Command:
    """A worker command line as anybody starts it."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._process = start(
            tethered("SIGKILL", sys.executable, "-m", "dramatiq", *ARGUMENTS),
            log,
            cwd=ROOT,
            env=environment,
        )
        self.pid = self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        end(self._process, signal.SIGKILL)


class Forked:
    """A worker command line of the nursery's, which reaps it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.is_alive = True
        self._process = Process(pid)

    def signal(self, number: signal.Signals) -> None:
        self._process.signal(number)

    def end(self) -> None:
        self._process.signal(signal.SIGKILL)
        self._process.forget()


class Nursery:
    """See ``tests.chaos.publishing.nursery``."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "nursery.log").open("wb")
        self._process: asyncio.subprocess.Process
        self._asked: deque[asyncio.Future[Forked]] = deque()
        self._forked: dict[int, Forked] = {}
        self._hearing: asyncio.Task[None]

    async def open(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *tethered("SIGKILL", sys.executable, "-m", "tests.chaos.publishing.nursery"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self._hearing = asyncio.create_task(self._hear())

    async def fork(self, environment: dict[str, str], log: Path) -> Forked:
        wanted = {"arguments": ARGUMENTS, "environment": environment, "log": str(log)}
        future: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
        return await future

    async def close(self) -> None:
        """End it, and it those that are left."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        self._hearing.cancel()
        self._log.close()

    async def _hear(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            what, pid = line.split()
            if what == b"started":
                forked = self._forked[int(pid)] = Forked(int(pid))
                self._asked.popleft().set_result(forked)
            else:
                self._forked.pop(int(pid)).is_alive = False
        for future in self._asked:
            future.set_exception(RuntimeError(f"the nursery has ended; see {self._log.name}"))


class Worker:
    """A command line with one worker process, waiting at its gate for a plan."""

    def __init__(self, gate: Path, log: Path, command: Command | Forked) -> None:
        self._gate = gate
        self._command = command
        self.log = log

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
            os.write(pipe, plan.to_json())
            os.close(pipe)
            self._gate.unlink()
            return

    @property
    def is_alive(self) -> bool:
        return self._command.is_alive

    def process(self) -> Process | None:
        """The process that works, the master's child; None when there is none. To be forgotten."""
        pid = self._child()
        if pid is None:
            return None
        try:
            process = Process(pid)
        except ProcessLookupError:
            return None
        if self._child() == pid:  # it was not replaced before the descriptor was open
            return process
        process.forget()
        return None

    def _child(self) -> int | None:
        master = self._command.pid
        if not self.is_alive:
            return None
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
            self._command.signal(signal.SIGTERM)

    def end(self) -> None:
        """At once; its worker goes with it."""
        self._command.end()


class Crew:
    """``size`` workers at any time, each replaced by a warm one when it dies.

    Args:
        folder: for gates, logs and strikes.
        environment: settings of the workers and schedulers.
        size: how many work at once.
        next_plan: gives the plan of the next worker.
        lease_s: how long a frozen worker stays frozen, at least.
        on_strike: hears of each misfortune of a worker.
        is_forked: workers come from the nursery, which costs a tenth of a command.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        *,
        size: int,
        next_plan: Callable[[], Plan],
        lease_s: float,
        is_forked: bool,
        on_strike: Callable[[Strike], None],
    ) -> None:
        self._on_strike = on_strike
        self._nursery = Nursery(folder) if is_forked else None
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
        self.tasks: list[asyncio.Task[None]] = []
        self._thaws: set[asyncio.Task[None]] = set()
        self._schedulers: list[subprocess.Popen[bytes]] = []
        self.working: dict[int, Worker] = {}
        self.strikes: list[Strike] = []
        self.is_resting = False

    async def start(self) -> None:
        """Start the schedulers, the workers and their successors."""
        if self._nursery is not None:
            await self._nursery.open()
        for number in range(2):
            self._schedulers.append(self._scheduler(number))
        for _ in range(2 * self._size):
            await self._warm_up_one()
        for slot in range(self._size):
            self.tasks.append(asyncio.create_task(self._man(slot)))
        self.tasks.append(asyncio.create_task(self._read_strikes()))

    def kill_scheduler(self, number: int) -> None:
        """With -9; another one takes its place at once."""
        end(self._schedulers[number], signal.SIGKILL)
        self._schedulers[number] = self._scheduler(number)

    def kill(self, worker: Worker) -> None:
        """SIGKILL to a worker at no particular point."""
        if (process := worker.process()) is not None:
            if process.signal(signal.SIGKILL):
                strike = Strike(0, "kill", "anywhere", time.time(), process.pid, [], None, None)
                self.strikes.append(strike)
            process.forget()

    def freeze(self, worker: Worker) -> None:
        """SIGSTOP until its lease is over."""
        if (process := worker.process()) is not None:
            process.signal(signal.SIGSTOP)
            self._thaw_later(process)

    async def rest(self) -> None:
        """Let everybody finish, and be followed by workers without a misfortune."""
        self.is_resting = True
        for worker in [*self.working.values()]:
            worker.terminate()

    async def stop(self) -> None:
        for task in (*self.tasks, *self._thaws):
            task.cancel()
        await asyncio.gather(*self.tasks, *self._thaws, return_exceptions=True)
        for worker in self._everyone:
            worker.end()
        if self._nursery is not None:
            await self._nursery.close()
        for scheduler in self._schedulers:
            end(scheduler, signal.SIGTERM)

    def _scheduler(self, number: int) -> subprocess.Popen[bytes]:
        command = tethered("SIGKILL", sys.executable, "scheduler.py")
        return start(
            command, self._folder / f"scheduler-{number}.log", cwd=ROOT, env=self._environment
        )

    async def _warm_up_one(self) -> None:
        self._number += 1
        gate = self._folder / f"gate-{self._number}"
        log = self._folder / f"worker-{self._number}.log"
        os.mkfifo(gate)
        environment = {**self._environment, "CHAOS_GATE": str(gate)}
        command = (
            Command(environment, log)
            if self._nursery is None
            else await self._nursery.fork(environment, log)
        )
        worker = Worker(gate, log, command)
        self._everyone.append(worker)
        self._warm.put_nowait(worker)

    async def _man(self, slot: int) -> None:
        while True:
            worker = await self._warm.get()
            await worker.give(self._next_plan())
            self.working[slot] = worker
            await self._warm_up_one()
            await worker.until_dead()
            worker.end()
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
                self._on_strike(strike)
                if strike.action == Action.FREEZE:
                    self._thaw_frozen(strike.pid)

    def _thaw_frozen(self, pid: int) -> None:
        """One that has stopped itself."""
        for worker in self.working.values():
            process = worker.process()
            if process is None:
                continue
            if process.pid == pid:
                self._thaw_later(process)
                return
            process.forget()

    def _thaw_later(self, process: Process) -> None:
        async def thaw() -> None:
            try:
                await asyncio.sleep(self._lease_s * 1.4)
            finally:
                process.signal(signal.SIGCONT)
                process.forget()

        task = asyncio.create_task(thaw())
        self._thaws.add(task)
        task.add_done_callback(self._thaws.discard)
