"""When the comments of a post are read, and what an absence proves."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.ports import SeenPost
from engine.rules.watching import (
    Reading,
    Watch,
    absences_of,
    is_explained,
    is_known_ground,
    may_read_whole,
    reading_of,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def listed(mark: str | None = "3:c3", count: int | None = 3, age: timedelta = DAY) -> SeenPost:
    return SeenPost("p", NOW - age, count, mark)


def read(**details: object) -> Watch:
    return Watch(
        **{
            "mark": "3:c3",
            "comment_count": 3,
            "read_at": NOW - timedelta(minutes=5),
            "swept_at": NOW - timedelta(minutes=5),
            "last_comment_at": NOW - 2 * HOUR,
            **details,
        }
    )


@pytest.mark.parametrize(
    ("post", "watch", "expected"),
    [
        (listed(), None, Reading.WHOLE),
        (listed("0:", 0), None, Reading.NONE),
        (SeenPost("p", NOW, 3, "3", is_closed=True), None, Reading.NONE),
        (listed(), read(), Reading.NONE),
        (listed("4:c4", 4), read(), Reading.NEWS),
        (listed("3:c4", 3), read(), Reading.NEWS),
        (listed(), read(mark=None), Reading.WHOLE),
        (listed(), read(swept_at=NOW - HOUR), Reading.WHOLE),
        (listed(), read(swept_at=NOW - HOUR, last_comment_at=NOW - 8 * DAY), Reading.NONE),
        (listed(), read(swept_at=NOW - DAY, last_comment_at=NOW - 8 * DAY), Reading.WHOLE),
        (listed(None, None), read(last_comment_at=NOW - HOUR / 2), Reading.NEWS),
        (listed(None, None), read(), Reading.NONE),
        (listed(None, None), read(read_at=NOW - HOUR / 4), Reading.NEWS),
    ],
)
def test_a_post_is_read_when_its_list_says_so_or_its_time_has_come(
    post: SeenPost, watch: Watch | None, expected: Reading
) -> None:
    assert reading_of(post, watch, NOW, sweep_s=3600) is expected


def test_a_count_is_explained_by_the_difference_that_was_there_before() -> None:
    watch = read(unexplained=2)
    assert is_explained(listed(count=12), watch, ours=10)
    assert not is_explained(listed(count=13), watch, ours=10)
    assert is_explained(listed(count=None), watch, ours=10)


def test_a_long_reading_is_not_repeated_at_once_and_a_short_one_is() -> None:
    assert may_read_whole(read(calls=10, swept_at=NOW), NOW)
    assert not may_read_whole(read(calls=210, swept_at=NOW - timedelta(minutes=10)), NOW)
    assert may_read_whole(read(calls=210, swept_at=NOW - timedelta(minutes=17)), NOW)


def test_known_ground_is_a_page_without_news_and_old_enough_where_nothing_is_counted() -> None:
    assert is_known_ground(listed(), is_news=False, oldest=NOW, now=NOW)
    assert not is_known_ground(listed(), is_news=True, oldest=NOW, now=NOW)
    assert not is_known_ground(listed(), is_news=False, oldest=None, now=NOW)
    assert not is_known_ground(listed(None, None), is_news=False, oldest=NOW - DAY, now=NOW)
    assert is_known_ground(listed(None, None), is_news=False, oldest=NOW - 3 * DAY, now=NOW)


def test_one_absence_proves_nothing_without_the_platforms_count() -> None:
    first = absences_of({"a", "b"}, {"a"}, set(), 5)
    assert (first.gone, first.suspect) == (frozenset(), {"b"})
    second = absences_of({"a", "b"}, {"a"}, {"b"}, 5)
    assert (second.gone, second.suspect) == ({"b"}, frozenset())
    counted = absences_of({"a", "b"}, {"a"}, set(), 1)
    assert counted.gone == {"b"}


def test_an_empty_list_of_a_post_that_has_comments_is_no_deletion() -> None:
    nothing = absences_of({"a", "b"}, set(), {"a", "b"}, 2)
    assert (nothing.gone, nothing.suspect) == (frozenset(), frozenset())
    assert absences_of({"a"}, set(), set(), 0).gone == {"a"}
