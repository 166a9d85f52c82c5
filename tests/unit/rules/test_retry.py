from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.retry import JITTER, backoff_s


@given(retry_count=st.integers(0, 10), base_s=st.floats(0.1, 100), seed=st.integers())
def test_wait_doubles_with_each_retry_and_jitter_only_lengthens_it(
    retry_count: int, base_s: float, seed: int
) -> None:
    wait_s = backoff_s(retry_count, base_s=base_s, random=Random(seed))
    assert base_s * 2**retry_count <= wait_s <= base_s * 2**retry_count * (1 + JITTER)


def test_posts_that_failed_together_part_ways() -> None:
    random = Random(7)
    waits = {backoff_s(0, base_s=30, random=random) for _ in range(20)}
    assert len(waits) == 20
    assert min(waits) == pytest.approx(30, abs=7.5)
