"""How long to wait before the next try."""

from random import Random

JITTER = 0.25  # share of the wait that is random, so that posts that failed together part ways


def backoff_s(retry_count: int, *, base_s: float, random: Random) -> float:
    """Seconds before retry ``retry_count`` (from 0): ``base_s`` · 2ⁿ, up to 25 % more."""
    wait_s: float = base_s * 2.0**retry_count
    return wait_s * (1 + JITTER * random.random())
