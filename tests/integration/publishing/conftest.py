"""A publisher at work in the test's own process, against a real database and the sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.cli.stack import sandbox_addresses
from engine.clock import SystemClock
from engine.media.probe import Prober
from engine.media.source import HttpMediaSource
from engine.platforms.registry import open_platforms
from engine.services.publishing import Publisher, PublishingRules
from engine.services.scanning import scan
from engine.settings import Settings
from models.accounts import Platform
from models.database import open_database
from tests.factories import TOKEN_KEY, VAULT, Factory
from tests.running_sandbox import RunningSandbox

# A tenth to a hundredth of production's waits; what they decide is the same.
QUICK = PublishingRules(
    lease_s=2.0,
    retry_base_s=0.3,
    retry_max=3,
    doubt_wait_s=2.0,
    doubt_give_up_s=6.0,
    too_late_s=86_400,
)


class Stage:
    """What a publishing test sees and does."""

    def __init__(self, database: AsyncEngine, sandbox: RunningSandbox) -> None:
        self.database = database
        self.sandbox = sandbox
        self.settings = Settings.load(
            {
                **sandbox_addresses(sandbox.base_url),
                "SNS_TOKEN_KEYS": TOKEN_KEY,
                "SNS_JWT_SECRET": "x" * 32,
                "SNS_PUBLISH_TIMEOUT_S": "1",
                "SNS_CIRCUIT_OPEN_S": "0.3",
            }
        )
        self.media = HttpMediaSource(allow_private=True)
        self.probe = Prober(self.media)
        self.make = Factory(database, picture=sandbox.picture())

    @asynccontextmanager
    async def publisher(
        self, *, without: Platform | None = None, **rules: float
    ) -> AsyncIterator[Publisher]:
        """A running publisher; leaving lets it finish what is at its second.

        ``without`` leaves one platform out, as an installation does that has no app there.
        """
        opened = open_platforms(self.settings, self.media)
        platforms = {name: client for name, client in opened.items() if name is not without}
        publisher = Publisher(
            database=self.database,
            platforms=platforms,
            vault=VAULT,
            probe=self.probe,
            clock=SystemClock(),
            owner=f"test-{id(platforms)}",
            rules=replace(QUICK, **rules),
            random=Random(1),
        )
        stopping = asyncio.Event()
        running = asyncio.create_task(publisher.run(stopping))
        try:
            yield publisher
        finally:
            stopping.set()
            await running
            for client in opened.values():
                await client.close()

    async def scan(self, look_ahead_s: float = 600) -> Any:
        return await scan(self.database, now=SystemClock().now(), look_ahead_s=look_ahead_s)

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.database.begin() as connection:
            result = await connection.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    async def log_of(self, content: Any) -> dict[str, Any]:
        [row] = await self.rows(
            "SELECT * FROM publishing_logs WHERE content_id = :id", id=content.id
        )
        return row

    async def attempts_of(self, content: Any, *, visible: bool = True) -> list[dict[str, Any]]:
        return await self.rows(
            """SELECT a.* FROM publishing_attempts a JOIN publishing_logs l
               ON l.id = a.publishing_log_id
               WHERE l.content_id = :id AND a.is_visible = :visible ORDER BY number""",
            id=content.id,
            visible=visible,
        )

    async def until(self, content: Any, *statuses: str, within_s: float = 15) -> dict[str, Any]:
        """The content's log, once it has one of these states."""
        async with asyncio.timeout(within_s):
            while True:
                rows = await self.rows(
                    "SELECT * FROM publishing_logs WHERE content_id = :id", id=content.id
                )
                if rows and rows[0]["status"] in statuses:
                    return rows[0]
                await asyncio.sleep(0.02)

    async def events(self, type_: str = "publish_result") -> list[dict[str, Any]]:
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE kind = 'event' AND payload->>'type' = :t ORDER BY id",
            t=type_,
        )
        return [row["payload"] for row in rows]


@pytest.fixture
async def stage(database_url: str, sandbox: RunningSandbox) -> AsyncIterator[Stage]:
    database = open_database(database_url)
    stage = Stage(database, sandbox)
    yield stage
    await stage.probe.close()
    await stage.media.close()
    await database.dispose()
