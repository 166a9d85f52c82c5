"""Each platform under the shared contract: its client, and the levers that move the platform.

A platform joins with a class that opens its client and a line per kind in ``KINDS``.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from engine.errors import OutcomeUnknown, RetryLater
from engine.media.source import HttpMediaSource
from engine.platforms.facebook import FacebookClient
from engine.platforms.instagram import InstagramClient
from engine.platforms.threads import ThreadsClient
from engine.platforms.youtube import YouTubeClient
from engine.ports import AccountAccess, Container, ContainerState, Media, PlatformClient, Post
from models.accounts import AccessToken
from models.words import PostFormat
from tests.fakes.platform_client import FakePlatformClient
from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"
OTHER = "17841400000000002"


class Levers(Protocol):
    """What the contract needs to know of a platform, and to do to it.

    Attributes:
        client: under test.
        kind: of the posts that :meth:`post` makes.
        too_long: a text that the platform refuses in posts that show one.
        takes_time: containers are in progress before they can be published.
        expires: containers live for a day.
        token_code: what the code of a bad token's error begins with.
        sends_text_last: the text goes along with the call that publishes.
        takes_comments: the account can comment on such a post of its own.
        says_quota: the platform tells how many posts are left.
    """

    client: PlatformClient
    kind: str
    too_long: str
    takes_time: bool
    expires: bool
    token_code: str
    sends_text_last: bool
    takes_comments: bool
    says_quota: bool

    def access(self, account: str = ACCOUNT) -> AccountAccess:
        """The right to act as an account."""
        ...

    def post(self, text: str = "안녕하세요") -> Post:
        """A good post of this kind."""
        ...

    def live_count(self) -> int:
        """How many posts of ``ACCOUNT`` everybody sees."""
        ...

    def hold(self, container: Container) -> None:
        """Let the platform work on a container for an hour yet."""
        ...

    def release(self, container: Container) -> None:
        """Let that hour pass."""
        ...

    def expire(self, container: Container) -> None:
        """Let a container's life pass."""
        ...

    def lose_answer(self, method: str) -> None:
        """Carry the next call out, and answer nothing."""
        ...

    def lose_request(self, method: str) -> None:
        """Cut the next call off before it is carried out."""
        ...


@dataclass
class FakePlatform:
    """The fake, and the levers of its platform."""

    client: FakePlatformClient
    kind: str = "image"
    too_long: str = "가" * 2201
    takes_time: bool = True
    expires: bool = True
    token_code: str = "190"
    sends_text_last: bool = False
    takes_comments: bool = True
    says_quota: bool = True

    def access(self, account: str = ACCOUNT) -> AccountAccess:
        self.client.tokens[account] = f"token-{account}"
        return AccountAccess(account, AccessToken(f"token-{account}"))

    def post(self, text: str = "안녕하세요") -> Post:
        return Post(text, (Media("https://example.test/a.jpg"),))

    def live_count(self) -> int:
        return len(self.client.posts.get(ACCOUNT, []))

    def hold(self, container: Container) -> None:
        self.client.containers[container.id].state = ContainerState.IN_PROGRESS

    def release(self, container: Container) -> None:
        self.client.containers[container.id].state = ContainerState.READY

    def expire(self, container: Container) -> None:
        self.client.age(container.id)

    def lose_answer(self, method: str) -> None:
        self.client.failures_after[method] = [_lost(method)]

    def lose_request(self, method: str) -> None:
        self.client.failures[method] = [_lost(method)]


def _lost(method: str) -> OutcomeUnknown | RetryLater:
    lost = OutcomeUnknown if method in SENT_ONCE else RetryLater
    return lost("cut", code="connection-lost")


SENT_ONCE = ("publish", "comment")


@dataclass
class SandboxPlatform:
    """An adapter, and the levers of the sandbox."""

    client: PlatformClient
    sandbox: RunningSandbox
    kind: str
    format: PostFormat = PostFormat.POST
    media: str = ""  # one letter each: a picture or a video
    sends_text_last: bool = False
    takes_comments: bool = True

    too_long: ClassVar[str]
    takes_time: ClassVar[bool] = True
    expires: ClassVar[bool] = True
    token_code: ClassVar[str] = "190"
    says_quota: ClassVar[bool] = True
    calls: ClassVar[dict[str, str]] = {
        "prepare": "create_container",
        "comment": "create_comment",
        "read_permalink": "read_post",
    }

    def access(self, account: str = ACCOUNT) -> AccountAccess:
        return AccountAccess(account, AccessToken(self.sandbox.token(account)))

    def post(self, text: str = "안녕하세요") -> Post:
        media = {
            "p": Media(self.sandbox.picture()),
            "v": Media(self.sandbox.film(), kind="video"),
        }
        return Post(text, tuple(media[one] for one in self.media), format=self.format)

    def live_count(self) -> int:
        return sum(not post["is_deleted"] for post in self.sandbox.posts(ACCOUNT))

    def hold(self, container: Container) -> None:
        self.sandbox.switch(container_ready_s=3600)

    def release(self, container: Container) -> None:
        self.sandbox.advance(3600)

    def expire(self, container: Container) -> None:
        self.sandbox.advance(86_400)

    def lose_answer(self, method: str) -> None:
        self._cut(method, 1)

    def lose_request(self, method: str) -> None:
        self._cut(method, 0)

    def _cut(self, method: str, carry_out: int) -> None:
        # Twice for reads, which replace a dead connection once.
        times = 1 if method in (*SENT_ONCE, "prepare") else 2
        self.sandbox.fault("close", carry_out=carry_out, call=self.call_of(method), times=times)

    def call_of(self, method: str) -> str:
        """The sandbox's name for the call that a method of the port begins with."""
        return self.calls.get(method, method)


