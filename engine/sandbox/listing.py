"""Lists as the Graph API gives them: chosen fields, a time window, cursors, pages."""

import base64
import binascii
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlencode

from engine.sandbox.conversations import say_in_between
from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.state import PageObject, PublicPost

PAGE_DEFAULT: Final = 25
PAGE_LIMIT: Final = 100


class Numbered(Protocol):
    """Whatever has its place in the series of all things."""

    number: int


Item = TypeVar("Item", bound=Numbered)


def page_of(
    request: GraphRequest,
    items: Iterable[Item],
    row: Callable[[Item], dict[str, Any]],
    *,
    kind: str,
    default: int = PAGE_DEFAULT,
    most: int = PAGE_LIMIT,
    is_newest_first: bool = True,
    of_comments: PublicPost | PageObject | None = None,
) -> dict[str, Any]:
    """One page of a list: ``data``, and ``paging`` with ``next`` unless it is the last.

    Args:
        request: whose ``limit``, ``after`` and ``fields`` count.
        items: everything there is, in the order of the list.
        row: every field of one item by its name.
        kind: what the platform calls such an item when a field does not exist.
        default: rows of a page when no limit is given.
        most: rows of a page at most.
        is_newest_first: the items' numbers fall; otherwise they rise.
        of_comments: the items are this post's comments, so the switches of comments count.
    """
    given = request.parameters
    limit = int(number_of(given, "limit", default))
    if limit < 1:
        raise GraphError(100, message="(#100) limit must be a positive number")
    passed, is_gap = _position(given.get("after"))
    if of_comments is not None:
        if request.world.switches.comment_empty_page and passed is None and "after" not in given:
            return _empty_page(request)
        if request.world.switches.comment_pages_shift:
            return _shifting_page(request, items, row, of_comments, min(limit, most), kind)
    names = request.fields()
    sign = -1 if is_newest_first else 1
    wanted = [item for item in items if passed is None or (item.number - passed) * sign > 0]
    if not wanted:
        return {"data": []}
    page = [] if is_gap else wanted[: min(limit, most)]
    rows = []
    for item in page:
        values = row(item)
        rows.append({"id": values["id"], **chosen(values, names, kind)})
    if is_gap:
        next_cursor, has_more = _cursor(passed, is_gap=False), True
    else:
        next_cursor = _cursor(page[-1].number, is_gap=request.world.switches.sparse_pages)
        has_more = len(wanted) > len(page)
    first = page[0].number if page else (passed or 0)
    paging: dict[str, Any] = {
        "cursors": {"before": _cursor(first, is_gap=False), "after": next_cursor}
    }
    if has_more:
        again = {
            **given,
            "fields": given.get("fields", "id"),
            "limit": str(limit),
            "after": next_cursor,
        }
        again.pop("appsecret_proof", None)
        paging["next"] = (
            f"{request.base_url}/{request.version}{request.seen.path}?{urlencode(again, safe=',')}"
        )
    return {"data": rows, "paging": paging}


def _empty_page(request: GraphRequest) -> dict[str, Any]:
    """A page with nothing on it and everything behind it."""
    cursor = _cursor(2**62, is_gap=False)
    return {"data": [], "paging": {"cursors": {"after": cursor}, "next": f"?after={cursor}"}}


def _shifting_page(
    request: GraphRequest,
    items: Iterable[Item],
    row: Callable[[Item], dict[str, Any]],
    post: PublicPost | PageObject,
    size: int,
    kind: str,
) -> dict[str, Any]:
    """A page by its place from the newest on, after which somebody comments."""
    start, _ = _position(request.parameters.get("after"))
    found = list(items)
    begin = start or 0
    names = request.fields()
    rows = [row(item) for item in found[begin : begin + size]]
    answer: dict[str, Any] = {
        "data": [{"id": values["id"], **chosen(values, names, kind)} for values in rows]
    }
    if begin + size < len(found):
        cursor = _cursor(begin + size, is_gap=False)
        answer["paging"] = {"cursors": {"after": cursor}, "next": f"?after={cursor}"}
        say_in_between(request.world, post)
    return answer


def window(given: dict[str, str]) -> Callable[[float], bool]:
    """Whether an instant lies within ``since`` and ``until``, both inclusive, in whole seconds."""
    since = _instant(given, "since", 0.0)
    until = _instant(given, "until", math.inf)
    # The platform compares whole seconds, as it prints them.
    return lambda instant: since <= int(instant) <= until


def chosen(values: dict[str, Any], names: Iterable[str], kind: str) -> dict[str, Any]:
    """The asked fields of one thing.

    Raises:
        GraphError: it has no such field.
    """
    for name in names:
        if name not in values:
            raise GraphError(
                100, message=f"(#100) Tried accessing nonexisting field ({name}) on type ({kind})"
            )
    return {name: values[name] for name in names if values[name] is not None}


def number_of(given: dict[str, str], name: str, default: float) -> float:
    """A parameter as a finite number.

    Raises:
        GraphError: it is something else.
    """
    if name not in given:
        return default
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise GraphError(100, message=f"(#100) Param {name} must be a number")
    return value


def is_true(given: dict[str, str], name: str, *, default: bool = False) -> bool:
    """A parameter as a truth value, in any form that Graph takes."""
    text = given.get(name, "").lower()
    return default if not text else text in ("true", "1", "yes", "on")


def printed(instant: float) -> str:
    """An instant as Graph prints it: ``2017-05-19T23:27:28+0000``."""
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _instant(given: dict[str, str], name: str, default: float) -> float:
    """Unix seconds, however it was written: so, or in ISO 8601."""
    try:
        moment = datetime.fromisoformat(given.get(name, ""))
    except ValueError:
        return number_of(given, name, default)
    if given[name].isdigit():  # ISO 8601 also knows dates without any dash
        return number_of(given, name, default)
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _cursor(number: int | None, *, is_gap: bool) -> str:
    return base64.urlsafe_b64encode(f"{'g' if is_gap else 'p'}{number}".encode()).decode()


def _position(cursor: str | None) -> tuple[int | None, bool]:
    """The number to go on from, and whether an empty page stands in between."""
    if cursor is None:
        return None, False
    try:
        text = base64.urlsafe_b64decode(cursor).decode()
        return int(text[1:]), text.startswith("g")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise GraphError(100, message="(#100) Invalid parameter: after") from None
