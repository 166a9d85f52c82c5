"""What the demo proved: plans held against what the platform and the browser saw. No I/O."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from engine.cli.demo_posts import PlannedPost

EVENTS_ARE_COUNTED_ONLY = frozenset({"postgres"})
"""After the death of PostgreSQL the posts must still hold; its events may come after the demo."""


@dataclass(frozen=True)
class Appearance:
    """One planned post as the public saw it. Times are seconds since the epoch."""

    post: PlannedPost
    arrived_at: float | None
    times: int
    link: str | None

    @property
    def lateness_ms(self) -> float | None:
        """From the planned instant to the first byte at the platform; negative is early."""
        if self.arrived_at is None:
            return None
        return (self.arrived_at - self.post.planned_at.timestamp()) * 1000


def appearances(
    planned: Sequence[PlannedPost],
    public: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
) -> list[Appearance]:
    """Match plans with public posts by account and caption, and with events by content.

    Args:
        planned: what was asked for.
        public: ``posts`` of the sandbox's truth.
        events: every frame that the author's browser got.
    """
    links = {event.get("content_id"): event.get("post_url") for event in events}
    found = []
    for post in planned:
        seen = [entry for entry in public if post.is_shown_by(entry)]
        link = links.get(post.content_id)
        if link is None and seen:
            link = seen[0]["url"]
        arrived_at = min((entry["arrived_at"] for entry in seen), default=None)
        found.append(Appearance(post, arrived_at, len(seen), link))
    return found


def summary(
    found: Sequence[Appearance],
    events: Sequence[Mapping[str, Any]],
    *,
    killed: str | None,
    edges_killed: int = 0,
) -> dict[str, Any]:
    """The demo's last line.

    Args:
        found: what the platform has seen.
        events: every frame that the author's browser got; a double is in it twice.
        killed: what ``--kill`` named.
        edges_killed: edges that were killed while the browser was connected to them.
    """
    counted = _counted(found, events)
    lateness = sorted(value for one in found if (value := one.lateness_ms) is not None)
    result: dict[str, Any] = {
        "ok": not faults(found, events, killed=killed),
        "posts": len(found),
        "published": sum(1 for one in found if one.times),
        "duplicates": sum(max(0, one.times - 1) for one in found),
        "kinds": dict(
            Counter(f"{one.post.platform}.{one.post.kind}" for one in found if one.times)
        ),
        "lateness_ms": {
            "p50": _percentile(lateness, 0.50),
            "p99": _percentile(lateness, 0.99),
            "max": _percentile(lateness, 1.0),
        },
        "events": {"publish_result": sum(counted.values())},
        "edge": {
            "killed": edges_killed,
            "missed": sum(1 for one in found if not counted[one.post.content_id]),
            "doubled": sum(max(0, times - 1) for times in counted.values()),
        },
    }
    if killed is not None:
        result["killed"] = killed
    return result


def faults(
    found: Sequence[Appearance], events: Sequence[Mapping[str, Any]], *, killed: str | None
) -> list[str]:
    """Everything that is not as promised, one line each; empty when the demo succeeded."""
    counted = _counted(found, events)
    said = []
    for one in found:
        name = f"content {one.post.content_id}"
        if not one.times:
            said.append(f"{name} was not published")
        if one.times > 1:
            said.append(f"{name} was published {one.times} times")
        if one.lateness_ms is not None and one.lateness_ms < 0:
            said.append(f"{name} was published {-one.lateness_ms:.1f} ms early")
        if killed not in EVENTS_ARE_COUNTED_ONLY and counted[one.post.content_id] != 1:
            said.append(f"{name}: {counted[one.post.content_id]} publish_result events were seen")
    said += [
        f"content {event['content_id']} failed: {event.get('error')}"
        for event in _ours(found, events)
        if event.get("status") != "success"
    ]
    return said


def _counted(found: Sequence[Appearance], events: Sequence[Mapping[str, Any]]) -> Counter[int]:
    return Counter(event["content_id"] for event in _ours(found, events))


def _ours(
    found: Sequence[Appearance], events: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The results of the demo's posts; the author also hears of the sample's."""
    ids = {one.post.content_id for one in found}
    return [
        event
        for event in events
        if event.get("type") == "publish_result" and event.get("content_id") in ids
    ]


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of all values do not exceed."""
    if not ordered:
        return None
    return round(ordered[max(0, ceil(len(ordered) * share) - 1)], 1)
