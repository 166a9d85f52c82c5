import unicodedata
from datetime import UTC, datetime, timedelta

import pytest

from engine.ports import LivePost
from engine.rules.matching import matching_posts

SENT_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def live(text: str = "가을 신상 공개!", **changes: object) -> LivePost:
    fields = {"post_id": "1", "kind": "image", "posted_at": SENT_AT, "url": None}
    return LivePost(text=text, **{**fields, **changes})  # type: ignore[arg-type]


def found(
    *posts: LivePost, text: str = "가을 신상 공개!", bound: set[str] | None = None
) -> list[str]:
    matches = matching_posts(
        posts, text=text, kind="image", sent_at=SENT_AT, bound_ids=bound or set()
    )
    return [post.post_id for post in matches]


@pytest.mark.parametrize(
    "shown",
    [
        "가을 신상 공개!",
        unicodedata.normalize("NFD", "가을 신상 공개!"),
        "가을  신상\r\n공개! ",
    ],
)
def test_the_same_words_match_however_the_platform_writes_them(shown: str) -> None:
    assert found(live(shown)) == ["1"]


def test_a_mention_matches_without_its_at_sign() -> None:
    assert found(live("고마워요 friend"), text="고마워요 @friend") == ["1"]


@pytest.mark.parametrize(
    "other",
    [
        live("다른 글"),
        live(kind="video"),
        live(posted_at=SENT_AT - timedelta(seconds=121)),
    ],
)
def test_another_text_kind_or_time_does_not_match(other: LivePost) -> None:
    assert found(other) == []


def test_a_platform_clock_may_run_two_minutes_behind() -> None:
    assert found(live(posted_at=SENT_AT - timedelta(seconds=119))) == ["1"]


def test_a_post_of_another_row_is_left_alone() -> None:
    assert found(live(post_id="1"), live(post_id="2"), bound={"1"}) == ["2"]
