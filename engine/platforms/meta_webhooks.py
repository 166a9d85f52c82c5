"""Meta's webhooks of comments: bytes in, changes out. Pure; the signature was checked before.

Nothing in a delivery can stop the rest of it: what is malformed, or of no concern to an inbox, is
left out and counted by its reason.

Sources, read 2026-11-23: https://developers.facebook.com/docs/graph-api/webhooks/getting-started
(envelope), https://developers.facebook.com/docs/instagram-platform/webhooks (``field`` directly in
the entry, everything in a list), https://developers.facebook.com/docs/graph-api/webhooks/reference/page
(``feed``). That ``feed`` comes as read here was never seen on a live Page: the sandbox alone sends
it so.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from engine.ports import FoundComment, Pushed, PushedChange, PushedVerb
from models.accounts import Platform

_PLATFORMS: Final = {"instagram": Platform.INSTAGRAM, "page": Platform.FACEBOOK}

_VERBS: Final = {
    "add": PushedVerb.ADD,
    "edited": PushedVerb.EDIT,
    "edit": PushedVerb.EDIT,
    "remove": PushedVerb.REMOVE,
    "hide": PushedVerb.HIDE,
    "unhide": PushedVerb.UNHIDE,
}

_ID: Final = re.compile(r"[!-~]{1,200}")
"""Ids are digits and underscores today; whatever they become, an index takes no long ones."""

_WORD: Final = re.compile(r"[a-z_]{1,40}")  # of theirs that may stand in a note of ours

_MILLISECONDS_FROM: Final = 100_000_000_000  # seconds of the year 5138: these are milliseconds
_EARLIEST_S: Final = 1_075_852_800  # 2004-02-04, before which there was no Facebook
_LATEST_S: Final = 4_102_444_800  # 2100


class _Malformed(Exception):
    """A change that cannot be understood; the message is the reason, in words of ours."""


class _LeftOut(Exception):
    """A change that is of no concern to an inbox; the message says which kind."""


def read_delivery(body: bytes) -> Pushed:
    """All changes of comments in a delivery, in its order.

    Args:
        body: as it was pushed; may be anything at all.
    """
    left_out: Counter[str] = Counter()
    try:
        whole = json.loads(body)  # the standard library's, which takes half of an escaped pair
    except (ValueError, RecursionError):
        return Pushed((), {"not JSON": 1})
    changes = []
    for envelope in _listed(whole):
        for entry, field, value in _changes(envelope, left_out):
            try:
                changes.append(_change(envelope.get("object"), entry, field, value))
            except _LeftOut as kind:
                left_out[str(kind)] += 1
            except _Malformed as fault:
                left_out[f"malformed: {fault}"] += 1
    return Pushed(tuple(changes), dict(left_out))


def _listed(thing: Any) -> list[Any]:
    """A list as it is, anything else as the only one in a list."""
    return thing if isinstance(thing, list) else [thing]


def _changes(
    envelope: Any, left_out: Counter[str]
) -> Iterator[tuple[dict[str, Any], Any, dict[str, Any]]]:
    """Entry, field and value of each change, whichever of the documented shapes they come in."""
    if not isinstance(envelope, dict):
        left_out["malformed: envelope"] += 1
        return
    for entry in _listed(envelope.get("entry", [])):
        if not isinstance(entry, dict):
            left_out["malformed: entry"] += 1
            continue
        for change in _listed(entry.get("changes", entry)):
            if isinstance(change, dict) and isinstance(change.get("value"), dict):
                yield entry, change.get("field"), change["value"]
            else:  # messages come in entries as well, under other names
                left_out["no change"] += 1


def _change(object_: Any, entry: dict[str, Any], field: Any, value: dict[str, Any]) -> PushedChange:
    platform = _PLATFORMS.get(object_) if isinstance(object_, str) else None
    if platform is Platform.INSTAGRAM and field == "comments":
        return _instagram(entry, value)
    if platform is Platform.FACEBOOK and field == "feed":
        return _facebook(entry, value)
    raise _LeftOut(f"{_shown(object_)} {_shown(field)}")


def _instagram(entry: dict[str, Any], value: dict[str, Any]) -> PushedChange:
    """Instagram has no edits and tells of no deletions; when it was written it does not say."""
    account_id, comment_id = _id(entry, "id"), _id(value, "id")
    parent_id = _optional_id(value, "parent_id")
    author, media = _object(value, "from"), _object(value, "media")
    author_id, username = _optional_id(author, "id"), _text(author, "username") or None
    at = _time(entry.get("time"))
    return PushedChange(
        Platform.INSTAGRAM,
        account_id,
        PushedVerb.ADD,
        FoundComment(
            comment_id=comment_id,
            post_id=_id(media, "id"),
            thread_id=parent_id or comment_id,
            parent_id=parent_id,
            text=_text(value, "text"),
            commented_at=at,
            author_id=author_id,
            author_name=username,
            is_own=author_id == account_id,
        ),
        at,
        username,
    )


def _facebook(entry: dict[str, Any], value: dict[str, Any]) -> PushedChange:
    if value.get("item") != "comment":
        raise _LeftOut(f"page feed {_shown(value.get('item'))}")
    said = value.get("verb")
    verb = _VERBS.get(said) if isinstance(said, str) else None
    if verb is None:
        raise _LeftOut(f"page feed comment {_shown(said)}")
    account_id, comment_id = _id(entry, "id"), _id(value, "comment_id")
    post_id, parent_id = _id(value, "post_id"), _optional_id(value, "parent_id")
    if parent_id == post_id or parent_id == post_id.rpartition("_")[2]:
        parent_id = None  # what it stands under, not what it answers
    author = _object(value, "from")
    author_id = _optional_id(author, "id")
    sent_at, written_at = _time(entry.get("time")), _time(value.get("created_time"))
    return PushedChange(
        Platform.FACEBOOK,
        account_id,
        verb,
        FoundComment(
            comment_id=comment_id,
            post_id=post_id,
            thread_id=parent_id or comment_id,
            parent_id=parent_id,
            text=_text(value, "message"),
            commented_at=written_at or sent_at,
            author_id=author_id,
            author_name=_text(author, "name") or None,
            is_own=author_id == account_id,
        ),
        (written_at or sent_at) if verb is PushedVerb.ADD else (sent_at or written_at),
    )


def _id(thing: dict[str, Any], name: str) -> str:
    found = _optional_id(thing, name)
    if found is None:
        raise _Malformed(name)
    return found


def _optional_id(thing: dict[str, Any], name: str) -> str | None:
    found = thing.get(name)
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if found is not None and (not isinstance(found, str) or _ID.fullmatch(found) is None):
        raise _Malformed(name)
    return found


def _text(thing: dict[str, Any], name: str) -> str:
    """A text; a comment may be a picture without one."""
    found = thing.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _Malformed(name)
    return found


def _object(thing: dict[str, Any], name: str) -> dict[str, Any]:
    found = thing.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _Malformed(name)
    return found


def _time(said: Any) -> datetime | None:
    """Unix seconds, or milliseconds as some of Meta's webhooks have; None for what cannot be."""
    if isinstance(said, str) and said.isdecimal() and said.isascii() and len(said) <= 20:
        said = int(said)
    if not isinstance(said, int | float) or isinstance(said, bool):
        return None
    seconds = said / 1000 if said >= _MILLISECONDS_FROM else said
    if not _EARLIEST_S <= seconds <= _LATEST_S:  # NaN neither
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _shown(word: Any) -> str:
    return word if isinstance(word, str) and _WORD.fullmatch(word) else "?"
