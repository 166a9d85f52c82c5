"""What waits to leave through one socket: bounded, sent by one writer, never waited for by others.

The writer is a task that lives while there is something to send; an idle connection has none.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from edge.close_codes import REASONS, CloseCode
from edge.merging import is_chat, is_kept, merge_chat

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait for one socket, and how long one send may take."""

    frames: int = 256
    size_bytes: int = 1024 * 1024
    send_timeout_s: float = 5


class Outbound:
    """The way out of one socket.

    Args:
        send: ASGI's send of an accepted WebSocket.
        abort: drops the connection at once; for a client that reads nothing at all, to which
            even a close frame could not be sent.
        bounds: what may wait.
        write_now: writes text frames past ``send`` and its task, unless the socket is congested
            or ending, and then says false and has written none.
    """

    __slots__ = (
        "_abort",
        "_bounds",
        "_closing",
        "_deadline",
        "_drained",
        "_frames",
        "_is_over",
        "_send",
        "_size_bytes",
        "_write_now",
        "_writer",
    )

    def __init__(
        self,
        send: Callable[[Message], Awaitable[None]],
        abort: Callable[[], None],
        bounds: Bounds,
        write_now: Callable[..., bool] | None = None,
    ) -> None:
        self._send = send
        self._write_now = write_now or _congested
        self._abort = abort
        self._bounds = bounds
        # A list, because an empty deque has room for 64, and nearly all are empty.
        self._frames: list[tuple[str, int]] = []
        self._size_bytes = 0
        self._closing: tuple[CloseCode, str] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._drained: asyncio.Event | None = None
        self._deadline: asyncio.TimerHandle | None = None  # of a close
        self._is_over = False

    def put(self, text: str, size_bytes: int) -> bool:
        """Queue a frame; false if there is no room, and then it is not queued.

        Before there is no room, the pieces of an answer that wait are made one.
        """
        if self._is_over or self._closing is not None:
            return True  # nobody is listening any more
        if self._writer is None and self._write_now(text):
            return True  # nothing waited, and the socket took it
        if not self._has_room(len(self._frames) + 1, self._size_bytes + size_bytes):
            return self._queue_merged(text)
        self._queue(text, size_bytes)
        return True

    def put_answer(self, *texts: str) -> None:
        """Queue what this client asked for, even beyond the bounds: its asking is bounded."""
        if self._is_over or self._closing is not None:
            return
        if self._writer is None and self._write_now(*texts):
            return
        for text in texts:
            self._queue(text, len(text.encode()))

    def close(self, code: CloseCode, reason: str) -> None:
        """Send what waits, then close, all within the time of one send. The first code stands."""
        if self._is_over or self._closing is not None:
            return
        self._closing = (code, reason)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._bounds.send_timeout_s, self._abort)
        self._wake()

    def cut(self) -> None:
        """Close as too slow, before what can be had again.

        Kept events come back with the resume, answers with their conversation. A live frame of
        another kind is told now or never, and goes first.
        """
        self._replace(
            [frame for frame in self._frames if not is_kept(frame[0]) and not is_chat(frame[0])]
        )
        self.close(CloseCode.TOO_SLOW, REASONS[CloseCode.TOO_SLOW])

    async def drained(self) -> None:
        """Wait until nothing waits."""
        if self._writer is not None:
            if self._drained is None:
                self._drained = asyncio.Event()
            await self._drained.wait()

    async def stop(self) -> None:
        """The socket is gone: drop everything and end the writer."""
        self._is_over = True
        self._frames.clear()
        if self._deadline is not None:
            self._deadline.cancel()
        if (writer := self._writer) is not None:
            writer.cancel()
            await asyncio.wait([writer])

    def _has_room(self, frames: int, size_bytes: int) -> bool:
        return frames <= self._bounds.frames and size_bytes <= self._bounds.size_bytes

    def _queue_merged(self, text: str) -> bool:
        waiting = [waiting for waiting, _ in self._frames]
        merged = merge_chat([*waiting, text])
        if len(merged) > len(waiting):
            return False  # nothing could be merged
        frames = [(frame, len(frame.encode())) for frame in merged]
        if not self._has_room(len(frames), sum(size_bytes for _, size_bytes in frames)):
            return False
        self._replace(frames)
        return True

    def _replace(self, frames: list[tuple[str, int]]) -> None:
        self._frames = list(frames)
        self._size_bytes = sum(size_bytes for _, size_bytes in frames)

    def _queue(self, text: str, size_bytes: int) -> None:
        self._frames.append((text, size_bytes))
        self._size_bytes += size_bytes
        self._wake()

    def _wake(self) -> None:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._frames:
                text, size_bytes = self._frames.pop(0)
                self._size_bytes -= size_bytes
                await self._send_in_time({"type": "websocket.send", "text": text})
            if self._closing is not None:
                code, reason = self._closing
                self._is_over = True
                await self._send_in_time(
                    {"type": "websocket.close", "code": int(code), "reason": reason}
                )
        except TimeoutError:
            self._is_over = True
            self._abort()
        except (OSError, RuntimeError):
            # The client is gone, or the server has closed because of what the client sent.
            self._is_over = True
        finally:
            self._writer = None
            if self._drained is not None:
                self._drained.set()
                self._drained = None

    async def _send_in_time(self, message: Message) -> None:
        async with asyncio.timeout(self._bounds.send_timeout_s):
            await self._send(message)


def _congested(*_: str) -> bool:
    """For a server that takes frames through ASGI only."""
    return False
