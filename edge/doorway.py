"""Who is turned away before anything is known of them: the house is full, or they come too fast.

A crowd is cheapest to send away before its handshake. A browser learns nothing from that but that
it failed, and backs off, which is all that is wanted.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

from edge.metrics import Metrics

_REMEMBERED: Final = 10_000
"""Addresses of which a pace is kept, before those that have rested are forgotten."""

_ROUNDING_S: Final = 1e-6
"""What sums of fractions of a second may be off."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The HTTP answer to somebody who may not come in now."""

    status: int
    reason: str
    retry_after_s: int


FULL: Final = Refusal(503, "full", 5)
TOO_FAST: Final = Refusal(429, "too fast", 1)


class Doorway:
    """Counts who is inside, and how fast each address knocks.

    Args:
        most: connections that this process holds.
        per_s: connections that one address may open each second, for long.
        burst: connections that it may open at once.
        metrics: counts.
    """

    def __init__(self, *, most: int, per_s: float, burst: int, metrics: Metrics) -> None:
        self._most = most
        self._per_knock_s = 1 / per_s
        self._allowance_s = burst / per_s
        self._metrics = metrics
        self._inside = 0
        self._knocked_until: dict[str, float] = {}

    def knock(self, address: str | None, now: float) -> Refusal | None:
        """Why a connection may not come in; if it may, it is inside until :meth:`leave`.

        Args:
            address: of the client; ``None`` for one that has none.
            now: monotonic seconds.
        """
        refusal = self._refusal(address, now)
        if refusal is not None:
            self._metrics.refusals.labels(refusal.reason).inc()
            return refusal
        self._inside += 1
        return None

    def leave(self) -> None:
        """One that came in is gone."""
        self._inside -= 1

    def _refusal(self, address: str | None, now: float) -> Refusal | None:
        if self._inside >= self._most:
            return FULL
        if address is None:
            return None
        name = neighbourhood(address)
        until = max(self._knocked_until.get(name, now), now) + self._per_knock_s
        if until - now > self._allowance_s + _ROUNDING_S:
            return TOO_FAST
        if len(self._knocked_until) >= _REMEMBERED:
            self._knocked_until = {
                other: busy_until
                for other, busy_until in self._knocked_until.items()
                if busy_until > now
            }
        self._knocked_until[name] = until
        return None


def neighbourhood(address: str) -> str:
    """An address, or the network of one household where each has billions of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
