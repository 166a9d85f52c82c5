"""The critical worker as ``dramatiq engine.workers:critical`` runs it."""

import asyncio
import json
import os
import signal
from typing import Any

import psutil
from dramatiq import Message
from sqlalchemy import text

from engine.brokers import Tiers, connect
from tests.factories import Factory
from tests.integration.processes.conftest import CRITICAL, SCHEDULER, Start
from tests.running_sandbox import RunningSandbox


async def rows(make: Factory, statement: str) -> list[dict[str, Any]]:
    async with make.database.connect() as connection:
        return [dict(row) for row in (await connection.execute(text(statement))).mappings()]


async def until(make: Factory, statement: str, expected: Any, *, within_s: float = 20) -> None:
    """Wait until the statement's one value is ``expected``."""
    async with asyncio.timeout(within_s):
        while [*(await rows(make, statement))[0].values()] != [expected]:
            await asyncio.sleep(0.03)


def send(redis_url: str, *args: Any) -> None:
    """What the main API does, short of importing the actor."""
    tiers = Tiers(connect=lambda: connect(redis_url))
    tiers["critical"].enqueue(
        Message(
            queue_name="critical",
            actor_name="publish_to_platform",
            args=args,
            kwargs={},
            options={},
        )
    )
    tiers.close()


async def test_commands_are_done_and_bad_ones_become_dead_letters_with_their_reason(
    start: Start, make: Factory, redis_url: str, sandbox: RunningSandbox
) -> None:
    account = await make.account()
    content = await make.content(account, due_in_s=3600)
    worker = start(*CRITICAL)
    await worker.until_said("worker is up")
    bad = {
        ("not a number", account.id): "valid integer",
        (content.id,): "Missing required argument",
        (content.id, account.id, 3): "Unexpected positional argument",
        (424242, account.id): "InvalidCommand: there is no content 424242",
    }
    for args in bad:
        send(redis_url, *args)
    send(redis_url, content.id, account.id)
    await until(make, "SELECT count(*) FROM publishing_logs WHERE status = 'success'", 1)
    assert len(sandbox.posts()) == 1
    await until(make, "SELECT count(*) FROM dead_letters", len(bad))
    letters = await rows(make, "SELECT message->'args' AS args, reason FROM dead_letters")
    for letter in letters:
        assert bad[tuple(letter["args"])] in letter["reason"]
    assert worker.stop() == 0


async def test_a_worker_killed_with_posts_in_its_hands_loses_and_doubles_none(
    start: Start, make: Factory, sandbox: RunningSandbox
) -> None:
    sandbox.switch(answer_ms=300)
    contents = [await make.content(await make.account(), due_in_s=4) for _ in range(6)]
    master = start(*CRITICAL)
    await master.until_said("worker is up")
    [worker] = psutil.Process(master.process.pid).children()
    await until(make, "SELECT count(*) FROM publishing_logs WHERE status = 'sending'", 6)
    worker.send_signal(signal.SIGKILL)
    successor = start(*CRITICAL)
    await until(make, "SELECT count(*) FROM publishing_logs WHERE status = 'success'", 6)
    posts = sandbox.posts()
    assert sorted(post["caption"] for post in posts) == sorted(one.body for one in contents)
    await until(make, "SELECT count(*) FROM outbox WHERE kind = 'event' AND sent_at IS NULL", 0)
    assert successor.stop() == 0


async def test_a_killed_master_takes_its_worker_along(start: Start) -> None:
    master = start(*CRITICAL)
    await master.until_said("worker is up")
    children = psutil.Process(master.process.pid).children(recursive=True)
    assert children
    master.process.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


async def test_stopping_the_whole_group_ends_in_time_and_gives_posts_back(
    start: Start, make: Factory
) -> None:
    await make.content(await make.account(), due_in_s=20)
    worker = start(*CRITICAL, SNS_LEASE_S="60")
    await worker.until_said("worker is up")
    await until(make, "SELECT count(*) FROM publishing_logs WHERE status = 'staged'", 1)
    os.killpg(worker.process.pid, signal.SIGTERM)
    assert worker.process.wait(10) == 0
    assert await rows(make, "SELECT status, lease_owner FROM publishing_logs") == [
        {"status": "staged", "lease_owner": None}
    ]


async def test_one_trace_id_leads_from_the_row_to_the_event_and_no_token_is_logged(
    start: Start, make: Factory, sandbox: RunningSandbox
) -> None:
    account = await make.account()
    await make.content(account, due_in_s=1)
    worker = start(*CRITICAL, SNS_LOG_LEVEL="DEBUG")
    await until(make, "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL", 1)
    [log] = await rows(make, "SELECT trace_id FROM publishing_logs")
    [event] = await rows(make, "SELECT payload FROM outbox WHERE kind = 'event'")
    assert event["payload"]["trace_id"] == log["trace_id"]
    assert worker.stop() == 0
    lines = [json.loads(line) for line in worker.said.splitlines() if line.startswith("{")]
    traced = {line["event"] for line in lines if line.get("trace_id") == log["trace_id"]}
    assert {"armed", "published", "relayed"} <= traced
    assert sandbox.token(account.platform_user_id) not in worker.said


async def test_two_schedulers_give_each_tick_once_and_a_worker_consumes_it(
    start: Start, make: Factory
) -> None:
    schedulers = [start(*SCHEDULER), start(*SCHEDULER)]
    for scheduler in schedulers:
        await scheduler.until_said("scheduler is up")
    worker = start(*CRITICAL)
    await until(make, "SELECT count(*) > 0 FROM outbox WHERE consumed_at IS NOT NULL", True)
    ticks = await rows(make, "SELECT planned_at FROM ticks WHERE job = 'scan-scheduled-posts'")
    messages = await rows(make, "SELECT key FROM outbox WHERE actor = 'scan_scheduled_posts'")
    assert len(messages) == len(ticks)  # one, or two over the turn of a minute
    schedulers[0].process.kill()
    assert schedulers[1].stop() == 0
    assert worker.stop() == 0
