"""Reading instructions given to the sandbox, strictly: a typo must not become a default."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin


class BadInstruction(Exception):
    """What was asked of the sandbox makes no sense; the message says what would."""


def check(given: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Hold every given field against the type of its name.

    Raises:
        BadInstruction: a name is unknown, or a value is of another type.
    """
    for name, value in given.items():
        if name not in kinds:
            raise BadInstruction(f"no field {name!r}; there are: {', '.join(sorted(kinds))}")
        if not _fits(value, kinds[name]):
            raise BadInstruction(f"{name!r} takes {_shown(kinds[name])}, not {value!r}")


def _fits(value: object, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_args(kind):
        return any(_fits(value, option) for option in get_args(kind))
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(value, kind)


def _shown(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    return kind.__name__ if isinstance(kind, type) else str(kind)
