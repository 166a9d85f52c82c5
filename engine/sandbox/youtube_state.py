"""What the imitated YouTube knows: upload sessions, videos, grants, and what was spent."""

import asyncio
import hashlib
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

from engine.sandbox.state import Account, Medium, PublicPost, SeenRequest, World, shortcode_of
from engine.sandbox.youtube_metadata import instant_of

STEP: Final = 256 * 1024  # bytes; chunks and what is kept of a broken one are multiples of it
PROBED_UP_TO: Final = 64 * 1024 * 1024  # bytes; a larger film is not looked at
SHORT_UP_TO_S: Final = 180.0
PACIFIC: Final = ZoneInfo("America/Los_Angeles")


@dataclass(slots=True)
class Video:
    """One video, public or not.

    Attributes:
        last_said_by: the request that set its privacy; it is the one that makes it public.
    """

    id: str
    number: int
    account: Account
    snippet: dict[str, Any]
    status: dict[str, Any]
    size: int
    sha256: str
    file_name: str
    created_at: float
    last_said_by: SeenRequest
    width: int = 0
    height: int = 0
    duration_s: float = 0.0
    has_thumbnail: bool = False
    failure: str | None = None
    rejection: str | None = None
    post: PublicPost | None = None

    @property
    def kind(self) -> str:
        """Upright or square, and short, is a Short."""
        is_short = 0 < self.width <= self.height and 0 < self.duration_s <= SHORT_UP_TO_S
        return "short" if is_short else "video"

    def details(self) -> dict[str, Any]:
        """What the truth tells of it beside what every post has."""
        return {
            "size": self.size,
            "sha256": self.sha256,
            "tags": self.snippet.get("tags", []),
            "privacy": self.status["privacyStatus"],
        }


@dataclass(slots=True)
class Session:
    """One resumable upload. Bytes are hashed; a small film is also kept to be looked at.

    Attributes:
        size: bytes in all; None until somebody says it.
        turn: of the requests that bring bytes, the latest; an older one writes no more.
        finishing: held while the film becomes a video, which must happen once.
    """

    id: str
    account: Account
    snippet: dict[str, Any]
    status: dict[str, Any]
    size: int | None
    created_at: float
    file_name: str = ""
    received: int = 0
    turn: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    file: IO[bytes] | None = None
    video: Video | None = None
    finishing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def take(self, piece: bytes) -> None:
        """Store some bytes."""
        if not self.received:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the session
        self.received += len(piece)
        self.digest.update(piece)
        if self.received > PROBED_UP_TO:
            self.drop_file()
        if self.file is not None:
            self.file.write(piece)

    def film(self) -> bytes | None:
        """All bytes, once; None when they were too many to keep."""
        if self.file is None:
            return None
        self.file.seek(0)
        film = self.file.read()
        self.drop_file()
        return film

    def drop_file(self) -> None:
        """Give the disk back."""
        if self.file is not None:
            self.file.close()
            self.file = None


@dataclass(slots=True)
class Grant:
    """What a person allowed once: a refresh token, and the access tokens made from it."""

    refresh_token: str
    account: Account
    granted_at: float
    access_tokens: dict[str, float] = field(default_factory=dict)  # until which instant


class YouTubeWorld:
    """YouTube's part of one life of the sandbox."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.videos: dict[str, Video] = {}
        self.grants: dict[str, Grant] = {}  # by refresh token
        self._spent: dict[tuple[str, str], int] = {}

    def spend(self, bucket: str, units: int, now: float) -> int:
        """Count units of a bucket's Pacific day; gives what is spent in all."""
        key = (bucket, datetime.fromtimestamp(now, PACIFIC).date().isoformat())
        self._spent[key] = self._spent.get(key, 0) + units
        return self._spent[key]

    def holder_of(self, token: str, world: World) -> Account | None:
        """Whose access token this is, if it is one that still holds."""
        for grant in self.grants.values():
            if token in grant.access_tokens:
                is_alive = world.clock.now() < grant.access_tokens[token]
                return grant.account if is_alive else None
        return world.account_of(token)

    def show(self, world: World, video: Video, posted_at: float | None = None) -> None:
        """Let everybody see a video from now on; nobody sees one that failed."""
        if video.post is not None or video.failure or video.rejection:
            return
        number = world.number()
        video.post = PublicPost(
            number=number,
            id=video.id,
            account=video.account,
            platform="youtube",
            kind=video.kind,
            container_id=video.id,
            caption=str(video.snippet.get("description", "")),
            title=str(video.snippet.get("title", "")),
            alt_text=None,
            image_url="",
            media=(Medium("video", size_bytes=video.size, sha256=video.sha256),),
            shortcode=shortcode_of(number),
            posted_at=world.clock.now() if posted_at is None else posted_at,
            arrived_at=video.last_said_by.arrived_at,
            request_id=video.last_said_by.id,
            details=video.details(),
        )
        world.keep(video.post)

    def show_what_is_due(self, world: World) -> None:
        """Let videos appear whose ``publishAt`` the sandbox's clock has passed."""
        now = world.clock.now()
        for video in self.videos.values():
            at = instant_of(video.status["publishAt"]) if "publishAt" in video.status else None
            if at is not None and at <= now:
                del video.status["publishAt"]
                video.status["privacyStatus"] = "public"
                self.show(world, video, posted_at=at)

    def hidden(self, account: str | None) -> list[dict[str, Any]]:
        """Videos that were never seen by anybody but their channel, oldest first."""
        return [
            {
                "id": video.id,
                "platform": "youtube",
                "account": video.account.id,
                "kind": video.kind,
                "title": video.snippet.get("title", ""),
                "caption": video.snippet.get("description", ""),
                "publish_at": video.status.get("publishAt"),
                "failure": video.failure or video.rejection,
                **video.details(),
            }
            for video in self.videos.values()
            if video.post is None and account in (None, video.account.id)
        ]
