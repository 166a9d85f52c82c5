"""The servers of one run, ended with it: PostgreSQL and Valkey that may be killed, a sandbox.

Each is tethered: should the runner die, the kernel ends what it has started.
"""

import asyncio
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx

from engine.cli.servers import PORT, POSTGRES_OPTIONS, ROLE, Postgres, Valkey, tethered
from models.migrations import upgrade

ROOT = Path(__file__).parents[3]
DATABASE = "sns"
READY_S = 30.0
MIGRATING = threading.Lock()  # Alembic keeps what it works on in its module

# The machine does not lose power here, so nothing needs to reach the disk. Commits still wait for
# their log to be with the kernel (synchronous_commit): a killed server must not lose one.
CRASH_SAFE = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}

# Every step that a post takes, written down by the database itself: the worker is not asked.
STEPS = """
CREATE TABLE chaos_steps (
    id bigserial PRIMARY KEY, log_id bigint NOT NULL, before text, after text NOT NULL,
    lease_number bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION chaos_note_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO chaos_steps (log_id, after, lease_number)
        VALUES (NEW.id, NEW.status, NEW.lease_number);
    ELSE
        INSERT INTO chaos_steps (log_id, before, after, lease_number)
        VALUES (NEW.id, OLD.status, NEW.status, NEW.lease_number);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_step_made AFTER INSERT ON publishing_logs
    FOR EACH ROW EXECUTE FUNCTION chaos_note_step();
CREATE TRIGGER chaos_step_taken AFTER UPDATE OF status ON publishing_logs
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION chaos_note_step();
"""


def start(command: Sequence[str], log: Path, **options: Any) -> subprocess.Popen[bytes]:
    """A process of ours, writing to ``log``; in a session of its own, so Ctrl-C is ours alone."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )


def end(process: subprocess.Popen[bytes], number: signal.Signals, *, within_s: float = 10) -> None:
    """Have a process of ours end; idempotent."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _migrate(url: str) -> None:
    with MIGRATING:
        upgrade(url)


class Server:
    """PostgreSQL or Valkey, started again by :meth:`keep` whenever somebody has killed it."""

    def __init__(self, server: Postgres | Valkey, command: Sequence[str], log: Path) -> None:
        self._server = server
        self._command = command
        self._log = log
        self._process = start(command, log, cwd="/")
        self.down_s = (0.2, 1.0)
        self.deaths = 0
        self.is_up = asyncio.Event()

    async def until_ready(self) -> None:
        """Wait for it to answer, or to have died once more."""
        async with asyncio.timeout(READY_S):
            while self._process.poll() is None:
                if await asyncio.to_thread(self._server.is_ready):
                    self.is_up.set()
                    return
                await asyncio.sleep(0.03)

    async def keep(self, dice: Random) -> None:
        """Start it again a moment after each death, until cancelled."""
        while True:
            if self._process.poll() is not None:
                self.is_up.clear()
                self.deaths += 1
                await asyncio.sleep(dice.uniform(*self.down_s))
                self._process = start(self._command, self._log, cwd="/")
                await self.until_ready()
            await asyncio.sleep(0.02)

    def kill(self, number: signal.Signals) -> None:
        """Without a good-bye."""
        self._process.send_signal(number)  # Popen sends nothing to one that it has reaped

    def stop(self, number: signal.Signals) -> None:
        end(self._process, number)


class Sandbox:
    """``python -m engine.sandbox`` on a free port, and what the run asks of it."""

    def __init__(self, log: Path) -> None:
        self._log = log
        command = (sys.executable, "-m", "engine.sandbox", "--port", "0")
        self._process = start(tethered("SIGTERM", *command), log, cwd=ROOT)
        self.url = ""
        self._http: httpx.AsyncClient

    async def until_ready(self) -> None:
        """Wait for its address."""
        async with asyncio.timeout(READY_S):
            while (found := re.search(r"http://\S+", self._log.read_text())) is None:
                if self._process.poll() is not None:
                    raise RuntimeError(f"the sandbox did not start: {self._log.read_text()}")
                await asyncio.sleep(0.03)
        self.url = found[0]
        self._http = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One control request; a refusal is a fault of the run."""
        answer = await self._http.request(method, path, json=body)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    async def posts(self) -> list[dict[str, Any]]:
        """The truth: everything that the public can see."""
        return list((await self.ask("GET", "/sandbox/truth"))["posts"])

    async def stop(self) -> None:
        if self.url:
            await self._http.aclose()
        end(self._process, signal.SIGTERM)


class Servers:
    """All of them, in one folder.

    Args:
        folder: short, for the path of a Unix socket.
        dice: chooses how long a killed server stays down, and Valkey's port.
    """

    def __init__(self, folder: Path, dice: Random) -> None:
        self._folder = folder
        self._dice = dice
        self.keepers: list[asyncio.Task[None]] = []
        self._started: list[tuple[Server, signal.Signals]] = []
        self.sandbox: Sandbox

    async def start(self) -> None:
        """Start everything, and migrate the database."""
        self.sandbox = Sandbox(self._folder / "sandbox.log")
        cluster = Postgres(data=self._folder / "pg" / "data", sockets=self._folder / "pg")
        await asyncio.to_thread(cluster.prepare, sync=False)
        # Away from the ports that are given out by themselves: nobody may take it while it is down.
        valkey = Valkey(data=self._folder / "valkey", port=self._dice.randrange(20_000, 30_000))
        valkey.prepare()
        self.postgres = Server(
            cluster, cluster.command({**POSTGRES_OPTIONS, **CRASH_SAFE}), self._folder / "pg.log"
        )
        self._started.append((self.postgres, signal.SIGINT))
        self.valkey = Server(valkey, valkey.command(), self._folder / "valkey.log")
        self._started.append((self.valkey, signal.SIGTERM))
        await self.postgres.until_ready()
        await self.valkey.until_ready()
        await asyncio.to_thread(cluster.ensure_database, DATABASE)
        self.database_url = cluster.url(DATABASE)
        await asyncio.to_thread(_migrate, self.database_url)
        self.redis_url = valkey.url()
        self.pool = await asyncpg.create_pool(
            host=str(cluster.sockets),
            port=PORT,
            user=ROLE,
            database=DATABASE,
            min_size=0,
            max_size=4,
            server_settings={"application_name": "chaos"},
        )
        await self.pool.execute(STEPS)
        await self.sandbox.until_ready()
        for server in (self.postgres, self.valkey):
            self.keepers.append(asyncio.create_task(server.keep(self._dice)))

    async def ask(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """One statement that may be repeated; through restarts of the database."""
        while True:
            await self.postgres.is_up.wait()
            try:
                return [dict(row) for row in await self.pool.fetch(query, *values)]
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
                await asyncio.sleep(0.05)
            except (asyncpg.OperatorInterventionError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for keeper in self.keepers:
            keeper.cancel()
        await asyncio.gather(*self.keepers, return_exceptions=True)
        if hasattr(self, "pool"):
            self.pool.terminate()
        for server, number in self._started:
            server.stop(number)
        if hasattr(self, "sandbox"):
            await self.sandbox.stop()
