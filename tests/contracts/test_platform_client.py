"""What every PlatformClient promises, for every kind: the fake, and each adapter over HTTP."""

import contextlib
from collections.abc import AsyncIterator
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
from engine.ports import AccountAccess, Container, ContainerState
from models.accounts import AccessToken
from tests.contracts.levers import ACCOUNT, KINDS, OTHER, FakePlatform, Levers
from tests.fakes.parts import MemoryParts, prepared
from tests.fakes.platform_client import FakePlatformClient
from tests.running_sandbox import RunningSandbox

WITH_COMMENTS = [
    "fake",
    *(name for name, (_, kind) in KINDS.items() if kind.get("takes_comments", True)),
]


@pytest.fixture(params=["fake", *KINDS])
async def platform(request: pytest.FixtureRequest) -> AsyncIterator[Levers]:
    if request.param == "fake":
        yield FakePlatform(FakePlatformClient())
        return
    sandbox: RunningSandbox = request.getfixturevalue("sandbox")
    sandbox.switch(container_ready_s=0, fetch_media=False)
    open_platform, kind = KINDS[request.param]
    async with open_platform(sandbox, **kind) as opened:
        yield opened


def minutes_ago(minutes: float = 2) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


async def published(platform: Levers, text: str = "안녕하세요") -> str:
    """The id of a live post."""
    access, post = platform.access(), platform.post(text)
    return await platform.client.publish(
        access, await prepared(platform.client, access, post), post
    )


async def test_kind_of_a_post_has_traits_and_scopes(platform):
    kind = platform.client.kind_of(platform.post())
    assert kind == platform.kind
    assert platform.client.traits_of(kind) == platform.client.traits_of(platform.kind)
    assert platform.client.traits_of(kind).takes_comments == platform.takes_comments
    assert all(isinstance(scope, str) for scope in platform.client.scopes_of(kind))


