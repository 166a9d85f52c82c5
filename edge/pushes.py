"""What Redis pushes on a subscribed connection, read many at a time.

redis-py awaits three lines and two bodies for each message; here one read takes all that has come,
and one expression recognises a message. Connecting, with the commands that it takes, stays
redis-py's own.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from redis._parsers import _AsyncRESP2Parser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError

_READ_BYTES: Final = 16 * 1024
"""About 50 events per read, so that the sockets' writes are not kept waiting for long."""

_MESSAGE: Final = re.compile(
    rb"\*3\r\n\$7\r\nmessage\r\n\$(\d+)\r\n([^\r\n]*)\r\n\$(\d+)\r\n", re.ASCII
)

Push = tuple[bytes, bytes, Any]
"""Kind (``message``, ``subscribe``, …), channel, and data or a count."""


class PushParser(_AsyncRESP2Parser):
    """redis-py's parser, which also gives whatever has been pushed."""

    _unread = b""

    async def pushes(self) -> list[Push]:
        """Wait for pushes and take all that are complete; answers of another form are left out.

        Raises:
            redis.ConnectionError: the server has closed.
            redis.ResponseError: the server refuses something.
        """
        data = await self._stream.read(_READ_BYTES) if self._stream else b""
        if not data:
            raise RedisConnectionError("closed by the server")
        reader = PushReader(self._unread + data if self._unread else data)
        found = list(reader)
        self._unread = reader.rest
        return found


class PushReader:
    """Goes through the complete pushes at the beginning of ``data``; then ``rest`` is the rest."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __iter__(self) -> Iterator[Push]:
        data, at = self._data, 0
        size, match_message = len(data), _MESSAGE.match
        while at < size:
            match = match_message(data, at)
            if match is not None and len(match[2]) == int(match[1]):
                start = match.end()
                end = start + int(match[3])
                if end + 2 > size:
                    break
                yield b"message", match[2], data[start:end]
                at = end + 2
            else:
                self._at = at
                try:
                    answer = self._answer()
                except IndexError:  # the rest of it has not come yet
                    break
                at = self._at
                if isinstance(answer, list) and len(answer) == 3:
                    yield answer[0], answer[1], answer[2]
        self._at = at

    @property
    def rest(self) -> bytes:
        """What is left, without its beginning: nothing, or an incomplete push."""
        return self._data[self._at :]

    def _answer(self) -> Any:
        """Any answer of RESP2, from here on."""
        end = self._data.find(b"\r\n", self._at)
        if end < 0:
            raise IndexError
        kind, line = self._data[self._at : self._at + 1], self._data[self._at + 1 : end]
        self._at = end + 2
        match kind:
            case b"+":
                return line
            case b":":
                return int(line)
            case b"-":
                raise ResponseError(line.decode(errors="replace"))
            case b"*":
                return [self._answer() for _ in range(int(line))]
            case b"$":
                return self._bulk(int(line))
        raise InvalidResponse(f"not RESP2: {kind!r}")

    def _bulk(self, size: int) -> bytes | None:
        if size < 0:
            return None
        start, self._at = self._at, self._at + size + 2
        if self._at > len(self._data):
            raise IndexError
        return self._data[start : self._at - 2]
