import unicodedata

import pytest

from engine.platforms.instagram_rules import problems_of
from engine.ports import Media, Post

PICTURE = Media("https://a.test/봄.jpg")


def fields(text="", *media):
    return [problem.field for problem in problems_of(Post(text, media or (PICTURE,)))]


@pytest.mark.parametrize(
    "text",
    ["", "가" * 2200, "#봄 " * 30, "@friend " * 20, "mail me@a.test " * 40, "🎉" * 2200],
)
def test_text_within_the_limits_is_fine(text):
    assert fields(text) == []


@pytest.mark.parametrize("text", ["가" * 2201, "#봄 " * 31, "#a" * 31, "@friend " * 21])
def test_text_over_a_limit_is_a_problem_of_the_text(text):
    assert fields(text) == ["text"]


def test_letters_are_counted_after_composing_them():
    decomposed = unicodedata.normalize("NFD", "각" * 2200)
    assert len(decomposed) > 2200
    assert fields(decomposed) == []


def test_all_problems_are_told_at_once():
    text = "#a @b " * 40 + "가" * 2200
    assert fields(text, Media("nowhere", alt_text="가" * 1001)) == [
        "text",
        "text",
        "text",
        "media",
        "alt_text",
    ]


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_picture_is_wanted(count):
    problems = problems_of(Post("", (PICTURE,) * count))
    assert [problem.field for problem in problems] == ["media"]
    assert problems[0].evidence == {"limit": 1, "found": count}


def test_video_is_a_problem():
    assert fields("", Media("https://a.test/a.mp4", kind="video")) == ["media"]


def test_problem_says_in_both_languages_what_to_do_and_how_far_off_it_is():
    (problem,) = problems_of(Post("가" * 2300, (PICTURE,)))
    assert "2,200자" in problem.korean
    assert "2,300자" in problem.korean
    assert "2,300" in problem.english
    assert problem.evidence == {"limit": 2200, "found": 2300}
