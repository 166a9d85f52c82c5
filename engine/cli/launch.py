"""Brings a whole stack up in order, and takes it down whatever happens."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from dotenv import dotenv_values

from engine.cli.faults import CommandFailed
from engine.cli.folder import Folder
from engine.cli.ports import Ports
from engine.cli.servers import wait_until_ready
from engine.cli.stack import ENGINE, configuration, environment, log_of, programs, servers
from engine.cli.supervise import Supervisor, kill_leftovers

ENGINE_TIMEOUT_S = 60.0
LAST_LINES = 5


@dataclass(frozen=True)
class Stack:
    """A stack that is up. ``settings`` are the SNS_ variables that its processes got."""

    folder: Folder
    ports: Ports
    supervisor: Supervisor
    settings: Mapping[str, str]

    @property
    def database_url(self) -> str:
        """Where its PostgreSQL is."""
        return self.settings["SNS_DATABASE_URL"]

    @property
    def edge_url(self) -> str:
        """Where its edge listens."""
        return f"http://127.0.0.1:{self.ports.edge}"

    @property
    def sandbox_url(self) -> str:
        """Where its platform double listens."""
        return f"http://127.0.0.1:{self.ports.sandbox}"

    def logs(self) -> dict[str, Path]:
        """The log of each process, by its name."""
        return {
            program.name: log_of(self.folder, program.name)
            for program in programs(self.folder, self.ports)
        }


@contextmanager
def launched(
    folder: Folder,
    ports: Ports,
    *,
    say: Callable[[str], None],
    env_file: Path | None = None,
    wanted: Mapping[str, str] | None = None,
    at_once: Callable[[], bool] = lambda: False,
) -> Iterator[Stack]:
    """A stack that is up and ready; it is down, with no process left, when the block ends.

    Args:
        folder: where it keeps everything; made when it is missing.
        ports: where it listens; checked.
        say: told in one line what is being done.
        env_file: settings of the user's own, read by the processes from where they are started.
        wanted: settings of this start, over all others but where the servers are.
        at_once: asked while stopping; when it says true, patience ends.

    Raises:
        CommandFailed: it cannot start; nothing is left running.
    """
    folder.prepare()
    with folder.lock():
        left = kill_leftovers(folder)
        if left:
            say(f"ended {left} processes that an earlier start had left behind")
        ports.check()
        postgres, valkey = servers(folder, ports)
        if not folder.postgres.exists():
            say("setting up PostgreSQL (once, about 2 s)")
        postgres.prepare()
        valkey.prepare()
        settings = {
            **folder.secrets(),
            **_own_settings(env_file),
            **(wanted or {}),
            **environment(folder, ports),
        }
        _check(settings)
        folder.write_addresses(environment(folder, ports))
        stack = Stack(folder, ports, Supervisor(folder), settings)
        try:
            say("starting PostgreSQL and Valkey")
            stack.supervisor.start(
                configuration(folder, ports),
                {**_inherited(), **settings},
                working_folder=folder.root if env_file is None else env_file.parent,
            )
            wait_until_ready(postgres)
            wait_until_ready(valkey)
            say("migrating the database, loading sample data")
            postgres.ensure_database("sns")
            _fill(stack)
            say("starting the sandbox, four workers, the scheduler and the edge")
            stack.supervisor.start_group(ENGINE)
            _wait_for_engine(stack, say)
            yield stack
        finally:
            try:
                stack.supervisor.stop(at_once=at_once)
            except KeyboardInterrupt:  # somebody's first one, while we were stopping anyway
                stack.supervisor.stop(at_once=lambda: True)


def _check(settings: Mapping[str, str]) -> None:
    """Better said once, here, than by every process when it does not start."""
    from engine.errors import BootFailed
    from engine.settings import Settings

    try:
        Settings.load(settings)
    except BootFailed as error:
        raise CommandFailed(str(error)) from error


def _own_settings(env_file: Path | None) -> dict[str, str]:
    """What the user set, which wins over generated secrets but not over where the servers are."""
    from_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    found = {**from_file, **os.environ}
    # An empty line is one that was left as it is in .env.example.
    return {key: value for key, value in found.items() if key.upper().startswith("SNS_") and value}


def _inherited() -> dict[str, str]:
    """Our environment without PG…, which would send database clients elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}


def _fill(stack: Stack) -> None:
    from engine.cli.sample import load_sample
    from engine.settings import Settings
    from models.migrations import upgrade

    upgrade(stack.database_url)
    load_sample(Settings.load(stack.settings), sandbox_url=stack.sandbox_url)


def _wait_for_engine(stack: Stack, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + ENGINE_TIMEOUT_S
    told: set[str] = set()
    while True:
        states = stack.supervisor.states()
        waiting = [name for name, found in states.items() if found.state != "RUNNING"]
        for name in waiting:
            if states[name].state in {"BACKOFF", "FATAL"} and name not in told:
                told.add(name)
                say(f"{name} does not start, trying again: {last_lines(stack, name, count=1)}")
        if states and not waiting:
            waiting = [name for name, url in _health(stack).items() if not _answers(url)]
            if not waiting:
                return
        if time.monotonic() > deadline or not stack.supervisor.is_running():
            name = (waiting or ["the process manager"])[0]
            raise CommandFailed(
                f"{name} did not become ready; its last lines:\n{last_lines(stack, name)}"
            )
        time.sleep(0.1)


def _health(stack: Stack) -> dict[str, str]:
    ports = stack.ports
    metrics = {
        "critical": ports.metrics_critical,
        "high": ports.metrics_high,
        "medium": ports.metrics_medium,
        "low": ports.metrics_low,
        "scheduler": ports.metrics_scheduler,
    }
    return {
        "sandbox": f"{stack.sandbox_url}/healthz",
        "edge": f"{stack.edge_url}/readyz",
        **{name: f"http://127.0.0.1:{port}/metrics" for name, port in metrics.items()},
    }


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2, trust_env=False).is_success
    return False


def last_lines(stack: Stack, program: str, *, count: int = LAST_LINES) -> str:
    """The end of a process's log."""
    try:
        text = log_of(stack.folder, program).read_text(errors="replace")
    except OSError:
        return "(it wrote nothing)"
    return "\n".join(text.rstrip().splitlines()[-count:]) or "(it wrote nothing)"
