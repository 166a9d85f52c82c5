"""The consumer: wakes when something is enqueued, and asks Redis nothing while there is nothing.

It keeps one blocking pop of the queue's wake token outstanding on a line of its own, and waits for
that answer and for the bell, which worker threads ring when they have finished something.
"""

import logging
import select
import time
from collections import deque
from collections.abc import Iterable, Iterator
from queue import Empty, PriorityQueue
from typing import Any

import redis
from dramatiq import Consumer, MessageProxy
from dramatiq.errors import ActorNotFound

from engine.brokers.bell import Bell
from engine.brokers.connections import Line
from engine.brokers.held import HeldMessage, Put
from engine.brokers.holdings import Holdings
from engine.brokers.siblings import Siblings

POP_S = 5
"""A blocking pop is renewed this often, so that a dead connection is noticed."""

POP_OVERDUE_S = 3.0
"""Redis answers a blocking pop in time; this much later the connection is dead."""

LINGER_S = 0.01
"""Reports of quickly finished messages are collected for this long at most, and a worker fetches
no more ahead than it finishes in this time at its present pace."""

WIDEST = 16
"""Times the number of threads: how far a worker of very short messages may fetch ahead."""

MOST = 4000
"""Held at once, whatever the number of threads: Redis' Lua unpacks no more than some thousand."""

HOARD_S = 0.05
"""Messages that were fetched ahead are given back when nothing has finished for this long."""

FIRST_BACK_OFF_S = 0.05
LAST_BACK_OFF_S = 0.5
"""While Redis is away it is tried again this often."""

log = logging.getLogger(__name__)


