"""The published documents: made when first asked for, since most edges are never asked."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from edge import asyncapi, events_page, openapi, pages, webhooks
from edge.operations import Operation


def routes(operations: Sequence[Operation]) -> list[Route]:
    """Routes of the documents, which describe ``operations``, all pages and all events."""

    @cache
    def describe_api() -> bytes:
        return orjson.dumps(openapi.document(operations, pages.PAGES, webhooks.PATHS))

    @cache
    def describe_events() -> bytes:
        return orjson.dumps(asyncapi.document())

    @cache
    def show_events() -> str:
        return events_page.render(asyncapi.document())

    async def page(_: Request) -> Response:
        return HTMLResponse(
            show_events(),
            headers={
                "Content-Security-Policy": events_page.POLICY,
                "X-Content-Type-Options": "nosniff",
            },
        )

    return [
        Route(pages.OPENAPI.path, _json(describe_api)),
        Route(pages.ASYNCAPI.path, _json(describe_events)),
        Route(pages.EVENTS.path, page),
    ]


def _json(make: Callable[[], bytes]) -> Callable[[Request], Awaitable[Response]]:
    async def document(_: Request) -> Response:
        return Response(make(), media_type="application/json")

    return document
