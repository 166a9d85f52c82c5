"""The usual edge: one Redis channel, a dict of sockets per user, sends awaited in the subscriber.

What most Starlette services do, kept as plain as it is done: no history, no resume, no bound on
what waits for a slow reader. On the fastest settings that such a service can choose: uvloop, no
compression, no keep-alive pings.

Run: ``python -m tests.benchmarks.edges.plain PORT REDIS_URL SECRET``.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt
import orjson
import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

CHANNEL = "pubsub:notifications"

port, redis_url, secret = int(sys.argv[1]), sys.argv[2], sys.argv[3]
sockets: dict[int, set[WebSocket]] = {}


async def serve(websocket: WebSocket) -> None:
    claims = jwt.decode(
        websocket.query_params["token"], secret, algorithms=["HS256"], audience="sns-edge"
    )
    user_id = int(claims["sub"])
    await websocket.accept()
    sockets.setdefault(user_id, set()).add(websocket)
    try:
        await websocket.send_json({"type": "hello"})
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        sockets[user_id].discard(websocket)


async def subscribe() -> None:
    pubsub = Redis.from_url(redis_url).pubsub()
    await pubsub.subscribe(CHANNEL)
    async for message in pubsub.listen():
        if message["type"] == "message":
            event = orjson.loads(message["data"])
            for websocket in list(sockets.get(event["user_id"], ())):
                await websocket.send_json(event)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    subscriber = asyncio.create_task(subscribe())
    yield
    subscriber.cancel()


app = Starlette(routes=[WebSocketRoute("/ws", serve)], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_level="warning",
    )
