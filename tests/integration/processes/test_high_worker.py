"""The high worker as ``dramatiq engine.workers:high`` runs it: it alone loads a model."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from dramatiq import Message
from sqlalchemy import text

from engine.brokers import Tiers, connect
from models.database import open_database
from models.people import ClientMember
from tests.factories import Factory
from tests.integration.collecting.conftest import Inbox, found
from tests.integration.processes.conftest import Start

HIGH = ("-m", "dramatiq", "engine.workers:high", "--processes", "1", "--threads", "8")
MEDIUM = ("-m", "dramatiq", "engine.workers:medium", "--processes", "1", "--threads", "1")
QUIET = {f"SNS_METRICS_PORT_{tier}": "0" for tier in ("HIGH", "MEDIUM")}
BOOT_WITHIN_S = 60  # importing torch on a busy machine

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    database = open_database(database_url)
    make = Factory(database)
    account, operator = await make.account(), await make.user()
    await make.add(ClientMember(client_id=account.client_id, user_id=operator.id))
    yield Inbox(database, make, account, operator)
    await database.dispose()


@pytest.mark.weights
async def test_a_message_becomes_a_recorded_feeling_and_lets_the_event_go(
    start: Start, inbox: Inbox, redis_url: str
) -> None:
    await inbox.store(
        found(1, "배송도 빠르고 너무 예뻐요😍"), found(2, "다시는 안 삽니다 실망이에요")
    )
    worker = start(*HIGH, **QUIET)
    tiers = Tiers(connect=lambda: connect(redis_url))
    for comment in await inbox.comments():
        key = f"analyze_sentiment:{comment.id}"
        tiers["high"].enqueue(
            Message(
                queue_name="high",
                actor_name="analyze_sentiment",
                args=(comment.id,),
                kwargs={},
                options={"message_key": key},
            )
        )
    await worker.until_said("worker is up", within_s=BOOT_WITHIN_S)
    async with asyncio.timeout(20):
        while any(row.sentiment is None for row in await inbox.comments()):
            await asyncio.sleep(0.03)

    assert [row.sentiment for row in await inbox.comments()] == ["positive", "negative"]
    async with inbox.database.connect() as connection:
        left = await connection.scalar(
            text("SELECT count(*) FROM outbox WHERE consumed_at IS NULL AND kind = 'message'")
        )
    assert left == 0
    assert worker.stop() == 0


def test_a_model_that_is_not_there_stops_the_boot_and_says_what_to_do(
    start: Start, tmp_path: Path
) -> None:
    worker = start(*HIGH, **QUIET, SNS_SENTIMENT_MODEL=str(tmp_path / "nowhere"))
    assert worker.process.wait(BOOT_WITHIN_S) == 1
    [line] = [line for line in worker.said.splitlines() if line.startswith("cannot start: ")]
    assert "nowhere" in line
    assert "SNS_SENTIMENT_MODEL" in line
    assert "make train-sentiment" in line


async def test_a_medium_worker_loads_no_model_library(start: Start) -> None:
    worker = start(*MEDIUM, **QUIET)
    await worker.until_said("worker is up", within_s=BOOT_WITHIN_S)
    master = psutil.Process(worker.process.pid)
    loaded = {
        Path(part.path).name
        for process in (master, *master.children(recursive=True))
        for part in process.memory_maps()
    }
    assert any("ssl" in name for name in loaded), "libraries are seen at all"
    assert not [name for name in loaded if "torch" in name]
    assert worker.stop() == 0
