"""What Meta's answers tell about the limits of calls, and what follows for the next call.

Headers come only "once enough calls were made", so one that is absent means nothing.

Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting, read 2026-11-23.
"""

import asyncio
import json
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from engine.errors import Throttled
from engine.rules.pacing import Use, hold_s, pause_s

APP_HEADER: Final = "x-app-usage"
BUSINESS_HEADER: Final = "x-business-use-case-usage"
SHARES: Final = ("call_count", "total_cputime", "total_time")  # percent, each of its own limit
REGAIN: Final = "estimated_time_to_regain_access"  # minutes
MINUTE_S: Final = 60.0
FORGET_S: Final = 3600.0  # the app's limit is one of a rolling hour
KEPT: Final = 10_000  # accounts
HELD_CODE: Final = "usage-spent"
APP: Final = ""  # no account's id


class UsageBook:
    """The newest reading of each account's limit, and of the app's.

    An account's is kept under the account whose call was answered: the ids in the header are the
    platform's business objects, and whatever they are, they limit that account.

    Args:
        monotonic: seconds that never go back.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._readings: OrderedDict[str, tuple[float, Use]] = OrderedDict()  # the oldest first

    def note(self, account: str, headers: Mapping[str, str]) -> None:
        """Take what an answer to one of the account's calls says."""
        for key, use in ((APP, app_use(headers)), (account, business_use(headers))):
            if use is not None:
                self._readings[key] = (self._monotonic(), use)
                self._readings.move_to_end(key)
        while len(self._readings) > KEPT:
            self._readings.popitem(last=False)

    def check(self, account: str) -> None:
        """Let a call leave, or not.

        Raises:
            Throttled: a limit is spent; nothing may be sent.
        """
        for key in (APP, account):
            reading = self._reading(key)
            if reading is None:
                continue
            read_at, use = reading
            left_s = read_at + hold_s(use) - self._monotonic()
            if left_s > 0:
                raise Throttled(
                    "the platform's limit of calls is used up",
                    code=HELD_CODE,
                    retry_after_s=left_s,
                    scope=use.scope,
                    evidence={"percent": use.percent},
                )

    async def slow_down(self, account: str) -> None:
        """Wait as long as a call should that has time."""
        readings = [self._reading(key) for key in (APP, account)]
        seconds = max((pause_s(reading[1]) for reading in readings if reading), default=0.0)
        if seconds > 0:
            await self._sleep(seconds)

    def _reading(self, key: str) -> tuple[float, Use] | None:
        """What is known, unless that was too long ago; a block is remembered until it ends."""
        reading = self._readings.get(key)
        if reading is None:
            return None
        read_at, use = reading
        if self._monotonic() - read_at >= max(FORGET_S, hold_s(use)):
            del self._readings[key]
            return None
        return reading


def app_use(headers: Mapping[str, str]) -> Use | None:
    """How much of the app's limit is used, or None when the answer does not say."""
    try:
        return Use(max(_shares(json.loads(headers.get(APP_HEADER, "")))), scope="app")
    except (ValueError, TypeError, AttributeError):
        return None


def business_use(headers: Mapping[str, str]) -> Use | None:
    """How much of the account's limit is used, the fullest of several; None if it is not said."""
    try:
        usage = json.loads(headers.get(BUSINESS_HEADER, ""))
        uses = [_use_of(entry) for entries in usage.values() for entry in entries]
    except (ValueError, TypeError, AttributeError):
        return None
    return max(uses, key=lambda use: (use.regain_s, use.percent), default=None)


def _use_of(entry: Mapping[str, Any]) -> Use:
    blocked = [0.0] if REGAIN in entry else []  # which says enough by itself
    return Use(
        max(_shares(entry) + blocked),
        regain_s=_number(entry.get(REGAIN, 0)) * MINUTE_S,
        scope="page" if entry.get("type") == "pages" else "account",
    )


def _shares(entry: Mapping[str, Any]) -> list[float]:
    return [_number(entry[share]) for share in SHARES if share in entry]


def _number(value: Any) -> float:
    """A number that can be counted with; anything else makes the header unreadable."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return max(0.0, number)
