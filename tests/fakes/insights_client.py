"""A platform's figures in memory. It passes the port's own contract suite."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from engine.errors import PlatformError
from engine.ports import AccountAccess, Figures, PostReference


class FakeInsightsClient:
    """``engine.ports.InsightsClient`` with figures that a test sets.

    Attributes:
        days: an account's figures by the beginning of the day.
        posts: posts' figures by id; what is not in it is gone.
        withdrawn: names that are refused, with the code.
        error: raised by every call while it is set.
        asked: names that each call left out, in order.
    """

    def __init__(self) -> None:
        self.days: dict[datetime, dict[str, float | None]] = {}
        self.posts: dict[str, dict[str, float | None]] = {}
        self.withdrawn: dict[str, str] = {}
        self.error: PlatformError | None = None
        self.asked: list[set[str]] = []
        self.is_closed = False

    async def read_account(
        self,
        access: AccountAccess,
        *,
        start: datetime,
        end: datetime,
        without: Mapping[str, str],
    ) -> Figures:
        return self._figures(self.days.get(start, {}), without)

    async def read_posts(
        self,
        access: AccountAccess,
        posts: Sequence[PostReference],
        *,
        without: Mapping[str, str],
    ) -> Mapping[str, Figures]:
        return {
            post.post_id: self._figures(self.posts[post.post_id], without)
            for post in posts
            if post.post_id in self.posts
        }

    async def close(self) -> None:
        self.is_closed = True

    def _figures(self, values: Mapping[str, float | None], without: Mapping[str, str]) -> Figures:
        self.asked.append(set(without))
        if self.error is not None:
            raise self.error
        refused = {**without, **{n: c for n, c in self.withdrawn.items() if n in values}}
        return Figures({n: v for n, v in values.items() if n not in refused}, refused)
