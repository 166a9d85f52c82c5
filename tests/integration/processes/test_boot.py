"""A process that cannot work says why in one line and ends with exit code 1."""

import pytest

from engine.cli.servers import Postgres
from tests.integration.processes.conftest import CRITICAL, SCHEDULER, Start


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        pytest.param(CRITICAL, "unmigrated", id="worker on an unmigrated database"),
        pytest.param(CRITICAL, "unknown key", id="worker with an unknown setting"),
        pytest.param(SCHEDULER, "unreachable", id="scheduler without a database"),
        pytest.param(SCHEDULER, "bad value", id="scheduler with a bad setting"),
    ],
)
def test_a_process_that_cannot_start_says_so_in_one_line(
    start: Start, postgres: Postgres, command: tuple[str, ...], fault: str
) -> None:
    if fault == "unmigrated":
        postgres.ensure_database("unmigrated")
    settings, sentence = {
        "unreachable": (
            {"SNS_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/none"},
            "check SNS_DATABASE_URL and that it is running",
        ),
        "unmigrated": ({"SNS_DATABASE_URL": postgres.url("unmigrated")}, "run `sns migrate`"),
        "unknown key": ({"SNS_LEESE_S": "3"}, "unknown setting SNS_LEESE_S"),
        "bad value": ({"SNS_LEASE_S": "soon"}, "bad setting: SNS_LEASE_S"),
    }[fault]
    process = start(*command, **settings)
    assert process.process.wait(20) == 1
    said = process.said
    assert "Traceback" not in said
    [line] = [line for line in said.splitlines() if line.startswith("cannot start: ")]
    assert sentence in line


def test_a_worker_whose_runtime_does_not_open_takes_no_messages(start: Start) -> None:
    process = start(*CRITICAL, SNS_INSTAGRAM_BASE_URL="http://example.com/v25.0")
    assert process.process.wait(20) == 1
    [line] = [line for line in process.said.splitlines() if line.startswith("cannot start: ")]
    assert "only https may carry a token" in line
