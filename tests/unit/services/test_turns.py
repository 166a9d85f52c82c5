"""A free place goes to the client that had the fewest turns for its weight."""

import asyncio

from engine.services.turns import Turns


async def worked(turns: Turns, wanted: list[tuple[int, int, int]]) -> list[int]:
    """The order in which clients had turns; ``wanted`` is (client, weight, how many)."""
    order: list[int] = []

    async def work(client: int, weight: int) -> None:
        async with turns.turn(client, weight):
            order.append(client)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group, turns.turn(0):  # until everybody waits
        for client, weight, count in wanted:
            for _ in range(count):
                group.create_task(work(client, weight))
        await asyncio.sleep(0)
    return order


async def test_one_page_of_a_client_waits_for_no_queue_of_another() -> None:
    order = await worked(Turns(1), [(1, 1, 100), (2, 1, 1)])
    assert order.index(2) <= 2
    assert len(order) == 101


async def test_a_weight_of_two_has_two_turns_for_one() -> None:
    order = await worked(Turns(1), [(1, 2, 40), (2, 1, 40)])
    assert abs(order[:30].count(1) - 20) <= 2


async def test_a_client_that_was_away_does_not_have_all_its_missed_turns_at_once() -> None:
    turns = Turns(1)
    await worked(turns, [(1, 1, 50)])
    order = await worked(turns, [(2, 1, 20), (1, 1, 20)])
    assert abs(order[:20].count(1) - 10) <= 2


async def test_no_more_turns_are_out_than_there_are_places() -> None:
    turns, out, most = Turns(3), 0, 0

    async def work(client: int) -> None:
        nonlocal out, most
        async with turns.turn(client):
            out += 1
            most = max(most, out)
            await asyncio.sleep(0.001)
            out -= 1

    await asyncio.gather(*(work(client % 4) for client in range(40)))
    assert most == 3


async def test_a_turn_that_is_given_up_goes_to_the_next() -> None:
    turns = Turns(1)
    async with turns.turn(1):
        given_up = asyncio.create_task(turns._enter(2, 1.0))
        next_one = asyncio.create_task(turns._enter(3, 1.0))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
    await asyncio.wait_for(next_one, 1)
