from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ports import ContainerState, LivePost
from engine.rules.doubt import Verdict, Witnesses, judge, next_look_s, resend_wait

WAIT = timedelta(seconds=60)
GIVE_UP = timedelta(seconds=600)
POST = LivePost("1", "글", "image", datetime(2026, 11, 23, tzinfo=UTC))
S = ContainerState


def verdict(container: ContainerState, matches: int, after_s: float, **also: bool) -> Verdict:
    return judge(
        Witnesses(container, (POST,) * matches, **also),
        in_doubt_for=timedelta(seconds=after_s),
        wait=WAIT,
        give_up=GIVE_UP,
    )


@pytest.mark.parametrize(
    ("container", "matches", "after_s", "expected"),
    [
        (S.PUBLISHED, 1, 0, Verdict.BIND),
        (S.UNKNOWN, 1, 0, Verdict.BIND),
        (S.READY, 1, 0, Verdict.BIND),
        (S.PUBLISHED, 2, 0, Verdict.ASK_PERSON),
        (S.READY, 0, 59, Verdict.LOOK_AGAIN),
        (S.READY, 0, 60, Verdict.SEND_SAME),
        (S.PUBLISHED, 0, 599, Verdict.LOOK_AGAIN),
        (S.PUBLISHED, 0, 600, Verdict.ASK_PERSON),
        (S.EXPIRED, 0, 599, Verdict.LOOK_AGAIN),
        (S.EXPIRED, 0, 600, Verdict.PREPARE_ANEW),
        (S.FAILED, 0, 600, Verdict.PREPARE_ANEW),
        (S.UNKNOWN, 0, 600, Verdict.PREPARE_ANEW),
        (S.IN_PROGRESS, 0, 60, Verdict.LOOK_AGAIN),
        (S.IN_PROGRESS, 0, 600, Verdict.ASK_PERSON),
    ],
)
def test_what_follows_from_a_look(
    container: ContainerState, matches: int, after_s: float, expected: Verdict
) -> None:
    assert verdict(container, matches, after_s) is expected


def test_a_match_that_may_be_a_twins_is_not_bound_while_our_container_is_unpublished() -> None:
    assert verdict(S.READY, 1, 0, has_twin=True) is Verdict.LOOK_AGAIN
    assert verdict(S.READY, 1, 600, has_twin=True) is Verdict.ASK_PERSON
    assert verdict(S.PUBLISHED, 1, 0, has_twin=True) is Verdict.BIND


@given(
    container=st.sampled_from(list(ContainerState)),
    matches=st.integers(0, 3),
    after_s=st.floats(0, 10_000),
    has_twin=st.booleans(),
    is_blocked=st.booleans(),
)
def test_nothing_is_ever_sent_again_while_a_witness_says_it_may_be_live(
    container: ContainerState, matches: int, after_s: float, has_twin: bool, is_blocked: bool
) -> None:
    result = verdict(container, matches, after_s, has_twin=has_twin, is_blocked=is_blocked)
    if result in (Verdict.SEND_SAME, Verdict.PREPARE_ANEW):
        assert matches == 0
        assert container not in (S.PUBLISHED, S.IN_PROGRESS)
        assert after_s >= 60
        assert not is_blocked
    if result is Verdict.BIND:
        assert matches == 1


def test_the_next_look_lands_on_the_moment_at_which_sending_again_is_allowed() -> None:
    age_s = 0.0
    looks = 0
    while age_s < 59.999:
        age_s += next_look_s(timedelta(seconds=age_s), wait=WAIT)
        looks += 1
    assert age_s == pytest.approx(60, abs=0.001)
    assert looks < 40


def test_a_container_that_names_its_post_is_bound_whatever_else_matches() -> None:
    for matches in (0, 1, 3):
        assert verdict(S.PUBLISHED, matches, 0, names_post=True) is Verdict.BIND


def test_a_call_that_may_be_repeated_is_repeated_as_soon_as_its_wait_is_over() -> None:
    assert verdict(S.READY, 0, 60, is_repeatable=True) is Verdict.SEND_SAME
    assert verdict(S.READY, 0, 59, is_repeatable=True) is Verdict.LOOK_AGAIN
    # A match is somebody else's: this container says of itself that it is not published.
    assert verdict(S.READY, 2, 60, is_repeatable=True) is Verdict.SEND_SAME
    assert verdict(S.READY, 0, 600, is_repeatable=True, is_blocked=True) is Verdict.GIVE_UP


@pytest.mark.parametrize(
    ("is_repeatable", "retry_count", "expected_s"),
    [(True, 0, 0), (True, 1, 30), (True, 3, 120), (False, 0, 60), (False, 1, 60), (False, 3, 120)],
)
def test_sending_again_waits_longer_each_time(
    is_repeatable: bool, retry_count: int, expected_s: float
) -> None:
    wait = resend_wait(
        is_repeatable=is_repeatable,
        doubt_wait=WAIT,
        retry_count=retry_count,
        retry_base=timedelta(seconds=30),
    )
    assert wait == timedelta(seconds=expected_s)
