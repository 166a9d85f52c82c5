"""Thousands of WebSocket readers in one process, as cheap as Python makes them.

Raw sockets and ``epoll``: a frame costs a few microseconds, so that the edge is measured and not
its audience. Orders come on stdin, one JSON object per line; each is answered by one on stdout.

- ``{"do": "connect", "port": …, "users": [first, last], "secret": …, "resume": bool}``
- ``{"do": "expect", "deliveries": …, "timeout_s": …, "latency": bool}`` → first says
  ``"listening"``, then, when all have come or time is up, what was received
- ``{"do": "disconnect"}``

Each event with an id is checked to be the very next one of its socket's history.

Run: ``python -m tests.benchmarks.edges.clients``.
"""

import base64
import json
import os
import select
import socket
import sys
import time
from collections import deque
from typing import Any

import jwt

from tests.benchmarks.edges.wire import SOCKETS_PER_USER, stamped_at

UNDER_WAY = 256
"""Handshakes at a time; as many as the shortest usual backlog takes with ease."""

GATHER_S = 0.005
"""Pause between two looks during a burst. An audience of browsers would not run on the edge's own
machine; here it must not take the processor that the edge needs."""

_KEY = base64.b64encode(os.urandom(16)).decode()
_ID_STARTS = b'{"id":"'


class Reader:
    """One socket, and where its user's history stands."""

    __slots__ = ("buffer", "epoch", "greeted", "request", "seq", "socket", "token", "upgraded")

    def __init__(self, token: str) -> None:
        self.token = token
        self.epoch = b""
        self.seq = -1
        self.reset()

    def reset(self) -> None:
        self.buffer = b""
        self.upgraded = False
        self.greeted = False

    def connect(self, port: int, *, resume: bool) -> None:
        self.reset()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))
        query = f"token={self.token}"
        if resume:
            query += f"&resume={self.epoch.decode()}-{self.seq}"
        self.request = (
            f"GET /ws?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n\r\n"
        ).encode()


