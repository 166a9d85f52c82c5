import asyncio

import pytest

from edge.inbox import Inbox


async def test_messages_come_out_as_they_went_in() -> None:
    inbox: Inbox[str] = Inbox()
    for message in "abc":
        inbox.put_nowait(message)

    assert [await inbox.get() for _ in range(3)] == ["a", "b", "c"]
    assert inbox.empty()


async def test_reader_waits_for_the_next_message() -> None:
    inbox: Inbox[str] = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait("a")
    inbox.put_nowait("b")

    assert await reading == "a"
    assert await inbox.get() == "b"


async def test_reader_that_gave_up_takes_nothing_with_it() -> None:
    inbox: Inbox[str] = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    reading.cancel()
    inbox.put_nowait("a")
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert await inbox.get() == "a"
