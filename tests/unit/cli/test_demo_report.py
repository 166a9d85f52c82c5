"""The demo's verdict: what counts as published, doubled, late, seen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.cli.demo_posts import PlannedPost
from engine.cli.demo_report import appearances, faults, summary

NOON = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
PLANNED = [
    PlannedPost(content_id=number, account="17841", caption=f"#{number}", planned_at=NOON)
    for number in (1, 2)
]


def public(number: int, late_ms: float = 4.0) -> dict[str, Any]:
    arrived = NOON + timedelta(milliseconds=late_ms)
    return {
        "account": "17841",
        "caption": f"#{number}",
        "arrived_at": arrived.timestamp(),
        "url": f"https://s/p/c{number}/",
        "media": [],
    }


def event(number: int, status: str = "success") -> dict[str, Any]:
    return {
        "type": "publish_result",
        "content_id": number,
        "status": status,
        "post_url": f"https://p/{number}",
        "id": f"e-{number}",
    }


def verdict(
    posts: list[dict[str, Any]], events: list[dict[str, Any]], killed: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    found = appearances(PLANNED, posts, events)
    return summary(found, events, killed=killed), faults(found, events, killed=killed)


def test_all_published_once_and_seen_once_is_ok() -> None:
    result, said = verdict([public(1, 2.04), public(2, 8.0)], [event(1), event(2)])
    assert said == []
    assert result == {
        "ok": True,
        "posts": 2,
        "published": 2,
        "duplicates": 0,
        "kinds": {"instagram.image": 2},
        "lateness_ms": {"p50": 2.0, "p99": 8.0, "max": 8.0},
        "events": {"publish_result": 2},
        "edge": {"killed": 0, "missed": 0, "doubled": 0},
    }


def test_a_doubled_post_is_counted_and_not_ok() -> None:
    result, said = verdict([public(1), public(1), public(2)], [event(1), event(2)])
    assert (result["ok"], result["published"], result["duplicates"]) == (False, 2, 1)
    assert said == ["content 1 was published 2 times"]


def test_a_missing_post_is_not_ok() -> None:
    result, said = verdict([public(1)], [event(1)])
    assert (result["ok"], result["published"]) == (False, 1)
    assert "content 2 was not published" in said


def test_an_early_post_is_not_ok() -> None:
    result, said = verdict([public(1, -1.5), public(2)], [event(1), event(2)])
    assert result["ok"] is False
    assert said == ["content 1 was published 1.5 ms early"]


def test_nothing_published_has_no_lateness() -> None:
    result, _ = verdict([], [])
    assert result["lateness_ms"] == {"p50": None, "p99": None, "max": None}


@pytest.mark.parametrize("killed", [None, "critical", "scheduler", "edge", "valkey"])
def test_an_event_seen_twice_or_never_is_not_ok(killed: str | None) -> None:
    result, said = verdict([public(1), public(2)], [event(1), event(1)], killed)
    assert result["ok"] is False
    assert result["events"] == {"publish_result": 2}
    assert result["edge"] == {"killed": 0, "missed": 1, "doubled": 1}
    assert said == [
        "content 1: 2 publish_result events were seen",
        "content 2: 0 publish_result events were seen",
    ]


def test_after_the_death_of_postgresql_events_are_counted_only() -> None:
    result, _ = verdict([public(1), public(2)], [event(1)], "postgres")
    assert (result["ok"], result["killed"]) == (True, "postgres")
    assert result["events"] == {"publish_result": 1}


def test_a_failure_that_the_author_was_told_of_is_not_ok() -> None:
    _, said = verdict([public(1), public(2)], [event(1), event(2, "failed") | {"error": "why"}])
    assert said == ["content 2 failed: why"]


def test_other_contents_of_the_author_do_not_count() -> None:
    result, said = verdict([public(1), public(2)], [event(1), event(2), event(99, "failed")])
    assert said == []
    assert result["events"] == {"publish_result": 2}


def test_a_post_whose_event_was_not_seen_links_to_the_platform() -> None:
    found = appearances(PLANNED, [public(1), public(2)], [event(1)])
    assert [one.link for one in found] == ["https://p/1", "https://s/p/c2/"]
