import pytest

from engine.errors import InputInvalid
from engine.platforms.threads_rules import kind_of, length_of, problems_of
from engine.ports import Media, Post
from models.words import PostFormat

PICTURE = Media("https://a.test/a.jpg")
FILM = Media("https://a.test/a.mp4", kind="video")


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        ([], "text"),
        ([PICTURE], "image"),
        ([FILM], "video"),
        ([PICTURE, FILM], "carousel"),
        ([PICTURE] * 20, "carousel"),
    ],
)
def test_media_tell_the_kind(media, kind):
    assert kind_of(Post("글", tuple(media))) == kind


def test_what_has_no_kind_says_what_to_do():
    with pytest.raises(InputInvalid, match="20개 이하로"):
        kind_of(Post("글", (PICTURE,) * 21))
    with pytest.raises(InputInvalid, match="스토리가 없습니다"):
        kind_of(Post("글", (PICTURE,), format=PostFormat.STORY))


@pytest.mark.parametrize(("text", "length"), [("가나다", 3), ("🎉", 4), ("\u1100\u1161", 1)])
def test_an_emoji_counts_as_its_bytes(text, length):
    assert length_of(text) == length


LINKS = " ".join(f"https://example.com/{number}" for number in range(6))


@pytest.mark.parametrize(
    ("post", "expected"),
    [
        (Post("가" * 500, ()), []),
        (Post("가" * 501, ()), ["text"]),
        (Post("🎉" * 126, ()), ["text"]),
        (Post("", ()), ["text"]),
        (Post(LINKS, ()), ["text"]),
        (Post("글", (), link="https://example.com"), []),
        (Post("글", (PICTURE,), link="https://example.com"), ["options.link"]),
        (Post("글", (), options={"topic_tag": "봄.꽃"}), ["options.threads.topic_tag"]),
        (Post("글", (), options={"reply_control": "nobody"}), ["options.threads.reply_control"]),
        (Post("글", (Media("https://a.test/a.jpg", alt_text="가" * 1001),)), ["media[0].alt_text"]),
    ],
)
def test_everything_to_fix_names_its_field(post, expected):
    assert [problem.field for problem in problems_of(post)] == expected
