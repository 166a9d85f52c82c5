"""Runs ``supervisord`` for one folder, talks to it, and ends it with everything it started.

Every process of a stack carries the folder's path in its environment: that is how a process that
was left over is known to be ours, and the only reason ever to kill one.
"""

import contextlib
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil
from supervisor.xmlrpc import SupervisorTransport

from engine.cli.faults import CommandFailed
from engine.cli.folder import Folder
from engine.cli.servers import tethered

MARK = "SOCIAL_STACK_FOLDER"  # without SNS_: it is no setting
STOP_TIMEOUT_S = 6.0  # then everything is killed; the promise is ten, under load too
KILLED_WITHIN_S = 1.0  # a killed process is gone at once, unless nobody collects it
RPC_FAULTS = (OSError, xmlrpc.client.Error)


@dataclass(frozen=True)
class ProcessState:
    """What the supervisor knows of one process. ``pid`` is 0 when it does not run."""

    name: str
    state: str
    pid: int


class Supervisor:
    """One ``supervisord``, started by :meth:`start` and ended by :meth:`stop`."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self, configuration: str, environment: dict[str, str], *, working_folder: Path
    ) -> None:
        """Start it, and with it the programs that start by themselves.

        Raises:
            CommandFailed: it ends at once, or does not answer.
        """
        config = self._folder.run / "supervisord.conf"
        config.write_text(configuration)
        (self._folder.run / "supervisor.sock").unlink(missing_ok=True)
        # A session of its own: Ctrl-C reaches `sns up` only, which then stops it in good order.
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        with (self._folder.logs / "supervisord.err").open("wb") as complaints:
            self._process = subprocess.Popen(  # noqa: S603
                tethered("SIGTERM", *command),
                cwd=working_folder,
                env={**environment, MARK: str(self._folder.root)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
            )
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(*RPC_FAULTS), self._rpc() as supervisor:
                supervisor.getState()
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise CommandFailed(
                    f"the process manager did not start; see {self._folder.logs}/supervisord.err"
                )
            time.sleep(0.05)

    def start_group(self, group: str) -> None:
        """Start the programs of ``group`` without waiting for them."""
        with self._rpc() as supervisor:
            supervisor.startProcessGroup(group, False)

    def states(self) -> dict[str, ProcessState]:
        """Every program by name; empty when the supervisor does not answer."""
        try:
            with self._rpc() as supervisor:
                found = cast("list[dict[str, Any]]", supervisor.getAllProcessInfo())
        except RPC_FAULTS:
            return {}
        return {
            info["name"]: ProcessState(info["name"], info["statename"], info["pid"])
            for info in found
        }

    def is_running(self) -> bool:
        """Whether the supervisor itself lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self, *, at_once: Callable[[], bool] = lambda: False) -> None:
        """End every program in order, then make sure that nothing is left. Idempotent.

        Args:
            at_once: asked while waiting; when it says true, patience ends.
        """
        deadline = time.monotonic() + STOP_TIMEOUT_S
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            while self._process.poll() is None:
                if time.monotonic() > deadline or at_once():
                    self._process.kill()
                    self._process.wait()
                time.sleep(0.05)
        kill_leftovers(self._folder, grace_s=0)

    @contextlib.contextmanager
    def _rpc(self) -> Iterator[Any]:
        # One connection per question: a kept one would go stale with the supervisor behind it.
        transport = SupervisorTransport(serverurl=f"unix://{self._folder.run / 'supervisor.sock'}")
        try:
            yield xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor
        finally:
            transport.close()


def kill_leftovers(folder: Folder, *, grace_s: float = STOP_TIMEOUT_S) -> int:
    """End what an earlier start on this folder left running; gives how many processes that were.

    They are asked first (a supervisor takes its programs down in order), killed after ``grace_s``.
    """
    found = list(_processes_of(folder))
    for process in found:
        with contextlib.suppress(psutil.Error):
            if grace_s and "supervisor.supervisord" in process.cmdline():
                process.terminate()
    _, alive = psutil.wait_procs(found, timeout=grace_s) if grace_s else ([], found)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=KILLED_WITHIN_S)
    return len(found)


def _processes_of(folder: Folder) -> Iterator[psutil.Process]:
    mark = str(folder.root)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process
    # PostgreSQL writes its title over its environment; its command line names the cluster.
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        postmaster = psutil.Process(
            int((folder.postgres / "postmaster.pid").read_text().split("\n", 1)[0])
        )
        if str(folder.postgres) in postmaster.cmdline():
            yield postmaster
