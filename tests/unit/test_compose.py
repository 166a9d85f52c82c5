"""compose.yaml: whole, and in step with the code."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

COMPOSE: dict[str, Any] = yaml.safe_load(Path("compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
KNOWN_KEYS = {
    "build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init",
    "ports", "profiles", "read_only", "restart", "security_opt", "stop_grace_period",
    "stop_signal", "tmpfs", "volumes",
}  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_what_runs_how_it_is_checked_and_how_it_stops(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= KNOWN_KEYS
    assert service.get("image")
    assert all(isinstance(part, str) for part in service["command"])
    assert re.fullmatch(r"\d+s", service["stop_grace_period"])
    if service["restart"] == "no":
        assert service["healthcheck"] == {"disable": True}
    else:
        check = service["healthcheck"]
        assert check["test"][0] == "CMD"
        assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_and_an_init(name: str) -> None:
    service = SERVICES[name]
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_the_image_is_a_target_of_the_dockerfile_that_runs_as_nobody_special(name: str) -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", Path("Dockerfile").read_text(), re.MULTILINE)
    parents = {stage: parent for parent, stage in stages}
    stage = SERVICES[name]["build"]["target"]
    while stage in parents and stage != "base":
        stage = parents[stage]
    assert stage == "base"
    base = Path("Dockerfile").read_text().split(" AS base")[1].split("FROM")[0]
    assert "USER sns" in base


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_exists_and_can_be_waited_for(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert wait["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


def test_a_worker_has_time_to_finish_before_it_is_killed() -> None:
    for name in ("critical", "high", "medium", "low"):
        command = SERVICES[name]["command"]
        timeout_ms = int(command[command.index("--worker-shutdown-timeout") + 1])
        grace_s = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
        # dramatiq waits for messages, then the runtime closes within 25 s.
        assert timeout_ms / 1000 + 25 < grace_s


def test_every_setting_in_it_exists() -> None:
    listed = Path(".env.example").read_text()
    for name in OURS:
        for key in SERVICES[name]["environment"]:
            assert f"{key}=" in listed, key


def test_docker_reads_it() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip("docker compose is not on this machine")
    subprocess.run(
        [docker, "compose", "config", "--quiet"],
        check=True,
        env={"SNS_TOKEN_KEYS": "k", "SNS_JWT_SECRET": "s", "POSTGRES_PASSWORD": "p"},
    )
