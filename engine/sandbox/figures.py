"""Figures of accounts and posts: made up, but the same each time, growing, and late as real ones.

A day's figures grow through the day, and are corrected upwards for two days after it. What a test
sets holds exactly. Names are those of ``engine.ports.Figures``; ``None`` is "no data yet", which
the surfaces answer with an empty list or not at all.
"""

import hashlib
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAY_S: Final = 86_400.0
LATE_S: Final = 48 * 3600.0  # the platforms' own word: figures are up to 48 hours late
SEEN_AT_ONCE: Final = 0.9  # the share of a day's figures that is there when the day ends
POST_LIFE_S: Final = 36 * 3600.0  # in which a post gathers the first 63 % of its figures
EPOCH: Final = 1_767_193_200.0  # 2026-01-01 00:00 in Asia/Seoul: followers are counted from here
SEOUL: Final = ZoneInfo("Asia/Seoul")
PACIFIC: Final = ZoneInfo("America/Los_Angeles")
PARTS: Final = ("likes", "comments", "shares", "saves", "replies", "reposts", "quotes")
NAMES: Final = (
    *PARTS,
    "followers",
    "follows_gained",
    "follows_lost",
    "views",
    "reach",
    "clicks",
    "engaged_accounts",
    "interactions",
    "profile_visits",
    "watch_time_s",
    "average_watch_s",
)

Values = dict[str, float | None]


class FigureBook:
    """What the platform counts. Owners are ids of accounts or posts."""

    def __init__(self) -> None:
        self._set: dict[tuple[str, str], Values] = {}

    def put(self, owner: str, day: str, values: Mapping[str, float | None]) -> None:
        """Set figures exactly: of a post, or an account's followers, with ``day`` empty."""
        self._set.setdefault((owner, day), {}).update(values)

    def followers(self, account: str, now: float) -> float | None:
        """How many follow at this instant."""
        gained, lost = _steady(account)
        days = max(0.0, (now - EPOCH) / DAY_S)
        base = 800 + int(_share(account, "followers") * 4000)
        values = self._changed(account, "", {"followers": base + int((gained - lost) * days)})
        return values["followers"]

    def of_day(self, account: str, day: date, zone: ZoneInfo, now: float) -> Values:
        """An account's figures of one day, as they are known at ``now``."""
        start = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
        known = _known(start, now)
        key = day.isoformat()
        weekend = 1.3 if day.weekday() >= 5 else 1.0
        reach = (200 + 600 * _share(account, key)) * weekend
        shares = {
            "views": 1.6,
            "likes": 0.05,
            "comments": 0.008,
            "shares": 0.006,
            "saves": 0.01,
            "replies": 0.003,
            "reposts": 0.004,
            "quotes": 0.002,
            "engaged_accounts": 0.06,
            "profile_visits": 0.04,
            "clicks": 0.02,
            "watch_time_s": 30.0,
        }
        values: Values = {"reach": int(reach * known)}
        values |= {name: int(reach * share * known) for name, share in shares.items()}
        gained, lost = _steady(account)
        values["follows_gained"], values["follows_lost"] = int(gained * known), int(lost * known)
        return self._totalled(account, key, values)

    def of_window(self, account: str, start: float, end: float, now: float) -> Values:
        """The sum of the days of Asia/Seoul that lie in a window; parts of days count as parts."""
        total: Values = {}
        end = now if end >= now - 1 else end  # callers name whole seconds
        day = datetime.fromtimestamp(start, SEOUL).date()
        while (begins := _midnight(day)) < end:
            ends = min(begins + DAY_S, now)  # of a running day, what is known is of its part so far
            share = (min(end, ends) - max(start, begins)) / (ends - begins)
            for name, value in self.of_day(account, day, SEOUL, now).items():
                part = None if value is None else math.floor(value * share)
                known = total.get(name)
                total[name] = part if known is None else known + (part or 0)
            day += timedelta(days=1)
        return total

    def of_post(self, post: str, posted_at: float, comments: int, now: float) -> Values:
        """A post's figures since it went live; its comments are those that are really there."""
        grown = 1 - math.exp(-max(0.0, now - posted_at) / POST_LIFE_S)
        reach = (300 + 3000 * _share(post, "reach")) * grown
        liked = 0.02 + 0.08 * _share(post, "likes")
        values: Values = {
            "reach": int(reach),
            "views": int(reach * 1.4),
            "likes": int(reach * liked),
            "comments": comments,
            "replies": comments,
            "shares": int(reach * 0.008),
            "saves": int(reach * 0.012),
            "reposts": int(reach * 0.005),
            "quotes": int(reach * 0.002),
            "profile_visits": int(reach * 0.02),
            "follows_gained": int(reach * 0.003),
            "clicks": int(reach * 0.01),
            "average_watch_s": round(4 + 8 * _share(post, "watch"), 3),
            "watch_time_s": int(reach * 6),
        }
        return self._totalled(post, "", values)

    def _totalled(self, owner: str, day: str, values: Values) -> Values:
        """Interactions are the sum of their parts, unless a test says otherwise."""
        values = self._changed(owner, day, values)
        if "interactions" not in self._set.get((owner, day), {}):
            known = [values[name] for name in PARTS if values.get(name) is not None]
            values["interactions"] = sum(value or 0 for value in known)
        return values

    def _changed(self, owner: str, day: str, values: Values) -> Values:
        return {**values, **self._set.get((owner, day), {})}


def _known(start: float, now: float) -> float:
    """The share of a day's figures that is known: it grows in the day, and for two days after."""
    passed = min(1.0, max(0.0, (now - start) / DAY_S))
    late = min(1.0, max(0.0, (now - start - DAY_S) / LATE_S))
    return SEEN_AT_ONCE * passed + (1 - SEEN_AT_ONCE) * late


def _steady(account: str) -> tuple[int, int]:
    """Followers that an account wins and loses a day."""
    return 6 + int(_share(account, "gained") * 20), int(_share(account, "lost") * 5)


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=SEOUL).timestamp()


def _share(*names: str) -> float:
    """A number from 0 to 1 that these names always give."""
    digest = hashlib.blake2b("/".join(names).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2.0**56


def day_of(text: str) -> date | None:
    """A date such as ``2026-11-25``; None for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
