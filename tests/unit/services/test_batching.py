import asyncio
from collections.abc import Sequence

import pytest

from engine.services.batching import Batcher


async def test_calls_that_arrive_during_a_commit_form_the_next_batch() -> None:
    batches: list[list[int]] = []
    gate = asyncio.Event()

    async def commit(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        await gate.wait()
        return [item * 10 for item in items]

    batcher = Batcher(commit)
    first = asyncio.create_task(batcher.submit(1))
    while not batches:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(batcher.submit(n)) for n in (2, 3, 4)]
    await asyncio.sleep(0)
    gate.set()
    assert await first == 10
    assert await asyncio.gather(*rest) == [20, 30, 40]
    assert batches == [[1], [2, 3, 4]]


async def test_a_failed_batch_fails_its_callers_and_not_the_next_ones() -> None:
    async def commit(items: Sequence[int]) -> list[int]:
        if 1 in items:
            raise OSError("gone")
        return list(items)

    batcher = Batcher(commit)
    with pytest.raises(OSError, match="gone"):
        await batcher.submit(1)
    assert await batcher.submit(2) == 2


async def test_no_batch_is_larger_than_the_limit() -> None:
    sizes: list[int] = []

    async def commit(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        return list(items)

    batcher = Batcher(commit, limit=3)
    await asyncio.gather(*(batcher.submit(n) for n in range(8)))
    assert sizes == [3, 3, 2]
