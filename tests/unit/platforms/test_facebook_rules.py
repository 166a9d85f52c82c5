import pytest

from engine.errors import InputInvalid
from engine.platforms.facebook_rules import kind_of, problems_of
from engine.ports import Media, Post
from models.words import PostFormat

PICTURE = Media("https://a.test/a.jpg")
FILM = Media("https://a.test/a.mp4", kind="video")


def fields(post):
    return [problem.field for problem in problems_of(post)]


@pytest.mark.parametrize(
    ("format_", "media", "kind"),
    [
        ("post", [], "text"),
        ("post", [PICTURE], "photo"),
        ("post", [PICTURE] * 10, "photos"),
        ("post", [FILM], "video"),
        ("reel", [FILM], "reel"),
    ],
)
def test_form_and_media_tell_the_kind(format_, media, kind):
    assert kind_of(Post("글", tuple(media), format=PostFormat(format_))) == kind


@pytest.mark.parametrize(
    ("format_", "media", "korean"),
    [
        ("story", [PICTURE], "스토리는 아직"),
        ("reel", [PICTURE], "동영상을 한 개만"),
        ("post", [PICTURE, FILM], "동영상을 한 개만, 사진 없이"),
        ("post", [PICTURE] * 11, "10장 이하로"),
    ],
)
def test_what_has_no_kind_says_what_to_do(format_, media, korean):
    with pytest.raises(InputInvalid, match=korean) as caught:
        kind_of(Post("글", tuple(media), format=PostFormat(format_)))
    assert caught.value.english.isascii()


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (Post("가" * 63_206, ()), []),
        (Post("가" * 63_207, ()), ["text"]),
        (Post("  ", ()), ["text"]),
        (Post("", (), link="https://example.com"), []),
        (Post("글", (), link="ftp://example.com"), ["options.link"]),
        (Post("글", (PICTURE,), link="https://example.com"), ["options.link"]),
        (Post("글", (Media("nowhere"),)), ["media[0].url"]),
        (Post("글", (), options={"place_id": "1"}), []),
        (Post("글", (), options={"title": "제목"}), ["options.facebook.title"]),
    ],
)
def test_everything_to_fix_names_its_field(post, expected):
    assert fields(post) == expected
