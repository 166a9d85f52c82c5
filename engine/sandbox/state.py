"""What the imitated platform knows: accounts, containers, posts, and the requests it saw."""

import asyncio
import hashlib
import itertools
import re
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from engine.sandbox.clock import SandboxClock
from engine.sandbox.faults import FaultPlan
from engine.sandbox.media_rules import MediaFault
from engine.sandbox.switches import Switches

if TYPE_CHECKING:
    from engine.sandbox.youtube_state import YouTubeWorld

DAY_S: Final = 86_400.0
LOOP_BYTES: Final = 1024 * 1024  # more are hashed in a thread: a millisecond or so each
REQUESTS_KEPT: Final = 20_000
ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")  # it stands in paths and headers
AUTO_TOKEN: Final = "sandbox-token-"  # noqa: S105 - a prefix that documents itself, no secret


@dataclass(slots=True)
class Account:
    """One account of a platform, and how its token stands."""

    id: str
    username: str
    token: str = field(repr=False)
    token_expires_at: float | None = None
    token_subcode: int | None = None  # of error 190, when the token is dead
    posts: list["PublicPost"] = field(default_factory=list)  # of every platform, oldest first
    published_at: deque[float] = field(default_factory=deque)
    called_at: deque[float] = field(default_factory=deque)
    spent_at: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def quota_used(self, now: float) -> int:
        """Posts in the rolling day."""
        return _within_a_day(self.published_at, now)

    def calls_used(self, now: float) -> int:
        """Calls in the rolling day; they are counted only while a budget is set."""
        return _within_a_day(self.called_at, now)

    def spent(self, what: str, now: float) -> int:
        """How much of another daily quota is used in the rolling day."""
        return _within_a_day(self.spent_at[what], now)

    def spend(self, what: str, now: float) -> None:
        """Use one of another daily quota."""
        self.spent_at[what].append(now)


def _within_a_day(instants: deque[float], now: float) -> int:
    while instants and instants[0] <= now - DAY_S:
        instants.popleft()
    return len(instants)


@dataclass(slots=True)
class Medium:
    """One picture or video of a post. Uploaded bytes are counted and hashed, never kept."""

    kind: Literal["image", "video"]
    url: str | None = None
    alt_text: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    id: str = ""

    def listed(self) -> dict[str, Any]:
        """As JSON, without what is not known."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "id"}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(slots=True)
class Received:
    """The bytes of an upload that came so far, which need not be all."""

    file_size: int | None = None
    offset: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    @property
    def is_whole(self) -> bool:
        """Whether every announced byte is there."""
        return self.offset > 0 and self.offset == self.file_size

    def restart(self) -> None:
        """Forget what came."""
        self.file_size, self.offset, self.digest = None, 0, hashlib.sha256()

    async def take(self, part: bytes) -> None:
        """Count and hash some more."""
        self.offset += len(part)
        if len(part) <= LOOP_BYTES:
            self.digest.update(part)
        else:
            await asyncio.to_thread(self.digest.update, part)


@dataclass(slots=True)
class Container:
    """A post being made; nobody sees it before it is published."""

    id: str
    account: Account
    caption: str
    image_url: str
    alt_text: str | None
    created_at: float
    polls: int = 0
    is_fetched: bool = False
    failure_subcode: int | None = None
    post: "PublicPost | None" = None
    platform: str = "instagram"
    kind: str = "image"
    video_url: str | None = None
    is_carousel_item: bool = False
    children: tuple["Container", ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    failure_reason: str | None = None  # as Threads words it
    received: Received | None = None  # of a resumable upload
    finished_at: float | None = None  # when somebody first could know that it is ready
    reply_to: "PublicPost | None" = None

    def fetched(self) -> None:
        """The file that it points to is there and good."""
        self.is_fetched = True

    def refused(self, fault: MediaFault) -> None:
        """The file that it points to is not there, or not good."""
        self.failure_subcode, self.failure_reason = fault.subcode, fault.reason

    def media(self) -> tuple[Medium, ...]:
        """What the post will show, in order."""
        if self.children:
            return tuple(medium for child in self.children for medium in child.media())
        if self.received is not None:
            digest = self.received.digest.hexdigest()
            return (Medium("video", None, None, self.received.offset, digest, self.id),)
        if self.video_url:
            return (Medium("video", self.video_url, self.alt_text, id=self.id),)
        if self.image_url:
            return (Medium("image", self.image_url, self.alt_text, id=self.id),)
        return ()

    def status_code(self, now: float, switches: Switches) -> str:
        """The state under Meta's own name.

        Source: https://developers.facebook.com/docs/instagram-platform/reference/ig-container,
        read 2026-11-23.
        """
        if self.post is not None:
            return "PUBLISHED"
        if now - self.created_at >= switches.container_life_s:
            return "EXPIRED"
        if self.failure_subcode is not None or self.failure_reason is not None:
            return "ERROR"
        if (
            self.is_fetched
            and self.polls >= switches.container_ready_polls
            and now - self.created_at >= switches.container_ready_s
        ):
            return "FINISHED"
        return "IN_PROGRESS"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who comments and has no account here."""

    id: str
    username: str


