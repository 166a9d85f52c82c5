import unicodedata

import pytest

from engine.errors import InputInvalid
from engine.platforms.instagram_rules import kind_of, problems_of
from engine.ports import Media, Post, UserTag
from models.words import PostFormat

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
        "media[0].url",
        "media[0].alt_text",
    ]


FILM = Media("https://a.test/a.mp4", kind="video")


@pytest.mark.parametrize(
    ("format_", "media", "kind"),
    [
        ("post", [PICTURE], "image"),
        ("post", [FILM], "reel"),
        ("post", [PICTURE] * 2, "carousel"),
        ("post", [PICTURE, FILM] * 5, "carousel"),
        ("reel", [FILM], "reel"),
        ("story", [PICTURE], "story"),
        ("story", [FILM], "story"),
    ],
)
def test_form_and_media_tell_the_kind(format_, media, kind):
    assert kind_of(Post("", tuple(media), format=PostFormat(format_))) == kind


@pytest.mark.parametrize(
    ("format_", "media", "korean"),
    [
        ("post", [], "사진이나 동영상이 필요합니다"),
        ("post", [PICTURE] * 11, "10개 이하로"),
        ("reel", [PICTURE], "동영상을 한 개만"),
        ("reel", [FILM, FILM], "동영상을 한 개만"),
        ("story", [PICTURE, PICTURE], "한 개만 넣어"),
    ],
)
def test_what_has_no_kind_says_what_to_do(format_, media, korean):
    post = Post("", tuple(media), format=PostFormat(format_))
    with pytest.raises(InputInvalid, match=korean) as caught:
        kind_of(post)
    assert caught.value.english.isascii()
    (problem,) = problems_of(post)
    assert problem.field == "media"


@pytest.mark.parametrize(
    ("options", "fields_"),
    [
        ({"location_id": "1", "collaborators": ["a"]}, []),
        ({"nonsense": 1}, ["options.instagram.nonsense"]),
        ({"share_to_feed": True}, ["options.instagram.share_to_feed"]),  # of reels only
        ({"collaborators": "a"}, ["options.instagram.collaborators"]),
        ({"collaborators": ["a", "b", "c", "d"]}, ["options.instagram.collaborators"]),
    ],
)
def test_options_that_the_platform_would_not_understand_are_problems(options, fields_):
    post = Post("", (PICTURE,), options=options)
    assert [problem.field for problem in problems_of(post)] == fields_


def test_people_are_tagged_within_the_picture():
    tagged = Media("https://a.test/a.jpg", user_tags=(UserTag("a", 0.5, 1.2),))
    assert fields("", tagged) == ["media[0].user_tags"]


def test_a_link_has_no_place_on_instagram():
    post = Post("", (PICTURE,), link="https://example.com")
    assert [problem.field for problem in problems_of(post)] == ["options.link"]


def test_problem_says_in_both_languages_what_to_do_and_how_far_off_it_is():
    (problem,) = problems_of(Post("가" * 2300, (PICTURE,)))
    assert "2,200자" in problem.korean
    assert "2,300자" in problem.korean
    assert "2,300" in problem.english
    assert problem.evidence == {"limit": 2200, "found": 2300}
