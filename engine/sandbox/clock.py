"""The sandbox's own time: it drives container progress, expiry and quota windows."""

import time


class SandboxClock:
    """Real time until told otherwise. Seconds since 1970-01-01 UTC."""

    def __init__(self) -> None:
        self._offset_s = 0.0
        self._frozen_at: float | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether time stands still."""
        return self._frozen_at is not None

    def now(self) -> float:
        """The sandbox's present."""
        if self._frozen_at is not None:
            return self._frozen_at
        return time.time() + self._offset_s

    def set(self, instant: float) -> None:
        """Jump to an instant, forwards or backwards; a frozen clock stays frozen there."""
        if self._frozen_at is not None:
            self._frozen_at = instant
        else:
            self._offset_s = instant - time.time()

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self.set(self.now() + seconds)

    def freeze(self) -> None:
        """Stop at the present. Idempotent."""
        self._frozen_at = self.now()

    def run(self) -> None:
        """Go on from where it stands. Idempotent."""
        if self._frozen_at is not None:
            self._offset_s = self._frozen_at - time.time()
            self._frozen_at = None
