"""What services need from the outside world, as Protocols.

Adapters live beside each other in ``platforms/``, ``ai/`` and ``documents/`` and do not know one
another; ``runtime.py`` chooses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

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
