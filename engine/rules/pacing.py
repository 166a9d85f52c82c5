"""How much to slow down as a platform's limit of calls comes near, and how long to stop at it.

Meta's advice is to slow down before the limit; calls made behind it lengthen the block.
Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting, read 2026-11-23.
"""

from dataclasses import dataclass
from typing import Final

SLOW_FROM: Final = 80.0  # percent of the limit
SPENT: Final = 100.0  # percent
SLOWEST_S: Final = 4.0  # at 99 %: containers are made minutes ahead, so this delays no post
# When the platform does not say how long: its windows roll, so by then some of it has freed, and
# the next answer tells. As long as a throttled app waits that is told nothing.
LOOK_AGAIN_S: Final = 300.0
LONGEST_HOLD_S: Final = 86_400.0  # the longest window there is


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a limit is used.

    Attributes:
        percent: of the limit, 0 or more.
        regain_s: seconds until calls are let in again; more than 0 only while blocked.
        scope: whom the limit holds back: ``account``, ``page`` or ``app``.
    """

    percent: float
    regain_s: float = 0.0
    scope: str = "account"


def pause_s(use: Use) -> float:
    """Seconds to wait before a call that has time: none below 80 %, then linearly more."""
    share = (use.percent - SLOW_FROM) / (SPENT - 1 - SLOW_FROM)
    return SLOWEST_S * min(1.0, max(0.0, share))


def hold_s(use: Use) -> float:
    """Seconds from the reading on in which no call may leave; 0 below the limit."""
    if use.regain_s > 0:
        return min(use.regain_s, LONGEST_HOLD_S)
    return LOOK_AGAIN_S if use.percent >= SPENT else 0.0
