"""Each platform's comments under the shared contract: its client, and levers on the platform."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol

from engine.errors import OutcomeUnknown, RetryLater
from engine.platforms.facebook_inbox import FacebookInbox
from engine.platforms.instagram_inbox import InstagramInbox
from engine.platforms.threads_inbox import ThreadsInbox
from engine.platforms.youtube_inbox import YouTubeInbox
from engine.ports import AccountAccess, InboxClient
from models.accounts import AccessToken
from tests.fakes.inbox_client import FakeInbox
from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"


class InboxLevers(Protocol):
    """What the contract needs to know of a platform, and to do to it.

    Attributes:
        client: under test.
        lists_hidden: comments that are hidden stay in the lists.
        names_authors: authors are told by an id.
        most_of_page: comments that a page surely does not exceed.
    """

    client: InboxClient
    lists_hidden: bool
    names_authors: bool
    most_of_page: int

    def access(self) -> AccountAccess:
        """The right to act as ``ACCOUNT``."""
        ...

    def add_post(self) -> str:
        """A live post of ``ACCOUNT``; gives its id."""
        ...

    def add_comments(self, post_id: str, texts: list[str], parent: str | None = None) -> list[str]:
        """Comments of a guest, in this order; gives their ids."""
        ...

    def remove_comment(self, comment_id: str) -> None:
        """Its author deletes a comment."""
        ...

    def age(self, seconds: float) -> None:
        """Let time pass for the platform."""
        ...

    def now(self) -> datetime:
        """The platform's time."""
        ...

    def lose_answer(self, method: str) -> None:
        """Carry the next call out, and answer nothing."""
        ...

    def lose_request(self, method: str) -> None:
        """Cut the next call off before it is carried out."""
        ...


@dataclass
class FakeComments:
    """The fake, and the levers of its platform."""

    client: FakeInbox
    lists_hidden: bool = True
    names_authors: bool = True
    most_of_page: int = 100

    def access(self) -> AccountAccess:
        self.client.tokens[ACCOUNT] = f"token-{ACCOUNT}"
        return AccountAccess(ACCOUNT, AccessToken(f"token-{ACCOUNT}"))

    def add_post(self) -> str:
        return self.client.add_post(ACCOUNT)

    def add_comments(self, post_id: str, texts: list[str], parent: str | None = None) -> list[str]:
        return [self.client.add_comment(post_id, text, parent=parent) for text in texts]

    def remove_comment(self, comment_id: str) -> None:
        self.client.remove_comment(comment_id)

    def age(self, seconds: float) -> None:
        self.client.shift(timedelta(seconds=seconds))

    def now(self) -> datetime:
        return datetime.now(UTC)

    def lose_answer(self, method: str) -> None:
        self.client.failures_after[method] = [_lost(method)]

    def lose_request(self, method: str) -> None:
        self.client.failures[method] = [_lost(method)]


def _lost(method: str) -> OutcomeUnknown | RetryLater:
    lost = OutcomeUnknown if method == "reply" else RetryLater
    return lost("cut", code="connection-lost")


@dataclass
class SandboxComments:
    """An adapter, and the levers of the sandbox."""

    client: InboxClient
    sandbox: RunningSandbox
    platform: str
    calls: dict[str, str]
    lists_hidden: bool = True
    names_authors: bool = True
    most_of_page: int = 200

    once: ClassVar[tuple[str, ...]] = ("reply", "set_hidden")  # posted, so never sent again

    def access(self) -> AccountAccess:
        return AccountAccess(ACCOUNT, AccessToken(self.sandbox.token(ACCOUNT)))

    def add_post(self) -> str:
        self.sandbox.add_account(ACCOUNT)
        given = {"account": ACCOUNT, "platform": self.platform, "count": 1}
        return self.sandbox.ask("POST", "/sandbox/posts", given)["ids"][0]

    def add_comments(self, post_id: str, texts: list[str], parent: str | None = None) -> list[str]:
        return [self._add(post_id, text, parent) for text in texts]

    def _add(self, post_id: str, text: str, parent: str | None) -> str:
        given = {"post": post_id, "text": text, "author": "손님", "author_id": "90001"}
        if parent is not None:
            given["parent"] = parent
        return self.sandbox.ask("POST", "/sandbox/comments", given)["id"]

    def remove_comment(self, comment_id: str) -> None:
        self.sandbox.ask("DELETE", f"/sandbox/comments/{comment_id}")

    def age(self, seconds: float) -> None:
        self.sandbox.advance(seconds)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.sandbox.now(), UTC)

    def lose_answer(self, method: str) -> None:
        self._cut(method, 1)

    def lose_request(self, method: str) -> None:
        self._cut(method, 0)

    def _cut(self, method: str, carry_out: int) -> None:
        # Twice for what is asked again by itself over a new connection.
        times = 1 if method in self.once else 2
        self.sandbox.fault("close", carry_out=carry_out, call=self.calls[method], times=times)


@asynccontextmanager
async def _open(
    client: InboxClient, sandbox: RunningSandbox, **details: Any
) -> AsyncIterator[SandboxComments]:
    yield SandboxComments(client, sandbox, **details)
    await client.close()


def open_instagram(sandbox: RunningSandbox) -> Any:
    client = InstagramInbox(sandbox.graph_url, publish_timeout_s=5)
    calls = {
        "reply": "create_reply",
        "read_comments": "list_comments",
        "set_hidden": "hide_comment",
        "watched_posts": "list_posts",
    }
    return _open(client, sandbox, platform="instagram", calls=calls)


def open_facebook(sandbox: RunningSandbox) -> Any:
    client = FacebookInbox(sandbox.facebook_url, publish_timeout_s=5)
    calls = {
        "reply": "create_reply",
        "read_comments": "list_comments",
        "set_hidden": "hide_comment",
        "watched_posts": "list_posts",
    }
    return _open(client, sandbox, platform="facebook", calls=calls)


def open_threads(sandbox: RunningSandbox) -> Any:
    client = ThreadsInbox(sandbox.threads_url, publish_timeout_s=5)
    calls = {
        "reply": "create_comment",
        "read_comments": "list_conversation",
        "set_hidden": "hide_comment",
        "watched_posts": "list_posts",
    }
    return _open(client, sandbox, platform="threads", calls=calls, names_authors=False)


def open_youtube(sandbox: RunningSandbox) -> Any:
    client = YouTubeInbox(f"{sandbox.base_url}/youtube/v3", publish_timeout_s=5)
    calls = {
        "reply": "create_reply",
        "read_comments": "list_comments",
        "set_hidden": "moderate_comment",
        "watched_posts": "list_posts",
    }
    return _open(client, sandbox, platform="youtube", calls=calls, lists_hidden=False)


PLATFORMS: dict[str, Callable[[RunningSandbox], Any]] = {
    "instagram": open_instagram,
    "facebook": open_facebook,
    "threads": open_threads,
    "youtube": open_youtube,
}
"""Every adapter: what opens it on a sandbox."""
