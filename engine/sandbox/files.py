"""Files as a good web server gives them: whole, or the part that was asked for."""

import hashlib
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")


def ranged(request: Request, body: bytes, *, media_type: str) -> Response:
    """``body``, or one range of it (RFC 9110, section 14)."""
    headers = {
        "accept-ranges": "bytes",
        "etag": f'"{hashlib.sha256(body).hexdigest()[:16]}"',
    }
    found = RANGE.fullmatch(request.headers.get("range", ""))
    if found is None:
        return Response(body, media_type=media_type, headers=headers)
    start = int(found[1])
    end = min(int(found[2] or len(body) - 1), len(body) - 1)
    if start > end:
        headers["content-range"] = f"bytes */{len(body)}"
        return Response(status_code=416, headers=headers)
    headers["content-range"] = f"bytes {start}-{end}/{len(body)}"
    return Response(body[start : end + 1], 206, headers, media_type)
