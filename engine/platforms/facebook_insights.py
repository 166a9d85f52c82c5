"""Figures of Facebook Pages and what is on them.

Metrics of a Page are counted by Pacific day, which is another day than Seoul's: the one that covers
most of it is read. Posts are read fifty to a call, counters and insights together.

Sources, read 2026-11-23: https://developers.facebook.com/docs/graph-api/reference/insights and
https://developers.facebook.com/docs/platforminsights/page/deprecated-metrics. Of the names, only
those with ``total_media_view_unique`` and the counters are sure; one that the platform does not
know is dropped, and the rest is read without it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from engine.errors import PlatformError
from engine.platforms.graph import GraphClient, says_missing, segment
from engine.platforms.graph_insights import number, numbers_of
from engine.platforms.instagram_insights import in_seconds
from engine.platforms.refused_metrics import Numbers, ask
from engine.ports import AccountAccess, Figures, PostReference
from engine.rules.pacific import day_covering_most

PAGE: Final[Mapping[str, str]] = {
    "page_total_media_view_unique": "reach",
    "page_media_view": "views",
    "page_post_engagements": "interactions",
    "page_views_total": "profile_visits",
    "page_daily_follows_unique": "follows_gained",
    "page_daily_unfollows_unique": "follows_lost",
}
POST: Final[Mapping[str, str]] = {
    "post_total_media_view_unique": "reach",
    "post_media_view": "views",
    "post_clicks": "clicks",
}
VIDEO: Final[Mapping[str, str]] = {
    "total_video_views": "views",
    "total_video_avg_time_watched": "average_watch_s",
    "total_video_view_total_time": "watch_time_s",
}
COUNTED: Final = "reactions.limit(0).summary(true),comments.limit(0).summary(true)"
IDS_OF_A_CALL: Final = 50
SOME_MISSING: Final = "803"  # some of the ids of one call do not exist; seen in the field


class FacebookInsights:
    """``engine.ports.InsightsClient`` for Pages.

    Args:
        base_url: with the version, such as ``https://graph.facebook.com/v26.0``.
        now: the present, aware.
        app_secret: when given, every token goes with its ``appsecret_proof``.
    """

    def __init__(
        self, base_url: str, *, now: Callable[[], datetime], app_secret: str | None = None
    ) -> None:
        self._graph = GraphClient(base_url, publish_timeout_s=30.0, app_secret=app_secret)
        self._now = now

    async def read_account(
        self,
        access: AccountAccess,
        *,
        start: datetime,
        end: datetime,
        without: Mapping[str, str],
    ) -> Figures:
        """See the port. Followers are known of the present only: of a day that still runs."""
        path = f"/{segment(access.platform_user_id)}"
        day = day_covering_most(start, end)
        window = {
            "period": "day",
            "since": day.isoformat(),
            "until": (day + timedelta(days=1)).isoformat(),
        }

        async def read(names: Sequence[str]) -> Mapping[str, float | None]:
            return numbers_of(
                await self._graph.get(
                    access, f"{path}/insights", {**window, "metric": ",".join(names)}
                )
            )

        asked = await ask(PAGE, without, read)
        if end > self._now():
            value = await self._graph.get(access, path, {"fields": "followers_count,fan_count"})
            followers = number(value.get("followers_count"))
            asked.values["followers"] = (
                number(value.get("fan_count")) if followers is None else followers
            )
        return Figures(asked.values, asked.unavailable)

    async def read_posts(
        self,
        access: AccountAccess,
        posts: Sequence[PostReference],
        *,
        without: Mapping[str, str],
    ) -> Mapping[str, Figures]:
        """See the port. Videos and reels are read apart: they know other metrics."""
        found: dict[str, Figures] = {}
        refused = {True: dict(without), False: dict(without)}
        for is_video in (False, True):
            ids = [post.post_id for post in posts if _is_video(post) is is_video]
            for first in range(0, len(ids), IDS_OF_A_CALL):
                page = ids[first : first + IDS_OF_A_CALL]
                figures = await self._read_page(access, page, refused[is_video], is_video=is_video)
                found |= figures
                for one in figures.values():
                    refused[is_video] |= one.unavailable
        return found

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()

    async def _read_page(
        self,
        access: AccountAccess,
        ids: Sequence[str],
        without: Mapping[str, str],
        *,
        is_video: bool,
    ) -> dict[str, Figures]:
        """Up to fifty posts; each alone when one of them is gone, which fails the others too."""
        try:
            return await self._read_many(access, ids, without, is_video=is_video)
        except PlatformError as error:
            if not says_missing(error) and error.code != SOME_MISSING:
                raise
            if len(ids) == 1:
                return {}
        found: dict[str, Figures] = {}
        for post_id in ids:
            found |= await self._read_page(access, [post_id], without, is_video=is_video)
        return found

    async def _read_many(
        self,
        access: AccountAccess,
        ids: Sequence[str],
        without: Mapping[str, str],
        *,
        is_video: bool,
    ) -> dict[str, Figures]:
        counted = COUNTED if is_video else f"{COUNTED},shares"
        edge, metrics = ("video_insights", VIDEO) if is_video else ("insights", POST)
        numbers: dict[str, Numbers] = {post_id: {} for post_id in ids}

        async def read(names: Sequence[str]) -> Mapping[str, float | None]:
            fields = f"{counted},{edge}.metric({','.join(names)})" if names else counted
            answer = await self._graph.get(access, "/", {"ids": ",".join(ids), "fields": fields})
            for post_id in ids:
                numbers[post_id] |= _counters_of(answer.get(post_id, {}), has_shares=not is_video)
                given = answer.get(post_id, {}).get(edge)
                known = {} if given is None else numbers_of(given)
                numbers[post_id] |= {metrics[name]: known.get(name) for name in names}
            return {}

        # What is asked for is one answer for many posts, so the numbers are kept aside.
        asked = await ask(metrics, without, read)
        if not any(numbers.values()):  # not one metric is there to be asked for
            await read([])
        return {
            post_id: Figures(in_seconds(values), asked.unavailable)
            for post_id, values in numbers.items()
        }


def _counters_of(post: Mapping[str, Any], *, has_shares: bool) -> Numbers:
    """Counters of one post. No ``shares`` means that nobody shared it: the platform says no 0."""
    values: Numbers = {
        "likes": _summary(post.get("reactions")),
        "comments": _summary(post.get("comments")),
    }
    if has_shares:
        shares = post.get("shares")
        values["shares"] = number(shares.get("count")) if isinstance(shares, dict) else 0
    return values


def _summary(edge: Any) -> float | None:
    return number(edge.get("summary", {}).get("total_count")) if isinstance(edge, dict) else None


def _is_video(post: PostReference) -> bool:
    """Ids of posts begin with the Page's, joined by an underscore; those of videos do not."""
    return "_" not in post.post_id
