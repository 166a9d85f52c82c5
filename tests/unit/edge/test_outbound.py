import asyncio
import json
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


def chunk(index: int, text: str = "가", conversation: int = 1, **fields: object) -> str:
    return json.dumps(
        {
            "type": "chat_stream",
            "conversation_id": conversation,
            "chunk": text,
            "index": index,
            "done": False,
            "status": "streaming",
        }
        | fields,
        ensure_ascii=False,
    )


async def test_cut_keeps_what_is_told_now_or_never_and_says_too_slow() -> None:
    socket = Socket()
    out = outbound(socket)
    kept, alert = '{"id":"e-1","type":"notification"}', '{"type":"crisis_alert"}'
    for text in (kept, alert, chunk(1)):
        assert out.put(text, len(text))

    out.cut()
    await out.drained()

    assert socket.texts == [alert]
    assert socket.codes == [4101]
    await out.stop()


async def test_chunks_that_wait_are_merged_before_there_is_no_room() -> None:
    socket = Socket()
    socket.gate.clear()
    out = outbound(socket, frames=4)
    alerts = ['{"id":"e-1","type":"x"}', '{"id":"e-2","type":"x"}']

    assert out.put("first", 5)  # in the writer's hands from here on
    await asyncio.sleep(0)
    for text in (alerts[0], chunk(1, "안"), alerts[1], chunk(2, "녕")):
        assert out.put(text, len(text.encode()))
    last = chunk(3, "!", done=True, status="done")
    assert out.put(last, len(last.encode()))
    assert out.put("room again", 10)
    assert not out.put("no more", 7)
    socket.gate.set()
    await out.drained()

    first, one, merged, another, other = socket.texts
    assert (first, one, another, other) == ("first", *alerts, "room again")
    assert json.loads(merged) == json.loads(
        chunk(3, "안녕!", done=True, status="done", first_index=1)
    )
    await out.stop()


async def test_chunks_that_take_too_many_bytes_even_as_one_are_refused() -> None:
    socket = Socket()
    socket.gate.clear()
    out = outbound(socket, size_bytes=1000)
    refused = 0

    for index in range(10):
        text = chunk(index, "x" * 150)
        refused += not out.put(text, len(text))

    assert 0 < refused < 7
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
