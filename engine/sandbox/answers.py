"""JSON of whatever people wrote."""

import json
from typing import Any

import orjson


def as_json(value: Any) -> bytes:
    """``value`` as JSON; half a character, which UTF-8 cannot carry, as an escape."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True).encode()
