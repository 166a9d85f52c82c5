import pytest

from edge.doorway import FULL, TOO_FAST, Doorway
from edge.metrics import Metrics


def doorway(most: int = 100, per_s: float = 2, burst: int = 4) -> Doorway:
    return Doorway(most=most, per_s=per_s, burst=burst, metrics=Metrics())


def test_address_may_knock_in_a_burst_and_then_at_its_pace() -> None:
    door = doorway()

    assert [door.knock("192.0.2.1", 10) for _ in range(5)] == [None] * 4 + [TOO_FAST]
    assert door.knock("192.0.2.2", 10) is None
    assert door.knock("192.0.2.1", 10.4) is TOO_FAST
    assert door.knock("192.0.2.1", 10.5) is None
    assert door.knock("192.0.2.1", 10.5) is TOO_FAST


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("2001:db8::1", "2001:db8::2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("unknown", "unknown", True),
    ],
)
def test_household_with_many_addresses_counts_as_one(one: str, other: str, are_one: bool) -> None:
    door = doorway(burst=1)

    assert door.knock(one, 0) is None
    assert (door.knock(other, 0) is TOO_FAST) is are_one


def test_full_house_takes_the_next_when_one_has_left() -> None:
    door = doorway(most=2)

    assert door.knock("192.0.2.1", 0) is None
    assert door.knock(None, 0) is None
    assert door.knock("192.0.2.2", 0) is FULL
    door.leave()
    assert door.knock("192.0.2.2", 0) is None


def test_addresses_that_rest_are_forgotten() -> None:
    door = doorway(most=10**6)

    for number in range(10_000):
        door.knock(f"address {number}", 0)
    door.knock("another", 60)

    assert list(door._knocked_until) == ["another"]