async def test_published_container_is_live_once(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    assert platform.live_count() == 0
    post_id = await platform.client.publish(access, container, platform.post())
    assert platform.live_count() == 1
    reading = await platform.client.read_container(access, container)
    assert reading.state is ContainerState.PUBLISHED
    (live,) = await platform.client.list_posts(access, platform.kind, minutes_ago())
    text = "안녕하세요" if platform.client.traits_of(platform.kind).shows_text else ""
    assert (live.post_id, live.text, live.kind) == (post_id, text, platform.kind)
    assert live.posted_at.tzinfo is not None


async def test_permalink_of_a_live_post_is_given(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    post_id = await platform.client.publish(access, container, platform.post())
    assert (await platform.client.read_permalink(access, post_id, platform.kind)).startswith("http")


async def test_permalink_of_an_unknown_post_is_none(platform):
    assert await platform.client.read_permalink(platform.access(), "999", platform.kind) is None


async def test_container_goes_live_once_the_platform_lets_it_and_not_before(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    platform.hold(container)
    reading = await platform.client.read_container(access, container)
    if platform.takes_time:
        assert reading.state is ContainerState.IN_PROGRESS
        with pytest.raises(NotReady):
            await platform.client.publish(access, container, platform.post())
        assert platform.live_count() == 0
        platform.release(container)
        await platform.client.publish(access, container, platform.post())
    else:  # taken at once; the platform may show it only when it is done
        is_early = platform.client.traits_of(platform.kind).may_publish_in_progress
        assert reading.state is (ContainerState.IN_PROGRESS if is_early else ContainerState.READY)
        await platform.client.publish(access, container, platform.post())
        platform.release(container)
    assert platform.live_count() == 1


async def test_container_is_gone_when_it_has_expired_and_stays_where_it_does_not(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    platform.expire(container)
    reading = await platform.client.read_container(access, container)
    if not platform.expires:  # its traits may still give it a life, out of caution
        assert reading.state is ContainerState.READY
        await platform.client.publish(access, container, platform.post())
        assert platform.live_count() == 1
        return
    assert platform.client.traits_of(platform.kind).life_s is not None
    assert reading.state is ContainerState.EXPIRED
    with pytest.raises(ContainerGone):
        await platform.client.publish(access, container, platform.post())
    assert platform.live_count() == 0


async def test_second_publish_of_one_container_adds_nothing(platform):
    access = platform.access()
    container = await prepared(platform.client, access, platform.post())
    post_id = await platform.client.publish(access, container, platform.post())
    if platform.client.traits_of(platform.kind).is_idempotent:
        assert await platform.client.publish(access, container, platform.post()) == post_id
    else:
        with contextlib.suppress(ContainerGone):
            assert await platform.client.publish(access, container, platform.post()) == post_id
    assert platform.live_count() == 1


async def test_unknown_container_reads_as_unknown_and_cannot_be_published(platform):
    access = platform.access()
    missing = Container("404", platform.kind)
    reading = await platform.client.read_container(access, missing)
    assert reading.state is ContainerState.UNKNOWN
    with pytest.raises((ContainerGone, OutcomeUnknown)):
        await platform.client.publish(access, missing, platform.post())


async def test_container_of_another_account_stays_out_of_reach(platform):
    container = await prepared(platform.client, platform.access(OTHER), platform.post())
    reading = await platform.client.read_container(platform.access(), container)
    assert reading.state is ContainerState.UNKNOWN
    with pytest.raises((ContainerGone, OutcomeUnknown)):
        await platform.client.publish(platform.access(), container, platform.post())
    assert platform.live_count() == 0


async def test_wrong_token_asks_for_a_reconnect(platform):
    platform.access()
    wrong = AccountAccess(ACCOUNT, AccessToken("wrong"))
    with pytest.raises(ReconnectNeeded) as caught:
        await prepared(platform.client, wrong, platform.post())
    assert caught.value.code.startswith(platform.token_code)
    with pytest.raises(ReconnectNeeded):
        await platform.client.publish(wrong, Container("1", platform.kind), platform.post())


async def test_post_that_breaks_a_rule_is_found_beforehand(platform):
    problems = platform.client.validate(platform.post(platform.too_long))
    shows_text = platform.client.traits_of(platform.kind).shows_text
    assert [problem.field for problem in problems] == ["text"] * shows_text


async def test_post_that_breaks_a_rule_is_refused_by_the_call_that_carries_its_text(platform):
    access, post = platform.access(), platform.post(platform.too_long)
    if platform.sends_text_last:
        container = await prepared(platform.client, access, post)
        with pytest.raises(InputInvalid):
            await platform.client.publish(access, container, post)
    elif platform.client.traits_of(platform.kind).shows_text:
        with pytest.raises(InputInvalid):
            await prepared(platform.client, access, post)
    else:  # no call carries it
        await prepared(platform.client, access, post)
    assert platform.live_count() == 0


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
    ids = [await published(platform, text) for text in ("첫째", "둘째")]
    access = platform.access()
    recent = await platform.client.list_posts(access, platform.kind, minutes_ago())
    assert {post.post_id for post in recent} == set(ids)
    if platform.client.traits_of(platform.kind).shows_text:
        assert {post.text for post in recent} == {"첫째", "둘째"}
    assert [post.posted_at for post in recent] == sorted(
        (post.posted_at for post in recent), reverse=True
    )
    later = datetime.now(UTC) + timedelta(minutes=2)
    assert list(await platform.client.list_posts(access, platform.kind, later)) == []


async def test_list_of_one_account_holds_nothing_of_another(platform):
    access = platform.access(OTHER)
    container = await prepared(platform.client, access, platform.post())
    await platform.client.publish(access, container, platform.post())
    listed = await platform.client.list_posts(platform.access(), platform.kind, minutes_ago())
    assert list(listed) == []


@pytest.mark.parametrize("platform", WITH_COMMENTS, indirect=True)
async def test_comment_on_an_own_post_is_listed_as_the_accounts_own(platform):
    access, post_id = platform.access(), await published(platform)
    comment_id = await platform.client.comment(access, post_id, "첫 댓글 #소식")
    (comment,) = await platform.client.list_comments(access, post_id, minutes_ago())
    assert (comment.comment_id, comment.text) == (comment_id, "첫 댓글 #소식")
    later = datetime.now(UTC) + timedelta(minutes=2)
    assert list(await platform.client.list_comments(access, post_id, later)) == []


@pytest.mark.parametrize("platform", WITH_COMMENTS, indirect=True)
@pytest.mark.parametrize("was_carried_out", [True, False])
async def test_comment_whose_answer_is_lost_has_an_unknown_outcome(platform, was_carried_out):
    access, post_id = platform.access(), await published(platform)
    if was_carried_out:
        platform.lose_answer("comment")
    else:
        platform.lose_request("comment")
    with pytest.raises(OutcomeUnknown):
        await platform.client.comment(access, post_id, "첫 댓글")
    comments = await platform.client.list_comments(access, post_id, minutes_ago())
    assert len(comments) == int(was_carried_out)


async def test_deleted_post_is_gone_and_may_be_deleted_again(platform):
    access, post_id = platform.access(), await published(platform)
    await platform.client.delete(access, post_id, platform.kind)
    assert platform.live_count() == 0
    await platform.client.delete(access, post_id, platform.kind)


async def test_discarding_never_takes_down_what_is_published(platform):
    access = platform.access()
    unused = await prepared(platform.client, access, platform.post())
    used = await prepared(platform.client, access, platform.post())
    await platform.client.publish(access, used, platform.post())
    for container in (unused, unused, used):
        await platform.client.discard(access, container)
    assert platform.live_count() == 1


async def test_quota_counts_what_was_published_where_the_platform_says_one(platform):
    before = await platform.client.read_quota(platform.access())
    await published(platform)
    after = await platform.client.read_quota(platform.access())
    if platform.says_quota:
        assert (after.used, after.total) == (before.used + 1, before.total)
    else:
        assert (before, after) == (None, None)


async def test_preparing_goes_on_from_whatever_a_crash_left(platform):
    """Each prefix of what was kept, as a kill between two steps leaves it, leads to one post."""
    access, post = platform.access(), platform.post()
    parts = HistoryParts()
    await platform.client.prepare(access, post, parts)
    for kept in parts.states:
        container_id = await platform.client.prepare(access, post, MemoryParts(kept))
        container = Container(container_id, platform.kind)
        reading = await platform.client.read_container(access, container)
        assert reading.state is ContainerState.READY
    assert platform.live_count() == 0


class HistoryParts(MemoryParts):
    """Remembers each state that was kept, from nothing on."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[dict] = [{}]

    async def keep(self, **parts: object) -> None:
        await super().keep(**parts)
        self.states.append({name: _copied(value) for name, value in self.kept.items()})


def _copied(value: object) -> object:
    return list(value) if isinstance(value, list) else value


async def test_warm_up_may_be_called_at_any_time_and_close_twice(platform):
    await platform.client.warm_up()
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(platform.client.warm_up)
    await platform.client.close()
    await platform.client.close()
