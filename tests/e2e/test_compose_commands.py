"""Every command of compose.yaml, run outside containers: healthy, then gone within its grace."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from engine.cli.folder import Folder
from engine.cli.servers import Postgres
from tests.running_command import REPOSITORY, clean_environment

pytestmark = pytest.mark.e2e

PORTS = ("9191", "9192", "9193", "9194", "9195", "8080", "8009")
HEALTHY_S = 60


def with_free_ports(text: str) -> str:
    """Containers have ports to themselves; this machine may be using them."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    for port, listener in zip(PORTS, held, strict=True):
        text = text.replace(port, str(listener.getsockname()[1]))
        listener.close()
    return text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104


def here(command: list[str]) -> list[str]:
    """The same program from this environment."""
    programs = {
        "python": [sys.executable],
        "dramatiq": [sys.executable, "-m", "dramatiq"],
        "sns": [sys.executable, "-m", "engine.cli"],
    }
    return programs[command[0]] + command[1:]


@pytest.fixture
def services() -> dict[str, dict[str, Any]]:
    """Our own services, on ports that are free."""
    found = yaml.safe_load(with_free_ports(Path("compose.yaml").read_text()))["services"]
    return {name: service for name, service in found.items() if "build" in service}


@pytest.fixture
def settings(
    services: dict[str, dict[str, Any]], postgres: Postgres, redis_url: str, tmp_path: Path
) -> Callable[[str], dict[str, str]]:
    """What the containers get, with this machine's servers; the database is not migrated yet."""
    postgres.execute('DROP DATABASE IF EXISTS "compose"')
    postgres.ensure_database("compose")
    secrets = Folder.at(tmp_path).secrets()

    def of(name: str) -> dict[str, str]:
        given = {key: str(value) for key, value in services[name]["environment"].items()}
        given = {key: value for key, value in given.items() if "${" not in value}
        if name != "sandbox":
            given |= {
                **secrets,
                "SNS_DATABASE_URL": postgres.url("compose"),
                "SNS_REDIS_URL": redis_url,
            }
        check = str(services[name]["healthcheck"].get("test"))
        if "/metrics" in check:  # in a container the default port is free
            given[f"SNS_METRICS_PORT_{name.upper()}"] = re.findall(r":(\d+)/metrics", check)[0]
        return given

    return of


def test_every_command_becomes_healthy_and_stops_within_its_grace(
    services: dict[str, dict[str, Any]], settings: Callable[[str], dict[str, str]]
) -> None:
    def run(name: str, command: list[str], **options: Any) -> Any:
        return options.pop("by", subprocess.run)(
            here(command), env=clean_environment(settings(name)), cwd=REPOSITORY, **options
        )

    once = [name for name, service in services.items() if service["restart"] == "no"]
    lasting = [name for name in services if name not in once]
    assert once == ["migrate"]
    for name in once:
        run(name, services[name]["command"], check=True, timeout=60)

    processes = {
        name: run(name, services[name]["command"], by=subprocess.Popen) for name in lasting
    }
    try:
        deadline = time.monotonic() + HEALTHY_S
        for name in lasting:
            check = services[name]["healthcheck"]["test"][1:]
            while run(name, check, check=False, stderr=subprocess.DEVNULL).returncode:
                assert processes[name].poll() is None, f"{name} ended"
                assert time.monotonic() < deadline, f"{name} is not healthy"
                time.sleep(0.2)
        children = [
            child
            for process in processes.values()
            for child in psutil.Process(process.pid).children(recursive=True)
        ]
        for process in processes.values():
            process.terminate()
        for name, process in processes.items():
            grace_s = int(services[name]["stop_grace_period"].removesuffix("s"))
            assert process.wait(grace_s) in (0, -15), name
        assert not [child for child in children if child.is_running()]
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
