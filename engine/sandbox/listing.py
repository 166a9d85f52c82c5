"""Lists as the Graph API gives them: newest first, in pages with cursors, by chosen fields."""

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.state import World

PAGE_DEFAULT: Final = 25
PAGE_LIMIT: Final = 100


class Numbered(Protocol):
    """What can be listed: later things have larger numbers."""

    @property
    def number(self) -> int:
        """Its place."""
        ...


T = TypeVar("T", bound=Numbered)


def page_of(
    request: GraphRequest,
    things: Sequence[T],
    instant: Callable[[T], float],
    listed: Callable[[T], dict[str, Any]],
    kind: str,
    *,
    limit: int = PAGE_LIMIT,
) -> dict[str, Any]:
    """One page of ``things``, which are oldest first.

    Args:
        request: says ``since``, ``until``, ``limit``, ``after`` and ``fields``.
        things: what there is.
        instant: when a thing appeared.
        listed: all its fields.
        kind: what the platform calls such a thing in its errors.
        limit: the platform's largest page.
    """
    given = request.parameters
    since = number_in(given, "since", 0.0)
    until = number_in(given, "until", math.inf)
    wanted_size = int(number_in(given, "limit", PAGE_DEFAULT))
    if wanted_size < 1:
        raise GraphError(100, message="(#100) limit must be a positive number")
    below, is_gap = _position(given.get("after"))
    names = request.fields()
    wanted = [
        thing
        for thing in reversed(things)
        # The platform compares whole seconds, as it prints them.
        if since <= int(instant(thing)) <= until and (below is None or thing.number < below)
    ]
    page = [] if is_gap else wanted[: min(wanted_size, limit)]
    rows = []
    for thing in page:
        values = listed(thing)
        rows.append({"id": values["id"], **chosen(values, names, kind)})
    if not wanted:
        return {"data": []}
    if is_gap:
        next_cursor, has_more = _cursor(below, is_gap=False), True
    else:
        next_cursor = _cursor(page[-1].number, is_gap=request.world.switches.sparse_pages)
        has_more = len(wanted) > len(page)
    first = page[0].number if page else (below or 0)
    paging: dict[str, Any] = {
        "cursors": {"before": _cursor(first, is_gap=False), "after": next_cursor}
    }
    if has_more:
        paging["next"] = (
            f"{request.base_url}/{request.version}{request.seen.path}"
            f"?fields={','.join(names)}&limit={wanted_size}&after={next_cursor}"
        )
    return {"data": rows, "paging": paging}


def chosen(values: dict[str, Any], names: list[str], kind: str) -> dict[str, Any]:
    """The asked fields; one that does not exist is an error. ``a.limit(0)`` asks for ``a``."""
    found = {}
    for name in names:
        bare = name.partition(".")[0]
        if bare not in values:
            raise GraphError(
                100, message=f"(#100) Tried accessing nonexisting field ({name}) on type ({kind})"
            )
        found[bare] = values[bare]
    return found


def number_in(given: dict[str, str], name: str, default: float) -> float:
    """A parameter that must be a number."""
    if name not in given:
        return default
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise GraphError(100, message=f"(#100) Param {name} must be a number")
    return value


def graph_time(instant: float) -> str:
    """Unix seconds as Graph prints them."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def flicker(world: World) -> None:
    """Now and then a good read says that the thing does not exist, as seen in the field.

    Source: https://github.com/gitroomhq/postiz-app/issues/1562, read 2026-11-23.
    """
    if world.switches.flicker_every:
        world.reads += 1
        if world.reads % world.switches.flicker_every == 0:
            raise GraphError(100, 33)


def _cursor(number: int | None, *, is_gap: bool) -> str:
    return base64.urlsafe_b64encode(f"{'g' if is_gap else 'p'}{number}".encode()).decode()


def _position(cursor: str | None) -> tuple[int | None, bool]:
    """The number to go on below, and whether an empty page stands in between."""
    if cursor is None:
        return None, False
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
        return int(text[1:]), text.startswith("g")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise GraphError(100, message="(#100) Invalid parameter: after") from None
