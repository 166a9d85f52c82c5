"""The short form of ``make chaos``: what the long one proves at length, in every test run."""

import json
import subprocess
import sys

import pytest

from tests.running_command import REPOSITORY, clean_environment

pytestmark = pytest.mark.chaos
KILLS = 40
SEED = 20261125


def test_forty_kills_lose_and_double_no_post() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.chaos.publishing"),
            *("--kills", str(KILLS), "--recovery-kills", "0", "--seed", str(SEED)),
        ],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-20_000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["kills"] >= KILLS
    assert figures["intents"] > KILLS
    assert figures["duplicates"] == figures["lost"] == 0
    assert figures["live"] > figures["intents"] / 2
    assert figures["in_doubt_resolved"] > 0
    # A person is asked only about what the platform itself made twice.
    assert figures["needs_person"] <= figures["platform_doubled"]
