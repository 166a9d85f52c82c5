"""What the imitated YouTube knows: upload sessions, videos, and what was spent of the quota."""

import hashlib
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from engine.sandbox.state import Account, PublicPost

STEP: Final = 256 * 1024  # bytes; chunks and what is kept of a broken one are multiples of it
PROBED_UP_TO: Final = 64 * 1024 * 1024  # bytes; a larger film is not looked at
PACIFIC: Final = ZoneInfo("America/Los_Angeles")


@dataclass(slots=True)
class Video:
    """One video, public or not."""

    id: str
    number: int
    account: Account
    snippet: dict[str, Any]
    status: dict[str, Any]
    size: int
    sha256: str
    file_name: str
    created_at: float
    width: int = 0
    height: int = 0
    duration_s: float = 0.0
    has_thumbnail: bool = False
    failure: str | None = None
    rejection: str | None = None
    post: PublicPost | None = None

    @property
    def kind(self) -> str:
        """Upright and short is a Short."""
        is_short = 0 < self.width <= self.height and self.duration_s <= 180
        return "short" if is_short else "video"


@dataclass(slots=True)
class Session:
    """One resumable upload. Bytes are hashed; a small film is also kept to be looked at."""

    id: str
    account: Account
    snippet: dict[str, Any]
    status: dict[str, Any]
    size: int
    created_at: float
    file_name: str = ""
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    file: IO[bytes] | None = None
    video: Video | None = None

    def __post_init__(self) -> None:
        if self.size <= PROBED_UP_TO:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the session

    def take(self, piece: bytes) -> None:
        """Store some bytes."""
        self.received += len(piece)
        self.digest.update(piece)
        if self.file is not None:
            self.file.write(piece)


class YouTubeWorld:
    """YouTube's part of one life of the sandbox."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.videos: dict[str, Video] = {}
        self._spent: dict[tuple[str, str], int] = {}

    def spend(self, bucket: str, units: int, now: float) -> int:
        """Count units of a bucket's Pacific day; gives what is spent in all."""
        key = (bucket, datetime.fromtimestamp(now, PACIFIC).date().isoformat())
        self._spent[key] = self._spent.get(key, 0) + units
        return self._spent[key]


def next_pacific_midnight(now: float) -> float:
    """When quotas are reset, in unix seconds."""
    here = datetime.fromtimestamp(now, PACIFIC)
    tomorrow = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return tomorrow.timestamp()