class InstagramPlatform(SandboxPlatform):
    too_long = "가" * 2201

    def call_of(self, method: str) -> str:
        is_list_of_stories = method == "list_posts" and self.kind == "story"
        return "list_stories" if is_list_of_stories else super().call_of(method)

    @classmethod
    @asynccontextmanager
    async def open(cls, sandbox: RunningSandbox, **kind: Any) -> AsyncIterator[SandboxPlatform]:
        media = HttpMediaSource(allow_private=True)
        client = InstagramClient(
            sandbox.graph_url,
            upload_url=sandbox.instagram_upload_url,
            media=media,
            publish_timeout_s=5,
        )
        yield cls(client, sandbox, **kind)
        await client.close()
        await media.close()


class FacebookPlatform(SandboxPlatform):
    too_long = "가" * 63_207
    takes_time = False
    expires = False
    says_quota = False
    begun_with: ClassVar[dict[str, str]] = {
        "text": "create_post",
        "photo": "create_photo",
        "photos": "create_photo",
        "video": "create_video",
        "reel": "start_upload",
    }
    lists: ClassVar[dict[str, str]] = {"video": "list_videos", "reel": "list_reels"}

    def call_of(self, method: str) -> str:
        read = "read_video" if self.kind in self.lists else "read_post"
        names = {
            "prepare": self.begun_with[self.kind],
            "read_container": read,
            "read_permalink": read,
            "list_posts": self.lists.get(self.kind, "list_posts"),
        }
        return names.get(method) or super().call_of(method)

    @classmethod
    @asynccontextmanager
    async def open(cls, sandbox: RunningSandbox, **kind: Any) -> AsyncIterator[SandboxPlatform]:
        client = FacebookClient(
            sandbox.facebook_url, upload_url=sandbox.facebook_upload_url, publish_timeout_s=5
        )
        yield cls(client, sandbox, **kind)
        await client.close()


class YouTubePlatform(SandboxPlatform):
    too_long = "가" * 1667  # bytes count
    takes_time = False
    expires = False
    says_quota = False
    token_code = "authError"
    calls: ClassVar[dict[str, str]] = {
        "prepare": "create_container",
        "comment": "create_comment",
        "read_permalink": "read_post",
    }

    @classmethod
    @asynccontextmanager
    async def open(cls, sandbox: RunningSandbox, **kind: Any) -> AsyncIterator[SandboxPlatform]:
        media = HttpMediaSource(allow_private=True)
        client = YouTubeClient(
            f"{sandbox.base_url}/youtube/v3",
            upload_url=f"{sandbox.base_url}/upload/youtube/v3",
            watch_url=f"{sandbox.base_url}/watch",
            media=media,
            publish_timeout_s=5,
        )
        yield cls(client, sandbox, **kind)
        await client.close()
        await media.close()

    def post(self, text: str = "안녕하세요") -> Post:
        return replace(super().post(text), title="제목")


class ThreadsPlatform(SandboxPlatform):
    too_long = "가" * 501

    @classmethod
    @asynccontextmanager
    async def open(cls, sandbox: RunningSandbox, **kind: Any) -> AsyncIterator[SandboxPlatform]:
        client = ThreadsClient(sandbox.threads_url, publish_timeout_s=5)
        yield cls(client, sandbox, **kind)
        await client.close()


Opener = Callable[..., Any]
KINDS: dict[str, tuple[Opener, dict[str, Any]]] = {
    "instagram image": (InstagramPlatform.open, {"kind": "image", "media": "p"}),
    "instagram carousel": (InstagramPlatform.open, {"kind": "carousel", "media": "pvp"}),
    "instagram reel": (
        InstagramPlatform.open,
        {"kind": "reel", "media": "v", "format": PostFormat.REEL},
    ),
    "instagram story": (
        InstagramPlatform.open,
        {"kind": "story", "media": "p", "format": PostFormat.STORY, "takes_comments": False},
    ),
    "facebook text": (FacebookPlatform.open, {"kind": "text"}),
    "facebook photo": (FacebookPlatform.open, {"kind": "photo", "media": "p"}),
    "facebook photos": (FacebookPlatform.open, {"kind": "photos", "media": "pp"}),
    "facebook video": (FacebookPlatform.open, {"kind": "video", "media": "v"}),
    "facebook reel": (
        FacebookPlatform.open,
        {"kind": "reel", "media": "v", "format": PostFormat.REEL, "sends_text_last": True},
    ),
    "youtube video": (YouTubePlatform.open, {"kind": "video", "media": "v"}),
    "youtube short": (
        YouTubePlatform.open,
        {"kind": "short", "media": "v", "format": PostFormat.REEL},
    ),
    "threads text": (ThreadsPlatform.open, {"kind": "text"}),
    "threads image": (ThreadsPlatform.open, {"kind": "image", "media": "p"}),
    "threads carousel": (ThreadsPlatform.open, {"kind": "carousel", "media": "pv"}),
    "threads video": (ThreadsPlatform.open, {"kind": "video", "media": "v"}),
}
"""Every kind of every adapter: what opens its platform on a sandbox, and how."""
