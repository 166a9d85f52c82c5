"""A dramatiq broker for one priority tier: Redis keeps the queue, workers wake on enqueue.

A plain broker to dramatiq: its command line, its ``Worker`` and its middleware work unchanged.
``docs/decisions/0002-wake-on-enqueue.md`` says why it is not the stock one.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from queue import PriorityQueue
from typing import Any
from uuid import uuid4

import dramatiq
import redis
from dramatiq import Actor, Broker, Message, Middleware
from dramatiq.errors import ActorNotFound, ConnectionClosed, QueueJoinTimeout, QueueNotFound
from pydantic import ValidationError

from engine.brokers.consumer import WIDEST, PriorityConsumer
from engine.brokers.dead_letters import DeadLetters, DeadMessage
from engine.brokers.defaults import default_middleware
from engine.brokers.heartbeat import Heartbeat
from engine.brokers.held import HeldMessage, Put
from engine.brokers.holdings import Holdings
from engine.brokers.scripts import ENQUEUE
from engine.brokers.siblings import Siblings
from engine.errors import InvalidCommand

BEAT_S = 2.0
"""Between two heartbeats of a worker."""

DEAD_AFTER_S = 6.0
"""A worker unheard for this long is dead: its messages run again 4 to 8 s after a kill, and a
living one may be kept from beating for 4 s (a long call that never lets go of the GIL)."""

DEAD_LETTERS_KEPT_S = 7 * 86_400.0

HOPELESS = (ValidationError, InvalidCommand)
"""Errors that a retry cannot mend: the message is a dead letter at once."""


class PriorityBroker(Broker):
    """The broker of one tier. Nothing is opened before the first message is sent or consumed.

    Args:
        tier: its name, and that of its only queue.
        client: a client to use; otherwise ``connect`` makes one on first use.
        connect: makes the client.
        siblings: the brokers among which messages are routed; alone if left out.
        middleware: instead of the default list.
        beat_s: between two heartbeats.
        dead_after_s: a worker unheard for this long is dead; at least 2 beats.
        dead_letters_kept_s: dead letters are dropped after this time.

    Raises:
        ValueError: no way to a client was given, or the figures do not fit.
    """

    def __init__(
        self,
        tier: str,
        *,
        client: redis.Redis | None = None,
        connect: Callable[[], redis.Redis] | None = None,
        siblings: Siblings | None = None,
        middleware: Iterable[Middleware] | None = None,
        beat_s: float = BEAT_S,
        dead_after_s: float = DEAD_AFTER_S,
        dead_letters_kept_s: float = DEAD_LETTERS_KEPT_S,
    ) -> None:
        if dead_after_s < 2 * beat_s:
            raise ValueError("dead_after_s must leave room for two heartbeats")
        super().__init__([*(default_middleware() if middleware is None else middleware)])
        if siblings is None:
            if client is not None:
                given = client
                siblings = Siblings(lambda: given)
            elif connect is not None:
                siblings = Siblings(connect)
            else:
                raise ValueError("a client, a way to connect, or siblings are needed")
        self.tier = tier
        self.queues: set[str] = set()
        self.siblings = siblings
        self.siblings.brokers[tier] = self
        self._beat_s = beat_s
        self._dead_after_s = dead_after_s
        self._kept_s = dead_letters_kept_s
        self._dead_letters = DeadLetters(siblings, tier, kept_s=dead_letters_kept_s)
        self._lock = threading.Lock()
        self._holdings: Holdings | None = None
        self._heartbeat: Heartbeat | None = None
        self._threads: int | None = None
        self._work_queue: PriorityQueue[Any] | None = None
        self.declare_queue(tier)

    @property
    def client(self) -> redis.Redis:
        """The client to send with, made on first use."""
        return self.siblings.client

    # Declaring

    def actor(self, fn: Callable[..., Any] | None = None, **options: Any) -> Any:
        """``dramatiq.actor`` for this broker and its queue."""
        decorate = dramatiq.actor(broker=self, queue_name=self.tier, **options)
        return decorate if fn is None else decorate(fn)

    def declare_queue(self, queue_name: str) -> None:
        """Accept the tier's own queue.

        Raises:
            ValueError: any other queue.
        """
        if queue_name != self.tier:
            raise ValueError(f"broker {self.tier!r} has one queue of that name, not {queue_name!r}")
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def declare_actor(self, actor: "Actor[Any, Any]") -> None:
        """Make an actor known to this tier and its siblings.

        Raises:
            ValueError: its queue is not this tier's, or a sibling runs an actor of that name.
        """
        name = actor.actor_name
        if actor.queue_name != self.tier:
            raise ValueError(
                f"actor {name!r} asks for queue {actor.queue_name!r}, "
                f"but broker {self.tier!r} serves only {self.tier!r}"
            )
        other = self.siblings.declared(name)
        if other is not None and other is not self:
            raise ValueError(f"actor {name!r} is declared in tier {other.tier!r} already")
        throws = actor.options.get("throws") or ()
        throws = throws if isinstance(throws, tuple) else (throws,)
        actor.options["throws"] = (*throws, *HOPELESS)
        super().declare_actor(actor)

    def get_actor(self, actor_name: str) -> "Actor[Any, Any]":
        """The actor, of this tier or of a sibling.

        Raises:
            ActorNotFound: this process has imported none of that name.
        """
        actor = self.actors.get(actor_name)
        if actor is None:
            home = self.siblings.declared(actor_name)
            if home is None:
                raise ActorNotFound(actor_name)
            actor = home.actors[actor_name]
        return actor

    def get_declared_queues(self) -> set[str]:
        """The tier's queue."""
        return self.queues.copy()

    # Sending

    def enqueue(self, message: "Message[Any]", *, delay: int | None = None) -> "Message[Any]":
        """Send a message to the tier of its actor, at the earliest after ``delay`` milliseconds.

        A message with the option ``message_key`` is not added while one with the same key waits
        or runs. What is sent while a message of this thread is being settled (a retry, a
        callback, the next step of a pipeline) leaves in one step with its acknowledgement.

        Raises:
            ConnectionClosed: Redis cannot be reached; whether it got the message is unknown.
        """
        home = self.siblings.home_of(message)
        if home is not None and home is not self:
            return home.enqueue(message, delay=delay)
        message = addressed(message, self.tier)
        self.emit_before("enqueue", message, delay)
        put = Put(self.tier, message.options["redis_message_id"], delay or "", message.encode())
        finishing = self.siblings.finishing
        if finishing is not None:
            finishing.follow_ups.append(put)
        else:
            try:
                self.siblings.run(ENQUEUE, *put)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                raise ConnectionClosed(f"{type(error).__name__}: {error}") from error
        self.emit_after("enqueue", message, delay)
        return message

    # Working

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> PriorityConsumer:
        """A consumer of the tier's queue; ``timeout`` in milliseconds.

        Raises:
            QueueNotFound: the queue is not this tier's.
        """
        if queue_name != self.tier:
            raise QueueNotFound(queue_name)
        with self._lock:
            if self._holdings is None or self._heartbeat is None:
                holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4()}"
                self._holdings = Holdings(
                    self.siblings,
                    self.tier,
                    holder,
                    dead_letters_kept_ms=int(self._kept_s * 1000),
                )
                self._heartbeat = Heartbeat(
                    self.siblings,
                    self.tier,
                    holder,
                    beat_s=self._beat_s,
                    dead_after_s=self._dead_after_s,
                )
                self._heartbeat.start()
            holdings = self._holdings
        holdings.lost_contact()  # another consumer may have failed with an answer in its hands
        # dramatiq asks for twice the threads; a smaller figure is somebody's wish.
        threads = min(prefetch, self._threads or prefetch)
        return PriorityConsumer(
            self.siblings,
            holdings,
            threads=threads,
            widest=threads * WIDEST if threads == self._threads else threads,
            timeout_ms=timeout,
            work_queue=self._work_queue,
        )

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """As dramatiq does; the broker itself listens to two signals."""
        if signal == "process_message":
            message = args[0]
            if isinstance(message, HeldMessage):
                message.started = True
        elif signal == "worker_boot":
            self._threads = args[0].worker_threads
            self._work_queue = args[0].work_queue
        super().emit_before(signal, *args, **kwargs)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """As dramatiq does; what middleware sends about a message waits for its outcome."""
        if signal == "process_message" and isinstance(args[0], HeldMessage):
            with self.siblings.finish(args[0]):
                super().emit_after(signal, *args, **kwargs)
            return
        super().emit_after(signal, *args, **kwargs)
        if signal == "worker_shutdown":
            self._leave()

    def close(self) -> None:
        """Stop the heartbeat and close every connection; idempotent."""
        self._leave()
        self.siblings.close()

    def _leave(self) -> None:
        with self._lock:
            holdings, self._holdings = self._holdings, None
            heartbeat, self._heartbeat = self._heartbeat, None
            self._threads = self._work_queue = None
        if heartbeat is not None:
            heartbeat.stop()
        if holdings is not None:
            holdings.lost_contact()

    # Looking after the queue

    def flush(self, queue_name: str) -> None:
        """Drop every message of the tier: ready, delayed, and dead."""
        prefix = f"{self.siblings.namespace}:{queue_name}"
        suffixes = ("", ".msgs", ".DQ", ".wake", ".XQ", ".XQ.msgs", ".XQ.why")
        self.client.delete(*(f"{prefix}{suffix}" for suffix in suffixes))

    def flush_all(self) -> None:
        """Drop every message of the tier."""
        self.flush(self.tier)

    def pending(self) -> int:
        """How many messages are ready, delayed or held."""
        return int(self.client.hlen(f"{self.siblings.namespace}:{self.tier}.msgs"))

    def join(self, queue_name: str, *, interval: int = 20, timeout: int | None = None) -> None:
        """Wait until no message is ready, delayed or held; for tests. Times in milliseconds.

        Raises:
            QueueJoinTimeout: there are still some after ``timeout``.
        """
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while self.pending():
            if deadline is not None and time.monotonic() >= deadline:
                raise QueueJoinTimeout(queue_name)
            time.sleep(interval / 1000)

    # Dead letters

    def dead_letters(self, queue: str | None = None, *, limit: int = 100) -> list[DeadMessage]:
        """The oldest dead letters of this tier, or of a sibling's queue."""
        return self._dead_of(queue or self.tier).oldest(limit)

    def take_dead_letters(self, limit: int = 100) -> list[DeadMessage]:
        """The oldest dead letters, to be stored elsewhere and then given to ``forget``.

        They stay until then: a sweeper that dies in between finds them again, so what it stores
        must be keyed by ``redis_message_id``.
        """
        return self._dead_letters.oldest(limit)

    def forget(self, redis_message_ids: Iterable[str]) -> int:
        """Remove dead letters that are stored elsewhere; how many there were. Idempotent."""
        return self._dead_letters.forget(redis_message_ids)

    def replay(self, redis_message_id: str) -> "Message[Any]":
        """Send a dead letter of this tier again, as if it had never been tried.

        Raises:
            LookupError: no such dead letter, or one that cannot be decoded.
        """
        return self._dead_letters.replay(redis_message_id)

    def _dead_of(self, queue: str) -> DeadLetters:
        return DeadLetters(self.siblings, queue, kept_s=self._kept_s)


def addressed(message: "Message[Any]", tier: str) -> "Message[Any]":
    """The message as it goes to a tier's queue, with an id of its own there.

    A message key makes the id, so that Redis can tell a repetition. Otherwise the id is new: the
    message's own would collide when it is retried.
    """
    key = message.options.get("message_key")
    redis_message_id = str(uuid4()) if key is None else f"key:{key}"
    message = message.copy(queue_name=tier, options={"redis_message_id": redis_message_id})
    message.options.pop("eta", None)
    return message
