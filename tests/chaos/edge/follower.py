"""A browser that comes back: on any edge, from where it was, for as long as it takes.

Also a program: ``python -m tests.chaos.edge.follower USER LAST PORT…`` follows until it has seen
the event numbered LAST and prints what it saw, for a test that stops the whole process meanwhile.
"""

import asyncio
import contextlib
import json
import random
import socket
import sys
from collections.abc import Sequence

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.integration.edge.harness import token

BACK_AFTER_S = 0.05
SMALL_BUFFER = 4096


class Follower:
    """What one tab saw: the numbers of its events, anew after each ``recovered: false``."""

    def __init__(self, user_id: int, ports: Sequence[int], *, small_buffer: bool = False) -> None:
        self._user_id = user_id
        self._ports = list(ports)
        self._small_buffer = small_buffer
        self._position: str | None = None
        self.seen: list[list[int]] = [[]]
        self.codes: list[int] = []
        self.greeted = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled."""
        random.shuffle(self._ports)
        while True:
            self._ports.append(self._ports.pop(0))
            with contextlib.suppress(OSError, InvalidHandshake, TimeoutError):
                await self._listen(self._ports[0])
            await asyncio.sleep(BACK_AFTER_S * random.uniform(0.5, 1.5))

    async def _listen(self, port: int) -> None:
        resume = f"&resume={self._position}" if self._position else ""
        raw = socket.socket()
        if self._small_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        raw.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        except OSError:
            raw.close()
            raise
        async with connect(
            f"ws://127.0.0.1:{port}/ws?token={token(self._user_id)}{resume}",
            sock=raw,
            proxy=None,
            ping_interval=None,
            open_timeout=5,
            close_timeout=1,
        ) as connection:
            try:
                async for text in connection:
                    self._take(json.loads(text))
            except ConnectionClosed:
                pass
            self.codes.append(connection.close_code or 0)

    def _take(self, frame: dict[str, object]) -> None:
        if frame["type"] == "hello":
            if self._position is None or not frame["recovered"]:
                if self._position is not None:
                    self.seen.append([])
                self._position = f"{frame['epoch']}-{frame['seq']}"
            self.greeted.set()
        elif "id" in frame:
            self._position = str(frame["id"])
            self.seen[-1].append(int(str(frame["number"])))

    @property
    def last(self) -> int:
        """Number of the newest event."""
        return next((numbers[-1] for numbers in reversed(self.seen) if numbers), 0)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(user_id: int, last: int, ports: list[int]) -> None:
    follower = Follower(user_id, ports, small_buffer=True)
    following = asyncio.create_task(follower.run())
    await follower.greeted.wait()
    say("listening")
    while follower.last < last:
        await asyncio.sleep(0.02)
    following.cancel()
    say(json.dumps({"seen": follower.seen, "codes": follower.codes}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
