"""The hosts that take a video's bytes: one request with raw bytes, or with an address to fetch.

Source: https://developers.facebook.com/docs/instagram-platform/content-publishing/resumable-uploads
and .../docs/video-api/guides/reels-publishing, read 2026-11-23. A request that breaks keeps what
came; a GET tells how much that is.
"""

from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Receive, Scope

from engine.sandbox import facebook, instagram
from engine.sandbox.graph import Call, GraphRequest, UploadDoor
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.state import World

PREFIXES: Final = {"ig-api-upload": instagram.upload_to, "video-upload": facebook.upload_to}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request brought."""

    offset: int
    file_size: int | None
    file_url: str | None
    size: int
    is_broken: bool


async def read_upload(scope: Scope, receive: Receive) -> tuple[Sent, str | None]:
    """Count the bytes of an upload without keeping them; and its token."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    size, is_broken, more = 0, False, scope["method"] == "POST"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            is_broken = True
            break
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    sent = Sent(
        offset=int(headers.get("offset", "0")),
        file_size=int(headers["file_size"]) if "file_size" in headers else None,
        file_url=headers.get("file_url"),
        size=size,
        is_broken=is_broken,
    )
    return sent, token if scheme.lower() == "oauth" else None


def route_upload(world: World, prefix: str, node_id: str, method: str, sent: Sent) -> Call:
    """The call that takes the bytes, or tells how many came."""

    async def take(request: GraphRequest) -> dict[str, Any]:
        found = PREFIXES[prefix](world, node_id)
        if found is None or found[0].account is not request.account:
            raise GraphError(100, 33)
        thing, upload = found
        if method == "GET":
            return {"id": node_id, "bytes_transferred": upload.received}
        if sent.file_url is not None:
            thing.media[0].url = sent.file_url
            upload.size = upload.received = 1
            return {"success": True, "message": "Upload successful."}
        if sent.offset > upload.received:
            raise GraphError(1363037)
        upload.size = sent.file_size if sent.file_size is not None else sent.offset + sent.size
        upload.received = sent.offset + sent.size
        return {"success": True, "message": "Upload successful."}

    return Call("upload" if method == "POST" else "probe_upload", take)


DOOR: Final = UploadDoor(PREFIXES, read_upload, route_upload)
