"""Parameters of a Graph request, in every form that the Graph API takes them."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from typing import Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope

BODY_LIMIT: Final = 1024 * 1024  # bytes; a publishing request without a file is far smaller
MULTIPART_LIMIT: Final = 256 * 1024 * 1024  # bytes; a larger file is sent in pieces
UPLOAD_EDGES: Final = ("/ig-api-upload", "/video-upload")  # their bodies are bare bytes
UPLOAD_HEADERS: Final = (b"offset", b"file_size", b"file_url")
DISPOSITION: Final = re.compile(rb'(name|filename)="([^"]*)"')


class Parameters(dict[str, str]):
    """Parameters by name.

    Attributes:
        files: the files of a multipart body.
        body: the bytes of an upload as they come, to be read once; empty for other requests.
    """

    def __init__(self, values: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(values)
        self.files: dict[str, bytes] = {}
        self.body: AsyncIterator[bytes] = _nothing()


async def read_parameters(scope: Scope, receive: Receive) -> tuple[Parameters, str | None]:
    """Parameters from query and body together, and the token from wherever it came.

    An upload's body is left to be read by who carries it out, and its headers are parameters.

    Raises:
        RuntimeError: the body is too large to be what a publishing client sends.
    """
    query = scope["query_string"]
    parameters = Parameters(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    is_upload = scope["path"].endswith(UPLOAD_EDGES)
    token = content_type = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, secret = value.partition(b" ")
            if scheme.lower() in (b"bearer", b"oauth"):
                token = secret.strip().decode("latin-1")
        elif name == b"content-type":
            content_type = value
        elif is_upload and name in UPLOAD_HEADERS:
            parameters[name.decode()] = value.decode("latin-1")
    if scope["method"] == "POST":
        if is_upload:
            parameters.body = _parts(receive)
        elif content_type and content_type.startswith(b"multipart/form-data"):
            body = await _whole(receive, MULTIPART_LIMIT)
            # A file of many megabytes takes too long to be split between two other requests.
            await asyncio.to_thread(_take_multipart, parameters, content_type, body)
        elif content_type and content_type.startswith(b"application/json"):
            parameters.update(_from_json(await _whole(receive, BODY_LIMIT)))
        else:
            body = await _whole(receive, BODY_LIMIT)
            parameters.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    given = parameters.pop("access_token", None)
    return parameters, token or given


async def _nothing() -> AsyncIterator[bytes]:
    empty: tuple[bytes, ...] = ()
    for part in empty:
        yield part


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    """The body piece by piece; it just ends where the connection breaks."""
    more = True
    while more:
        message = await receive()
        if part := message.get("body", b""):
            yield part
        more = message.get("more_body", False)


async def _whole(receive: Receive, limit: int) -> bytes:
    parts, size, is_whole = [], 0, False
    while not is_whole and size <= limit:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        is_whole = not message.get("more_body", False)
    if not is_whole:
        raise RuntimeError(f"a request body over {limit} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _take_multipart(parameters: Parameters, content_type: bytes, body: bytes) -> None:
    """Split a multipart body (RFC 7578) into parameters and files."""
    boundary = content_type.partition(b"boundary=")[2].partition(b";")[0].strip(b'" ')
    if not boundary:
        return
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        names = dict(DISPOSITION.findall(head))
        name = names.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in names:
            parameters.files[name] = content[:-2]
        else:
            parameters[name] = content[:-2].decode("utf-8", "replace")


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
