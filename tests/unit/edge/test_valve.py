import asyncio

from edge.valve import Valve


async def test_open_valve_lets_everyone_through() -> None:
    valve = Valve()

    assert valve.is_set()
    await valve.wait()


async def test_opening_wakes_all_who_wait_and_closing_stops_those_who_come_later() -> None:
    valve = Valve()
    valve.clear()
    waiting = [asyncio.create_task(valve.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    valve.set()
    await waiting[1]
    valve.clear()
    late = asyncio.create_task(valve.wait())
    await asyncio.sleep(0)

    assert not late.done()
    valve.set()
    await late


async def test_valve_closed_again_before_a_waiter_ran_holds_it_back() -> None:
    valve = Valve()
    valve.clear()
    waiting = asyncio.create_task(valve.wait())
    await asyncio.sleep(0)
    valve.set()
    valve.clear()
    await asyncio.sleep(0)

    assert not waiting.done()
    valve.set()
    await waiting
