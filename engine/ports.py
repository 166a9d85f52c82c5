"""What services need from the outside world, as Protocols.

Adapters live beside each other in ``platforms/``, ``ai/`` and ``documents/`` and do not know one
another; ``runtime.py`` chooses.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from models.accounts import AccessToken
from models.words import Platform, PostFormat, Sentiment


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
class UserTag:
    """A person marked on a picture; ``x``, ``y`` are shares of it from the upper left, 0 to 1."""

    username: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Media:
    """One picture or video of a post, at a public URL. ``kind`` is ``"image"`` or ``"video"``."""

    url: str
    kind: str = "image"
    alt_text: str | None = None
    user_tags: tuple[UserTag, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """What is to be seen on one platform.

    Attributes:
        text: the body, NFC.
        media: pictures and videos, in order.
        title: for platforms that show one.
        format: feed post, reel or story.
        link: an address that the post points to, where the platform knows links.
        options: what only this platform knows, by its own names; ``docs/platforms.md``.
    """

    text: str
    media: tuple[Media, ...]
    title: str = ""
    format: PostFormat = PostFormat.POST
    link: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KindTraits:
    """What is peculiar to publishing one kind of post.

    Attributes:
        is_idempotent: publishing the same container twice makes one post, by the platform's own
            contract; so a container that was read as unpublished may be sent again at once.
        shows_text: a list of live posts gives the text back, to match by.
        is_listed: live posts of this kind can be listed at all.
        may_publish_in_progress: at its second it may be published while the platform still works on
            it, such as on a video's higher resolutions.
        takes_comments: the account can comment on such a post of its own.
        life_s: seconds until what was prepared expires; None when it does not.
    """

    is_idempotent: bool = False
    shows_text: bool = True
    is_listed: bool = True
    may_publish_in_progress: bool = False
    takes_comments: bool = True
    life_s: float | None = 86_400.0


@dataclass(frozen=True, slots=True)
class Container:
    """What was prepared, invisibly, and is published by one call."""

    id: str
    kind: str


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
    """One look at a container.

    Attributes:
        state: how far it is.
        detail: the platform's own text, for people.
        post_id: of the live post, when a published container names it by itself.
        url: its public link, if it came along.
        is_permanent: of a failed one: the same media will fail again.
    """

    state: ContainerState
    detail: str = ""
    post_id: str | None = None
    url: str | None = None
    is_permanent: bool = False


@dataclass(frozen=True, slots=True)
class LivePost:
    """A post as the platform lists it to everybody; ``kind`` is the platform client's own word."""

    post_id: str
    text: str
    kind: str
    posted_at: datetime
    url: str | None = None


@dataclass(frozen=True, slots=True)
class LiveComment:
    """A comment by the account itself, as the platform lists it under a post."""

    comment_id: str
    text: str
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """How many posts an account may publish in the platform's window.

    ``frees_at`` is when the next one frees, if the platform says so.
    """

    used: int
    total: int
    frees_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InputProblem:
    """One thing to fix: the field, and what to do, in Korean and in English."""

    field: str
    korean: str
    english: str
    evidence: dict[str, Any] | None = None


class Parts(Protocol):
    """What was made on the way to a container: ids of children, upload sessions, videos.

    Kept in the post's row the moment it is known, so that whoever goes on after a crash goes on
    from there. Names are the adapter's own; values are JSON.
    """

    def get(self, name: str) -> Any:
        """What was kept under ``name``, or None."""
        ...

    async def keep(self, **parts: Any) -> None:
        """Keep some more; returns once they are committed. None forgets a name.

        Raises:
            LeaseLost: somebody else works on the post by now; stop.
        """
        ...


