import time

import pytest

from engine.sandbox.clock import SandboxClock


def test_clock_tells_real_time_until_told_otherwise():
    assert abs(SandboxClock().now() - time.time()) < 1


def test_advanced_clock_runs_on_ahead():
    clock = SandboxClock()
    clock.advance(3600)
    assert 3599 < clock.now() - time.time() < 3601


def test_frozen_clock_moves_only_by_hand():
    clock = SandboxClock()
    clock.freeze()
    instant = clock.now()
    assert clock.now() == instant
    clock.advance(5)
    assert clock.now() == instant + 5
    clock.set(100.0)
    assert clock.now() == 100.0
    assert clock.is_frozen


def test_released_clock_goes_on_from_where_it_stood():
    clock = SandboxClock()
    clock.set(1000.0)
    clock.freeze()
    clock.freeze()
    clock.set(2000.0)
    clock.run()
    clock.run()
    assert not clock.is_frozen
    assert clock.now() == pytest.approx(2000, abs=1)
