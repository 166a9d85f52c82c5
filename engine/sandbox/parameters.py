"""Parameters of a Graph request, in every form that the Graph API takes them."""

from email.parser import BytesParser
from email.policy import HTTP
from typing import Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope

BODY_LIMIT: Final = 1024 * 1024  # bytes; a publishing request is far smaller
FILE_LIMIT: Final = 64 * 1024 * 1024  # bytes; a form with a picture or a piece of a video


async def read_parameters(
    scope: Scope, receive: Receive
) -> tuple[dict[str, str], dict[str, bytes], str | None]:
    """Parameters from query and body together, files, and the token from wherever it came.

    Raises:
        RuntimeError: the body is too large to be what a publishing client sends.
    """
    parameters = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    files: dict[str, bytes] = {}
    token, content_type = None, b""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            token = value[7:].strip().decode("latin-1")
        elif name == b"content-type":
            content_type = value
    if scope["method"] == "POST":
        is_multipart = content_type.startswith(b"multipart/form-data")
        body = await _whole_body(receive, FILE_LIMIT if is_multipart else BODY_LIMIT)
        if is_multipart:
            form, files = _from_multipart(content_type, body)
            parameters.update(form)
        elif content_type.startswith(b"application/json"):
            parameters.update(_from_json(body))
        else:
            parameters.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    given = parameters.pop("access_token", None)
    return parameters, files, token or given


async def _whole_body(receive: Receive, limit: int) -> bytes:
    body, is_whole = bytearray(), False
    while not is_whole and len(body) <= limit:
        message = await receive()
        body += message.get("body", b"")
        is_whole = not message.get("more_body", False)
    if not is_whole:
        raise RuntimeError(f"a request body over {limit} bytes")
    return bytes(body)


def _from_multipart(content_type: bytes, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """Fields and files of a form; parsed by the standard library's mail parser."""
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type + b"\r\n\r\n" + body
    )
    form, files = {}, {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            continue
        if part.get_filename() is None:
            form[name] = content.decode("utf-8", "replace")
        else:
            files[name] = content
    return form, files


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
