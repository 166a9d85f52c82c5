import asyncio
from typing import Any

import pytest

from edge.close_codes import CloseCode
from edge.outbound import Bounds, Outbound


class Socket:
    """Takes messages while its gate is open."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.aborted = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        await self.gate.wait()
        self.sent.append(message)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]

    @property
    def codes(self) -> list[int]:
        return [message["code"] for message in self.sent if message["type"] == "websocket.close"]


def outbound(socket: Socket, **bounds: Any) -> Outbound:
    return Outbound(socket.send, socket.aborted.set, Bounds(**bounds))


async def test_frames_leave_in_order_and_the_close_after_them() -> None:
    socket = Socket()
    out = outbound(socket)

    for text in "abc":
        assert out.put(text, 1)
    out.close(CloseCode.DRAINING, "draining")
    assert out.put("late", 4)
    await out.drained()

    assert socket.texts == ["a", "b", "c"]
    assert socket.codes == [4200]
    await out.stop()


async def test_queue_is_bounded_by_frames() -> None:
    socket = Socket()
    socket.gate.clear()
    out = outbound(socket, frames=2)

    assert [out.put(text, 1) for text in "abc"] == [True, True, False]
    await out.stop()


async def test_queue_is_bounded_by_size() -> None:
    socket = Socket()
    socket.gate.clear()
    out = outbound(socket, size_bytes=10)

    assert [out.put(text, 5) for text in "abc"] == [True, True, False]
    socket.gate.set()
    await out.drained()
    assert out.put("d", 5)
    await out.stop()


async def test_cut_drops_what_waits_and_says_too_slow() -> None:
    socket = Socket()
    out = outbound(socket)
    out.put("a", 1)
    out.put("b", 1)

    out.cut()
    await out.drained()

    assert socket.texts == []
    assert socket.codes == [4101]
    await out.stop()


async def test_send_that_takes_too_long_aborts_the_connection() -> None:
    socket = Socket()
    socket.gate.clear()
    out = outbound(socket, send_timeout_s=0.01)

    out.put("a", 1)

    async with asyncio.timeout(5):
        await socket.aborted.wait()
    await out.stop()


async def test_close_behind_a_slow_send_aborts_in_the_time_of_one_send() -> None:
    socket = Socket()

    async def trickle(message: dict[str, Any]) -> None:
        await asyncio.sleep(0.04)
        socket.sent.append(message)

    out = Outbound(trickle, socket.aborted.set, Bounds(send_timeout_s=0.05))
    for text in "abcdefgh":
        out.put(text, 1)
    out.close(CloseCode.DRAINING, "draining")

    async with asyncio.timeout(5):
        await socket.aborted.wait()
    assert len(socket.texts) < 8
    await out.stop()


@pytest.mark.parametrize("error", [OSError, RuntimeError])
async def test_dead_socket_ends_the_writer_without_a_word(error: type[Exception]) -> None:
    async def send(message: dict[str, Any]) -> None:
        raise error("gone")

    out = Outbound(send, lambda: None, Bounds())
    out.put("a", 1)
    await out.drained()

    assert out.put("b", 1)
    await out.stop()


async def test_idle_socket_has_no_task() -> None:
    before = asyncio.all_tasks()
    out = outbound(Socket())
    out.put("a", 1)
    await out.drained()
    await out.stop()

    assert asyncio.all_tasks() == before
