"""When a circuit opens, whom it concerns, and how it closes."""

import asyncio
from datetime import UTC, datetime

import pytest

from engine.errors import (
    AccountStopped,
    CircuitOpen,
    ContainerGone,
    InputInvalid,
    LeaseLost,
    NotReady,
    NotSent,
    OutcomeUnknown,
    ReconnectNeeded,
    RetryLater,
    Throttled,
    Unsupported,
)
from engine.platforms.breaker import Guarded
from engine.platforms.usage import HELD_CODE
from engine.ports import AccountAccess, Container, PlatformClient
from models.accounts import AccessToken
from tests.fakes.platform_client import FakePlatformClient

CONTAINER = Container("1", "image")


class Road:
    """A guarded fake platform, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fake = FakePlatformClient()
        self.client: PlatformClient = Guarded(self.fake, "instagram", monotonic=lambda: self.now)

    async def read(self, account: str = "a", error: Exception | None = None) -> None:
        """One read, which ends as told; the error that it gives is the test's business."""
        self.fake.tokens[account] = "t"
        self.fake.failures["read_container"] = [] if error is None else [error]
        await self.client.read_container(AccountAccess(account, AccessToken("t")), CONTAINER)

    async def fail(self, times: int, error: Exception | None = None, accounts: str = "ab") -> None:
        error = error or RetryLater("busy", code="2")
        for turn in range(times):
            with pytest.raises(type(error)):
                await self.read(accounts[turn % len(accounts)], error)

    async def is_open(self) -> bool:
        asked = len(self.fake.calls)
        try:
            await self.read()
        except CircuitOpen:
            assert len(self.fake.calls) == asked
            return True
        return False


@pytest.fixture
def road() -> Road:
    return Road()


@pytest.mark.parametrize(
    "error",
    [
        RetryLater("m", code="2"),
        RetryLater("m", code="connection-lost"),
        OutcomeUnknown("m", code="answer-late"),
        NotSent("m", code="not-connected"),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.code}",
)
async def test_five_failures_in_a_row_open_it_for_15_seconds(road, error):
    await road.fail(4, error)
    assert not await road.is_open()  # which was a success, so the row begins anew
    await road.fail(5, error)
    with pytest.raises(CircuitOpen) as caught:
        await road.read()
    assert caught.value.retry_after_s == 15
    road.now += 14.9
    assert await road.is_open()
    road.now += 0.1
    assert not await road.is_open()


@pytest.mark.parametrize(
    "error",
    [
        InputInvalid("m", code="100"),
        Throttled("m", code="4", retry_after_s=1),
        ReconnectNeeded("m", code="190"),
        AccountStopped("m", code="368"),
        NotReady("m", code="9007"),
        ContainerGone("m", code="24"),
        Unsupported("m", code="unsupported"),
        RetryLater("a picture that cannot be fetched", code="9004/2207052"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_answer_of_a_working_platform_never_opens_it_and_ends_a_row(road, error):
    await road.fail(20, error)
    await road.fail(4)
    await road.fail(1, error)
    await road.fail(4)
    assert not await road.is_open()


@pytest.mark.parametrize(
    "error",
    [
        NotSent("m", code="no-free-connection"),
        CircuitOpen("m", retry_after_s=1),
        Throttled("held by us", code=HELD_CODE, retry_after_s=1),
        LeaseLost("m"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_call_that_never_reached_the_platform_says_nothing(road, error):
    await road.fail(20, error)
    await road.fail(4)
    await road.fail(3, error)
    await road.fail(1)
    assert await road.is_open()


async def test_one_accounts_bad_luck_does_not_open_it(road):
    await road.fail(50, accounts="a")
    assert not await road.is_open()
    await road.fail(4, accounts="a")
    await road.fail(1, accounts="b")
    assert await road.is_open()


async def test_broken_line_opens_it_whosever_calls_they_are(road):
    await road.fail(5, RetryLater("m", code="connection-lost"), accounts="a")
    assert await road.is_open()


async def test_failures_further_apart_than_a_minute_are_no_row(road):
    for _ in range(10):
        road.now += 16
        await road.fail(1, accounts="a")
    road.now += 16
    await road.fail(1, accounts="b")
    assert not await road.is_open()


async def test_each_failed_look_doubles_the_time_up_to_two_minutes(road):
    await road.fail(5)
    for seconds in (15, 30, 60, 120, 120):
        road.now += seconds - 0.1
        assert await road.is_open()
        road.now += 0.1
        await road.fail(1)
    road.now += 120
    await road.read()
    await road.fail(5)
    road.now += 15
    assert not await road.is_open()


async def test_methods_have_circuits_of_their_own(road):
    await road.fail(5)
    assert await road.is_open()
    await road.client.list_posts(AccountAccess("a", AccessToken("t")), "image", datetime.now(UTC))


async def test_one_call_at_a_time_looks_whether_the_road_works(road):
    await road.fail(5)
    road.now += 15
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> None:
        arrived.set()
        await go_on.wait()

    road.fake.read_container = slow  # type: ignore[method-assign,assignment]
    looking = asyncio.create_task(road.read())
    await arrived.wait()
    with pytest.raises(CircuitOpen) as caught:
        await road.read("b")
    assert caught.value.retry_after_s > 0
    go_on.set()
    await looking
    await road.read("b")


async def test_look_that_is_cancelled_leaves_the_next_one_to_look(road):
    await road.fail(5)
    road.now += 15
    arrived = asyncio.Event()

    async def stuck(*_: object) -> None:
        arrived.set()
        await asyncio.Event().wait()

    road.fake.read_container = stuck  # type: ignore[method-assign,assignment]
    looking = asyncio.create_task(road.read())
    await arrived.wait()
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    del road.fake.read_container
    await road.read()
    assert not await road.is_open()


async def test_call_that_began_before_it_opened_does_not_close_it(road):
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> None:
        arrived.set()
        await go_on.wait()

    road.fake.read_container = slow  # type: ignore[method-assign,assignment]
    old = asyncio.create_task(road.read())
    await arrived.wait()
    del road.fake.read_container
    await road.fail(5)
    go_on.set()
    await old
    assert await road.is_open()
