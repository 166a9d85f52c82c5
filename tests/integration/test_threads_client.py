"""The Threads adapter's own promises, beyond the port's contract, on the real sandbox."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import InputInvalid, OutcomeUnknown, RetryLater, Throttled
from engine.platforms import threads
from engine.platforms.threads import ThreadsClient
from engine.ports import AccountAccess, ContainerState, Media, Post
from models.accounts import AccessToken
from tests.fakes.parts import MemoryParts, prepared
from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"
OTHER = "17841400000000002"
POST = Post("오늘의 소식 🎉", ())


def access(account: str = ACCOUNT) -> AccountAccess:
    return AccountAccess(account, AccessToken(RunningSandbox.token(account)))


@pytest.fixture
async def client(sandbox: RunningSandbox) -> AsyncIterator[ThreadsClient]:
    sandbox.switch(container_ready_s=0, fetch_media=False)
    client = ThreadsClient(sandbox.threads_url, publish_timeout_s=1)
    yield client
    await client.close()


async def published(client: ThreadsClient, post: Post = POST) -> str:
    return await client.publish(access(), await prepared(client, access(), post), post)


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.mark.parametrize("carry_out", [0, 1])
@pytest.mark.parametrize(
    "fault",
    [
        {"answer": "close"},
        {"answer": "html", "status": 502},
        {"answer": "wrong_json"},
        {"answer": "error", "code": 1},
        {"answer": "error", "code": 2},
        {"answer": "error", "code": 24, "status": 504},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
async def test_publish_that_may_have_happened_is_never_called_failed(
    client, sandbox, fault, carry_out
):
    container = await prepared(client, access(), POST)
    sandbox.fault(call="publish", carry_out=carry_out, **fault)
    with pytest.raises(OutcomeUnknown):
        await client.publish(access(), container, POST)
    assert len(sandbox.posts()) == carry_out
    assert len(sandbox.requests(call="publish")) == 1


async def test_preparing_a_text_shows_nothing(client, sandbox):
    await prepared(client, access(), POST)
    assert sandbox.posts() == []


async def test_spent_quota_throttles_and_is_told_beforehand(client, sandbox):
    sandbox.switch(threads_quota=1)
    await published(client)
    quota = await client.read_quota(access())
    assert (quota.used, quota.total) == (1, 1)
    with pytest.raises(Throttled):
        await published(client)
    assert len(sandbox.posts()) == 1


async def test_text_is_counted_as_the_platform_counts_it(client):
    longest, too_long = Post("🎉" * 125, ()), Post("🎉" * 125 + "가", ())
    assert list(client.validate(longest)) == []
    await prepared(client, access(), longest)
    assert [problem.field for problem in client.validate(too_long)] == ["text"]
    with pytest.raises(InputInvalid):
        await prepared(client, access(), too_long)


async def test_an_attached_link_counts_among_the_links(client):
    text = " ".join(f"https://example.com/{number}" for number in range(5))
    assert list(client.validate(Post(text, (), link="https://example.com/0"))) == []
    (problem,) = client.validate(Post(text, (), link="https://example.com/9"))
    assert problem.evidence == {"limit": 5, "found": 6}


async def test_carousel_keeps_its_order_and_each_child_as_soon_as_it_is_made(client, sandbox):
    media = [Media(sandbox.picture(seed=seed), alt_text=f"그림 {seed}") for seed in "abc"]
    media.insert(1, Media(sandbox.film(), kind="video"))
    post, parts = Post("넷", tuple(media)), MemoryParts()
    await client.prepare(access(), post, parts)
    assert parts.history == ["children"] * 4
    await published(client, post)
    (live,) = sandbox.posts()
    assert [(one["kind"], one["url"]) for one in live["media"]] == [
        (one.kind, one.url) for one in media
    ]
    assert live["media"][0]["alt_text"] == "그림 a"


async def test_failed_media_is_named_in_the_platforms_own_word(client, sandbox):
    sandbox.switch(fetch_media=True)
    container = await prepared(
        client, access(), Post("", (Media(f"{sandbox.base_url}/nothing.jpg"),))
    )
    while True:
        reading = await client.read_container(access(), container)
        if reading.state is not ContainerState.IN_PROGRESS:
            break
    assert (reading.state, reading.detail) == (ContainerState.FAILED, "FAILED_DOWNLOADING_VIDEO")


# The first comment: a container of its own, and one call that can be seen


@pytest.mark.parametrize("code", [(24, 2207006), (9007, 2207027)])
async def test_reply_that_is_refused_as_too_young_may_be_tried_again(client, sandbox, code):
    """Threads denies containers that are a moment old; nothing is seen of the reply then."""
    post_id = await published(client)
    sandbox.fault("error", carry_out=0, call="create_comment", code=code[0], subcode=code[1])
    with pytest.raises(RetryLater):
        await client.comment(access(), post_id, "첫 댓글")
    await client.comment(access(), post_id, "첫 댓글")
    assert sandbox.posts()[0]["comments"] == ["첫 댓글"]


async def test_reply_that_is_not_ready_in_time_is_never_sent(client, sandbox, monkeypatch):
    """Its lease would be over, and somebody else would send another."""
    monkeypatch.setattr(threads, "REPLY_READY_WITHIN_S", 0.3)
    post_id = await published(client)
    sandbox.switch(container_ready_s=3600)
    with pytest.raises(RetryLater) as caught:
        await client.comment(access(), post_id, "첫 댓글")
    assert caught.value.code == "not_ready"
    assert sandbox.requests(call="create_comment") == []


@pytest.mark.parametrize("call", ["create_container", "read_container"])
async def test_answer_lost_before_the_visible_call_leaves_no_doubt(client, sandbox, call):
    post_id = await published(client)
    sandbox.fault("close", carry_out=1, call=call, times=2)
    with pytest.raises(RetryLater):
        await client.comment(access(), post_id, "첫 댓글")
    assert sandbox.posts()[0]["comments"] == []


async def test_replies_of_others_are_not_the_accounts_own(client, sandbox):
    post_id = await published(client)
    await client.comment(access(OTHER), post_id, "축하해요")
    assert list(await client.list_comments(access(), post_id, an_hour_ago())) == []
    await client.comment(access(), post_id, "고마워요")
    (reply,) = await client.list_comments(access(), post_id, an_hour_ago())
    assert reply.text == "고마워요"
