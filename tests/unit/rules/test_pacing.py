"""How calls slow down before a limit, and stop at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.pacing import LOOK_AGAIN_S, SLOWEST_S, Use, hold_s, pause_s


@pytest.mark.parametrize(
    ("percent", "seconds"),
    [(0, 0), (79.9, 0), (80, 0), (89.5, SLOWEST_S / 2), (99, SLOWEST_S), (250, SLOWEST_S)],
)
def test_calls_slow_down_from_80_percent_on(percent, seconds):
    assert pause_s(Use(percent)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("use", "seconds"),
    [
        (Use(99.9), 0),
        (Use(100), LOOK_AGAIN_S),
        (Use(140), LOOK_AGAIN_S),
        (Use(100, regain_s=60), 60),
        (Use(0, regain_s=60), 60),
        (Use(100, regain_s=10**9), 86_400),
    ],
)
def test_calls_stop_at_the_limit_for_as_long_as_the_platform_says(use, seconds):
    assert hold_s(use) == seconds


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_more_use_never_means_less_waiting(first, second):
    less, more = sorted((first, second))
    assert pause_s(Use(less)) <= pause_s(Use(more))
    assert hold_s(Use(less)) <= hold_s(Use(more))
