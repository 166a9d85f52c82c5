from edge import pace
from edge.pace import Pace


def test_burst_goes_through_at_once_and_then_one_each_interval() -> None:
    walk = Pace(per_s=10, burst=3)

    assert [walk.take(1, 100.0) for _ in range(3)] == [0, 0, 0]
    assert 0.05 < walk.take(1, 100.0) <= 0.1
    assert walk.take(1, 100.1) == 0
    assert walk.take(1, 100.1) > 0


def test_what_is_refused_is_not_counted() -> None:
    walk = Pace(per_s=10, burst=1)
    walk.take(1, 100.0)
    for _ in range(50):
        assert walk.take(1, 100.0) > 0

    assert walk.take(1, 100.1) == 0


def test_one_does_not_slow_another_down() -> None:
    walk = Pace(per_s=1, burst=1)

    assert [walk.take(key, 100.0) for key in range(5)] == [0] * 5


def test_memory_stays_bounded_by_who_has_not_rested() -> None:
    walk = Pace(per_s=10, burst=1)
    for key in range(3 * pace._REMEMBERED):
        walk.take(key, key / 100)

    assert len(walk._used_until) <= pace._REMEMBERED
