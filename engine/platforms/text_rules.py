"""Rules on text and media that several platforms have, each with its own numbers."""

import re
import unicodedata
from typing import Final

from engine.platforms.media_urls import is_public_url
from engine.ports import InputProblem, Media

PATTERNS: Final = {
    "hashtag": (re.compile(r"#[^\s#]"), "해시태그를", "Use at most {} hashtags; there are {}."),
    "mention": (
        re.compile(r"(?<![\w.])@\w"),
        "계정 언급(@)을",
        "Mention at most {} accounts; there are {}.",
    ),
    "link": (
        re.compile(r"https?://\S+"),
        "링크를",
        "Use at most {} different links; there are {}.",
    ),
}


def text_problem(text: str, limit: int, *, length: int | None = None) -> list[InputProblem]:
    """Whether a text is too long; ``length`` where the platform counts in its own way."""
    found = len(unicodedata.normalize("NFC", text)) if length is None else length
    if found <= limit:
        return []
    return [
        InputProblem(
            "text",
            f"본문을 {limit:,}자 이하로 줄여 주세요. 지금은 {found:,}자입니다.",
            f"Shorten the text to {limit:,} characters; it has {found:,}.",
            {"limit": limit, "found": found},
        )
    ]


def count_problem(text: str, what: str, limit: int) -> list[InputProblem]:
    """Whether a text has more hashtags, mentions or different links than allowed."""
    pattern, korean, english = PATTERNS[what]
    matches = pattern.findall(text)
    found = len(set(matches)) if what == "link" else len(matches)
    if found <= limit:
        return []
    return [
        InputProblem(
            "text",
            f"{korean} {limit}개 이하로 줄여 주세요. 지금은 {found}개입니다.",
            english.format(limit, found),
            {"limit": limit, "found": found},
        )
    ]


def medium_problems(
    media: Media, *, place: int, alt_text_limit: int | None = None, tag_limit: int | None = None
) -> list[InputProblem]:
    """What is wrong with a medium as it is described; its bytes are looked at elsewhere.

    Args:
        media: the medium.
        place: which of the post's, from 1.
        alt_text_limit: characters; None where it takes none and is left out.
        tag_limit: people on it; None where it takes none and they are left out.
    """
    field = f"media[{place - 1}]"
    problems = []
    if media.kind not in ("image", "video"):
        problems.append(
            InputProblem(
                f"{field}.kind",
                f"{place}번째 미디어의 종류는 image 또는 video여야 합니다.",
                f"The kind of medium {place} must be image or video.",
                {"found": media.kind},
            )
        )
    if not is_public_url(media.url):
        problems.append(
            InputProblem(
                f"{field}.url",
                f"{place}번째 미디어의 주소는 http:// 또는 https://로 시작하는 공개 주소여야 "
                "합니다.",
                f"Give medium {place} a public address, starting with http:// or https://.",
            )
        )
    found = len(media.alt_text or "")
    if alt_text_limit is not None and found > alt_text_limit:
        problems.append(
            InputProblem(
                f"{field}.alt_text",
                f"{place}번째 미디어의 대체 텍스트를 {alt_text_limit:,}자 이하로 줄여 주세요. "
                f"지금은 {found:,}자입니다.",
                f"Shorten the alternative text of medium {place} to {alt_text_limit:,} "
                f"characters; it has {found:,}.",
                {"limit": alt_text_limit, "found": found},
            )
        )
    if tag_limit is not None and len(media.user_tags) > tag_limit:
        problems.append(
            InputProblem(
                f"{field}.user_tags",
                f"{place}번째 미디어에는 사람을 {tag_limit}명까지 태그할 수 있습니다.",
                f"Medium {place} takes at most {tag_limit} tagged people.",
                {"limit": tag_limit, "found": len(media.user_tags)},
            )
        )
    if any(not (0 <= tag.x <= 1 and 0 <= tag.y <= 1) for tag in media.user_tags):
        problems.append(
            InputProblem(
                f"{field}.user_tags",
                f"{place}번째 미디어의 사람 태그 위치는 0에서 1 사이여야 합니다.",
                f"Places of tags on medium {place} are shares from 0 to 1.",
            )
        )
    return problems