@dataclass(slots=True, eq=False)
class Comment:
    """What somebody wrote under a post; ``author`` None: the platform names nobody."""

    number: int
    id: str
    author: Account | Person | None
    text: str
    posted_at: float
    parent: "Comment | None" = None
    is_held: bool = False
    is_hidden: bool = False
    is_deleted: bool = False
    edited_at: float | None = None

    @property
    def is_shown(self) -> bool:
        """Whether a list has it and a count counts it."""
        return not (self.is_held or self.is_deleted)


@dataclass(slots=True, eq=False)
class PublicPost:
    """What everybody sees. ``arrived_at`` is the publish request's first byte, in real time."""

    number: int
    id: str
    account: Account
    container_id: str
    caption: str
    alt_text: str | None
    image_url: str
    shortcode: str
    posted_at: float
    arrived_at: float
    request_id: str
    platform: str = "instagram"
    kind: str = "image"
    title: str = ""
    media: tuple[Medium, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    replies: list["PublicPost"] = field(default_factory=list)  # on Threads a reply is a post
    parent: "PublicPost | None" = None
    is_deleted: bool = False
    is_held: bool = False  # these three of a reply on Threads
    is_hidden: bool = False
    edited_at: float | None = None
    is_anonymous: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether a list has it."""
        return not (self.is_held or self.is_deleted)

    @property
    def path(self) -> str:
        """Where its page is on this host."""
        if self.platform == "youtube":
            return f"/watch?v={self.id}"
        if self.platform == "threads":
            return f"/@{self.account.username}/post/{self.shortcode}"
        return f"/p/{self.shortcode}/"

    def own_comments(self) -> list[str]:
        """What the account itself wrote under its post, oldest first."""
        return [one.text for one in self.comments if one.author is self.account] + [
            reply.caption
            for reply in self.replies
            if reply.account is self.account and not reply.is_deleted
        ]


@dataclass(slots=True, eq=False, kw_only=True)
class PageObject(ABC):
    """A post, photo or video of a Facebook Page, which nobody sees before it is ``public``.

    Attributes:
        appears_at: the instant of the sandbox's clock from which it may be public; None while
            nobody asked for that.
        arrived_at: first byte of the request that asked for it, in real time.
    """

    number: int
    id: str
    account: Account
    created_at: float
    arrived_at: float
    request_id: str
    text: str = ""
    appears_at: float | None = None
    scheduled_at: float | None = None
    public: PublicPost | None = None
    is_deleted: bool = False
    comments: list[Comment] = field(default_factory=list)

    @abstractmethod
    def due_at(self, switches: Switches) -> float | None:
        """When it becomes public; None as long as that is open."""

    @abstractmethod
    def appear(self, world: "World", at: float) -> None:
        """Become public."""


@dataclass(slots=True)
class SeenRequest:
    """One request; its token is never kept."""

    id: str
    method: str
    path: str
    call: str
    account: str | None
    arrived_at: float
    status: int | None = None  # None until answered, and for ever if it never was
    fault: int | None = None
    query: dict[str, str] | None = None  # these two of YouTube's requests only
    json: dict[str, Any] | None = None

    def listed(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class World:
    """Everything of one life of the sandbox; a reset begins another.

    A request holds the world it arrived in, so that one still on its way from an earlier test
    cannot write into the next.
    """

    def __init__(self, switches: Switches, youtube: "YouTubeWorld") -> None:
        self.switches = switches
        self.youtube = youtube
        self.clock = SandboxClock()
        self.faults = FaultPlan()
        self.accounts: dict[str, Account] = {}
        self.by_token: dict[str, Account] = {}
        self.containers: dict[str, Container] = {}
        self.posts: dict[str, PublicPost] = {}
        self.by_shortcode: dict[str, PublicPost] = {}
        self.comments: dict[str, tuple[PublicPost | PageObject, Comment]] = {}
        self.page_objects: dict[str, PageObject] = {}
        self.pending: dict[str, PageObject] = {}  # will be public once their time has come
        self.requests: deque[SeenRequest] = deque(maxlen=REQUESTS_KEPT)
        # What is told of comments: (verb, what they stand under, comment).
        self.pushes: Callable[[str, PublicPost | PageObject, Comment], None] | None = None
        self.reads = 0  # of containers and posts, for the flicker
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """The next number of a series that never repeats."""
        return next(self._numbers)

    def add_account(self, account_id: str, username: str, token: str) -> Account:
        """Make an account known, or give a known one another name and token."""
        account = self.accounts.get(account_id)
        if account is None:
            account = Account(account_id, username, token)
            self.accounts[account_id] = account
        else:
            self.by_token.pop(account.token, None)
            account.username, account.token = username, token
        self.by_token[token] = account
        return account

    def account_of(self, token: str) -> Account | None:
        """Whose token this is; an account made on sight counts, if the switch allows it."""
        account = self.by_token.get(token)
        if account is None and self.switches.auto_accounts and token.startswith(AUTO_TOKEN):
            account_id = token.removeprefix(AUTO_TOKEN)
            if ACCOUNT_ID.fullmatch(account_id) and account_id not in self.accounts:
                return self.add_account(account_id, f"account_{account_id}", token)
        return account

    def owner_of(self, node_id: str) -> str | None:
        """The account that an id belongs to, whatever kind of thing it names."""
        if node_id in self.accounts:
            return node_id
        thing = (
            self.containers.get(node_id)
            or self.posts.get(node_id)
            or self.page_objects.get(node_id)
        )
        return None if thing is None else thing.account.id

    def settle(self) -> None:
        """Let everything appear whose time has come by the sandbox's clock."""
        now = self.clock.now()
        for thing in list(self.pending.values()):
            due_at = thing.due_at(self.switches)
            if due_at is not None and due_at <= now:
                del self.pending[thing.id]
                thing.appear(self, due_at)

    def show(self, container: Container, arrived_at: float, request_id: str) -> PublicPost:
        """Make a container visible, once more if it already is."""
        number = self.number()
        post = PublicPost(
            number=number,
            id=f"180{number:014d}",
            account=container.account,
            container_id=container.id,
            caption=container.caption,
            alt_text=container.alt_text,
            image_url=container.image_url,
            shortcode=shortcode_of(number),
            posted_at=self.clock.now(),
            arrived_at=arrived_at,
            request_id=request_id,
            platform=container.platform,
            kind=container.kind,
            media=container.media(),
            details=container.details,
            parent=container.reply_to,
        )
        container.post = container.post or post
        if container.platform == "instagram":
            container.account.published_at.append(post.posted_at)
        self.keep(post)
        return post

    def keep(self, post: PublicPost) -> None:
        """Let everybody see a post."""
        post.account.posts.append(post)
        self.posts[post.id] = post
        self.by_shortcode[post.shortcode] = post

    def comment(
        self,
        under: "PublicPost | PageObject",
        author: Account | Person | None,
        text: str,
        comment_id: str,
        parent: Comment | None = None,
        *,
        at: float | None = None,
        is_held: bool = False,
    ) -> Comment:
        """Add a comment; ``comment_id`` may hold ``{}`` for its number."""
        number = self.number()
        posted_at = self.clock.now() if at is None else at
        comment = Comment(
            number, comment_id.format(number), author, text, posted_at, parent, is_held
        )
        under.comments.append(comment)
        self.comments[comment.id] = (under, comment)
        if not is_held:
            self.push("add", under, comment)
        return comment

    def push(self, verb: str, under: "PublicPost | PageObject", comment: Comment) -> None:
        """Tell whoever subscribed to the platform's pushes."""
        if self.pushes is not None:
            self.pushes(verb, under, comment)


def shortcode_of(number: int) -> str:
    """Eleven characters that look like Instagram's own."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    value, code = number * 0x9E3779B97F4A7C15 % 2**66, ""
    for _ in range(11):
        value, digit = divmod(value, 64)
        code += alphabet[digit]
    return code
