"""`sns demo`, whole: the figures that it promises, and nothing left behind."""

import json
import tempfile
from pathlib import Path

import pytest

from engine.cli.demo_posts import FORMS
from tests.running_command import REPOSITORY, sns

pytestmark = pytest.mark.e2e


def demo_folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("sns-demo-*"))


def test_thirty_posts_are_published_once_on_their_second_and_seen_by_their_author() -> None:
    before = demo_folders()
    done = sns("demo", cwd=REPOSITORY, timeout_s=200)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    figures = json.loads(lines[-1])
    lateness = figures.pop("lateness_ms")
    kinds = figures.pop("kinds")
    comments, tokens = figures.pop("comments"), figures.pop("tokens")
    assert set(kinds) == {f"{form.platform}.{form.kind}" for form in FORMS}
    assert set(kinds.values()) == {2}
    assert figures == {
        "ok": True,
        "posts": 30,
        "published": 30,
        "duplicates": 0,
        "events": {"publish_result": 30},
        "edge": {"killed": 1, "missed": 0, "doubled": 0},
    }
    assert comments.pop("edited") > 0
    assert comments.pop("deleted") > 0
    assert comments == {"sent": 300, "in_inbox": 300, "events": 600, "doubled": 0}
    assert tokens == {
        "refreshed": {"instagram": 6, "threads": 3, "youtube": 3},
        "checked": {"facebook": 3},
        "reconnect_needed": 1,
        "administrators_told": 1,
    }
    assert 0 <= lateness["p50"] <= lateness["p99"] <= lateness["max"]
    table = [line for line in lines if "http://" in line]
    assert len(table) == 30
    planned = [line.split("│")[3].strip() for line in table]
    assert len(set(planned)) < 30, "some are due in the same second"
    assert demo_folders() <= before
