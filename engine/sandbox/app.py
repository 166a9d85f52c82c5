"""The whole double as one ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from engine.sandbox.comment_control import CommentControl
from engine.sandbox.control import Control
from engine.sandbox.graph import VERSION, GraphSurface
from engine.sandbox.graph_errors import GraphError
from engine.sandbox.instructions import BadInstruction
from engine.sandbox.media import MediaChecker
from engine.sandbox.meta import MetaRouter, upload_scope
from engine.sandbox.pages import post_page
from engine.sandbox.pushing import Pushing
from engine.sandbox.state import World
from engine.sandbox.surface import Surface
from engine.sandbox.switches import Switches
from engine.sandbox.youtube import YouTube, is_google
from engine.sandbox.youtube_state import YouTubeWorld


class Sandbox:
    """Imitated paths go straight to their surface, the rest through Starlette's router.

    The router would cost every measured request a search through routes that are never the one.

    Args:
        switches: what holds at the start and after every reset.
    """

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._world = World(switches, YouTubeWorld())
        self._checker = MediaChecker()
        self._registry = CollectorRegistry()
        surface = Surface(self._registry)
        self._graph = GraphSurface(lambda: self._world, MetaRouter(self._checker).route, surface)
        self._youtube = YouTube(lambda: self._world, surface)
        control = Control(lambda: self._world, self._reset)
        comments = CommentControl(lambda: self._world)
        self._site = Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/metrics", self._metrics),
                Route("/p/{shortcode}/", self._page),
                Route("/@{username}/post/{shortcode}", self._page),
                Route("/watch", self._page),
                Route("/shorts/{id}", self._page),
                *control.routes(),
                *comments.routes(),
            ],
            exception_handlers={404: _unknown_path, BadInstruction: _bad_instruction},
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and end of the server's life."""
        if scope["type"] == "http" and VERSION.match(scope["path"].split("/", 2)[1]):
            await self._graph(scope, receive, send)
        elif upload := upload_scope(scope):
            await self._graph(upload, receive, send)
        elif scope["type"] == "http" and is_google(scope["path"]):
            await self._youtube(scope, receive, send)
        else:
            await self._site(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        await self._checker.close()

    def _reset(self) -> None:
        if isinstance(self._world.pushes, Pushing):
            self._closing = asyncio.create_task(self._world.pushes.close())
        self._world = World(self._switches, YouTubeWorld())

    async def _health(self, request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def _metrics(self, request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def _page(self, request: Request) -> Response:
        return post_page(request, self._world)


def _unknown_path(request: Request, error: Exception) -> Response:
    fault = GraphError(100, message=f"Unknown path components: {request.url.path}", status=404)
    return Response(fault.body("A0000000000"), fault.status, media_type="application/json")


def _bad_instruction(request: Request, error: Exception) -> Response:
    body = orjson.dumps({"error": str(error)})
    return Response(body, 400, media_type="application/json")