class PlatformClient(Protocol):
    """One platform's publishing, in two phases. Every method may raise ``PlatformError``.

    Only :meth:`publish` and :meth:`comment` can make something visible. They are one request, and
    never retry by themselves; they raise ``NotSent`` or ``Refused`` when by the platform's
    contract nothing became visible, and ``OutcomeUnknown`` in every other case. The other methods
    are reads, or writes that nobody can see or that may be repeated: for them a timeout or a 5xx is
    ``RetryLater``.
    """

    def kind_of(self, post: Post) -> str:
        """The platform's own word for such a post, such as ``"carousel"``.

        Raises:
            InputInvalid: the platform has no such kind; the message says in Korean what to do.
        """
        ...

    def traits_of(self, kind: str) -> KindTraits:
        """What is peculiar to a kind; one that is not the platform's raises ``KeyError``."""
        ...

    def scopes_of(self, kind: str) -> frozenset[str]:
        """Permissions that the account's owner must have granted to publish a kind."""
        ...

    def validate(self, post: Post) -> Sequence[InputProblem]:
        """What the platform would refuse, found without any I/O; empty when all is well."""
        ...

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        """Have everything at the platform, invisibly; gives the container's id.

        May be called again after a crash, with the same post and what was kept in ``parts``; it
        goes on from there and makes nothing twice that people could ever see.
        """
        ...

    async def read_container(self, access: AccountAccess, container: Container) -> ContainerReading:
        """How far the container is."""
        ...

    async def publish(self, access: AccountAccess, container: Container, post: Post) -> str:
        """Make the container visible; gives the post's id. One request, nothing else."""
        ...

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        """The public link, or None when the platform has none yet. Cosmetic."""
        ...

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        """Everything of this kind that went live on the account at or after ``since``.

        Newest first; it may hold other kinds too. A list that cannot be read to its end raises.
        """
        ...

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        """Comment on one's own live post; gives the comment's id. One visible request."""
        ...

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        """The account's own comments under its post at or after ``since``, newest first."""
        ...

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        """Take a live post down. Idempotent: one that is not there counts as taken down.

        Raises:
            Unsupported: this platform, or this way of signing in, cannot delete the kind.
        """
        ...

    async def discard(self, access: AccountAccess, container: Container) -> None:
        """Clear away what was prepared and never published, where it would not expire by itself.

        Idempotent; does nothing to a container that turns out to be published.
        """
        ...

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        """How many posts are left, or None where the platform does not say."""
        ...

    async def warm_up(self) -> None:
        """Have connections open, so that the next call starts at once. Never raises."""
        ...

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class SeenPost:
    """A live post in the list of those whose comments are collected.

    Attributes:
        post_id: the platform's.
        posted_at: when it went live.
        comment_count: all comments and replies that the platform counts; None when it does not say.
        mark: what the list alone tells of its comments, such as their number and the newest id.
            While it stays the same, no comment came or went as far as a list can tell. None: it
            tells nothing, and the comments have to be read.
        is_closed: it takes no comments, which is normal and is not asked about.
    """

    post_id: str
    posted_at: datetime
    comment_count: int | None = None
    mark: str | None = None
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class FoundComment:
    """One comment as a platform lists it, text untouched.

    Attributes:
        comment_id: the platform's.
        post_id: of the post that it stands under.
        thread_id: of the comment that began the thread; its own id if it did.
        parent_id: of the comment that it answers; None for one that began a thread.
        text: as it came; may hold anything.
        commented_at: None where a webhook does not say.
        author_id: None where the platform names nobody; the same for ``author_name``.
        is_own: the account itself wrote it.
        is_hidden: only its author and the account see it.
        like_count: None when not said.
        reply_count: of one that began a thread, as the platform counts; None when not said.
        has_all_replies: the page that held it holds all its replies too.
        edited_at: None when never, or not said.
    """

    comment_id: str
    post_id: str
    thread_id: str
    parent_id: str | None
    text: str
    commented_at: datetime | None
    author_id: str | None = None
    author_name: str | None = None
    is_own: bool = False
    is_hidden: bool = False
    like_count: int | None = None
    reply_count: int | None = None
    has_all_replies: bool = True
    edited_at: datetime | None = None


class PushedVerb(StrEnum):
    """What a platform says came to pass with a comment."""

    ADD = "add"
    EDIT = "edit"
    REMOVE = "remove"
    HIDE = "hide"
    UNHIDE = "unhide"


