"""What Meta pushes, as it pushes it: escaped ASCII, in whole seconds."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

POST = "1001_2002"


def instagram_comment(number: int = 1, text: str = "예뻐요", **details: Any) -> dict[str, Any]:
    """A change of ``comments``."""
    return {
        "field": "comments",
        "value": {
            "id": f"1790{number}",
            "text": text,
            "from": {"id": f"u{number}", "username": f"guest.{number}"},
            "media": {"id": "1800", "media_product_type": "FEED"},
            **details,
        },
    }


def facebook_comment(
    verb: str = "add", number: int = 1, text: str | None = "예뻐요", **details: Any
) -> dict[str, Any]:
    """A change of ``feed``."""
    said = {} if text is None else {"message": text}
    return {
        "field": "feed",
        "value": {
            "item": "comment",
            "verb": verb,
            "comment_id": f"2002_{number}",
            "post_id": POST,
            "parent_id": POST,
            "from": {"id": f"u{number}", "name": f"손님 {number}"},
            "created_time": 1_764_072_000,
            **said,
            **details,
        },
    }


def entry(account_id: str, *changes: Any, at: datetime | float) -> dict[str, Any]:
    """Changes of one account."""
    seconds = at.timestamp() if isinstance(at, datetime) else at
    return {"id": account_id, "time": int(seconds), "changes": list(changes)}


def envelope(object_: str, *entries: Any) -> dict[str, Any]:
    """A delivery."""
    return {"object": object_, "entry": list(entries)}


def written(whole: dict[str, Any] | Sequence[Any]) -> bytes:
    """The body."""
    return json.dumps(whole).encode()
