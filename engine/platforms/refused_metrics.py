"""Asking for metrics when one that the platform does not know fails the whole call.

All are asked for at once; only when that is refused, each alone, so that the one at fault is found
and nothing else is lost.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.errors import InputInvalid, PlatformError

Numbers = dict[str, float | None]


@dataclass(slots=True)
class Asked:
    """What came of asking: figures by our names, and which of them were refused, with the code."""

    values: Numbers = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)


def is_refusal_of_a_metric(error: PlatformError) -> bool:
    """Whether an error may be about a metric: not one of access, limits or the road."""
    return isinstance(error, InputInvalid)


async def ask(
    names: Mapping[str, str],
    without: Mapping[str, str],
    read: Callable[[Sequence[str]], Awaitable[Mapping[str, float | None]]],
) -> Asked:
    """Ask for metrics, leaving out those that are refused.

    Args:
        names: the platform's name of each metric, and ours.
        without: our names that were refused lately, with their codes; they are not asked for.
        read: one call; takes the platform's names and gives what it found by them. A metric that
            is missing in its answer has no data, which is None and not 0.

    Raises:
        PlatformError: anything but the refusal of a metric.
    """
    asked = Asked()
    wanted = [name for name, ours in names.items() if ours not in without]
    asked.unavailable = {ours: without[ours] for ours in names.values() if ours in without}
    if not wanted:
        return asked
    try:
        found = await read(wanted)
    except PlatformError as error:
        if not is_refusal_of_a_metric(error):
            raise
        found = {}
        for name in list(wanted):
            try:
                found |= await read([name])
            except PlatformError as alone:
                if not is_refusal_of_a_metric(alone):
                    raise
                asked.unavailable[names[name]] = alone.code
                wanted.remove(name)
    asked.values = {names[name]: found.get(name) for name in wanted}
    return asked