class Audience:
    """All sockets of this process."""

    def __init__(self) -> None:
        self.readers: list[Reader] = []
        self.by_fd: dict[int, Reader] = {}
        self.epoll = select.epoll()
        self.has_timed = False
        self.forget()

    def forget(self) -> None:
        self.deliveries = self.lost = self.doubled = self.unrecovered = self.greeted = 0
        self.latencies: list[int] = []
        self.last_ns = 0

    def connect(self, order: dict[str, Any]) -> dict[str, Any]:
        """Open all sockets, and wait until each has been greeted."""
        started = time.monotonic()
        resume = order.get("resume", False)
        if not resume:
            first, last = order["users"]
            self.readers = [
                Reader(token(user_id, order["secret"]))
                for user_id in range(first, last + 1)
                for _ in range(SOCKETS_PER_USER)
            ]
        self.forget()
        waiting = deque(self.readers)
        opened = 0
        deadline = time.monotonic() + order.get("timeout_s", 60)
        while self.greeted < len(self.readers):
            while waiting and opened - self.greeted < UNDER_WAY:
                self.open(waiting.popleft(), order["port"], resume=resume)
                opened += 1
            self.turn(0.1)
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.greeted} of {len(self.readers)} sockets were greeted")
        return {"connected": self.greeted, "seconds": time.monotonic() - started}

    def open(self, reader: Reader, port: int, *, resume: bool) -> None:
        reader.connect(port, resume=resume)
        self.by_fd[reader.socket.fileno()] = reader
        self.epoll.register(reader.socket.fileno(), select.EPOLLOUT)

    def expect(self, order: dict[str, Any]) -> dict[str, Any]:
        """Read until so many deliveries have come since the last order, or time is up."""
        self.has_timed = order.get("latency", False)
        deadline = time.monotonic() + order["timeout_s"]
        while self.deliveries < order["deliveries"] and time.monotonic() < deadline:
            if not self.has_timed:
                time.sleep(GATHER_S)
            self.turn(0.1)
        self.turn(0.1)  # a double would come now
        result = {
            "deliveries": self.deliveries,
            "last_ns": self.last_ns,
            "lost": self.lost + max(0, order["deliveries"] - self.deliveries),
            "doubled": self.doubled,
            "unrecovered": self.unrecovered,
            "latencies_us": [round(value / 1000) for value in self.latencies],
        }
        self.forget()
        return result

    def disconnect(self) -> dict[str, Any]:
        for fd, reader in self.by_fd.items():
            self.epoll.unregister(fd)
            reader.socket.close()
        self.by_fd.clear()
        return {"disconnected": True}

    def turn(self, timeout_s: float) -> None:
        for fd, event in self.epoll.poll(timeout_s):
            reader = self.by_fd[fd]
            if event & select.EPOLLOUT:
                reader.socket.send(reader.request)
                self.epoll.modify(fd, select.EPOLLIN)
                continue
            try:
                data = reader.socket.recv(16_384)  # more would be mapped anew each time
            except ConnectionError:
                data = b""
            if not data:
                self.epoll.unregister(fd)
                reader.socket.close()
                del self.by_fd[fd]
                continue
            if reader.buffer:
                data, reader.buffer = reader.buffer + data, b""
            self.take(reader, data)

    def take(self, reader: Reader, data: bytes) -> None:
        at, size = 0, len(data)
        if not reader.upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                reader.buffer = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                raise SystemExit(data.decode(errors="replace"))
            reader.upgraded = True
            at = end + 4
        elif size > 126 and data[:2] == b"\x81\x7e" and size == 4 + (data[2] << 8 | data[3]):
            self.event(reader, data[4:])  # exactly one event: by far the most frequent case
            return
        # Frames of a server are not masked, and none of ours is over 64 KiB.
        while at + 2 <= size:
            length = data[at + 1]
            start = at + 2
            if length == 126:
                if at + 4 > size:
                    break
                length = data[at + 2] << 8 | data[at + 3]
                start = at + 4
            if start + length > size:
                break
            if data[at] == 0x81:
                self.event(reader, data[start : start + length])
            at = start + length
        reader.buffer = data[at:]

    def event(self, reader: Reader, payload: bytes) -> None:
        if not reader.greeted:
            self.greet(reader, payload)
            return
        self.deliveries += 1
        self.last_ns = now = time.monotonic_ns()
        if payload.startswith(_ID_STARTS):
            seq = int(payload[28 : payload.index(b'"', 28)])
            reader.epoch = payload[7:27]
            if seq <= reader.seq:
                self.doubled += 1
            else:
                self.lost += seq - reader.seq - 1
                reader.seq = seq
        if self.has_timed:
            self.latencies.append(now - stamped_at(payload))

    def greet(self, reader: Reader, payload: bytes) -> None:
        hello = json.loads(payload)
        reader.greeted = True
        self.greeted += 1
        if "epoch" in hello and not hello["recovered"]:
            self.unrecovered += 1
            reader.epoch, reader.seq = hello["epoch"].encode(), hello["seq"]


def token(user_id: int, secret: str) -> str:
    claims = {
        "sub": str(user_id),
        "iss": "sns",
        "aud": "sns-edge",
        "exp": int(time.time()) + 3600,
        "iat": int(time.time()),
        "jti": f"bench-{user_id}",
        "roles": ["operator"],
        "clients": [],
    }
    return jwt.encode(claims, secret, "HS256")


def main() -> None:
    audience = Audience()
    while line := sys.stdin.readline():
        order = json.loads(line)
        if order["do"] == "connect":
            answer = audience.connect(order)
        elif order["do"] == "expect":
            print(json.dumps("listening"), flush=True)
            answer = audience.expect(order)
        else:
            answer = audience.disconnect()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
