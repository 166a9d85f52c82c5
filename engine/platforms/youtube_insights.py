"""Figures of YouTube channels and videos.

Reports are by Pacific day and come days late; the Pacific day that covers most of Seoul's is read.
Counters of videos come from the data host, fifty to a call and unit; they are strings there.

Sources: the discovery documents of youtube.v3, revision 20261104, and youtubeAnalytics.v2, revision
20240707, read 2026-11-23.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from engine.platforms.refused_metrics import ask
from engine.platforms.youtube_api import YouTubeApi, items_of, unreadable
from engine.ports import AccountAccess, Figures, PostReference
from engine.rules.pacific import day_covering_most

REPORT: Final[Mapping[str, str]] = {
    "views": "views",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "estimatedMinutesWatched": "watch_time_s",
    "averageViewDuration": "average_watch_s",
    "subscribersGained": "follows_gained",
    "subscribersLost": "follows_lost",
}
VIDEO: Final[Mapping[str, str]] = {
    "viewCount": "views",
    "likeCount": "likes",
    "commentCount": "comments",
}
MINUTE_S: Final = 60
IDS_OF_A_CALL: Final = 50


class YouTubeInsights:
    """``engine.ports.InsightsClient`` for YouTube.

    Args:
        base_url: of the data host, such as ``https://youtube.googleapis.com/youtube/v3``.
        analytics_url: of the reports, such as ``https://youtubeanalytics.googleapis.com/v2``.
        now: the present, aware.
    """

    def __init__(self, base_url: str, *, analytics_url: str, now: Callable[[], datetime]) -> None:
        self._data = YouTubeApi(base_url, publish_timeout_s=30.0, now=now)
        self._reports = YouTubeApi(analytics_url, publish_timeout_s=30.0, now=now)
        self._now = now

    async def read_account(
        self,
        access: AccountAccess,
        *,
        start: datetime,
        end: datetime,
        without: Mapping[str, str],
    ) -> Figures:
        """See the port. Subscribers are known of the present only, and rounded by the platform."""
        day = day_covering_most(start, end).isoformat()

        async def read(names: Sequence[str]) -> Mapping[str, float | None]:
            query = {
                "ids": "channel==MINE",
                "startDate": day,
                "endDate": day,
                "metrics": ",".join(names),
            }
            return _row_of(await self._reports.get(access, "/reports", query))

        asked = await ask(REPORT, without, read)
        minutes = asked.values.get("watch_time_s")
        if minutes is not None:
            asked.values["watch_time_s"] = minutes * MINUTE_S
        if end > self._now():
            asked.values["followers"] = await self._read_subscribers(access)
        return Figures(asked.values, asked.unavailable)

    async def read_posts(
        self,
        access: AccountAccess,
        posts: Sequence[PostReference],
        *,
        without: Mapping[str, str],
    ) -> Mapping[str, Figures]:
        """See the port. A counter that the channel hides is None."""
        names = {name: ours for name, ours in VIDEO.items() if ours not in without}
        unavailable = {ours: without[ours] for ours in VIDEO.values() if ours in without}
        found = {}
        ids = [post.post_id for post in posts]
        for first in range(0, len(ids), IDS_OF_A_CALL):
            page = ",".join(ids[first : first + IDS_OF_A_CALL])
            value = await self._data.get(access, "/videos", {"part": "statistics", "id": page})
            for item in items_of(value):
                counters = item.get("statistics", {})
                values = {ours: _count(counters.get(name)) for name, ours in names.items()}
                found[str(item.get("id"))] = Figures(values, unavailable)
        return found

    async def close(self) -> None:
        """See the port."""
        await self._data.close()
        await self._reports.close()

    async def _read_subscribers(self, access: AccountAccess) -> float | None:
        value = await self._data.get(access, "/channels", {"part": "statistics", "mine": "true"})
        items = items_of(value)
        counters = items[0].get("statistics", {}) if items else {}
        if counters.get("hiddenSubscriberCount"):
            return None
        return _count(counters.get("subscriberCount"))


def _count(given: Any) -> float | None:
    """A counter, which the platform writes as text."""
    if given is None:
        return None
    try:
        return int(given)
    except (TypeError, ValueError):
        raise unreadable("a counter that is no number") from None


def _row_of(table: Mapping[str, Any]) -> dict[str, float | None]:
    """The one row of a report by its columns; a report without rows knows nothing yet."""
    rows = table.get("rows") or []
    if not rows:
        return {}
    try:
        names = [column["name"] for column in table["columnHeaders"]]
        row = dict(zip(names, rows[0], strict=True))
        return {name: None if value is None else value + 0 for name, value in row.items()}
    except (KeyError, TypeError, ValueError):
        raise unreadable("a report that cannot be read") from None
