"""Figures of Threads accounts and posts.

Source: https://developers.facebook.com/docs/threads/insights, read 2026-11-23. The platform ignores
``since`` and ``until`` for ``followers_count``, so that a past day is never asked for it: it would
be given today's.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from engine.errors import PlatformError
from engine.platforms.graph import GraphClient, says_missing, segment
from engine.platforms.graph_insights import numbers_of
from engine.platforms.refused_metrics import ask
from engine.ports import AccountAccess, Figures, PostReference

DAILY: Final[Mapping[str, str]] = {
    name: name for name in ("views", "likes", "replies", "reposts", "quotes", "clicks")
}
FOLLOWERS: Final[Mapping[str, str]] = {"followers_count": "followers"}
POST: Final[Mapping[str, str]] = {
    name: name for name in ("views", "likes", "replies", "reposts", "quotes", "shares")
}
OLDEST: Final = datetime.fromtimestamp(1_712_991_600, UTC)  # 2024-04-13: nothing is older


class ThreadsInsights:
    """``engine.ports.InsightsClient`` for Threads.

    Args:
        base_url: with the version, such as ``https://graph.threads.net/v1.0``.
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
        """See the port. One call."""
        names = {**DAILY, **FOLLOWERS} if end > self._now() else DAILY
        path = f"/{segment(access.platform_user_id)}/threads_insights"
        since = max(start, OLDEST).timestamp()
        until = max(min(end, self._now()).timestamp(), since + 1)
        window = {"since": str(int(since)), "until": str(int(until))}

        async def read(wanted: Sequence[str]) -> Mapping[str, float | None]:
            query = {**window, "metric": ",".join(wanted)}
            return numbers_of(await self._graph.get(access, path, query))

        asked = await ask(names, without, read)
        return Figures(asked.values, asked.unavailable)

    async def read_posts(
        self,
        access: AccountAccess,
        posts: Sequence[PostReference],
        *,
        without: Mapping[str, str],
    ) -> Mapping[str, Figures]:
        """See the port. One call a post; a repost of somebody else's has no figures at all."""
        found = {}
        refused = dict(without)
        for post in posts:
            figures = await self._read_post(access, post, refused)
            if figures is not None:
                found[post.post_id] = figures
                refused |= figures.unavailable
        return found

    async def close(self) -> None:
        """See the port."""
        await self._graph.close()

    async def _read_post(
        self, access: AccountAccess, post: PostReference, without: Mapping[str, str]
    ) -> Figures | None:
        async def read(wanted: Sequence[str]) -> Mapping[str, float | None]:
            path = f"/{segment(post.post_id)}/insights"
            return numbers_of(await self._graph.get(access, path, {"metric": ",".join(wanted)}))

        try:
            asked = await ask(POST, without, read)
        except PlatformError as error:
            if says_missing(error):
                return None
            raise
        if not asked.values:  # every metric refused: then it is the post that is at fault
            return None
        return Figures(asked.values, asked.unavailable)
