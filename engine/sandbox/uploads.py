"""Bytes sent to an upload address, in one piece or in several that continue each other.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/content-publishing
(rupload.facebook.com) and https://developers.facebook.com/docs/video-api/guides/reels-publishing.
What a GET of the address says is not documented for Instagram; both names in use are given.
"""

from typing import Any, Final, Literal

import orjson

from engine.sandbox.graph import GraphRequest
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.listing import number_of
from engine.sandbox.state import Medium, Received

SIZE_LIMIT: Final = 10 * 1024**3  # bytes


class UploadRefused(GraphError):
    """A refusal in the words of the upload hosts, which differ from those of the graph."""

    def __init__(self, kind: str, message: str, *, is_retriable: bool = False) -> None:
        super().__init__(-1, message=message, status=400)
        self._kind = kind
        self._is_retriable = is_retriable

    def body(self, trace_id: str) -> bytes:
        """The upload hosts' own envelope."""
        return orjson.dumps(
            {
                "debug_info": {
                    "retriable": self._is_retriable,
                    "type": self._kind,
                    "message": str(self),
                }
            }
        )


async def receive(request: GraphRequest, received: Received) -> dict[str, Any]:
    """Take the body of one request on top of what came before.

    Every byte counts from the moment it arrives, so a connection that breaks loses only the rest.

    Raises:
        UploadRefused: the headers are missing or contradict what is there.
    """
    given = request.parameters
    offset, size = int(number_of(given, "offset", -1)), int(number_of(given, "file_size", -1))
    if request.is_repeat:
        return {"success": True}
    if offset < 0 or not 0 < size <= SIZE_LIMIT:
        raise UploadRefused("HeaderInvalidError", "The headers offset and file_size are required")
    if offset == 0:
        received.restart()  # allowed at any time
    if received.file_size not in (None, size):
        raise UploadRefused("FileSizeInvalidError", "The file size differs from the one announced")
    if offset != received.offset:
        raise UploadRefused(
            "OffsetInvalidError", f"The next offset is {received.offset}", is_retriable=True
        )
    received.file_size = size
    async for part in given.body:
        if received.offset + len(part) > size:
            raise UploadRefused("FileSizeInvalidError", "More bytes came than were announced")
        await received.take(part)
    if not received.is_whole:
        raise UploadRefused(
            "PartialRequestError",
            "Partial request (did not match length of file)",
            is_retriable=True,
        )
    return {"success": True, "message": "Upload successful."}


def progress(node: str, received: Received) -> dict[str, Any]:
    """What is there already."""
    return {"id": node, "offset": received.offset, "file_offset": received.offset}


async def medium_of(kind: Literal["image", "video"], body: bytes) -> Medium:
    """A file that came with the request, counted and hashed."""
    received = Received()
    await received.take(body)
    return Medium(kind, size_bytes=len(body), sha256=received.digest.hexdigest())