class PriorityConsumer(Consumer):
    """Iterates over the messages of one tier; None when nothing came for ``timeout_ms``.

    Connection errors are ridden out here: nothing is raised, nothing is lost, and work goes on
    within half a second of Redis' return.

    Args:
        siblings: the brokers of this namespace.
        holdings: what this process holds of the queue.
        threads: how many messages are fetched at least, as many as can run at once.
        widest: how many are fetched at most, while they finish fast.
        timeout_ms: the longest wait for a message.
        work_queue: where fetched messages wait for a thread, to give back what waits too long.
    """

    def __init__(
        self,
        siblings: Siblings,
        holdings: Holdings,
        *,
        threads: int,
        widest: int,
        timeout_ms: int,
        work_queue: "PriorityQueue[Any] | None" = None,
    ) -> None:
        self._siblings = siblings
        self._holdings = holdings
        self._threads = min(threads, MOST)
        self._widest = min(max(threads, widest), MOST)
        self._timeout_s = timeout_ms / 1000
        self._work_queue = work_queue
        self._line = Line(siblings.client)
        self._bell = Bell()
        self._poll = select.poll()
        self._poll.register(self._bell.fileno(), select.POLLIN)
        self._fetched: deque[HeldMessage] = deque()
        # Returned by the last call. If the caller failed with it, it is nowhere else.
        self._returned: HeldMessage | None = None
        self._limit = self._threads
        self._wake_key = f"{siblings.namespace}:{holdings.queue}.wake"
        self._token = False
        self._more = True
        self._due_at: float | None = None
        self._popping_until: float | None = None
        self._popping_fd = -1
        self._sleeping = False
        self._finished = 0
        self._exchanged_at = time.monotonic()
        self._waiting_since = self._exchanged_at
        self._failures = 0
        self._try_at = 0.0
        self._closed = False

    # What worker threads call

    def ack(self, message: MessageProxy) -> None:
        """Redis hears of it with the next exchange, at once when a thread may be idle."""
        self._holdings.done(_held(message))
        self._settled()

    def nack(self, message: MessageProxy) -> None:
        """To the dead letters, with the reason."""
        self._holdings.dead(_held(message))
        self._settled()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back what was not started; on shutdown."""
        # Each goes to the head of the line, so the last first.
        for message in reversed(list(messages)):
            self._holdings.back(_held(message))
        self._flush()

    # What the consumer thread calls

    def __next__(self) -> MessageProxy | None:
        self._returned = None
        give_up_at = time.monotonic() + self._timeout_s
        while True:
            while self._fetched:
                self._returned = self._fetched.popleft()
                if self._routed(self._returned):
                    return self._returned
            if not self._attend(give_up_at):
                return None

    def close(self) -> None:
        """Give back what nobody has, report the rest, close the lines. Idempotent."""
        if self._closed:
            return
        self._closed = True
        lost = [*self._fetched]
        if self._returned is not None and not self._returned.started:
            lost.insert(0, self._returned)
        self._fetched.clear()
        self.requeue(message for message in lost if self._holdings.holds(message))
        self._line.close()
        self._bell.close()

    def _settled(self) -> None:
        self._finished += 1  # only a measure of pace: a lost increment does no harm
        if self._closed:
            # A thread that outlived its consumer.
            self._flush()
        elif self._sleeping and len(self._holdings) <= self._threads:
            self._sleeping = False
            self._bell.ring()

    def _flush(self) -> None:
        try:
            while self._holdings.has_reports:
                self._holdings.exchange(0)
        except (redis.RedisError, OSError) as error:
            self._holdings.lost_contact()
            log.warning("Reports wait until Redis is back: %s", error)

    def _routed(self, message: HeldMessage) -> bool:
        """Whether the message is to run here; one that belongs to another tier goes there."""
        queue = self._holdings.queue
        home = self._siblings.home_of(message.message)
        if home is None or home.tier == queue:
            if message.queue_name != queue:
                # dramatiq finds the consumer of a message by its queue.
                message.readdress(queue)
            return True
        if message.options.get("moved_from"):
            # Two releases disagree about its tier, and would pass it to and fro.
            message.stuff_exception(ActorNotFound(message.actor_name))
            self.nack(message)
            return False
        log.warning("Moved message %s from queue %s to %s", message, queue, home.tier)
        moved = message.message.copy(queue_name=home.tier, options={"moved_from": queue})
        self._holdings.moved(message, Put(home.tier, message.redis_message_id, "", moved.encode()))
        return False

    def _attend(self, give_up_at: float) -> bool:
        """Do what is due, or wait for something to do. False when it is time to give up."""
        now = time.monotonic()
        try:
            if now >= self._try_at:
                if self._should_exchange(now):
                    self._exchange(now)
                    return True
                self._listen(now)
            if now >= give_up_at:
                return False
            self._wait(now, give_up_at)
        except (redis.RedisError, OSError) as error:
            self._ride_out(error)
        self._give_hoard_back()
        return True

    def _should_exchange(self, now: float) -> bool:
        if self._token or (self._due_at is not None and now >= self._due_at):
            return True
        held = len(self._holdings)
        if held > self._threads:
            # Every thread is busy: let reports gather.
            return self._holdings.has_reports and now - self._exchanged_at >= LINGER_S
        return self._holdings.has_reports or (self._more and held < self._limit)

    def _exchange(self, now: float) -> None:
        self._set_limit(now)
        # Without room, too: the script passes the wake token on to a worker that has some.
        room = max(0, self._limit - len(self._holdings))
        exchange = self._holdings.exchange(room)
        if self._failures:
            log.warning("Redis is back; queue %s goes on", self._holdings.queue)
            self._failures = 0
        self._token = False
        self._more = exchange.more
        self._fetched.extend(exchange.messages)
        self._due_at = None
        if exchange.next_due_ms is not None:
            self._due_at = time.monotonic() + exchange.next_due_ms / 1000

    def _set_limit(self, now: float) -> None:
        """As many messages as finish in a moment at the present pace, at least one a thread."""
        finished, self._finished = self._finished, 0
        elapsed_s = max(now - self._exchanged_at, 1e-6)
        self._exchanged_at = now
        ahead = int(finished / elapsed_s * LINGER_S)
        self._limit = min(max(self._threads, ahead), self._widest)

    def _listen(self, now: float) -> None:
        """Have one blocking pop outstanding while a thread is free and nothing is known."""
        if self._popping_until is not None:
            if now > self._popping_until:
                raise redis.TimeoutError("no answer to a blocking pop")
            return
        if self._more or len(self._holdings) >= self._limit:
            return
        self._line.send("BLPOP", self._wake_key, POP_S)
        self._popping_until = now + POP_S + POP_OVERDUE_S
        self._popping_fd = self._line.fileno()
        self._poll.register(self._popping_fd, select.POLLIN)

    def _wait(self, now: float, give_up_at: float) -> None:
        """Sleep until the bell, the wake token, or the next thing that has a time."""
        wake_at = give_up_at
        if self._due_at is not None:
            wake_at = min(wake_at, self._due_at)
        if len(self._holdings) > self._threads:
            wake_at = min(wake_at, now + LINGER_S)
        # While Redis is away, what is due is due at the next try.
        wake_at = max(wake_at, self._try_at) if now < self._try_at else wake_at
        self._sleeping = True
        # A thread that finished just before saw nobody to ring for.
        if self._holdings.has_reports and now >= self._try_at and self._should_exchange(now):
            self._sleeping = False
            return
        ready = self._poll.poll(max(0.0, wake_at - now) * 1000)
        self._sleeping = False
        for descriptor, _ in ready:
            if descriptor == self._popping_fd:
                self._stop_popping()
                self._token = self._line.read() is not None
            else:
                self._bell.hush()

    def _stop_popping(self) -> None:
        if self._popping_until is not None:
            self._poll.unregister(self._popping_fd)
            self._popping_until = None
            self._popping_fd = -1

    def _ride_out(self, error: Exception) -> None:
        """Redis is away: keep everything, look again soon."""
        if not self._failures:
            log.warning("Lost Redis for queue %s, waiting: %s", self._holdings.queue, error)
        # The first time at once: it may be only this connection.
        back_off_s = min(FIRST_BACK_OFF_S * 2**self._failures, LAST_BACK_OFF_S)
        back_off_s = back_off_s if self._failures else 0.0
        self._failures = min(self._failures + 1, 10)
        self._try_at = time.monotonic() + back_off_s
        self._stop_popping()
        self._line.close()
        self._holdings.lost_contact()
        # A token may be lost with the answer.
        self._more = True

    def _give_hoard_back(self) -> None:
        """When short messages turn out long, let other workers have what waits here."""
        now = time.monotonic()
        if self._finished or len(self._holdings) <= self._threads:
            self._waiting_since = now
        elif now - self._waiting_since > HOARD_S and self._work_queue is not None:
            self.requeue([*_unstarted(self._work_queue)])
            self._waiting_since = now


def _unstarted(work_queue: "PriorityQueue[Any]") -> Iterator[HeldMessage]:
    while True:
        try:
            item = work_queue.get_nowait()
        except Empty:
            return
        work_queue.task_done()
        yield item.message


def _held(message: MessageProxy) -> HeldMessage:
    assert isinstance(message, HeldMessage), "not a message of this broker"  # noqa: S101
    return message
