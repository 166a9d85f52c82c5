"""What the imitated platform knows: accounts, containers, posts, and the requests it saw."""

import itertools
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from engine.sandbox.clock import SandboxClock
from engine.sandbox.faults import FaultPlan
from engine.sandbox.switches import Switches

if TYPE_CHECKING:
    from engine.sandbox.youtube_state import YouTubeWorld

DAY_S: Final = 86_400.0
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
    posts: list["PublicPost"] = field(default_factory=list)  # oldest first
    published_at: deque[float] = field(default_factory=deque)
    called_at: deque[float] = field(default_factory=deque)
    made_at: deque[float] = field(default_factory=deque)

    def quota_used(self, now: float) -> int:
        """Posts in the rolling day."""
        return _within_a_day(self.published_at, now)

    def made_in_a_day(self, now: float) -> int:
        """Containers in the rolling day."""
        return _within_a_day(self.made_at, now)

    def calls_used(self, now: float) -> int:
        """Calls in the rolling day; they are counted only while a budget is set."""
        return _within_a_day(self.called_at, now)


def _within_a_day(instants: deque[float], now: float) -> int:
    while instants and instants[0] <= now - DAY_S:
        instants.popleft()
    return len(instants)


@dataclass(slots=True)
class Medium:
    """A picture or video of a post. ``url`` is None for bytes that were sent instead."""

    kind: str
    url: str | None
    alt_text: str | None = None

    def listed(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, "url": self.url, "alt_text": self.alt_text}


@dataclass(slots=True)
class Upload:
    """Bytes that are sent to the platform instead of an address; they are counted, not kept."""

    size: int | None = None  # announced by the first piece
    received: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all that was announced has come."""
        return self.size is not None and self.received >= self.size


@dataclass(slots=True)
class Container:
    """A post being made; nobody sees it before it is published."""

    id: str
    account: Account
    platform: str
    kind: str
    caption: str
    media: list[Medium]
    created_at: float
    children: tuple["Container", ...] = ()
    upload: Upload | None = None
    reply_to: str | None = None
    polls: int = 0
    is_fetched: bool = False
    failure: int | str | None = None  # Instagram's subcode, or Threads' word
    post: "PublicPost | None" = None

    def status_code(self, now: float, switches: Switches) -> str:
        """The state under Meta's own name.

        Source: https://developers.facebook.com/docs/instagram-platform/reference/ig-container,
        read 2026-11-23.
        """
        if self.post is not None:
            return "PUBLISHED"
        if now - self.created_at >= switches.container_life_s:
            return "EXPIRED"
        if self.failure is not None:
            return "ERROR"
        if (
            self.is_fetched
            and (self.upload is None or self.upload.is_whole)
            and self.polls >= switches.container_ready_polls
            and now - self.created_at >= switches.container_ready_s
        ):
            return "FINISHED"
        return "IN_PROGRESS"


@dataclass(slots=True)
class Node:
    """A Facebook post, photo or video, published or not.

    Attributes:
        kind: ``post``, ``photo``, ``video`` or ``reel``.
        attached: ids of the photos of a post.
        phase: how far a video's upload is: ``start``, ``transfer`` or ``finish``.
    """

    id: str
    account: Account
    kind: str
    text: str
    media: list[Medium]
    created_at: float
    attached: tuple[str, ...] = ()
    link: str | None = None
    title: str = ""
    is_published: bool = False
    scheduled_at: float | None = None
    phase: str = "finish"
    upload: Upload | None = None
    is_fetched: bool = True
    failure: str | None = None
    post: "PublicPost | None" = None


@dataclass(slots=True, frozen=True)
class Comment:
    """A comment under a post."""

    number: int
    id: str
    text: str
    account: Account
    created_at: float


@dataclass(slots=True)
class PublicPost:
    """What everybody sees. ``arrived_at`` is the publish request's first byte, in real time."""

    number: int
    id: str
    account: Account
    platform: str
    kind: str
    container_id: str
    caption: str
    media: list[Medium]
    shortcode: str
    posted_at: float
    arrived_at: float
    request_id: str
    title: str = ""
    path: str = ""
    is_deleted: bool = False
    comments: list[Comment] = field(default_factory=list)

    @property
    def image_url(self) -> str:
        """Of the first picture or video."""
        return (self.media[0].url or "") if self.media else ""

    @property
    def alt_text(self) -> str | None:
        """Of the first picture or video."""
        return self.media[0].alt_text if self.media else None


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
        self.nodes: dict[str, Node] = {}
        self.by_shortcode: dict[str, PublicPost] = {}
        self.by_path: dict[str, PublicPost] = {}
        self.deleted: list[PublicPost] = []
        self.requests: deque[SeenRequest] = deque(maxlen=REQUESTS_KEPT)
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
        thing = self.containers.get(node_id) or self.posts.get(node_id) or self.nodes.get(node_id)
        return None if thing is None else thing.account.id

    def show(self, container: Container, arrived_at: float, request_id: str) -> PublicPost:
        """Make a container visible, once more if it already is."""
        number = self.number()
        post = self.add_post(
            number=number,
            id=f"180{number:014d}",
            account=container.account,
            platform=container.platform,
            kind=container.kind,
            container_id=container.id,
            caption=container.caption,
            media=[*container.media, *(m for child in container.children for m in child.media)],
            arrived_at=arrived_at,
            request_id=request_id,
        )
        container.post = container.post or post
        container.account.published_at.append(post.posted_at)
        return post

    def add_post(self, *, posted_at: float | None = None, **values: Any) -> PublicPost:
        """Let everybody see a post, from now on or since ``posted_at``."""
        code = shortcode(values["number"])
        post = PublicPost(
            shortcode=code,
            posted_at=self.clock.now() if posted_at is None else posted_at,
            **{"path": f"/p/{code}/", **values},
        )
        post.account.posts.append(post)
        self.posts[post.id] = post
        self.by_shortcode[code] = post
        return post

    def delete_post(self, post: PublicPost) -> None:
        """Take a post away from everybody; it stays known to the truth."""
        post.is_deleted = True
        post.account.posts.remove(post)
        del self.posts[post.id]
        self.deleted.append(post)


def shortcode(number: int) -> str:
    """Eleven characters that look like Instagram's own."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    value, code = number * 0x9E3779B97F4A7C15 % 2**66, ""
    for _ in range(11):
        value, digit = divmod(value, 64)
        code += alphabet[digit]
    return code
