"""Figures of Instagram accounts and posts.

Source: https://developers.facebook.com/docs/instagram-platform/insights, read 2026-11-23.
``total_value`` and ``time_series`` metrics are never asked for in one call: the platform drops
those of the other type without a word. So a day costs two calls, and a third while it runs.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from engine.errors import PlatformError
from engine.platforms.graph import GraphClient, says_missing, segment
from engine.platforms.graph_insights import number, numbers_of
from engine.platforms.refused_metrics import Asked, ask
from engine.ports import AccountAccess, Figures, PostReference

ACCOUNT: Final[Mapping[str, str]] = {
    "reach": "reach",
    "views": "views",
    "accounts_engaged": "engaged_accounts",
    "total_interactions": "interactions",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "saves": "saves",
    "replies": "replies",
    "reposts": "reposts",
    "profile_links_taps": "clicks",
}
ANY_MEDIA: Final[Mapping[str, str]] = {
    "views": "views",
    "reach": "reach",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "saved": "saves",
    "total_interactions": "interactions",
}
FEED: Final[Mapping[str, str]] = {
    **ANY_MEDIA,
    "follows": "follows_gained",
    "profile_visits": "profile_visits",
    "reposts": "reposts",
}
REEL: Final[Mapping[str, str]] = {
    **ANY_MEDIA,
    "reposts": "reposts",
    "ig_reels_avg_watch_time": "average_watch_s",
    "ig_reels_video_view_total_time": "watch_time_s",
}
STORY: Final[Mapping[str, str]] = {
    "views": "views",
    "reach": "reach",
    "replies": "replies",
    "shares": "shares",
    "follows": "follows_gained",
    "profile_visits": "profile_visits",
    "total_interactions": "interactions",
}
BY_KIND: Final[Mapping[str, Mapping[str, str]]] = {
    "image": FEED,
    "carousel": FEED,
    "reel": REEL,
    "story": STORY,
}
IN_MS: Final = ("average_watch_s", "watch_time_s")
TOO_FEW_VIEWERS: Final = "10"  # of a story with fewer than five viewers; no fault of access
GAINED, LOST = "follows_gained", "follows_lost"
FOLLOWS: Final = {"FOLLOWER": GAINED, "NON_FOLLOWER": LOST}


class InstagramInsights:
    """``engine.ports.InsightsClient`` for Instagram.

    Args:
        base_url: with the version, such as ``https://graph.instagram.com/v25.0``.
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
        window = {
            "period": "day",
            "metric_type": "total_value",
            "since": str(int(start.timestamp())),
            "until": str(int(max(min(end, self._now()).timestamp(), start.timestamp() + 1))),
        }

        async def read(names: Sequence[str]) -> Mapping[str, float | None]:
            return numbers_of(
                await self._graph.get(
                    access, f"{path}/insights", {**window, "metric": ",".join(names)}
                )
            )

        asked = await ask(ACCOUNT, without, read)
        await self._read_follows(access, f"{path}/insights", window, without, asked)
        if end > self._now():
            value = await self._graph.get(access, path, {"fields": "followers_count"})
            asked.values["followers"] = number(value.get("followers_count"))
        return Figures(asked.values, asked.unavailable)

    async def read_posts(
        self,
        access: AccountAccess,
        posts: Sequence[PostReference],
        *,
        without: Mapping[str, str],
    ) -> Mapping[str, Figures]:
        """See the port. One call a post: a metric that one kind lacks would fail the others."""
        found = {}
        refused = {post.kind: dict(without) for post in posts}
        for post in posts:
            figures = await self._read_post(access, post, refused[post.kind])
            if figures is not None:
                found[post.post_id] = figures
                # What one post was refused, the next of its kind is not asked for.
                refused[post.kind] |= figures.unavailable
        return found

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()

    async def _read_follows(
        self,
        access: AccountAccess,
        path: str,
        window: Mapping[str, str],
        without: Mapping[str, str],
        asked: Asked,
    ) -> None:
        """Who began and who ceased to follow: a call of its own, for its breakdown."""

        async def read(names: Sequence[str]) -> Mapping[str, float | None]:
            query = {**window, "metric": ",".join(names), "breakdown": "follow_type"}
            value = await self._graph.get(access, path, query)
            numbers = _follows_of(value)
            asked.values[LOST] = numbers.get(LOST)
            return {"follows_and_unfollows": numbers.get(GAINED)}

        follows = await ask({"follows_and_unfollows": GAINED}, without, read)
        asked.values |= follows.values
        asked.unavailable |= follows.unavailable

    async def _read_post(
        self, access: AccountAccess, post: PostReference, without: Mapping[str, str]
    ) -> Figures | None:
        names = BY_KIND.get(post.kind or "", ANY_MEDIA)

        async def read(wanted: Sequence[str]) -> Mapping[str, float | None]:
            path = f"/{segment(post.post_id)}/insights"
            return numbers_of(await self._graph.get(access, path, {"metric": ",".join(wanted)}))

        try:
            asked = await ask(names, without, read)
        except PlatformError as error:
            if says_missing(error):
                return None
            if post.kind == "story" and error.code == TOO_FEW_VIEWERS:
                return Figures(dict.fromkeys(names.values()))
            raise
        if not asked.values:  # every metric refused: then it is the post that is at fault
            return None
        return Figures(in_seconds(asked.values), asked.unavailable)


def in_seconds(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Figures with Meta's milliseconds as seconds."""
    return {
        name: value / 1000 if name in IN_MS and value is not None else value
        for name, value in values.items()
    }


def _follows_of(value: Mapping[str, Any]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for row in value.get("data", []):
        for breakdown in row.get("total_value", {}).get("breakdowns", []):
            for result in breakdown.get("results", []):
                for word in result.get("dimension_values", []):
                    if word in FOLLOWS:
                        found[FOLLOWS[word]] = number(result.get("value"))
    return found
