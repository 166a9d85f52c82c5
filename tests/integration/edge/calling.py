"""The HTTP API as a page calls it, and the relay that a running engine would have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.services.notifying import notify
from engine.services.relaying import Relay
from models.delivery import Delivery
from models.events import Reference
from models.words import Priority
from tests.integration.edge.harness import PATIENCE_S, token


@asynccontextmanager
async def calling(
    port: int, user_id: int = 7, *, roles: list[str] | None = None, **headers: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client of the API."""
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {token(user_id, roles=roles)}"} | headers,
        trust_env=False,
        timeout=PATIENCE_S,
    ) as client:
        yield client


async def notify_user(database: AsyncEngine, user_id: int, key: str, **fields: Any) -> int:
    """A notification as the engine makes it."""
    given: dict[str, Any] = {
        "title": f"알림 {key}",
        "message": "확인해 주세요",
        "priority": Priority.NORMAL,
        "trace_id": "t",
        "reference": Reference(kind="content", id=1),
    } | fields
    async with database.begin() as connection:
        return await notify(connection, key=key, user_id=user_id, **given)


async def relay(database: AsyncEngine, redis: Redis) -> int:
    """Send what waits in the outbox, as the engine's relay does; gives how many rows."""

    async def send(_: object) -> None:
        return

    relay = Relay(
        database=database,
        redis=redis,
        delivery=Delivery(redis),
        send_messages=send,
        knows_actor=lambda actor: actor == "answer_chat",
        overdue_s=100,
        keep_s=100,
    )
    return await relay.send_batch()
