"""The thread that says, on a clock of its own, that this worker lives."""

import logging
import threading

import redis

from engine.brokers.connections import Line
from engine.brokers.scripts import BEAT, LEAVE
from engine.brokers.siblings import Siblings

AGAIN_S = 0.25
"""After a failed beat: living workers have to be heard soon after Redis has come back."""

log = logging.getLogger(__name__)


class Heartbeat(threading.Thread):
    """Beats, and with every beat looks after the queue: take-over, due messages, wake token.

    It does not share a thread with fetching or running messages, so neither a long message nor a
    full prefetch makes a worker look dead.

    Args:
        siblings: the brokers of this namespace.
        queue: the tier.
        holder: this process' name among the workers of the queue.
        beat_s: between two beats.
        dead_after_s: a worker unheard for this long is dead.
    """

    def __init__(
        self, siblings: Siblings, queue: str, holder: str, *, beat_s: float, dead_after_s: float
    ) -> None:
        super().__init__(name=f"Heartbeat({queue})", daemon=True)
        self._siblings = siblings
        self._queue = queue
        self._holder = holder
        self._beat_s = beat_s
        self._dead_after_ms = int(dead_after_s * 1000)
        # Time for every living worker to beat once after an outage, and once more for luck.
        self._grace_ms = int(beat_s * 2 * 1000)
        self._line = Line(siblings.client)
        self._stop_asked = threading.Event()
        self._unheard = False

    def run(self) -> None:
        """Beat until ``stop``."""
        pause_s = 0.0
        while not self._stop_asked.wait(pause_s):
            pause_s = self._beat_s if self._beat() else min(self._beat_s, AGAIN_S)
        self._leave()
        self._line.close()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Beat no more, and be forgotten if nothing is held. Idempotent."""
        self._stop_asked.set()
        self.join(timeout_s)

    def _beat(self) -> bool:
        try:
            rescued = self._line.run(
                BEAT,
                self._siblings.namespace,
                self._queue,
                self._holder,
                self._dead_after_ms,
                self._grace_ms,
            )
        except (redis.RedisError, OSError) as error:
            self._line.close()
            if not self._unheard:
                log.warning("No heartbeat for queue %s: %s", self._queue, error)
            self._unheard = True
            return False
        self._unheard = False
        if rescued:
            log.warning("Took %d messages of queue %s over from dead workers", rescued, self._queue)
        return True

    def _leave(self) -> None:
        try:
            self._line.run(LEAVE, self._siblings.namespace, self._queue, self._holder)
        except (redis.RedisError, OSError) as error:
            log.warning("Left queue %s without saying so: %s", self._queue, error)
