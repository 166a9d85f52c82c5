"""How fast somebody may go on asking: a steady pace, and a burst that it may begin with."""

from typing import Final

_REMEMBERED: Final = 10_000
"""Keys of which a pace is kept, before those that have rested are forgotten."""


class Pace:
    """Counts what each key asks for.

    Args:
        per_s: requests a second that a key may make for long.
        burst: requests that it may make at once.
    """

    def __init__(self, *, per_s: float, burst: int) -> None:
        self._each_s = 1 / per_s
        self._allowance_s = burst / per_s
        self._used_until: dict[int | str, float] = {}

    def take(self, key: int | str, now: float) -> float:
        """Count a request.

        Args:
            key: who makes it.
            now: monotonic seconds.

        Returns:
            0 if it is within the pace; otherwise it is not counted, and these are the seconds until
            another one would be.
        """
        if wait_s := self.wait_s(key, now):
            return wait_s
        if key not in self._used_until and len(self._used_until) >= _REMEMBERED:
            self._used_until = {
                other: until for other, until in self._used_until.items() if until > now
            }
        self._used_until[key] = max(self._used_until.get(key, now), now) + self._each_s
        return 0

    def wait_s(self, key: int | str, now: float) -> float:
        """Seconds until a request of ``key`` would be within the pace, counting none."""
        used_until = max(self._used_until.get(key, now), now) + self._each_s
        too_early_s = used_until - now - self._allowance_s
        # Floats add up to a little more or less.
        return too_early_s if too_early_s > self._each_s / 2 else 0
