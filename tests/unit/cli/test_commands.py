"""What a person sees before anything runs: help, and errors that say what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running_command import REPOSITORY, clean_environment, sns

COMMANDS = (
    "up", "demo", "doctor", "token", "revoke", "sandbox", "publish", "attempts", "migrate",
    "dead-letters", "tokens",
)  # fmt: skip
AWAY = {
    "SNS_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
    "SNS_REDIS_URL": "redis://127.0.0.1:1/0",
    "SNS_TOKEN_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "SNS_JWT_SECRET": "x" * 32,
}


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = sns("--help", cwd=tmp_path).stdout
    assert all(f" {command} " in shown for command in COMMANDS)


def test_help_loads_nothing_heavy() -> None:
    heavy = (
        "sqlalchemy",
        "sqlmodel",
        "dramatiq",
        "redis",
        "httpx",
        "alembic",
        "starlette",
        "jwt",
        "torch",
        "transformers",
        "numpy",
    )
    code = f"import sys, engine.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    done = sns(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout) > 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "--user", "1"),
        ("revoke", "--user", "1"),
        ("publish", "1"),
        ("attempts", "1"),
        ("migrate",),
        ("dead-letters", "list"),
    ],
)
def test_without_settings_the_missing_keys_are_named(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = sns(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "SNS_TOKEN_KEYS" in done.stderr
    assert "sns up" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("token", "--user", "1"),
        ("publish", "1"),
        ("attempts", "1"),
        ("migrate",),
        ("dead-letters", "list"),
        ("dead-letters", "replay", "1"),
    ],
)
def test_a_database_that_is_away_is_one_clear_line(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = sns(*arguments, cwd=tmp_path, settings=AWAY)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot reach the database")
    assert "SNS_DATABASE_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_bad_setting_stops_the_start_before_anything_runs(command: str, tmp_path: Path) -> None:
    where = ("--ports", "auto", "--data", str(tmp_path)) if command == "up" else ()
    done = sns(command, *where, cwd=tmp_path, settings={"SNS_TYPO": "1"})
    assert done.returncode == 1
    assert "Error: unknown setting SNS_TYPO" in done.stderr
    assert "the folder is kept" not in done.stderr
    done = sns(command, *where, cwd=tmp_path, settings={"SNS_LEASE_S": "-1"})
    assert done.returncode == 1
    assert "SNS_LEASE_S" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_load_tests_tokens_need_no_database(tmp_path: Path) -> None:
    done = sns("token", "--user", "5", "--count", "3", "--json", cwd=tmp_path, settings=AWAY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"token"') == 3


def test_revoking_says_when_redis_is_away(tmp_path: Path) -> None:
    done = sns("revoke", "--token-id", "t1", cwd=tmp_path, settings=AWAY)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot reach Redis")
    assert "SNS_REDIS_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [(), ("--user", "1", "--token-id", "t1")])
def test_revoking_needs_one_name(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = sns("revoke", *arguments, cwd=tmp_path, settings=AWAY)
    assert done.returncode == 1
    assert "one of --user and --token-id" in done.stderr


def test_many_tokens_need_a_first_id(tmp_path: Path) -> None:
    done = sns("token", "--user", "a@b.example", "--count", "2", cwd=tmp_path, settings=AWAY)
    assert done.returncode == 1
    assert "the first id" in done.stderr


def test_doctor_says_what_is_not_there_yet_without_calling_it_a_fault(tmp_path: Path) -> None:
    free = ("--edge-port", "0", "--sandbox-port", "0", "--valkey-port", "0")
    done = sns("doctor", *free, cwd=tmp_path)
    assert "start it with `sns up`" in done.stdout
    assert "PostgreSQL: postgres (PostgreSQL)" in done.stdout
    assert "Valkey" in done.stdout
    assert not [
        line for line in done.stdout.splitlines() if line.startswith("FAULT") and "port" not in line
    ]


def test_make_lists_its_targets() -> None:
    shown = subprocess.run(
        ["make", "help"], capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout
    assert all(f"  {target} " in shown for target in ("run", "demo", "test", "check", "clean"))


def test_make_without_a_fitting_python_says_what_to_install(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    done = subprocess.run(
        ["make", "run", "PYTHON="],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=clean_environment(),
    )
    assert done.returncode != 0
    assert "apt install python3.11" in done.stderr
