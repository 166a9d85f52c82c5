"""Wakes a thread that polls sockets."""

import os
import threading


class Bell:
    """A pipe to oneself, because a poll cannot wait for a lock."""

    def __init__(self) -> None:
        self._heard, self._rope = os.pipe()
        os.set_blocking(self._heard, False)
        os.set_blocking(self._rope, False)
        self._closed = False
        # A number that was closed may name another file by the time it is written to.
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Wake the one that polls, now or at its next poll. Any thread may; nothing is raised."""
        with self._lock:
            if not self._closed:
                try:
                    os.write(self._rope, b"!")
                except BlockingIOError:
                    return  # full, so it rings already

    def fileno(self) -> int:
        """What to poll for input."""
        return self._heard

    def hush(self) -> None:
        """Forget every ring so far."""
        try:
            os.read(self._heard, 4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close the pipe; idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._heard)
                os.close(self._rope)
