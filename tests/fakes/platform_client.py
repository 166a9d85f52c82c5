"""A platform in memory, behind the port and under the same contract as the real adapters."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from engine.errors import (
    ContainerGone,
    InputInvalid,
    NotReady,
    PlatformError,
    ReconnectNeeded,
)
from engine.ports import (
    AccountAccess,
    Container,
    ContainerReading,
    ContainerState,
    InputProblem,
    KindTraits,
    LiveComment,
    LivePost,
    Parts,
    Post,
    Quota,
)

CAPTION_LIMIT = 2200


@dataclass
class FakeContainer:
    account: str
    post: Post
    state: ContainerState
    detail: str = ""


@dataclass
class FakePlatformClient:
    """Knows the accounts it is given tokens for; fails as told, once for each entry.

    Attributes:
        tokens: the good token of each account.
        starts_ready: new containers are ready at once.
        failures: method name → errors to raise, in order, *without* doing anything.
        failures_after: the same, raised *after* it was done.
        calls: what was called: (method, account, argument).
    """

    tokens: dict[str, str] = field(default_factory=dict)
    starts_ready: bool = True
    failures: dict[str, list[PlatformError]] = field(default_factory=dict)
    failures_after: dict[str, list[PlatformError]] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    posts: dict[str, list[LivePost]] = field(default_factory=dict)
    comments: dict[str, list[LiveComment]] = field(default_factory=dict)
    traits: KindTraits = field(default_factory=KindTraits)
    scopes: frozenset[str] = frozenset()
    quota: int = 100
    warm_ups: int = 0
    is_closed: bool = False
    _numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    def validate(self, post: Post) -> Sequence[InputProblem]:
        problems = []
        if len(post.text) > CAPTION_LIMIT:
            problems.append(InputProblem("text", "본문을 줄여 주세요.", "Shorten the caption."))
        if len(post.media) != 1:
            problems.append(
                InputProblem("media", "사진을 한 장 넣어 주세요.", "Attach one picture.")
            )
        return problems

    def kind_of(self, post: Post) -> str:
        return "image"

    def traits_of(self, kind: str) -> KindTraits:
        return self.traits

    def scopes_of(self, kind: str) -> frozenset[str]:
        return self.scopes

    async def prepare(self, access: AccountAccess, post: Post, parts: Parts) -> str:
        self._begin("prepare", access, post.text)
        if self.validate(post):
            raise InputInvalid("invalid post", code="36004/2207010")
        container_id = f"container-{next(self._numbers)}"
        state = ContainerState.READY if self.starts_ready else ContainerState.IN_PROGRESS
        self.containers[container_id] = FakeContainer(access.platform_user_id, post, state)
        self._end("prepare")
        return container_id

    async def read_container(self, access: AccountAccess, asked: Container) -> ContainerReading:
        self._begin("read_container", access, asked.id)
        container = self.containers.get(asked.id)
        self._end("read_container")
        if container is None or container.account != access.platform_user_id:
            return ContainerReading(ContainerState.UNKNOWN, "no such container")
        return ContainerReading(container.state, container.detail)

    async def publish(self, access: AccountAccess, asked: Container, post: Post) -> str:
        self._begin("publish", access, asked.id)
        container = self.containers.get(asked.id)
        if container is None or container.account != access.platform_user_id:
            raise ContainerGone("no such container", code="24/2207008")
        if container.state in (ContainerState.IN_PROGRESS, ContainerState.FAILED):
            raise NotReady("not ready", code="9007/2207027")
        if container.state is not ContainerState.READY:
            raise ContainerGone("expired or published", code="24/2207008")
        live = self.make_live(access.platform_user_id, container.post.text)
        container.state = ContainerState.PUBLISHED
        self._end("publish")
        return live.post_id

    async def read_permalink(self, access: AccountAccess, post_id: str, kind: str) -> str | None:
        self._begin("read_permalink", access, post_id)
        self._end("read_permalink")
        for post in self.posts.get(access.platform_user_id, []):
            if post.post_id == post_id:
                return post.url
        return None

    async def list_posts(
        self, access: AccountAccess, kind: str, since: datetime
    ) -> Sequence[LivePost]:
        self._begin("list_posts", access, since.isoformat())
        self._end("list_posts")
        oldest = since.replace(microsecond=0)
        posts = self.posts.get(access.platform_user_id, [])
        return [post for post in reversed(posts) if post.posted_at >= oldest]

    async def comment(self, access: AccountAccess, post_id: str, text: str) -> str:
        self._begin("comment", access, post_id)
        if not any(post.post_id == post_id for post in self.posts.get(access.platform_user_id, [])):
            raise InputInvalid("no such post", code="100")
        comment = LiveComment(f"comment-{next(self._numbers)}", text, datetime.now(UTC))
        self.comments.setdefault(post_id, []).append(comment)
        self._end("comment")
        return comment.comment_id

    async def list_comments(
        self, access: AccountAccess, post_id: str, since: datetime
    ) -> Sequence[LiveComment]:
        self._begin("list_comments", access, post_id)
        self._end("list_comments")
        oldest = since.replace(microsecond=0)
        comments = self.comments.get(post_id, [])
        return [comment for comment in reversed(comments) if comment.posted_at >= oldest]

    async def delete(self, access: AccountAccess, post_id: str, kind: str) -> None:
        self._begin("delete", access, post_id)
        posts = self.posts.get(access.platform_user_id, [])
        posts[:] = [post for post in posts if post.post_id != post_id]
        self._end("delete")

    async def discard(self, access: AccountAccess, container: Container) -> None:
        self._begin("discard", access, container.id)
        found = self.containers.get(container.id)
        if found is not None and found.state is not ContainerState.PUBLISHED:
            del self.containers[container.id]
        self._end("discard")

    async def read_quota(self, access: AccountAccess) -> Quota | None:
        self._begin("read_quota", access, "")
        self._end("read_quota")
        return Quota(len(self.posts.get(access.platform_user_id, [])), self.quota)

    async def warm_up(self) -> None:
        self.warm_ups += 1

    async def close(self) -> None:
        self.is_closed = True

    def make_live(
        self, account: str, text: str, *, posted_at: datetime | None = None, kind: str = "image"
    ) -> LivePost:
        """Something public that appeared by whatever way."""
        post_id = f"post-{next(self._numbers)}"
        instant = (posted_at or datetime.now(UTC)).replace(microsecond=0)
        post = LivePost(post_id, text, kind, instant, f"https://example.test/p/{post_id}/")
        self.posts.setdefault(account, []).append(post)
        self.posts[account].sort(key=lambda one: one.posted_at)
        return post

    def age(self, container_id: str) -> None:
        """Let a container's 24 hours pass."""
        self.containers[container_id].state = ContainerState.EXPIRED

    def shift_posts(self, account: str, by: timedelta) -> None:
        """Make the account's posts older."""
        self.posts[account] = [
            replace(post, posted_at=post.posted_at - by) for post in self.posts.get(account, [])
        ]

    def _begin(self, method: str, access: AccountAccess, argument: str) -> None:
        self.calls.append((method, access.platform_user_id, argument))
        if self.failures.get(method):
            raise self.failures[method].pop(0)
        if self.tokens.get(access.platform_user_id) != access.token.reveal():
            raise ReconnectNeeded("unknown token", code="190")

    def _end(self, method: str) -> None:
        if self.failures_after.get(method):
            raise self.failures_after[method].pop(0)
