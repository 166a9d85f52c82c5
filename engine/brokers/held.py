"""A message that this process has fetched and not finished."""

import traceback
from typing import Any, NamedTuple

from dramatiq import DecodeError, Message, MessageProxy

TRACEBACK_FRAMES = 30


class Put(NamedTuple):
    """One message on its way into a queue, in the order in which the scripts take it."""

    queue: str
    redis_message_id: str
    delay_ms: int | str  # empty: at once
    payload: bytes


class HeldMessage(MessageProxy):
    """What a worker thread runs, plus what the broker has to remember about it."""

    def __init__(self, message: Message[Any], redis_message_id: str) -> None:
        super().__init__(message)
        self.redis_message_id = redis_message_id
        self.started = False
        self.follow_ups: list[Put] = []

    @property
    def message(self) -> Message[Any]:
        """The message itself."""
        return self._message

    def readdress(self, queue: str) -> None:
        """Make it a message of ``queue``."""
        self._message = self._message.copy(queue_name=queue)

    def reason(self) -> str:
        """Why it failed, in one line: ``ExceptionName: text``."""
        error = self._exception
        if error is None:
            return "Rejected: a middleware refused the message"
        return describe(error)

    def obituary(self) -> bytes:
        """The message as it goes to the dead letters: with its reason and its traceback."""
        options: dict[str, Any] = {"reason": self.reason()}
        if self._exception is not None:
            options["traceback"] = "".join(
                traceback.format_exception(self._exception, limit=TRACEBACK_FRAMES)
            )
        return self._message.copy(options=options).encode()


def describe(error: BaseException) -> str:
    """An exception in one line that a table of PostgreSQL can hold."""
    text = " ".join(str(error).replace("\x00", " ").split())
    return f"{type(error).__name__}: {text}"


def decode(payload: bytes) -> Message[Any]:
    """The message, when its fields are what dramatiq takes them for.

    Raises:
        DecodeError: it is none.
    """
    message: Message[Any] = Message.decode(payload)
    expected = {"actor_name": str, "queue_name": str, "kwargs": dict, "options": dict}
    for name, kind in expected.items():
        value = getattr(message, name)
        if not isinstance(value, kind):
            wrong = TypeError(f"{name} is {type(value).__name__}, not {kind.__name__}")
            raise DecodeError(str(wrong), payload, wrong)
    return message
