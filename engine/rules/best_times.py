"""When an account's posts do best, by its own posts, or an honest "not enough".

Posts are ranked against each other, so that one that went viral counts as one good post and no
more. A slot's mean rank is drawn towards the middle by :data:`PRIOR_POSTS` posts of average luck,
and a slot with a single post is never advised.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from engine.rules.calendar import SEOUL

PRIOR_POSTS: Final = 5.0
FEWEST_POSTS: Final = 10
FEWEST_IN_SLOT: Final = 2
MIDDLE: Final = 0.5


@dataclass(frozen=True, slots=True)
class ScoredPost:
    """A post and how well it did; scores of one account need only be comparable to each other."""

    posted_at: datetime
    score: float


@dataclass(frozen=True, slots=True)
class Slot:
    """One hour of one weekday in Asia/Seoul.

    Attributes:
        weekday: 0 is Monday.
        hour: 0 to 23.
        posts: how many it rests on.
        rank: where its posts stand among all, shrunk towards the middle; 0.5 is average, 1 best.
    """

    weekday: int
    hour: int
    posts: int
    rank: float


@dataclass(frozen=True, slots=True)
class BestTimes:
    """The best slots, best first; empty when no slot stands out. ``posts`` is what it rests on."""

    slots: tuple[Slot, ...]
    posts: int


@dataclass(frozen=True, slots=True)
class NotEnough:
    """Too few posts to say anything: ``posts`` of ``needed``."""

    posts: int
    needed: int = FEWEST_POSTS


def best_times(posts: Sequence[ScoredPost], *, most: int = 3) -> BestTimes | NotEnough:
    """The hours of the week whose posts did better than the account's average.

    Args:
        posts: whose figures have settled, in any order; times aware.
        most: slots at most.
    """
    if len(posts) < FEWEST_POSTS:
        return NotEnough(len(posts))
    ordered = sorted(post.score for post in posts)
    ranks: dict[tuple[int, int], list[float]] = defaultdict(list)
    for post in posts:
        local = post.posted_at.astimezone(SEOUL)
        # Halfway through its equals, so that the mean over all posts is the middle.
        place = bisect_left(ordered, post.score) + bisect_right(ordered, post.score)
        ranks[local.weekday(), local.hour].append(place / (2 * len(ordered)))
    slots = [
        Slot(weekday, hour, len(found), _shrunk(found))
        for (weekday, hour), found in ranks.items()
        if len(found) >= FEWEST_IN_SLOT
    ]
    good = [slot for slot in slots if slot.rank > MIDDLE]
    good.sort(key=lambda slot: (-slot.rank, -slot.posts, slot.weekday, slot.hour))
    return BestTimes(tuple(good[:most]), len(posts))


def _shrunk(ranks: Sequence[float]) -> float:
    return (sum(ranks) + PRIOR_POSTS * MIDDLE) / (len(ranks) + PRIOR_POSTS)
