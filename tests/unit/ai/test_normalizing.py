"""One spelling for what means the same."""

import pytest

from engine.ai.normalizing import LONGEST, normalize


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ㅋㅋㅋㅋㅋㅋ 웃겨", "ㅋㅋ 웃겨"),
        ("ㅠㅠㅠㅠ", "ㅠㅠ"),
        ("최고!!!!!!", "최고!!"),
        ("좋아아아아아요", "좋아아요"),
        ("10000원", "10000원"),
        ("VERY Good", "very good"),
        ("예뻐요😍😍😍", "예뻐요 ♥♥ ♥♥ ♥♥"),
        ("👍🏽", "최고"),
        ("❤️", "♥♥"),
        ("@brand.kr 보세요 https://example.com/a?b=c 굿", "보세요 굿"),
        ("  줄\n바꿈\t ", "줄 바꿈"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("", ""),
    ],
)
def test_needless_differences_go(written: str, read: str) -> None:
    assert normalize(written) == read
    assert normalize(read) == read


def test_an_emoji_without_a_plain_feeling_stays() -> None:
    assert normalize("🐶 귀엽") == "🐶 귀엽"


def test_of_a_long_comment_the_beginning_is_read() -> None:
    assert normalize("가나" * LONGEST) == "가나" * (LONGEST // 2)
