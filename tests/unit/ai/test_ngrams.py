"""N-grams of many texts at once are those of each alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.ai.ngrams import LONGEST_NGRAM, ngrams_of


def test_a_text_has_all_runs_of_one_to_four_characters_with_a_space_around_it() -> None:
    hashes, owners = ngrams_of(["가나"])

    assert len(hashes) == 4 + 3 + 2 + 1  # of " 가나 "
    assert len(set(hashes.tolist())) == 9  # the space is there twice
    assert set(owners.tolist()) == {0}


@given(st.lists(st.text(max_size=12), max_size=6))
def test_texts_do_not_leak_into_each_other(texts: list[str]) -> None:
    hashes, owners = ngrams_of(texts)

    for at, text in enumerate(texts):
        alone, _ = ngrams_of([text])
        assert np.array_equal(np.sort(hashes[owners == at]), np.sort(alone))


def test_an_empty_text_has_the_n_grams_of_its_two_spaces() -> None:
    hashes, _ = ngrams_of([""])

    assert len(hashes) == 3
    assert LONGEST_NGRAM == 4
