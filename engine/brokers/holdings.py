"""What one worker process holds of its queue, and what became of it.

Belongs to the broker, not to a consumer: a consumer may fail and be replaced while worker threads
go on, and nothing that they hold or report may be lost with it.
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from dramatiq import DecodeError

from engine.brokers.connections import Line
from engine.brokers.held import HeldMessage, Put, decode, describe
from engine.brokers.scripts import EXCHANGE
from engine.brokers.siblings import Siblings

REPORTS_PER_EXCHANGE = 500
"""Redis' Lua can unpack some thousand values; a report needs at most a few."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What became of one held message, as steps of the exchange script."""

    redis_message_id: str
    steps: list[Any] = field(default_factory=list)  # empty: done, and nothing follows


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an exchange brought.

    Args:
        messages: fetched and decoded, in order.
        next_due_ms: until the next delayed message is due; None when none is delayed.
        more: whether more messages are ready than were fetched.
    """

    messages: list[HeldMessage]
    next_due_ms: int | None
    more: bool


class Holdings:
    """Held messages by identity, and reports that have not reached Redis yet.

    Args:
        siblings: the brokers of this namespace.
        queue: the tier.
        holder: this process' name among the workers of the queue.
        dead_letters_kept_ms: after this time a dead letter is dropped.
    """

    def __init__(
        self, siblings: Siblings, queue: str, holder: str, *, dead_letters_kept_ms: int
    ) -> None:
        self.queue = queue
        self.holder = holder
        self.line = Line(siblings.client)
        self._siblings = siblings
        self._kept_ms = dead_letters_kept_ms
        # By identity, because a worker that was taken for dead may fetch its own message again.
        self._held: dict[int, HeldMessage] = {}
        self._reports: deque[Report] = deque()
        # A worker that loses an answer does not know what it has been given.
        self._uncertain = True
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def has_reports(self) -> bool:
        """Whether Redis has yet to hear of something."""
        return bool(self._reports)

    def holds(self, message: HeldMessage) -> bool:
        """Whether nobody has said yet what became of this message."""
        return id(message) in self._held

    def done(self, message: HeldMessage) -> None:
        """It ran, or follow-ups take its place."""
        steps: list[Any] = []
        if message.follow_ups:
            steps = ["done", message.redis_message_id, *_puts(message.follow_ups)]
        self._report(message, steps)

    def dead(self, message: HeldMessage) -> None:
        """It failed for good."""
        steps = ["dead", message.redis_message_id, message.obituary(), message.reason()]
        self._report(message, [*steps, *_puts(message.follow_ups)])

    def back(self, message: HeldMessage) -> None:
        """It was not started: first in line again, for whoever has room."""
        self._report(message, ["back", message.redis_message_id])

    def moved(self, message: HeldMessage, put: Put) -> None:
        """It belongs to another queue and goes there."""
        self._report(message, ["done", message.redis_message_id, *_puts([put])])

    def lost_contact(self) -> None:
        """An answer of Redis may be missing: compare notes before the next exchange."""
        self._uncertain = True
        self.line.close()

    def exchange(self, room: int) -> Exchange:
        """Report what happened and fetch at most ``room`` messages, in one step.

        Raises:
            redis.RedisError: nothing is forgotten; call ``lost_contact`` and try again.
        """
        with self._lock:
            if self._uncertain:
                self._reconcile()
            reports = [
                self._reports.popleft()
                for _ in range(min(len(self._reports), REPORTS_PER_EXCHANGE))
            ]
            plain = [report.redis_message_id for report in reports if not report.steps]
            steps = [step for report in reports for step in report.steps]
            try:
                ids, payloads, next_due_ms, more = self.line.run(
                    EXCHANGE,
                    self._siblings.namespace,
                    self.queue,
                    self.holder,
                    room,
                    self._kept_ms,
                    len(plain),
                    *plain,
                    *steps,
                )
            except BaseException:
                # Each step may be repeated: Redis knows what it has done already.
                self._reports.extendleft(reversed(reports))
                raise
            messages = [
                message
                for redis_message_id, payload in zip(ids, payloads, strict=True)
                if (message := self._take(redis_message_id.decode(), payload)) is not None
            ]
            for message in messages:
                self._held[id(message)] = message
        return Exchange(messages, None if next_due_ms < 0 else next_due_ms, more == 1)

    def _reconcile(self) -> None:
        """Give back what Redis has handed to this holder and what never arrived here."""
        given = self.line.ask(
            "SMEMBERS", f"{self._siblings.namespace}:{self.queue}.held.{self.holder}"
        )
        known = {message.redis_message_id for message in tuple(self._held.values())}
        known.update(report.redis_message_id for report in tuple(self._reports))
        for redis_message_id in (item.decode() for item in given):
            if redis_message_id not in known:
                self._reports.append(Report(redis_message_id, ["back", redis_message_id]))
        self._uncertain = False

    def _take(self, redis_message_id: str, payload: bytes | None) -> HeldMessage | None:
        if payload is None:
            log.warning("Dropped message %s of queue %s: empty", redis_message_id, self.queue)
            self._reports.append(Report(redis_message_id))
            return None
        try:
            message = decode(payload).copy(options={"redis_message_id": redis_message_id})
            # dramatiq sets messages with an eta aside; ours are due when they arrive.
            message.options.pop("eta", None)
        except DecodeError as error:
            reason = f"DecodeError: {describe(error.error)}"
            log.error(
                "Message %s of queue %s is a dead letter: %s", redis_message_id, self.queue, reason
            )
            steps = ["dead", redis_message_id, payload, reason]
            self._reports.append(Report(redis_message_id, steps))
            return None
        return HeldMessage(message, redis_message_id)

    def _report(self, message: HeldMessage, steps: list[Any]) -> None:
        # The report first: a message that is neither held nor reported would be given back.
        self._reports.append(Report(message.redis_message_id, steps))
        self._held.pop(id(message), None)


def _puts(puts: list[Put]) -> list[Any]:
    return [part for put in puts for part in ("put", *put)]
