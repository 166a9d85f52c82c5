"""What is remembered of the usage headers, for whom and how long."""

import json

import pytest

from engine.errors import Throttled
from engine.platforms.usage import KEPT, UsageBook, app_use, business_use


class Watch:
    """A clock that is moved by hand, and by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def book(watch: Watch) -> UsageBook:
    return UsageBook(monotonic=watch, sleep=watch.sleep)


def app(percent):
    return {"x-app-usage": json.dumps({"call_count": 1, "total_time": percent})}


def business(percent, minutes=0, type_="instagram"):
    entry = {
        "type": type_,
        "call_count": percent,
        "total_cputime": 1,
        "total_time": 1,
        "estimated_time_to_regain_access": minutes,
    }
    return {"x-business-use-case-usage": json.dumps({"17": [entry]})}


async def test_nothing_is_slowed_or_held_while_no_header_came(book, watch):
    book.note("1", {})
    book.check("1")
    await book.slow_down("1")
    assert watch.slept == []


async def test_accounts_limit_slows_that_account_only(book, watch):
    book.note("1", business(99))
    await book.slow_down("2")
    assert watch.slept == []
    await book.slow_down("1")
    assert watch.slept == [4.0]


async def test_apps_limit_slows_every_account(book, watch):
    book.note("1", app(99))
    await book.slow_down("2")
    assert watch.slept == [4.0]


@pytest.mark.parametrize(("type_", "scope"), [("instagram", "account"), ("pages", "page")])
def test_blocked_account_is_held_for_the_minutes_that_the_platform_says(book, watch, type_, scope):
    book.note("1", business(30, minutes=2, type_=type_))
    book.check("2")
    watch.now += 119
    with pytest.raises(Throttled) as caught:
        book.check("1")
    assert (caught.value.retry_after_s, caught.value.scope) == (1.0, scope)
    watch.now += 1
    book.check("1")


def test_spent_app_holds_every_account(book):
    book.note("1", app(100))
    with pytest.raises(Throttled) as caught:
        book.check("2")
    assert (caught.value.retry_after_s, caught.value.scope) == (300.0, "app")


def test_newer_answer_lifts_what_an_older_one_held(book):
    book.note("1", {**app(100), **business(100)})
    book.note("1", {**app(20), **business(20)})
    book.check("1")


async def test_absent_header_leaves_the_last_reading(book, watch):
    book.note("1", business(99))
    book.note("1", {"content-type": "application/json"})
    await book.slow_down("1")
    assert watch.slept == [4.0]


async def test_reading_is_forgotten_after_an_hour(book, watch):
    book.note("1", business(99))
    watch.now += 3600
    await book.slow_down("1")
    assert watch.slept == []


def test_block_of_hours_is_remembered_until_it_ends(book, watch):
    book.note("1", business(100, minutes=120))
    watch.now += 7100
    with pytest.raises(Throttled):
        book.check("1")
    watch.now += 100
    book.check("1")


def test_number_of_readings_is_bounded_and_the_oldest_goes(book):
    book.note("first", business(100))
    for number in range(KEPT):
        book.note(str(number), business(100))
    book.check("first")
    with pytest.raises(Throttled):
        book.check("0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "1",
        '{"a": 1}',
        '{"a": [{"b": null}, null]}',
        '{"a": [{"call_count": "x"}]}',
    ]
    + [f'{{"call_count": {bad}, "a": [{{"call_count": {bad}}}]}}' for bad in ("NaN", "Infinity")],
)
def test_unreadable_header_means_nothing(text):
    assert app_use({"x-app-usage": text}) is None
    assert business_use({"x-business-use-case-usage": text}) is None


def test_fullest_of_several_limits_counts():
    entries = {"1": [{"call_count": 5}, {"total_cputime": 91}], "2": [{"total_time": 40}]}
    use = business_use({"x-business-use-case-usage": json.dumps(entries)})
    assert use is not None
    assert use.percent == 91
