"""A client with accounts, the sandbox behind them, and both stores."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.platforms.registry import open_insights
from engine.ports import InsightsClient
from engine.rules.calendar import day_of
from engine.services.measuring import Measurement, measure
from engine.settings import Settings
from models.accounts import Platform
from models.comments import WatchedPost
from models.database import open_database
from models.publishing import PublishingLog, PublishingStatus
from tests.contracts.levers import KINDS
from tests.contracts.test_insights_client import settings_of
from tests.factories import VAULT, Factory
from tests.fakes.parts import prepared
from tests.running_sandbox import RunningSandbox


class Desk:
    """What a test of figures sees and does."""

    def __init__(
        self, database: AsyncEngine, redis: Redis, sandbox: RunningSandbox, settings: Settings
    ) -> None:
        self.database = database
        self.redis = redis
        self.sandbox = sandbox
        self.clients = dict(open_insights(settings))
        self.make = Factory(database)
        self.now = datetime.now(UTC)

    async def measure(
        self, account: Any, *, now: datetime | None = None, client: InsightsClient | None = None
    ) -> Measurement:
        clients = {Platform(account.platform): client} if client else self.clients
        return await measure(
            self.database,
            self.redis,
            account_id=account.id,
            clients=clients,
            vault=VAULT,
            now=now or datetime.now(UTC),
        )

    async def published(self, account: Any, kind: str = "instagram image") -> str:
        """A post that the engine published: live, and in the publishing log."""
        open_platform, details = KINDS[kind]
        async with open_platform(self.sandbox, **details) as platform:
            access, post = platform.access(account.platform_user_id), platform.post()
            container = await prepared(platform.client, access, post)
            post_id = await platform.client.publish(access, container, post)
        await self.log(account, post_id, kind=details["kind"])
        return post_id

    async def log(
        self, account: Any, post_id: str, *, kind: str, at: datetime | None = None
    ) -> Any:
        content = await self.make.content(account)
        return await self.make.add(
            PublishingLog(
                content_id=content.id,
                platform_account_id=account.id,
                status=PublishingStatus.SUCCESS,
                platform_post_id=post_id,
                kind=kind,
                due_at=at or self.now,
                act_at=at or self.now,
                sent_at=at or self.now,
                trace_id="t",
            )
        )

    async def watch(self, account: Any, post_id: str) -> None:
        await self.make.add(
            WatchedPost(
                platform_account_id=account.id, platform_post_id=post_id, posted_at=self.now
            )
        )

    def set_figures(self, **instruction: Any) -> None:
        self.sandbox.ask("POST", "/sandbox/insights", instruction)

    async def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        async with self.database.begin() as connection:
            result = await connection.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    async def snapshots(self, account: Any, post_id: str = "") -> dict[Any, dict[str, Any]]:
        rows = await self.rows(
            """SELECT * FROM analytics_snapshots
               WHERE platform_account_id = :id AND platform_post_id = :post_id""",
            id=account.id,
            post_id=post_id,
        )
        return {row["day"]: row for row in rows}


@pytest.fixture
async def desk(database_url: str, redis_url: str, sandbox: RunningSandbox) -> AsyncIterator[Desk]:
    sandbox.switch(container_ready_s=0, fetch_media=False)
    database, redis = open_database(database_url), Redis.from_url(redis_url)
    desk = Desk(database, redis, sandbox, settings_of(sandbox))
    yield desk
    for client in desk.clients.values():
        await client.close()
    await redis.aclose()
    await database.dispose()


def today() -> Any:
    return day_of(datetime.now(UTC))
