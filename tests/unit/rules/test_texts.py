"""Whatever people write can be kept, and does no harm to what stands beside it."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from engine.rules.texts import DIRECTIONS, clean, clean_name, cut

anything = st.text(alphabet=st.characters(exclude_categories=[]), max_size=200)


@given(anything)
def test_a_clean_text_is_composed_and_can_be_encoded_and_stays_as_it_is(text: str) -> None:
    kept = clean(text)
    assert unicodedata.is_normalized("NFC", kept)
    assert "\0" not in kept.encode().decode()
    assert clean(kept) == kept


def test_what_postgresql_cannot_hold_leaves_a_mark() -> None:
    assert clean("가\0나\ud83d다") == "가\ufffd나\ufffd다"
    assert clean("ㄱ\x07\x1b[31m\n\t끝\r\n") == "ㄱ[31m\n\t끝\n"


def test_an_override_of_the_direction_ends_with_the_text() -> None:
    assert clean("할인 \u202eabc") == "할인 \u202eabc\u202c"
    assert clean("\u2067\u202babc\u2069") == "\u2067\u202babc\u2069"


@given(anything)
def test_a_name_is_one_short_line_without_directions(name: str) -> None:
    kept = clean_name(name)
    if kept is not None:
        assert 0 < len(kept) <= 100
        assert "\n" not in kept
        assert not DIRECTIONS & set(kept)


def test_nobody_stays_nobody() -> None:
    assert clean_name(None) is None
    assert clean_name(" \n\u202e") is None


@given(anything, st.integers(1, 50))
def test_a_cut_text_is_as_short_as_asked(text: str, limit: int) -> None:
    bare = "".join(character for character in clean(text) if character not in DIRECTIONS)
    assert len(cut(bare, limit)) <= limit


def test_a_joined_emoji_is_not_cut_in_two() -> None:
    family = "👨\u200d👩\u200d👧"
    assert cut("가" + family + "나다라", 4) == "가…"
    assert cut("가나다", 3) == "가나다"
