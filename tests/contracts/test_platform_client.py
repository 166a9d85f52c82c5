"""What every PlatformClient promises: the fake, and the adapter on a real sandbox over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from engine.errors import (
    ContainerGone,
    InputInvalid,
    NotReady,
    OutcomeUnknown,
    ReconnectNeeded,
    RetryLater,
)
from engine.platforms.instagram import InstagramClient
from engine.ports import AccountAccess, Container, ContainerState, Media, PlatformClient, Post
from models.accounts import AccessToken
from tests.fakes.parts import prepared
from tests.fakes.platform_client import FakePlatformClient
from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"
OTHER = "17841400000000002"


@dataclass
class FakePlatform:
    """The fake, and the levers of its platform."""

    client: FakePlatformClient
    kind: str = "image"

    def access(self, account: str = ACCOUNT) -> AccountAccess:
        self.client.tokens[account] = f"token-{account}"
        return AccountAccess(account, AccessToken(f"token-{account}"))

    def post(self, text: str = "안녕하세요") -> Post:
        return Post(text, (Media("https://example.test/a.jpg"),))

    def live_count(self) -> int:
        return len(self.client.posts.get(ACCOUNT, []))

    def hold_containers(self) -> None:
        self.client.starts_ready = False

    def expire(self, container: Container) -> None:
        self.client.age(container.id)

    def lose_answer(self, method: str) -> None:
        lost = OutcomeUnknown if method == "publish" else RetryLater
        self.client.failures_after[method] = [lost("cut", code="connection-lost")]

    def lose_request(self, method: str) -> None:
        lost = OutcomeUnknown if method == "publish" else RetryLater
        self.client.failures[method] = [lost("cut", code="connection-lost")]


@dataclass
class SandboxPlatform:
    """The adapter, and the levers of the sandbox."""

    client: PlatformClient
    sandbox: RunningSandbox
    kind: str = "image"

    def access(self, account: str = ACCOUNT) -> AccountAccess:
        return AccountAccess(account, AccessToken(self.sandbox.token(account)))

    def post(self, text: str = "안녕하세요") -> Post:
        return Post(text, (Media(self.sandbox.picture()),))

    def live_count(self) -> int:
        return len(self.sandbox.posts(ACCOUNT))

    def hold_containers(self) -> None:
        self.sandbox.switch(container_ready_s=3600)

    def expire(self, container: Container) -> None:
        self.sandbox.advance(86_400)

    def lose_answer(self, method: str) -> None:
        self._cut(method, 1)

    def lose_request(self, method: str) -> None:
        self._cut(method, 0)

    def _cut(self, method: str, carry_out: int) -> None:
        # Twice for reads, which replace a dead connection once.
        times = 1 if method in ("publish", "prepare") else 2
        call = {"read_permalink": "read_post", "prepare": "create_container"}.get(method, method)
        self.sandbox.fault("close", carry_out=carry_out, call=call, times=times)


@pytest.fixture(params=["fake", "instagram"])
async def platform(
    request: pytest.FixtureRequest,
) -> AsyncIterator[FakePlatform | SandboxPlatform]:
    if request.param == "fake":
        yield FakePlatform(FakePlatformClient())
        return
    sandbox: RunningSandbox = request.getfixturevalue("sandbox")
    sandbox.switch(container_ready_s=0, fetch_media=False)
    client = InstagramClient(sandbox.graph_url, publish_timeout_s=5)
    yield SandboxPlatform(client, sandbox)
    await client.close()


async def test_published_container_is_live_once(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    assert platform.live_count() == 0
    post_id = await platform.client.publish(access, container, platform.post())
    assert platform.live_count() == 1
    reading = await platform.client.read_container(access, container)
    assert reading.state is ContainerState.PUBLISHED
    (live,) = await platform.client.list_posts(
        access, platform.kind, datetime.now(UTC) - timedelta(minutes=2)
    )
    assert (live.post_id, live.text, live.kind) == (post_id, "안녕하세요", "image")
    assert live.posted_at.tzinfo is not None


async def test_permalink_of_a_live_post_is_given(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    post_id = await platform.client.publish(access, container, platform.post())
    assert (await platform.client.read_permalink(access, post_id, platform.kind)).startswith("http")


async def test_permalink_of_an_unknown_post_is_none(platform):
    assert await platform.client.read_permalink(platform.access(), "999", platform.kind) is None


async def test_container_in_progress_is_not_ready_to_publish(platform):
    platform.hold_containers()
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    reading = await platform.client.read_container(access, container)
    assert reading.state is ContainerState.IN_PROGRESS
    with pytest.raises(NotReady):
        await platform.client.publish(access, container, platform.post())
    assert platform.live_count() == 0


async def test_expired_container_is_gone(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    platform.expire(container)
    reading = await platform.client.read_container(access, container)
    assert reading.state is ContainerState.EXPIRED
    with pytest.raises(ContainerGone):
        await platform.client.publish(access, container, platform.post())
    assert platform.live_count() == 0


async def test_second_publish_of_one_container_adds_nothing(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    await platform.client.publish(access, container, platform.post())
    with pytest.raises(ContainerGone):
        await platform.client.publish(access, container, platform.post())
    assert platform.live_count() == 1


async def test_unknown_container_reads_as_unknown_and_cannot_be_published(platform):
    access = platform.access()
    missing = Container("404", platform.kind)
    reading = await platform.client.read_container(access, missing)
    assert reading.state is ContainerState.UNKNOWN
    with pytest.raises(ContainerGone):
        await platform.client.publish(access, missing, platform.post())


async def test_container_of_another_account_stays_out_of_reach(platform):
    container = await prepared(platform.client, platform.access(OTHER), platform.post())
    reading = await platform.client.read_container(platform.access(), container)
    assert reading.state is ContainerState.UNKNOWN
    with pytest.raises(ContainerGone):
        await platform.client.publish(platform.access(), container, platform.post())


async def test_wrong_token_asks_for_a_reconnect(platform):
    platform.access()
    wrong = AccountAccess(ACCOUNT, AccessToken("wrong"))
    with pytest.raises(ReconnectNeeded) as caught:
        await prepared(platform.client, wrong, platform.post())
    assert caught.value.code.startswith("190")
    with pytest.raises(ReconnectNeeded):
        await platform.client.publish(wrong, Container("1", platform.kind), platform.post())


async def test_post_that_breaks_a_rule_is_refused_and_found_beforehand(platform):
    post = platform.post("가" * 2201)
    assert [problem.field for problem in platform.client.validate(post)] == ["text"]
    with pytest.raises(InputInvalid):
        await prepared(platform.client, platform.access(), post)


async def test_good_post_has_no_problems(platform):
    assert list(platform.client.validate(platform.post())) == []


@pytest.mark.parametrize("was_carried_out", [True, False])
async def test_publish_whose_answer_is_lost_has_an_unknown_outcome(platform, was_carried_out):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    if was_carried_out:
        platform.lose_answer("publish")
    else:
        platform.lose_request("publish")
    with pytest.raises(OutcomeUnknown):
        await platform.client.publish(access, container, platform.post())
    assert platform.live_count() == int(was_carried_out)


@pytest.mark.parametrize("method", ["prepare", "read_container", "list_posts"])
async def test_lost_answer_of_an_invisible_call_may_be_retried(platform, method):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    platform.lose_answer(method)
    calls = {
        "prepare": lambda: prepared(platform.client, access, platform.post()),
        "read_container": lambda: platform.client.read_container(access, container),
        "list_posts": lambda: platform.client.list_posts(access, platform.kind, datetime.now(UTC)),
    }
    with pytest.raises(RetryLater):
        await calls[method]()
    await calls[method]()


async def test_list_holds_what_went_live_since_newest_first(platform):
    access = platform.access()
    for text in ("첫째", "둘째"):
        container = await prepared(platform.client, access, platform.post(text))
        await platform.client.publish(access, container, platform.post())
    now = datetime.now(UTC)
    recent = await platform.client.list_posts(access, platform.kind, now - timedelta(minutes=2))
    assert {post.text for post in recent} == {"첫째", "둘째"}
    assert [post.posted_at for post in recent] == sorted(
        (post.posted_at for post in recent), reverse=True
    )
    assert (
        list(await platform.client.list_posts(access, platform.kind, now + timedelta(minutes=2)))
        == []
    )


async def test_list_of_one_account_holds_nothing_of_another(platform):
    access = platform.access(OTHER)
    container = await prepared(platform.client, access, platform.post())
    await platform.client.publish(access, container, platform.post())
    since = datetime.now(UTC) - timedelta(minutes=2)
    assert list(await platform.client.list_posts(platform.access(), platform.kind, since)) == []


async def test_warm_up_may_be_called_at_any_time_and_close_twice(platform):
    await platform.client.warm_up()
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(platform.client.warm_up)
    await platform.client.close()
    await platform.client.close()
