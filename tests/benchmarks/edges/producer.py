"""Publishes events as told on stdin, one JSON object per line; answers each with one on stdout.

``{"as": "kept" | "live" | "peer", "users": [first, last], "count": …, "rate": …}``: without a
``rate`` as fast as it can. ``kept`` goes through ``models.delivery``, ``live`` to the users' own
channels, ``peer`` to the one channel that a plain edge listens on.

Run: ``python -m tests.benchmarks.edges.producer REDIS_URL``.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import orjson
import uvloop
from redis.asyncio import Redis

from models import channels
from models.delivery import Delivery, OutgoingEvent
from tests.benchmarks.edges.wire import frame, stamp

PER_ROUND_TRIP = 200
IN_FLIGHT = 2

Job = tuple[int, dict[str, Any]]
Publish = Callable[[list[Job]], Awaitable[Any]]

_ID_OVERHEAD = len('"id":"0123456789abcdef0123-100",')
_USER_OVERHEAD = len('"user_id":1000,')

numbers = count(1)


def ways(redis: Redis) -> dict[str, tuple[int, Publish]]:
    delivery = Delivery(redis)

    async def kept(jobs: list[Job]) -> None:
        await delivery.deliver(
            [
                OutgoingEvent(user_id, f"bench:{fields['comment_id']}", stamp(fields))
                for user_id, fields in jobs
            ]
        )

    async def live(jobs: list[Job]) -> None:
        pipeline = redis.pipeline(transaction=False)
        for user_id, fields in jobs:
            pipeline.publish(channels.live(user_id), orjson.dumps(stamp(fields)))
        await pipeline.execute()

    async def peer(jobs: list[Job]) -> None:
        pipeline = redis.pipeline(transaction=False)
        for user_id, fields in jobs:
            pipeline.publish(
                "pubsub:notifications", orjson.dumps({"user_id": user_id} | stamp(fields))
            )
        await pipeline.execute()

    return {"kept": (_ID_OVERHEAD, kept), "live": (0, live), "peer": (_USER_OVERHEAD, peer)}


async def paced(publish: Publish, jobs: list[Job], rate: float) -> None:
    """One event at a time, each at its own moment."""
    started = time.monotonic()
    under_way = set()
    for index, job in enumerate(jobs):
        await asyncio.sleep(max(0, started + index / rate - time.monotonic()))
        task = asyncio.create_task(publish([job]))  # type: ignore[arg-type]
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)


async def flat_out(publish: Publish, jobs: list[Job]) -> None:
    """Batches, so many at a time that Redis always has one to work on."""
    batches = iter(
        [jobs[start : start + PER_ROUND_TRIP] for start in range(0, len(jobs), PER_ROUND_TRIP)]
    )

    async def send() -> None:
        for batch in batches:
            await publish(batch)

    await asyncio.gather(*(send() for _ in range(IN_FLIGHT)))


async def main() -> None:
    async with Redis.from_url(sys.argv[1]) as redis:
        published = ways(redis)
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            overhead, publish = published[order["as"]]
            first, last = order["users"]
            users = last - first + 1
            jobs = [
                (first + index % users, frame(next(numbers), overhead=overhead))
                for index in range(order["count"])
            ]
            started = time.monotonic_ns()
            if "rate" in order:
                await paced(publish, jobs, order["rate"])
            else:
                await flat_out(publish, jobs)
            print(json.dumps({"started_ns": started, "ended_ns": time.monotonic_ns()}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
