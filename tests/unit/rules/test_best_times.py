import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.rules.best_times import (
    FEWEST_POSTS,
    MIDDLE,
    BestTimes,
    NotEnough,
    ScoredPost,
    best_times,
)
from engine.rules.calendar import SEOUL

MONDAY = datetime(2026, 11, 2, tzinfo=SEOUL)


def posts(weekday: int, hour: int, *scores: float) -> list[ScoredPost]:
    """One each week at that hour in Seoul."""
    first = MONDAY + timedelta(days=weekday, hours=hour)
    return [
        ScoredPost((first + timedelta(weeks=week)).astimezone(UTC), score)
        for week, score in enumerate(scores)
    ]


def test_slot_that_does_better_again_and_again_is_advised():
    found = best_times(
        posts(2, 19, *[0.08] * 6) + posts(0, 9, *[0.03] * 6) + posts(4, 12, *[0.04] * 6)
    )
    assert isinstance(found, BestTimes)
    assert (found.slots[0].weekday, found.slots[0].hour, found.slots[0].posts) == (2, 19, 6)
    assert found.posts == 18


def test_hours_are_those_of_seoul():
    found = best_times(posts(0, 1, *[0.09] * 6) + posts(3, 9, *[0.01] * 6))
    assert isinstance(found, BestTimes)
    assert (found.slots[0].weekday, found.slots[0].hour) == (0, 1)  # Sunday 16:00 in UTC


def test_one_lucky_post_does_not_win():
    steady = posts(2, 19, *[0.06, 0.07, 0.06, 0.08, 0.07])
    rest = posts(0, 9, *[0.03, 0.02, 0.03, 0.02, 0.03])
    found = best_times([*steady, *rest, *posts(5, 23, 9.9)])
    assert isinstance(found, BestTimes)
    assert [(slot.weekday, slot.hour) for slot in found.slots] == [(2, 19)]


def test_two_lucky_posts_do_not_beat_many_good_ones():
    many = posts(2, 19, *[0.06] * 12)
    rest = posts(0, 9, *[0.02] * 14)
    found = best_times([*many, *rest, *posts(5, 23, 9.9, 9.8)])
    assert isinstance(found, BestTimes)
    assert (found.slots[0].weekday, found.slots[0].hour) == (2, 19)


def test_few_posts_are_not_enough():
    assert best_times([]) == NotEnough(0)
    assert best_times(posts(0, 9, *[0.1] * (FEWEST_POSTS - 1))) == NotEnough(FEWEST_POSTS - 1)


def test_nothing_stands_out_when_all_posts_are_alike():
    found = best_times(posts(0, 9, *[0.1] * 8) + posts(1, 9, *[0.1] * 8))
    assert found == BestTimes((), 16)


scored = st.lists(
    st.builds(
        ScoredPost,
        st.integers(0, 24 * 60).map(lambda hours: MONDAY + timedelta(hours=hours)),
        st.floats(0, 1),
    ),
    max_size=60,
)


@given(scored, st.integers())
def test_advice_is_the_same_in_any_order_and_better_than_average(given_posts, seed):
    found = best_times(given_posts)
    shuffled = list(given_posts)
    random.Random(seed).shuffle(shuffled)
    again = best_times(shuffled)
    if isinstance(found, NotEnough):
        assert again == found
        assert len(given_posts) < FEWEST_POSTS
        return
    assert isinstance(again, BestTimes)
    assert [(one.weekday, one.hour) for one in again.slots] == [
        (one.weekday, one.hour) for one in found.slots
    ]
    assert all(slot.rank > MIDDLE and slot.posts >= 2 for slot in found.slots)


@given(scored)
def test_only_the_order_of_scores_counts(given_posts):
    larger = [ScoredPost(post.posted_at, post.score * 8) for post in given_posts]
    assert best_times(larger) == best_times(given_posts)
