"""When the comments of a post are read, how much of them, and what a whole reading proves."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from engine.ports import SeenPost

OVERLAP: Final = timedelta(hours=48)
"""Without a count to go by, a list is read back so far: a late approval inserts older comments."""

LIVELY: Final = timedelta(days=7)
QUIET_SWEEP: Final = timedelta(days=1)
SHORT_READING: Final = 10  # calls; so much is read again at once
SECONDS_PER_CALL: Final = 5.0
"""A longer reading of the whole post is repeated after so long for each call beyond that."""

UNMARKED_PAUSES: Final = (
    (timedelta(hours=1), timedelta(0)),
    (timedelta(days=1), timedelta(minutes=15)),
)
"""Of a post whose list tells nothing: (so long ago was the last comment, so rarely it is read)."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How far the reading of one post is; None and 0 before the first."""

    mark: str | None = None
    comment_count: int | None = None
    unexplained: int = 0
    calls: int = 1
    last_comment_at: datetime | None = None
    read_at: datetime | None = None
    swept_at: datetime | None = None


class Reading(Enum):
    """How much of a post's comments to read."""

    NONE = "none"
    NEWS = "news"  # from the newest to known ground
    WHOLE = "whole"


def reading_of(post: SeenPost, watch: Watch | None, now: datetime, *, sweep_s: float) -> Reading:
    """How much to read of a post that stands in the list as ``post``."""
    if post.is_closed:
        return Reading.NONE
    if watch is None or watch.swept_at is None:
        return Reading.NONE if post.comment_count == 0 else Reading.WHOLE
    if is_sweep_due(post, watch, now, sweep_s=sweep_s):
        return Reading.WHOLE
    if post.mark is not None and watch.mark is None:
        return Reading.WHOLE  # the last whole reading left something to look for
    if post.mark is not None:
        return Reading.NONE if post.mark == watch.mark else Reading.NEWS
    quiet_for = now - (watch.last_comment_at or post.posted_at)
    pause = next(
        (pause for age, pause in UNMARKED_PAUSES if quiet_for < age), timedelta(seconds=sweep_s)
    )
    is_due = watch.read_at is None or now - watch.read_at >= pause
    return Reading.NEWS if is_due else Reading.NONE


def is_sweep_due(post: SeenPost, watch: Watch, now: datetime, *, sweep_s: float) -> bool:
    """Whether a post is read whole for edits and late approvals, which no list shows.

    Every ``sweep_s`` while it is lively, once a day afterwards; one without comments never is.
    """
    if watch.swept_at is None or post.comment_count == 0 == watch.comment_count:
        return False
    is_lively = now - (watch.last_comment_at or post.posted_at) < LIVELY
    pause = timedelta(seconds=sweep_s) if is_lively else QUIET_SWEEP
    return now - watch.swept_at >= pause


def is_explained(post: SeenPost, watch: Watch, ours: int) -> bool:
    """Whether what we have accounts for the platform's count.

    Platforms count comments that they show to nobody, so it is the difference of the last whole
    reading that has to be there again, not zero.
    """
    return post.comment_count is None or post.comment_count - ours == watch.unexplained


def may_read_whole(watch: Watch, now: datetime) -> bool:
    """Whether another whole reading is not too soon, by what the last one cost."""
    if watch.swept_at is None:
        return True
    return now - watch.swept_at >= timedelta(
        seconds=SECONDS_PER_CALL * (watch.calls - SHORT_READING)
    )


def is_known_ground(
    post: SeenPost, *, is_news: bool, oldest: datetime | None, now: datetime
) -> bool:
    """Whether a page that held nothing new, or something, ends the reading from the newest on.

    Args:
        post: as listed; with a count, that count says later whether something is still missing.
        is_news: the page held a comment that is new or has changed.
        oldest: the page's oldest comment; None for an empty page, which proves nothing.
        now: the present.
    """
    if is_news or oldest is None:
        return False
    return post.comment_count is not None or now - oldest > OVERLAP


@dataclass(frozen=True, slots=True)
class Absences:
    """Comments that a whole reading did not show: surely gone, and to be looked for once more."""

    gone: frozenset[str]
    suspect: frozenset[str]


def absences_of(
    known: Set[str], seen: Set[str], suspected: Set[str], comment_count: int | None
) -> Absences:
    """What a reading to the end of the list says of comments that it did not show.

    Items move between pages while they are read, so one absence proves nothing by itself. It does
    together with the platform's own count, or with a second absence in another reading. A list that
    shows nothing at all while the platform counts something proves nothing either way.

    Args:
        known: ids that we have under the post, not deleted.
        seen: ids that the reading showed.
        suspected: those of ``known`` that the reading before did not show.
        comment_count: the platform's.
    """
    missing = frozenset(known - seen)
    if not missing or (not seen and comment_count):
        return Absences(frozenset(), frozenset())
    if comment_count is not None and comment_count == len(seen):
        return Absences(missing, frozenset())
    gone = missing & suspected
    return Absences(gone, missing - gone)
