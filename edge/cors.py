"""What browsers must hear before a page of another origin may read an answer.

The same rule as for WebSockets decides (``edge.origins``). Starlette's own middleware knows lists
only, not "the page's own host".
"""

from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge import origins
from edge.problems import Problem

_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}


class Cors:
    """ASGI middleware; tokens travel in a header, so no credentials are allowed."""

    def __init__(self, app: ASGIApp, *, allowed_origins: Collection[str]) -> None:
        self._app = app
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or add what an allowed page may read."""
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is None:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_allowed = origins.is_allowed(origin, headers.get("host"), self._allowed_origins)
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        shared = {"Access-Control-Allow-Origin": origin} if is_allowed else {}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                added.add_vary_header("Origin")
                added.update(shared | (_PREFLIGHT if is_preflight and is_allowed else {}))
            await send(message)

        if not is_preflight:
            await self._app(scope, receive, answer)
        elif is_allowed:
            await answer({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
        else:
            refusal = Problem(
                HTTPStatus.FORBIDDEN, "this page may not use the API", kind="origin-refused"
            )
            await refusal.response()(scope, receive, answer)
