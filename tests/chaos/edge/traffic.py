"""Events without a pause for several users, each in two tabs that come back whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from models.delivery import Delivery
from tests.chaos.edge.follower import Follower
from tests.integration.edge.harness import PATIENCE_S, event, until
from tests.running_edge import Edge

USERS = range(1, 6)
TABS = 2
PAUSE_S = 0.01


class Traffic:
    """Publishes event 1, 2, 3, … to every user until it ends, and knows what was seen."""

    def __init__(self, redis_url: str, edges: Sequence[Edge]) -> None:
        self._redis_url = redis_url
        ports = [edge.port for edge in edges]
        self.followers = [Follower(user, ports) for user in USERS for _ in range(TABS)]
        self.published = 0
        self._is_ending = False

    async def publish(self) -> None:
        """Like the relay: an event is sent again until Redis has said that it is written."""
        async with Redis.from_url(self._redis_url, socket_timeout=2) as redis:
            delivery = Delivery(redis)
            while not self._is_ending:
                number = self.published + 1
                batch = [event(f"event:{number}", user, number=number) for user in USERS]
                while True:
                    try:
                        await delivery.deliver(batch)
                        break
                    except (RedisError, OSError):
                        await asyncio.sleep(PAUSE_S)
                self.published = number
                await asyncio.sleep(PAUSE_S)

    async def more(self, count: int = 30) -> None:
        """Wait until so many more events have been seen by everyone."""
        wanted = self.published + count
        await self._seen_by_all(lambda: wanted)

    async def end(self, publishing: asyncio.Task[None]) -> None:
        """Stop publishing and wait until everyone has seen the last event."""
        self._is_ending = True
        await publishing
        await self._seen_by_all(lambda: self.published)

    async def _seen_by_all(self, number: Callable[[], int]) -> None:
        await until(lambda: all(follower.last >= number() for follower in self.followers))

    def assert_each_once_and_in_order(self) -> None:
        """Nobody missed or doubled anything, and nobody was told that something was lost."""
        everything = list(range(1, self.published + 1))
        for follower in self.followers:
            assert follower.seen == [everything]

    def assert_in_order_or_told(self) -> None:
        """As above, except where the browser was told ``recovered: false``."""
        for follower in self.followers:
            for numbers in follower.seen:
                start = numbers[0] if numbers else 0
                assert numbers == list(range(start, start + len(numbers)))
            assert follower.last == self.published


@asynccontextmanager
async def traffic(redis_url: str, edges: Sequence[Edge]) -> AsyncIterator[Traffic]:
    """Traffic while the block runs; at its end everyone has seen the last event."""
    one = Traffic(redis_url, edges)
    following = [asyncio.create_task(follower.run()) for follower in one.followers]
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(follower.greeted.wait() for follower in one.followers))
        publishing = asyncio.create_task(one.publish())
        try:
            await one.more()
            yield one
            await one.end(publishing)
        finally:
            publishing.cancel()
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
