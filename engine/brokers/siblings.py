"""What the brokers of one namespace share: each other, one client, and who runs which actor."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis

from engine.brokers.connections import run_script
from engine.brokers.held import HeldMessage
from engine.brokers.scripts import Script

if TYPE_CHECKING:
    from dramatiq import Message

    from engine.brokers.broker import PriorityBroker

NAMESPACE = "{sns}"
"""A hash tag, so that every key lies in one slot of a Redis Cluster and one script may use it."""


class Siblings:
    """The brokers that know each other, with a client made on first use.

    Args:
        connect: makes the client; called once, when something is sent or consumed first.
        namespace: what every key begins with.
    """

    def __init__(self, connect: Callable[[], redis.Redis], *, namespace: str = NAMESPACE) -> None:
        self.namespace = namespace
        self.brokers: dict[str, PriorityBroker] = {}
        self._connect = connect
        self._client: redis.Redis | None = None
        self._lock = threading.Lock()
        self._finishing = threading.local()

    @property
    def client(self) -> redis.Redis:
        """The client that all of them send with."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
        return self._client

    def run(self, script: Script, *args: Any) -> Any:
        """Run a script through the client; raises ``redis.RedisError``."""
        return run_script(self.client, script, self.namespace, *args)

    def close(self) -> None:
        """Close the client's connections; the next use opens a new one. Idempotent."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def declared(self, actor_name: str) -> "PriorityBroker | None":
        """The broker whose tier runs this actor, as far as this process has imported it."""
        for broker in self.brokers.values():
            if actor_name in broker.actors:
                return broker
        return None

    def home_of(self, message: "Message[Any]") -> "PriorityBroker | None":
        """The broker whose tier a message belongs to.

        The declared actor decides; a message to an actor that this process has not imported
        carries the queue that its sender knew.
        """
        broker = self.declared(message.actor_name)
        return broker or self.brokers.get(message.queue_name.removesuffix(".DQ"))

    @property
    def finishing(self) -> HeldMessage | None:
        """The message whose outcome this thread is settling now, if any.

        What is sent meanwhile (a retry, the next step of a pipeline, a callback) leaves together
        with the acknowledgement of that message: both happen, or neither.
        """
        held: HeldMessage | None = getattr(self._finishing, "message", None)
        return held

    @contextmanager
    def finish(self, message: HeldMessage) -> Iterator[None]:
        """Collect what this thread sends as follow-ups of ``message``."""
        self._finishing.message = message
        try:
            yield
        finally:
            self._finishing.message = None
