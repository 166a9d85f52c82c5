"""What services need from the outside world, as Protocols.

Adapters live beside each other in ``platforms/``, ``ai/`` and ``documents/`` and do not know one
another; ``runtime.py`` chooses.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from models.accounts import AccessToken


class Clock(Protocol):
    """Wall time for decisions, monotonic time for durations."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    async def sleep_until(self, instant: datetime) -> None:
        """Return at ``instant`` or just after it, never before."""
        ...


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """The right to act as one account: its id on the platform and its opened token."""

    platform_user_id: str
    token: AccessToken


@dataclass(frozen=True, slots=True)
class Media:
    """One picture of a post, at a public URL that the platform itself fetches."""

    url: str
    kind: str = "image"
    alt_text: str | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """What is to be seen: the text (NFC) and its media, in order."""

    text: str
    media: tuple[Media, ...]


class ContainerState(StrEnum):
    """How far the platform is with a container."""

    IN_PROGRESS = "in_progress"
    READY = "ready"
    PUBLISHED = "published"
    EXPIRED = "expired"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the platform says it has no such thing, which proves nothing


@dataclass(frozen=True, slots=True)
class ContainerReading:
    """One look at a container; ``detail`` is the platform's own text, for people."""

    state: ContainerState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LivePost:
    """A post as the platform lists it to everybody. ``kind`` is such as ``"image"``."""

    post_id: str
    text: str
    kind: str
    posted_at: datetime
    url: str | None = None


@dataclass(frozen=True, slots=True)
class InputProblem:
    """One thing to fix: the field, and what to do, in Korean and in English."""

    field: str
    korean: str
    english: str
    evidence: dict[str, Any] | None = None


class PlatformClient(Protocol):
    """One platform's publishing, in two phases. Every method may raise ``PlatformError``.

    Only :meth:`publish` can make something visible. It raises ``NotSent`` or ``Refused`` when by
    the platform's contract nothing became visible, and ``OutcomeUnknown`` in every other case;
    it never retries by itself. The other methods are reads, or writes nobody can see: for them
    a timeout or a 5xx is ``RetryLater``.
    """

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """What the platform would refuse, found without asking it; empty when all is well."""
        ...

    async def create_container(self, access: AccountAccess, post: Post) -> str:
        """Prepare the post invisibly; gives the container's id, good for 24 hours."""
        ...

    async def read_container(self, access: AccountAccess, container_id: str) -> ContainerReading:
        """How far the container is."""
        ...

    async def publish(self, access: AccountAccess, container_id: str) -> str:
        """Make the container visible; gives the post's id. One request, nothing else."""
        ...

    async def read_permalink(self, access: AccountAccess, post_id: str) -> str | None:
        """The public link, or None when the platform has none yet. Cosmetic."""
        ...

    async def list_posts(self, access: AccountAccess, since: datetime) -> Sequence[LivePost]:
        """Everything that went live on the account at or after ``since``, newest first."""
        ...

    async def warm_up(self) -> None:
        """Have connections open, so that the next call starts at once. Never raises."""
        ...

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class MediaHead:
    """What a server says of a file before it is read.

    Attributes:
        size_bytes: None when the server does not say.
        content_type: the server's claim, such as ``"video/mp4"``: lower case, no parameters.
        accepts_ranges: whether it gives parts of the file.
        version: equal versions mean the same bytes, as far as the server says. An opaque text of
            at most about 600 characters that may be stored with an upload that will be resumed.
    """

    size_bytes: int | None
    content_type: str | None
    accepts_ranges: bool
    version: str


class MediaSource(Protocol):
    """Other people's media, fetched safely and in constant memory.

    Every method may raise ``MediaForbidden`` (the guard does not go there) and
    ``MediaUnreachable``.
    """

    async def head(self, url: str) -> MediaHead:
        """Size, type and version, for one small request."""
        ...

    async def size(self, url: str) -> int:
        """The file's size in bytes, for uploads that must declare it first.

        Raises:
            MediaUnreachable: also when the server does not tell a size.
        """
        ...

    def stream(
        self, url: str, offset: int = 0, *, version: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The file's bytes from ``offset`` to its end, in chunks of 1 byte to 1 MiB.

        A connection that breaks is resumed inside. Close the iterator (``contextlib.aclosing``)
        when leaving it early: it holds a connection.

        Args:
            url: http or https.
            offset: bytes to leave out at the start.
            version: of :attr:`MediaHead.version`; without it, an ``offset`` above 0 is held
                against what this source last saw at the URL, if it did.

        Raises:
            MediaChanged: it is not the same file any more.
        """
        ...


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What a media file is, by its bytes; None means that the file does not say.

    Attributes:
        kind: what it really is, whatever its name or type claims.
        format: ``jpeg``, ``png``, ``gif``, ``webp``, ``bmp``, ``tiff``, ``avif``; ``mp4``, ``mov``,
            ``webm``, ``matroska``, ``avi``, ``mpegts``, ``mpeg``, ``flv``, ``asf``, ``3gp``.
        width: pixels as seen, that is after rotation.
        height: pixels as seen, that is after rotation.
        pixel_aspect: width of a pixel by its height; 1.0 but for anamorphic video.
        codec: of the video, such as ``h264``, ``hevc``, ``vp9``, ``av1``.
        duration_s: seconds.
        fps: frames a second, on average.
        bit_rate: bits a second, of the whole file.
        audio_codec: such as ``aac``; None when there is no sound.
        audio_sample_rate: Hz.
        color: ``srgb``, ``cmyk``, ``gray`` or an ICC profile's own name.
        rotation: degrees clockwise by which the stored picture was turned: 0, 90, 180, 270.
        version: of :attr:`MediaHead.version`.
    """

    kind: Literal["image", "video"]
    format: str
    width: int
    height: int
    size_bytes: int | None = None
    pixel_aspect: float = 1.0
    codec: str | None = None
    duration_s: float | None = None
    fps: float | None = None
    bit_rate: int | None = None
    audio_codec: str | None = None
    audio_sample_rate: int | None = None
    audio_channels: int | None = None
    color: str | None = None
    rotation: int = 0
    version: str = ""

    @property
    def aspect(self) -> float:
        """Width by height as seen."""
        return self.width * self.pixel_aspect / self.height


class MediaProbe(Protocol):
    """Learns what a media file is."""

    async def probe(self, url: str) -> MediaFacts:
        """The file's facts; those of a file that has not changed are remembered for minutes.

        Raises:
            MediaFault: each kind but ``MediaChanged`` alone may come of a person's URL; a
                ``MediaUnreachable`` that ``is_retryable`` says nothing against the file.
        """
        ...
