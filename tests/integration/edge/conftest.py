"""What only the tests of the edge and of its histories share."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    """A client for commands on an empty Valkey."""
    async with Redis.from_url(redis_url) as client:
        yield client
