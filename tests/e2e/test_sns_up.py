"""`sns up` as a person runs it: processes come back, Ctrl-C ends all, data stays."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.cli.folder import Folder
from engine.cli.servers import Postgres
from engine.cli.supervise import Supervisor, _processes_of, kill_leftovers
from tests.running_command import REPOSITORY, clean_environment, sns

pytestmark = pytest.mark.e2e

PROGRAMS = {
    "postgres", "valkey", "sandbox", "critical", "high", "medium", "low", "scheduler", "edge",
}  # fmt: skip
START_S = 90  # two cores, shared with everything else
BACK_S = 45


def until(claim: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Wait for a claim to hold; gives how long that took."""
    started = time.monotonic()
    while not claim():
        assert time.monotonic() - started < timeout_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - started


class RunningStack:
    """One `sns up` on a folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._said = (folder.root.parent / "said").open("w+")
        self._offset = self._said.seek(0, 2)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "up", "--ports", "auto", "--data", folder.root],
            env=clean_environment(),
            cwd=REPOSITORY,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )

    def said(self) -> str:
        return Path(self._said.name).read_text(errors="replace")

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            assert self.process.poll() is None, self.said()
            return "Ctrl-C ends everything" in self.said()

        try:
            until(is_ready, START_S, "ready")
        except AssertionError as error:
            raise AssertionError(self.said()) from error

    def pids(self) -> dict[str, int]:
        """Programs that run, by name."""
        states = Supervisor(self.folder).states()
        return {name: one.pid for name, one in states.items() if one.state == "RUNNING"}

    def processes(self) -> list[psutil.Process]:
        """Everything that carries the folder's mark, and PostgreSQL's own children."""
        found = list(_processes_of(self.folder))
        for process in list(found):
            with contextlib.suppress(psutil.Error):
                found += process.children(recursive=True)
        return found

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        kill_leftovers(self.folder, grace_s=0)
        self._said.close()


@pytest.fixture(scope="module")
def folder() -> Iterator[Folder]:
    root = Path(tempfile.mkdtemp(prefix="sns-up-", dir="/tmp"))
    yield Folder.at(root / "var")
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def start(folder: Folder) -> Iterator[Callable[[], RunningStack]]:
    """Starts a stack that is ready; whatever a test does, none is left."""
    started: list[RunningStack] = []

    def up() -> RunningStack:
        started.append(RunningStack(folder))
        started[-1].wait_until_ready()
        return started[-1]

    yield up
    for stack in started:
        stack.end()


def gone(processes: list[psutil.Process]) -> Callable[[], bool]:
    return lambda: not any(lives(process) for process in processes)


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False


def database(folder: Folder) -> Postgres:
    return Postgres(data=folder.postgres, sockets=folder.run / "postgres")


def test_killed_processes_come_back_and_ctrl_c_ends_all_of_them(
    start: Callable[[], RunningStack], folder: Folder, tmp_path: Path
) -> None:
    """One story, because a start costs seconds; the next test starts on what this one left."""
    stack = start()
    assert set(stack.pids()) == PROGRAMS
    assert "eyJ" in stack.said()  # the tokens that were promised

    # A second start says so in one line and harms nothing.
    second = sns("up", "--data", str(folder.root), cwd=tmp_path)
    assert second.returncode == 1
    assert f"already running on {folder.root}" in second.stderr

    # Every process is killed outright, all at once, and every one comes back.
    before = stack.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def are_all_back() -> bool:
        now = stack.pids()
        return set(now) == PROGRAMS and all(now[name] != before[name] for name in PROGRAMS)

    until(are_all_back, BACK_S, "every killed process runs again")
    until(database(folder).is_ready, BACK_S, "PostgreSQL takes connections")

    everything = stack.processes()
    assert len(everything) > len(PROGRAMS)
    stack.process.send_signal(signal.SIGINT)
    took = until(lambda: stack.process.poll() is not None, 15, "`sns up` ends")
    assert stack.process.returncode == 0
    assert took < 10
    assert gone(everything)()
    assert stack.processes() == []


def test_a_stack_that_is_killed_leaves_nothing_running_and_the_next_start_keeps_its_data(
    start: Callable[[], RunningStack], folder: Folder
) -> None:
    secrets = folder.secrets()
    stack = start()
    assert folder.secrets() == secrets
    database(folder).execute("UPDATE clients SET name = '온도' WHERE id = 1", database="sns")
    everything = stack.processes()
    stack.process.kill()
    until(gone(everything), 20, "everything ends with `sns up`")

    # The supervisor's own death is no different, and a start cleans up after it.
    stack = start()
    names = database(folder).execute("SELECT name FROM clients ORDER BY id", database="sns")
    assert names.splitlines() == ["온도", "바른걸음 슈즈", "제주담은 농장"]
    supervisor = psutil.Process(stack.process.pid).children()[0]
    everything = stack.processes()
    supervisor.kill()
    until(lambda: stack.process.poll() is not None, 20, "`sns up` notices")
    assert stack.process.returncode == 1
    assert "process manager was ended" in stack.said()
    until(gone(everything), 20, "everything ends with the supervisor")
