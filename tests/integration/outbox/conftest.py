"""A relay in the test's own process, against a real database and a real Valkey."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.services.listening import listen
from engine.services.relaying import OutboxMessage, Relay
from models import channels
from models.database import open_database
from models.delivery import Delivery
from models.outbox import OUTBOX_CHANNEL
from tests.factories import Factory


class Post:
    """An outbox, and what came out of it."""

    def __init__(self, database: AsyncEngine, url: str, redis_url: str) -> None:
        self.database = database
        self.url = url
        self.redis_url = redis_url
        self.make = Factory(database)
        self.messages: list[OutboxMessage] = []

    async def _send_messages(self, messages: Sequence[OutboxMessage]) -> None:
        self.messages.extend(messages)

    def relay(self, redis: Redis, **settings: float) -> Relay:
        return Relay(
            database=self.database,
            redis=redis,
            delivery=Delivery(redis),
            send_messages=self._send_messages,
            knows_actor=lambda name: name == "known",
            **{"overdue_s": 60, "keep_s": 3600, **settings},
        )

    @asynccontextmanager
    async def running(self, **settings: float) -> AsyncIterator[Relay]:
        """A relay that listens and sweeps; several may run."""
        async with Redis.from_url(self.redis_url) as redis:
            relay = self.relay(redis, **settings)
            tasks = [
                asyncio.create_task(relay.run()),
                asyncio.create_task(listen(self.url, {OUTBOX_CHANNEL: relay.wake})),
            ]
            try:
                yield relay
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def stream(self, user_id: int) -> list[dict[str, Any]]:
        async with Redis.from_url(self.redis_url) as redis:
            entries = await redis.xrange(channels.stream(user_id))
        return [json.loads(next(iter(fields.values()))) for _, fields in entries]

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.database.begin() as connection:
            result = await connection.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    async def until(self, statement: str, expected: Any, *, within_s: float = 10) -> None:
        """Wait until the statement's one value is ``expected``."""
        async with asyncio.timeout(within_s):
            while True:
                [row] = await self.rows(statement)
                if next(iter(row.values())) == expected:
                    return
                await asyncio.sleep(0.02)


@pytest.fixture
async def post(database_url: str, redis_url: str) -> AsyncIterator[Post]:
    database = open_database(database_url)
    yield Post(database, database_url, redis_url)
    await database.dispose()
