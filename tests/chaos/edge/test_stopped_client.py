"""A client whose whole process stands still, as that of a laptop which is closed."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE

import pytest
from redis.asyncio import Redis

from models.delivery import Delivery
from tests.integration.edge.harness import PATIENCE_S, event, until_true
from tests.running_edge import ROOT, running

pytestmark = pytest.mark.chaos

EVENTS = 400  # times 20 kB: more than the kernel's buffers hold, less than the history


async def test_stopped_client_is_cut_as_slow_and_has_everything_when_it_goes_on(
    redis_url: str,
) -> None:
    async with (
        running(1, redis_url, edge_send_timeout_s=0.5, edge_queue_frames=50) as (edge,),
        Redis.from_url(redis_url) as redis,
    ):
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.edge.follower", "7", str(EVENTS), str(edge.port)),
            cwd=ROOT,
            stdout=PIPE,
        )
        try:
            assert client.stdout is not None
            async with asyncio.timeout(PATIENCE_S):
                assert await client.stdout.readline() == b"listening\n"
            client.send_signal(signal.SIGSTOP)
            delivery = Delivery(redis)
            for first in range(1, EVENTS, 20):
                numbers = range(first, first + 20)
                await delivery.deliver([event(n, number=n, padding="x" * 20_000) for n in numbers])

            async def is_cut() -> bool:
                return "sns_edge_connections 0.0" in await edge.metrics()

            await until_true(is_cut)
            client.send_signal(signal.SIGCONT)
            async with asyncio.timeout(PATIENCE_S):
                out, _ = await client.communicate()
        finally:
            if client.returncode is None:
                client.kill()
                await client.wait()

    assert json.loads(out)["seen"] == [list(range(1, EVENTS + 1))]