@dataclass(frozen=True, slots=True)
class PushedChange:
    """One change of a comment that a platform pushed; late, twice and out of order as it may be.

    Attributes:
        platform: where.
        platform_user_id: of the account whose post it stands under.
        verb: what came to pass.
        comment: as the platform tells it. Text, author and time mean something for ``ADD`` and
            ``EDIT`` only; ``thread_id`` is its parent's id at best.
        at: when the platform says it came to pass, in whole seconds; None when it does not say.
        author_username: of Instagram, where accounts know themselves by it.
    """

    platform: Platform
    platform_user_id: str
    verb: PushedVerb
    comment: FoundComment
    at: datetime | None
    author_username: str | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a delivery holds: changes in its order, and how many were left out, by the reason."""

    changes: tuple[PushedChange, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommentPage:
    """One page of comments; ``cursor`` leads to the next, None on the last.

    A cursor is good for minutes and is never kept. A page may be empty and still lead on.
    """

    comments: tuple[FoundComment, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class InboxTraits:
    """What a platform's comments can do.

    Attributes:
        lists_by_time: a page is newest first over all levels, so a new reply to an old thread
            stands on the first page. Otherwise only threads are, with their replies beside them.
        can_hide: comments can be hidden and shown again.
        can_delete: comments of others under one's own post can be deleted.
        is_pushed: the platform pushes comments (webhooks).
        reply_limit: characters of a reply.
    """

    lists_by_time: bool
    can_hide: bool
    can_delete: bool
    is_pushed: bool
    reply_limit: int


class InboxClient(Protocol):
    """One platform's comments: reading, answering, hiding. May raise ``PlatformError``.

    :meth:`reply` alone makes something visible that cannot be repeated: one request, never retried
    by itself, with ``OutcomeUnknown`` for every doubtful end. The others are reads, or writes that
    may be said again; a lost answer to them is ``RetryLater``.
    """

    @property
    def traits(self) -> InboxTraits:
        """What the platform's comments can do."""
        ...

    def watched_posts(
        self, access: AccountAccess, *, since: datetime, known: Sequence[str]
    ) -> AsyncGenerator[Sequence[SeenPost], None]:
        """Every live post of the account that went live at or after ``since``, page by page.

        Args:
            access: whose.
            since: nothing older.
            known: ids of the posts that are watched already, newest first; a platform that is asked
                by ids uses them, and looks beyond them for new ones only. Each page is one or two
                calls of about 50 to 100 posts.
        """
        ...

    async def read_comments(
        self, access: AccountAccess, post_id: str, cursor: str | None
    ) -> CommentPage:
        """A page of a post's comments with what replies come along, newest first."""
        ...

    async def read_replies(
        self, access: AccountAccess, post_id: str, thread_id: str, cursor: str | None
    ) -> CommentPage:
        """A page of all replies of one thread."""
        ...

    async def reply(
        self, access: AccountAccess, post_id: str, comment_id: str, text: str, parts: Parts
    ) -> str:
        """Answer a comment as the account; gives the new comment's id. One visible request.

        What is made before it unseen (a Threads container) is kept in ``parts`` first.
        """
        ...

    async def own_replies(
        self, access: AccountAccess, post_id: str, comment_id: str, since: datetime, parts: Parts
    ) -> Sequence[LiveComment]:
        """The account's own answers in the comment's thread at or after ``since``, newest first.

        Read whole; a list that cannot be read to its end raises.
        """
        ...

    async def set_hidden(self, access: AccountAccess, comment_id: str, *, is_hidden: bool) -> None:
        """Hide a comment, or show it again. Idempotent.

        Raises:
            Unsupported: the platform cannot.
        """
        ...

    async def delete_comment(self, access: AccountAccess, comment_id: str) -> None:
        """Delete a comment. Idempotent: one that is not there counts as deleted.

        Raises:
            Unsupported: the platform, or this way of signing in, cannot.
        """
        ...

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class PostReference:
    """A live post to read figures of; ``kind`` is the platform client's word, None if unknown."""

    post_id: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a platform tells of an account or a post.

    Names, the same on every platform that has them: ``followers``, ``follows_gained``,
    ``follows_lost``, ``views``, ``reach``, ``likes``, ``comments``, ``shares``, ``saves``,
    ``reposts``, ``quotes``, ``replies``, ``clicks``, ``engaged_accounts``, ``interactions``,
    ``profile_visits``, ``watch_time_s``, ``average_watch_s``. A post's are counted since it went
    live.

    Attributes:
        values: a number, or None where the platform has none (yet); that is not 0.
        unavailable: names that the platform refused to give, with its error code.
    """

    values: Mapping[str, float | None]
    unavailable: Mapping[str, str] = field(default_factory=dict)


class InsightsClient(Protocol):
    """One platform's figures. Reads only; may raise ``PlatformError``.

    A metric that the platform does not know (any more) never fails the others: it is dropped, the
    rest asked for again, and named in :attr:`Figures.unavailable`.
    """

    async def read_account(
        self,
        access: AccountAccess,
        *,
        start: datetime,
        end: datetime,
        without: Mapping[str, str],
    ) -> Figures:
        """An account's figures of the time from ``start`` to ``end``, at most a day.

        Args:
            access: whose.
            start: where the account's day begins.
            end: where it ends; later than the present while the day runs.
            without: names that were refused lately, with their codes: not asked for, and given
                back in ``unavailable``.
        """
        ...

    async def read_posts(
        self,
        access: AccountAccess,
        posts: Sequence[PostReference],
        *,
        without: Mapping[str, str],
    ) -> Mapping[str, Figures]:
        """Figures of posts since each went live, by id; posts that are gone are left out."""
        ...

    async def close(self) -> None:
        """Give back the connections. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class TokenRules:
    """How a platform's tokens live.

    Attributes:
        is_refreshable: a token can be renewed by itself; otherwise its owner signs in again.
        min_age_s: a younger token is not renewed by the platform.
        refresh_before_s: it is renewed when it has at most so long to live.
        has_refresh_token: a second token renews it; the one in use lives for an hour or so, and its
            end says nothing of the connection.
    """

    is_refreshable: bool
    min_age_s: float
    refresh_before_s: float
    has_refresh_token: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A renewed token. ``refresh_token`` and ``scopes`` None: those we have stay as they are."""

    token: AccessToken
    expires_at: datetime | None
    refresh_token: AccessToken | None = None
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TokenHealth:
    """What a platform says of a token; None where it does not say.

    ``reason`` is the platform's code when the token is not good, such as ``"190/460"``.
    """

    is_valid: bool
    reason: str | None = None
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    scopes: tuple[str, ...] | None = None


class TokenClient(Protocol):
    """One platform's tokens: renewing and asking after them.

    Raises ``ReconnectNeeded`` when only the owner can help, and no other error says that: whatever
    is transient, throttled, unreadable, or a fault of our own configuration is another.
    """

    @property
    def rules(self) -> TokenRules:
        """How the platform's tokens live."""
        ...

    async def refresh(self, access: AccountAccess, refresh_token: AccessToken | None) -> Grant:
        """Renew a token; may be repeated with the old one when the answer was lost."""
        ...

    async def check(self, access: AccountAccess) -> TokenHealth:
        """Ask whether a token is good. Never raises ``ReconnectNeeded``: that is an answer."""
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


@dataclass(frozen=True, slots=True)
class SentimentReading:
    """What a comment feels like; ``score`` is p(positive) - p(negative), in [-1, 1]."""

    sentiment: Sentiment
    score: float


class SentimentModel(Protocol):
    """Reads feelings from Korean comments."""

    async def read(self, texts: Sequence[str]) -> Sequence[SentimentReading]:
        """Give one reading per text, in input order; never blocks the event loop.

        Any text is read, an empty one too; of a long one the beginning.
        """
        ...

    async def close(self) -> None:
        """Give back what the model holds. Idempotent."""
        ...
