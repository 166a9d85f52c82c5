"""Valkey away for twelve seconds in the middle of publishing: nothing lost, nothing doubled."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from engine.services.listening import listen
from engine.services.relaying import Relay
from models import channels
from models.delivery import Delivery
from models.outbox import OUTBOX_CHANNEL
from tests.integration.publishing.conftest import Stage
from tests.integration.publishing.conftest import stage as stage
from tests.servers import Server

pytestmark = pytest.mark.chaos

AWAY_S = 12.0


async def test_posts_go_out_meanwhile_and_every_event_arrives_afterwards(
    stage: Stage, database_url: str, tmp_path: Path
) -> None:
    author = await stage.make.default_author()
    contents = [
        await stage.make.content(await stage.make.account(), due_in_s=1.5 + 0.5 * number)
        for number in range(12)
    ]
    valkey = Server(tmp_path)

    async def no_messages(_: object) -> None:
        raise AssertionError("there are none here")

    async with Redis.from_url(valkey.url, socket_timeout=1) as redis:
        relay = Relay(
            database=stage.database,
            redis=redis,
            delivery=Delivery(redis),
            send_messages=no_messages,
            knows_actor=lambda _: True,
            overdue_s=60,
            keep_s=3600,
        )
        tasks = [
            asyncio.create_task(relay.run()),
            asyncio.create_task(listen(database_url, {OUTBOX_CHANNEL: relay.wake})),
        ]
        try:
            async with stage.publisher():
                await stage.scan()
                await stage.until(contents[1], "success")
                valkey.kill()
                for content in contents:
                    await stage.until(content, "success")
                    posted = await stage.log_of(content)
                    assert (posted["sent_at"] - content.scheduled_at).total_seconds() < 1
                await asyncio.sleep(AWAY_S - 6.0)  # the posts above took about six
                valkey.start()
                async with asyncio.timeout(15):
                    while await unsent(stage):
                        await asyncio.sleep(0.05)
            entries = await redis.xrange(channels.stream(author.id or 0))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            valkey.kill()
    told = Counter(json.loads(next(iter(fields.values())))["content_id"] for _, fields in entries)
    assert told == {content.id: 1 for content in contents}
    captions = Counter(post["caption"] for post in stage.sandbox.posts())
    assert captions == {content.body: 1 for content in contents}


async def unsent(stage: Stage) -> int:
    async with stage.database.connect() as connection:
        count: int = (
            await connection.execute(text("SELECT count(*) FROM outbox WHERE sent_at IS NULL"))
        ).scalar_one()
    return count
