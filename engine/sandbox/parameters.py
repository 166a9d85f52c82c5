"""Parameters of a Graph request, in every form that the Graph API takes them."""

from typing import Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope

BODY_LIMIT: Final = 1024 * 1024  # bytes; a publishing request is far smaller


async def read_parameters(scope: Scope, receive: Receive) -> tuple[dict[str, str], str | None]:
    """Parameters from query and body together, and the token from wherever it came.

    Raises:
        RuntimeError: the body is too large to be what a publishing client sends.
    """
    parameters = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    token = content_type = None
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            token = value[7:].strip().decode("latin-1")
        elif name == b"content-type":
            content_type = value
    if scope["method"] == "POST":
        body = b""
        is_whole = False
        while not is_whole and len(body) <= BODY_LIMIT:
            message = await receive()
            body += message.get("body", b"")
            is_whole = not message.get("more_body", False)
        if not is_whole:
            raise RuntimeError(f"a request body over {BODY_LIMIT} bytes")
        if content_type and content_type.startswith(b"application/json"):
            parameters.update(_from_json(body))
        else:
            parameters.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    given = parameters.pop("access_token", None)
    return parameters, token or given


def _from_json(body: bytes) -> dict[str, str]:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in values.items()
    }
