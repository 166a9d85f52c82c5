from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputInvalid, ReconnectNeeded, Throttled
from engine.platforms.refused_metrics import ask

NAMES = {f"their_{letter}": letter for letter in "abcde"}
some = st.sets(st.sampled_from(sorted(NAMES)))


class Platform:
    """Fails a whole call for one unknown metric; has no data for some."""

    def __init__(self, withdrawn: set[str], empty: set[str] = frozenset()) -> None:
        self.withdrawn, self.empty = withdrawn, empty
        self.calls: list[Sequence[str]] = []

    async def read(self, names: Sequence[str]) -> Mapping[str, float | None]:
        self.calls.append(list(names))
        if self.withdrawn & set(names):
            raise InputInvalid("no such metric", code="100")
        return {name: 1.0 for name in names if name not in self.empty}


@given(withdrawn=some, empty=some, without=some)
async def test_exactly_the_withdrawn_metrics_are_missing(withdrawn, empty, without):
    platform = Platform(withdrawn, empty)
    asked = await ask(NAMES, {NAMES[name]: "100" for name in without}, platform.read)
    refused = {NAMES[name] for name in withdrawn | without}
    assert set(asked.unavailable) == refused
    assert set(asked.values) == set(NAMES.values()) - refused
    for name, ours in NAMES.items():
        if ours in asked.values:
            assert asked.values[ours] == (None if name in empty else 1.0)
    assert not any(set(call) & without for call in platform.calls)


async def test_one_call_is_enough_when_nothing_is_refused():
    platform = Platform(set())
    await ask(NAMES, {}, platform.read)
    assert len(platform.calls) == 1


async def test_nothing_to_ask_for_is_no_call():
    platform = Platform(set())
    asked = await ask(NAMES, dict.fromkeys(NAMES.values(), "100"), platform.read)
    assert platform.calls == []
    assert asked.values == {}


@pytest.mark.parametrize(
    "error",
    [
        Throttled("slow down", code="17", retry_after_s=60),
        ReconnectNeeded("dead", code="190"),
    ],
)
async def test_limits_and_access_are_no_fault_of_a_metric(error):
    async def read(names: Sequence[str]) -> Mapping[str, float | None]:
        if len(names) > 1:
            raise InputInvalid("no such metric", code="100")
        raise error

    with pytest.raises(type(error)):
        await ask(NAMES, {}, read)
