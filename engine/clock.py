"""The machine's clock."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time as the operating system keeps it; the Clock port's adapter."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()

    async def sleep_until(self, instant: datetime) -> None:
        """Return at ``instant`` or just after it, never before, also when the clock is set."""
        while True:
            left_s = instant.timestamp() - time.time()
            if left_s <= 0:
                return
            # At most a minute at a time: a clock that was set forward is noticed by then.
            await asyncio.sleep(min(left_s, 60.0))
