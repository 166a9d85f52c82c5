"""The Instagram adapter's own promises, beyond the port's contract, on the real sandbox."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from engine.errors import (
    AccountStopped,
    InputInvalid,
    NotSent,
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    RetryLater,
    Throttled,
    Unsupported,
)
from engine.media.source import HttpMediaSource
from engine.platforms.instagram import InstagramClient, _parameters_of
from engine.platforms.registry import open_platforms
from engine.ports import AccountAccess, Container, ContainerState, Media, Post, UserTag
from engine.settings import Settings
from models.accounts import AccessToken, Platform
from models.words import PostFormat
from tests.fakes.parts import MemoryParts, prepared
from tests.instagram import instagram_client
from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"
SECRET = "sandbox-token-17841400000000001"
ACCESS = AccountAccess(ACCOUNT, AccessToken(SECRET))


@pytest.fixture
async def client(sandbox: RunningSandbox) -> AsyncIterator[InstagramClient]:
    sandbox.switch(container_ready_s=0, fetch_media=False)
    media = HttpMediaSource(allow_private=True)
    client = instagram_client(
        sandbox.graph_url,
        media=media,
        publish_timeout_s=1,
    )
    yield client
    await client.close()
    await media.close()


def post(sandbox: RunningSandbox, text: str = "안녕") -> Post:
    return Post(text, (Media(sandbox.picture()),))


def hours_ago(hours: float = 1) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


# Publishing


@pytest.mark.parametrize("carry_out", [0, 1])
@pytest.mark.parametrize(
    "fault",
    [
        {"answer": "close"},
        {"answer": "reset"},
        {"answer": "stall"},
        {"answer": "html", "status": 502},
        {"answer": "html", "status": 400},
        {"answer": "wrong_json"},
        {"answer": "error", "code": 1},
        {"answer": "error", "code": 2},
        {"answer": "error", "code": -1, "subcode": 2207001},
        {"answer": "error", "code": 4, "subcode": 2207051},
        {"answer": "error", "code": 506},
        {"answer": "error", "code": 100, "subcode": 33},
        {"answer": "error", "code": 24, "status": 504},
        {"answer": "error", "code": 31337},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
async def test_publish_that_may_have_happened_is_never_called_failed(
    client, sandbox, fault, carry_out
):
    container = await prepared(client, ACCESS, post(sandbox))
    sandbox.fault(call="publish", carry_out=carry_out, **fault)
    with pytest.raises(OutcomeUnknown):
        await client.publish(ACCESS, container, post(sandbox))
    assert len(sandbox.posts()) == carry_out
    assert len(sandbox.requests(call="publish")) == 1


async def test_truncated_answer_to_a_publish_is_an_unknown_outcome(client, sandbox):
    container = await prepared(client, ACCESS, post(sandbox))
    sandbox.fault("truncated", carry_out=1, call="publish")
    with pytest.raises(OutcomeUnknown):
        await client.publish(ACCESS, container, post(sandbox))
    assert len(sandbox.posts()) == 1


@pytest.mark.parametrize(
    ("code", "subcode", "wanted"),
    [
        (190, 463, ReconnectNeeded),
        (200, None, ReconnectNeeded),
        (25, 2207050, AccountStopped),
        (9, 2207042, Throttled),
        (80002, None, Throttled),
        (36003, 2207009, InputInvalid),
    ],
)
async def test_refused_publish_says_what_to_do_next(client, sandbox, code, subcode, wanted):
    container = await prepared(client, ACCESS, post(sandbox))
    sandbox.fault("error", carry_out=0, call="publish", code=code, subcode=subcode)
    with pytest.raises(wanted) as caught:
        await client.publish(ACCESS, container, post(sandbox))
    assert caught.value.evidence["trace_id"]


async def test_gateway_that_throttles_a_publish_did_not_pass_it_on(client, sandbox):
    container = await prepared(client, ACCESS, post(sandbox))
    sandbox.fault("html", carry_out=0, call="publish", status=429)
    with pytest.raises(Throttled):
        await client.publish(ACCESS, container, post(sandbox))


async def test_spent_call_budget_says_when_it_ends(client, sandbox):
    sandbox.switch(call_budget=1)
    container = await prepared(client, ACCESS, post(sandbox))
    with pytest.raises(Throttled) as caught:
        await client.publish(ACCESS, container, post(sandbox))
    assert caught.value.code == "80002"
    assert caught.value.retry_after_s == pytest.approx(86_400, abs=120)


async def test_slow_platform_makes_the_outcome_unknown_after_the_set_time(sandbox):
    sandbox.switch(container_ready_s=0, fetch_media=False)
    client = instagram_client(sandbox.graph_url, publish_timeout_s=0.1)
    container = await prepared(client, ACCESS, post(sandbox))
    sandbox.fault(call="publish", delay_after_s=0.5)
    with pytest.raises(OutcomeUnknown) as caught:
        await client.publish(ACCESS, container, post(sandbox))
    assert caught.value.code == "answer-late"
    await client.close()


async def test_platform_that_is_down_leaves_a_publish_not_sent():
    running = RunningSandbox()
    running.stop()
    with pytest.raises(NotSent):
        await instagram_client(running.graph_url).publish(
            ACCESS, Container("1", "image"), Post("", ())
        )


async def test_warm_connections_are_what_the_next_publishes_use(client, sandbox):
    containers = [await prepared(client, ACCESS, post(sandbox)) for _ in range(5)]
    await client.warm_up()
    before = len(sandbox.requests())
    await asyncio.gather(
        *(client.publish(ACCESS, container, post(sandbox)) for container in containers)
    )
    assert len(sandbox.requests()) == before + 5
    assert len(sandbox.posts()) == 5


# Preparing


async def test_caption_travels_whole(client, sandbox):
    text = "한글 & 100% + #해시태그 @친구\n둘째 줄 = ? 🎉 'x' \"y\" <b>"
    container = await prepared(client, ACCESS, post(sandbox, text))
    await client.publish(ACCESS, container, post(sandbox))
    assert sandbox.posts()[0]["caption"] == text
    (live,) = await client.list_posts(ACCESS, "image", hours_ago())
    assert live.text == text


async def test_decomposed_letters_are_composed_on_the_way(client, sandbox):
    container = await prepared(client, ACCESS, post(sandbox, "\u1100\u1161"))
    await client.publish(ACCESS, container, post(sandbox))
    assert sandbox.posts()[0]["caption"] == "가"


async def test_korean_file_name_reaches_the_platform_encoded(client, sandbox):
    sandbox.switch(fetch_media=True, media_faults="direct")
    picture = Media(sandbox.picture(seed="봄꽃"), alt_text="벚꽃이 핀 길")
    container = await prepared(client, ACCESS, Post("", (picture,)))
    await client.publish(ACCESS, container, post(sandbox))
    (live,) = sandbox.posts()
    assert live["image_url"].endswith("/%EB%B4%84%EA%BD%83.jpg")
    assert live["alt_text"] == "벚꽃이 핀 길"


async def test_picture_that_cannot_be_fetched_fails_the_container_with_its_code(client, sandbox):
    sandbox.switch(fetch_media=True)
    container = await prepared(
        client, ACCESS, Post("", (Media(f"{sandbox.base_url}/nothing.jpg"),))
    )
    async with asyncio.timeout(5):
        while True:
            reading = await client.read_container(ACCESS, container)
            if reading.state is not ContainerState.IN_PROGRESS:
                break
    assert reading.state is ContainerState.FAILED
    assert "2207052" in reading.detail


async def test_flickering_container_reads_as_unknown_and_not_as_gone(client, sandbox):
    container = await prepared(client, ACCESS, post(sandbox))
    sandbox.switch(flicker_every=2)
    states = [(await client.read_container(ACCESS, container)).state for _ in range(2)]
    assert states == [ContainerState.READY, ContainerState.UNKNOWN]


async def test_flickering_permalink_is_none(client, sandbox):
    container = await prepared(client, ACCESS, post(sandbox))
    post_id = await client.publish(ACCESS, container, post(sandbox))
    sandbox.switch(flicker_every=1)
    assert await client.read_permalink(ACCESS, post_id, "image") is None


# Reading


@pytest.mark.parametrize(
    "fault",
    [
        {"answer": "wrong_json", "carry_out": 1},
        {"answer": "html", "carry_out": 0, "status": 502},
        {"answer": "truncated", "carry_out": 1, "times": 2},
        {"answer": "error", "carry_out": 0, "code": 2},
    ],
    ids=lambda fault: fault["answer"],
)
async def test_unreadable_answer_to_a_read_is_for_later(client, sandbox, fault):
    container = await prepared(client, ACCESS, post(sandbox))
    sandbox.fault(method="GET", **{"times": 1, **fault})
    with pytest.raises(RetryLater):
        await client.read_container(ACCESS, container)
    sandbox.clear_faults()
    sandbox.fault(method="GET", **{"times": 1, **fault})
    with pytest.raises(RetryLater):
        await client.list_posts(ACCESS, "image", hours_ago())


async def test_single_lost_connection_under_a_read_goes_unnoticed(client, sandbox):
    container = await prepared(client, ACCESS, post(sandbox))
    sandbox.fault("close", carry_out=1, call="read_container")
    reading = await client.read_container(ACCESS, container)
    assert reading.state is ContainerState.READY


@pytest.mark.parametrize("sparse", [False, True])
async def test_list_is_read_to_its_end_through_empty_pages(client, sandbox, sparse):
    sandbox.switch(publish_quota=1000, sparse_pages=sparse)
    for number in range(101):
        container = await prepared(client, ACCESS, post(sandbox, str(number)))
        await client.publish(ACCESS, container, post(sandbox))
    listed = await client.list_posts(ACCESS, "image", hours_ago())
    assert sorted(int(live.text) for live in listed) == list(range(101))
    assert len(sandbox.requests(call="list_posts")) == (3 if sparse else 2)


async def test_list_begins_at_the_very_second(client, sandbox):
    container = await prepared(client, ACCESS, post(sandbox))
    await client.publish(ACCESS, container, post(sandbox))
    second = datetime.fromtimestamp(int(sandbox.posts()[0]["posted_at"]), UTC)
    assert len(await client.list_posts(ACCESS, "image", second + timedelta(milliseconds=999))) == 1
    assert len(await client.list_posts(ACCESS, "image", second + timedelta(seconds=1))) == 0


class Pages:
    """A server that answers every list with the same page, and notes who asked."""

    def __init__(self, page: dict) -> None:
        self.body = json.dumps(page).encode()
        self.requests: list[bytes] = []

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(self.body) + self.body)
        await writer.drain()
        writer.close()


async def test_next_page_is_asked_of_the_configured_host_only():
    async with Pages({"data": []}) as elsewhere:
        pages = Pages(
            {"data": [], "paging": {"next": f"{elsewhere}/?after=a", "cursors": {"after": "a"}}}
        )
        async with pages as base:
            with pytest.raises(RetryLater):  # it runs in a circle
                await instagram_client(base).list_posts(ACCESS, "image", hours_ago())
    assert len(pages.requests) == 2
    assert b"after=a" in pages.requests[1]


@pytest.mark.parametrize(
    "page",
    [
        {"data": [], "paging": {"next": "x"}},
        {"data": [], "paging": {"next": "x", "cursors": {}}},
        {"data": {}},
        {"data": [{"id": "1"}]},
        {"data": [None]},
        {"data": [{"id": "1", "media_type": "IMAGE", "timestamp": "yesterday"}]},
        {},
    ],
)
async def test_list_that_cannot_be_understood_is_an_error_and_never_a_short_list(page):
    async with Pages(page) as base:
        with pytest.raises(RetryLater):
            await instagram_client(base).list_posts(ACCESS, "image", hours_ago())


# Kinds


def tagged(url: str, kind: str = "image") -> Media:
    return Media(url, kind=kind, user_tags=(UserTag("friend", 0.25, 0.75),))


async def test_options_of_a_reel_reach_the_platform_in_its_own_form(client, sandbox):
    film = tagged(sandbox.film(), "video")
    options = {
        "location_id": "123",
        "collaborators": ["friend"],
        "share_to_feed": False,
        "thumb_offset_ms": 1500,
        "cover_url": sandbox.picture(seed="표지"),
    }
    reel = Post("릴스", (film,), format=PostFormat.REEL, options=options)
    assert list(client.validate(reel)) == []
    parameters = _parameters_of(reel, "reel")
    assert json.loads(parameters["collaborators"]) == ["friend"]
    assert json.loads(parameters["user_tags"]) == [{"username": "friend"}]
    assert (parameters["share_to_feed"], parameters["thumb_offset"]) == ("false", "1500")
    assert parameters["cover_url"].isascii()
    container = await prepared(client, ACCESS, reel)
    await client.publish(ACCESS, container, reel)
    (live,) = await client.list_posts(ACCESS, "reel", hours_ago())
    assert live.kind == "reel"


async def test_story_takes_neither_a_place_nor_collaborators_and_shows_no_text(client, sandbox):
    story = Post(
        "가" * 2201,
        (Media(sandbox.picture()),),
        format=PostFormat.STORY,
        options={"location_id": "1", "collaborators": ["a"]},
    )
    assert [problem.field for problem in client.validate(story)] == [
        "options.instagram.location_id",
        "options.instagram.collaborators",
    ]


async def test_cover_without_a_public_address_is_a_problem(client, sandbox):
    film = Media(sandbox.film(), kind="video")
    post = Post("", (film,), format=PostFormat.REEL, options={"cover_url": "cover.jpg"})
    assert [problem.field for problem in client.validate(post)] == ["options.instagram.cover_url"]


async def test_stories_and_posts_are_listed_apart(client, sandbox):
    story = Post("", (Media(sandbox.picture()),), format=PostFormat.STORY)
    story_id = await client.publish(ACCESS, await prepared(client, ACCESS, story), story)
    image = post(sandbox)
    image_id = await client.publish(ACCESS, await prepared(client, ACCESS, image), image)
    stories = await client.list_posts(ACCESS, "story", hours_ago())
    posts = await client.list_posts(ACCESS, "image", hours_ago())
    assert [one.post_id for one in stories] == [story_id]
    assert [one.post_id for one in posts] == [image_id]


async def test_carousel_keeps_its_order_and_its_children_through_a_lost_answer(client, sandbox):
    media = [Media(sandbox.picture(seed=seed)) for seed in "abc"]
    carousel, parts = Post("셋", tuple(media)), MemoryParts()
    sandbox.fault("close", carry_out=1, call="read_container", times=2)
    with pytest.raises(RetryLater):
        await client.prepare(ACCESS, carousel, parts)
    assert parts.history == ["children"] * 3
    container_id = await client.prepare(ACCESS, carousel, parts)
    assert len(sandbox.requests(call="create_container")) == 4  # no child a second time
    await client.publish(ACCESS, Container(container_id, "carousel"), carousel)
    assert [one["url"] for one in sandbox.posts()[0]["media"]] == [one.url for one in media]


# A reel's bytes


@pytest.fixture
def reel(sandbox) -> Post:
    return Post("릴스", (Media(sandbox.film(), kind="video"),), format=PostFormat.REEL)


@pytest.mark.parametrize(("carry_out", "uploads"), [(0, 2), (1, 1)])
async def test_upload_whose_answer_is_lost_goes_on_at_once(
    client, sandbox, reel, carry_out, uploads
):
    """Bytes that came are not sent again: what is there is asked first."""
    sandbox.fault("close", carry_out=carry_out, call="upload")
    container = await prepared(client, ACCESS, reel)
    assert len(sandbox.requests(call="upload")) == uploads
    reading = await client.read_container(ACCESS, container)
    assert reading.state is ContainerState.READY


async def test_upload_is_tried_three_times_and_its_container_kept(client, sandbox, reel):
    sandbox.fault("close", carry_out=0, call="upload", times=3)
    parts = MemoryParts()
    with pytest.raises(RetryLater):
        await client.prepare(ACCESS, reel, parts)
    assert len(sandbox.requests(call="upload")) == 3
    assert await client.prepare(ACCESS, reel, parts) == parts.get("reel")


@pytest.mark.parametrize(("came", "goes_on_at"), [(1000, 1000), (1_000_000, 0)])
async def test_upload_goes_on_behind_what_came_or_anew_when_the_film_has_changed(
    client, sandbox, reel, came, goes_on_at
):
    """More bytes than the film has are of another film."""
    sandbox.fault("close", carry_out=0, call="upload", times=3)
    parts = MemoryParts()
    with pytest.raises(RetryLater):
        await client.prepare(ACCESS, reel, parts)
    address = f"{sandbox.instagram_upload_url}/{parts.get('reel')}"
    async with httpx.AsyncClient(trust_env=False) as http:
        film = (await http.get(reel.media[0].url)).content
        size = str(max(len(film), came + 1))
        headers = {"Authorization": f"OAuth {SECRET}", "offset": "0", "file_size": size}
        cut_off = await http.post(address, headers=headers, content=b"x" * came)
    assert cut_off.json()["debug_info"]["type"] == "PartialRequestError"
    counted = CountingMedia(HttpMediaSource(allow_private=True))
    again = instagram_client(sandbox.graph_url, media=counted)
    container_id = await again.prepare(ACCESS, reel, parts)
    assert counted.offsets == [goes_on_at]
    reading = await again.read_container(ACCESS, Container(container_id, "reel"))
    assert reading.state is ContainerState.READY
    await again.close()
    await counted.source.close()


class CountingMedia:
    """A media source that notes from where it is read."""

    def __init__(self, source: HttpMediaSource) -> None:
        self.source = source
        self.head, self.size = source.head, source.size
        self.offsets: list[int] = []

    def stream(
        self, url: str, offset: int = 0, *, version: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        self.offsets.append(offset)
        return self.source.stream(url, offset, version=version)


async def test_upload_that_is_not_called_successful_is_none(client, sandbox, reel):
    sandbox.fault("wrong_json", carry_out=1, call="upload")
    with pytest.raises(RetryLater):
        await prepared(client, ACCESS, reel)


async def test_token_is_in_no_log_of_an_upload(client, sandbox, reel, caplog):
    caplog.set_level(logging.DEBUG)
    await prepared(client, ACCESS, reel)
    assert len(sandbox.requests(call="upload")) == 1
    assert SECRET not in caplog.text


# Comments


@pytest.mark.parametrize(
    ("author", "is_ours"),
    [
        ({"from": {"id": ACCOUNT, "username": "brand"}, "username": "brand"}, True),
        ({"from": {"id": "another kind of id"}, "username": "brand"}, True),
        ({"username": "brand"}, True),
        ({}, True),
        ({"from": {"id": "2"}, "username": "friend"}, False),
        ({"from": {"id": "2"}}, False),
    ],
)
async def test_comment_of_our_own_is_never_overlooked(author, is_ours):
    """One that is overlooked would be written twice; one that names nobody may be ours."""
    row = {"id": "7", "text": "첫 댓글", "timestamp": "2026-11-25T12:00:00+0000", **author}
    async with Pages({"username": "brand", "data": [row]}) as base:
        since = datetime(2026, 11, 25, 11, tzinfo=UTC)
        comments = await instagram_client(base).list_comments(ACCESS, "1", since)
    assert [one.comment_id for one in comments] == ["7"] * is_ours


async def test_token_of_instagram_login_cannot_delete():
    client = instagram_client("https://graph.instagram.com/v25.0")
    with pytest.raises(Unsupported):
        await client.delete(ACCESS, "1", "image")


# The token


async def test_app_secret_goes_along_as_a_proof(sandbox):
    sandbox.switch(container_ready_s=0, fetch_media=False, app_secret="geheim")
    client = instagram_client(sandbox.graph_url, app_secret="geheim")
    container = await prepared(client, ACCESS, post(sandbox))
    post_id = await client.publish(ACCESS, container, post(sandbox))
    assert await client.read_permalink(ACCESS, post_id, "image")
    await client.close()


async def test_token_is_in_no_error_log_or_listed_request(client, sandbox, caplog):
    caplog.set_level(logging.DEBUG)
    sandbox.fault("error", carry_out=0, code=190, message=f"Error validating access token {SECRET}")
    with pytest.raises(PlatformError) as caught:
        await prepared(client, ACCESS, post(sandbox))
    error = caught.value
    assert SECRET not in f"{error!r} {error.evidence} {error.__cause__!r} {caplog.text}"
    assert SECRET not in str(sandbox.requests())


async def test_registry_opens_a_client_from_the_settings(sandbox):
    settings = Settings.load(
        {
            "SNS_TOKEN_KEYS": "A" * 43 + "=",
            "SNS_JWT_SECRET": "x" * 32,
            "SNS_INSTAGRAM_BASE_URL": sandbox.graph_url,
            "SNS_META_APP_SECRET": "geheim",
        }
    )
    sandbox.switch(app_secret="geheim", fetch_media=False)
    client = open_platforms(settings, HttpMediaSource())[Platform.INSTAGRAM]
    await prepared(client, ACCESS, post(sandbox))
    await client.close()
