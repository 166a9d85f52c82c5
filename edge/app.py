"""The edge put together: the one place that knows all its parts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from edge import chat, contents, documents, keys, notifications, pages, problems
from edge.admission import Admission
from edge.auth import Verifier
from edge.cors import Cors
from edge.database import Database, DatabaseAway
from edge.doorway import Doorway
from edge.gate import Gate
from edge.history import History
from edge.intake import Intake
from edge.metrics import Metrics
from edge.operations import Desk
from edge.outbound import Bounds
from edge.pace import Pace
from edge.presence import Presence
from edge.protocol import Limits
from edge.routing import Router
from edge.settings import Settings
from edge.sse import EventStream
from edge.webhooks import Letterbox
from edge.websocket import Endpoint
from models.delivery import Delivery

_GOODBYE_S: Final = 1
"""How long the last write to Redis may take when the edge stops; presence runs out by itself."""

_PROBE_S: Final = 2

log = structlog.get_logger("edge.app")


class Edge:
    """All parts of one edge; opened by the application's lifespan."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.has_failed = asyncio.Event()
        """Set when the edge can no longer do its work; its process should end."""
        self.is_draining = False
        self.is_hurried = asyncio.Event()
        """Set when a draining edge should take no more time than it must."""
        # For commands; the subscription has a connection of its own. One retry, because a pooled
        # connection may have died with a server that is long back.
        self.redis = Redis.from_url(
            settings.redis_url,
            socket_timeout=5,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 1),
        )
        delivery = Delivery(
            self.redis, history_events=settings.history_events, history_s=settings.history_s
        )
        self.database = Database(settings.database_url, connections=settings.database_connections)
        self._presence = Presence(
            self.redis,
            lifetime_s=settings.presence_s,
            grace_s=settings.presence_grace_s,
            most=settings.user_connections,
        )
        admission = Admission(self.redis, self._presence)
        gate = Gate(_verifier(settings), admission)
        self._router = Router(
            settings.redis_url,
            client=self.redis,
            history=History(delivery),
            presence=self._presence,
            admission=admission,
            intake=Intake(delivery),
            metrics=self.metrics,
            compare_s=settings.compare_s,
        )
        self.sockets = Endpoint(
            router=self._router,
            gate=gate,
            metrics=self.metrics,
            doorway=Doorway(
                most=settings.max_connections,
                per_s=settings.connects_per_s,
                burst=settings.connects_burst,
                metrics=self.metrics,
            ),
            limits=Limits(
                auth_s=settings.auth_timeout_s,
                hello_s=settings.hello_timeout_s,
                silence_s=settings.silence_s,
                warning_s=settings.refresh_grace_s,
                grace_s=settings.refresh_grace_s,
                frames_per_s=settings.frames_per_s,
                frames_burst=settings.frames_burst,
            ),
            bounds=Bounds(
                frames=settings.queue_frames,
                size_bytes=settings.queue_bytes,
                send_timeout_s=settings.send_timeout_s,
            ),
            allowed_origins=settings.allowed_origins,
            max_age_s=settings.max_age_s,
            retry_ms=settings.retry_ms,
        )
        self.streams = EventStream(self.sockets, gate, heartbeat_s=settings.heartbeat_s)
        self.desk = Desk(
            gate=gate,
            database=self.database,
            delivery=delivery,
            pace=Pace(per_s=settings.requests_per_s, burst=settings.requests_burst),
            allowed_origins=settings.allowed_origins,
        )
        self.letterbox = Letterbox(
            database=self.database,
            metrics=self.metrics,
            verify_token=settings.webhook_verify_token.get_secret_value(),
            secrets=[secret.get_secret_value() for secret in settings.webhook_secrets],
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Route between Redis and sockets while the context is open."""
        router = asyncio.create_task(self._router.run(), name="router")
        router.add_done_callback(self._judge)
        try:
            yield
        finally:
            router.cancel()
            await asyncio.wait([router])
            await self._say_goodbye()

    async def drain(self) -> None:
        """Send every client elsewhere, a part of them at a time, and wait for the last to go."""
        self.is_draining = True
        await self.sockets.drain(
            window_s=self.settings.drain_window_s,
            timeout_s=self.settings.drain_s,
            is_hurried=self.is_hurried,
        )

    async def probe_redis(self) -> str:
        """``ok``, or what is wrong."""
        try:
            async with asyncio.timeout(_PROBE_S):
                await self.redis.ping()
        except (RedisError, OSError) as error:
            return type(error).__name__
        return "ok"

    async def probe_database(self) -> str:
        """``ok``, or what is wrong."""
        try:
            async with asyncio.timeout(_PROBE_S):
                await self.database.probe()
        except (DatabaseAway, TimeoutError) as error:
            return str(error) or type(error).__name__
        return "ok"

    def _judge(self, router: asyncio.Task[None]) -> None:
        """An edge without its router is worse than none: it would look alive."""
        if not router.cancelled() and (error := router.exception()) is not None:
            log.critical("router failed", exc_info=error)
            self.has_failed.set()

    async def _say_goodbye(self) -> None:
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._presence.withdraw()
        except (RedisError, OSError) as error:
            log.warning("presence left to run out", error=type(error).__name__)
        await self.redis.aclose()
        await self.database.close()


def _verifier(settings: Settings) -> Verifier:
    secrets = (settings.jwt_secret, *settings.jwt_old_secrets)
    return Verifier(
        [secret.get_secret_value() for secret in secrets],
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        keys=keys.KeySet(keys.source(settings.jwks), time.monotonic) if settings.jwks else None,
    )


def create_app(edge: Edge) -> Starlette:
    """The edge as an ASGI application."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with edge.running():
            yield

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        redis, database = await asyncio.gather(edge.probe_redis(), edge.probe_database())
        # Without PostgreSQL events still flow, and every other edge would be without it as well.
        is_ready = redis == "ok" and not edge.is_draining
        state = "draining" if edge.is_draining else "ready" if is_ready else "not ready"
        return PlainTextResponse(
            f"{state}\nredis: {redis}\ndatabase: {database}\n",
            status_code=200 if is_ready else 503,
        )

    async def metrics(_: Request) -> Response:
        return Response(edge.metrics.render(), media_type="text/plain; version=0.0.4")

    operations = (
        *notifications.OPERATIONS,
        *contents.OPERATIONS,
        *chat.operations(is_enabled=edge.settings.chat_enabled),
    )
    return Starlette(
        lifespan=lifespan,
        middleware=[Middleware(Cors, allowed_origins=edge.settings.allowed_origins)],
        exception_handlers=problems.HANDLERS,
        routes=[
            WebSocketRoute("/ws", edge.sockets),
            Route(pages.SSE.path, edge.streams, methods=["GET"]),
            *(edge.desk.route(operation) for operation in operations),
            Route(pages.HEALTHZ.path, healthz),
            Route(pages.READYZ.path, readyz),
            Route(pages.METRICS.path, metrics),
            *edge.letterbox.routes(),
            *documents.routes(operations),
        ],
    )
