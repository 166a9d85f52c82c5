"""Figures by message: one asks for every account, and a medium worker reads each."""

import asyncio
from typing import Any

from dramatiq import Message
from redis.asyncio import Redis
from sqlalchemy import text

from engine.brokers import Tiers, connect
from models import channels
from tests.factories import Factory
from tests.integration.processes.conftest import CRITICAL, Start

MEDIUM = ("-m", "dramatiq", "engine.workers:medium", "--processes", "1", "--threads", "2")


async def count(make: Factory, statement: str) -> Any:
    async with make.database.connect() as connection:
        return (await connection.execute(text(statement))).scalar_one()


async def test_one_message_has_every_accounts_figures_read_by_a_medium_worker(
    start: Start, make: Factory, redis_url: str
) -> None:
    accounts = [await make.account() for _ in range(3)]
    quiet = {"SNS_METRICS_PORT_MEDIUM": "0"}
    relay, worker = start(*CRITICAL, **quiet), start(*MEDIUM, **quiet)
    await relay.until_said("worker is up")
    await worker.until_said("worker is up")
    tiers = Tiers(connect=lambda: connect(redis_url))
    tiers["medium"].enqueue(
        Message("medium", actor_name="collect_analytics", args=(), kwargs={}, options={})
    )
    tiers.close()
    async with asyncio.timeout(20):
        while await count(make, "SELECT count(*) FROM analytics_snapshots") < 9:
            await asyncio.sleep(0.05)
        while await count(make, "SELECT count(*) FROM outbox WHERE consumed_at IS NULL"):
            await asyncio.sleep(0.05)
    redis = Redis.from_url(redis_url)
    for account in accounts:
        async with asyncio.timeout(5):
            while await redis.get(channels.figures(account.id or 0)) is None:
                await asyncio.sleep(0.05)
    await redis.aclose()
    assert await count(make, "SELECT count(*) FROM dead_letters") == 0
    assert worker.stop() == 0
    assert relay.stop() == 0
