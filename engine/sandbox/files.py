"""Files as a good web server gives them: whole, or the part that was asked for."""

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

PIECE: Final = bytes(range(256)) * 4096  # 1 MiB
RANGE: Final = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


def ranged(request: Request, body: bytes, *, media_type: str) -> Response:
    """``body``, or one range of it (RFC 9110, section 14)."""
    headers = {
        "accept-ranges": "bytes",
        "etag": f'"{hashlib.sha256(body).hexdigest()[:16]}"',
    }
    found = RANGE.fullmatch(request.headers.get("range", ""))
    if found is None:
        return Response(body, media_type=media_type, headers=headers)
    start, end = _asked(found, len(body))
    if start > end:
        headers["content-range"] = f"bytes */{len(body)}"
        return Response(status_code=416, headers=headers)
    headers["content-range"] = f"bytes {start}-{end}/{len(body)}"
    return Response(body[start : end + 1], 206, headers, media_type)


def endless(request: Request, size: int, *, media_type: str) -> Response:
    """``size`` bytes, or one range of them, made as they leave: for uploads larger than memory."""
    headers = {"accept-ranges": "bytes", "etag": f'"{size}"'}
    start, end, status = 0, size - 1, 200
    found = RANGE.fullmatch(request.headers.get("range", ""))
    if found is not None:
        start, end = _asked(found, size)
        if start > end:
            headers["content-range"] = f"bytes */{size}"
            return Response(status_code=416, headers=headers)
        headers["content-range"] = f"bytes {start}-{end}/{size}"
        status = 206
    headers["content-length"] = str(end + 1 - start)

    async def pieces() -> AsyncIterator[bytes]:
        position = start
        while position <= end:
            within = position % len(PIECE)
            piece = PIECE[within : within + end + 1 - position]
            yield piece
            position += len(piece)

    return StreamingResponse(pieces(), status, headers, media_type)


def _asked(found: re.Match[str], size: int) -> tuple[int, int]:
    """First and last byte of a range, which may also be the last so many bytes."""
    if found[3]:
        return (max(0, size - int(found[3])), size - 1) if int(found[3]) else (size, size - 1)
    return int(found[1]), min(int(found[2] or size - 1), size - 1)
