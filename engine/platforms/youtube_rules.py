"""What YouTube would refuse in a video, found without asking it; and what kind a post is.

Source: https://developers.google.com/youtube/v3/docs/videos (properties), read 2026-11-25.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from engine.errors import InputInvalid
from engine.platforms.media_urls import ascii_url
from engine.platforms.options import Option, option_problems
from engine.platforms.text_rules import medium_problems
from engine.ports import InputProblem, Post
from models.words import PostFormat

TITLE_LIMIT: Final = 100  # characters
DESCRIPTION_LIMIT: Final = 5000  # bytes of UTF-8
TAGS_LIMIT: Final = 500  # characters, with commas between tags and quotes around blanks
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
OPTIONS: Final = {
    "title": Option(str),
    "tags": Option(list),
    "category_id": Option(str),
    "privacy": Option(str, words=("public", "unlisted", "private")),
    "publish_at": Option(str),
    "made_for_kids": Option(bool),
    "default_language": Option(str),
    "notify_subscribers": Option(bool),
    "thumbnail_url": Option(str),
    "license": Option(str, words=("youtube", "creativeCommon")),
    "embeddable": Option(bool),
    "contains_synthetic_media": Option(bool),
}


def kind_of(post: Post) -> str:
    """``video`` or ``short``; for the platform both are the same upload.

    Raises:
        InputInvalid: YouTube has no such post.
    """
    if post.format is PostFormat.STORY:
        raise InputInvalid(
            "유튜브에는 스토리가 없습니다. 형식을 게시물이나 릴스로 바꿔 주세요.",
            code="no_such_kind",
            english="YouTube has no stories; make it a post or a reel.",
        )
    if len(post.media) != 1 or post.media[0].kind != "video":
        raise InputInvalid(
            "유튜브에는 동영상을 정확히 한 개 올려야 합니다.",
            code="no_such_kind",
            english="YouTube takes exactly one video.",
        )
    return "short" if post.format is PostFormat.REEL else "video"


def title_of(post: Post) -> str:
    """The video's title, NFC, without outer blanks."""
    return unicodedata.normalize("NFC", str(post.options.get("title") or post.title)).strip()


def description_of(post: Post) -> str:
    """The video's description, NFC; a link of the post comes last."""
    text = unicodedata.normalize("NFC", post.text)
    if post.link is None or post.link in text:
        return text
    return f"{text}\n\n{post.link}".strip()


def length_of_tags(tags: Sequence[str]) -> int:
    """How long YouTube thinks tags are: joined by commas, with quotes around those with blanks."""
    lengths = [len(tag) + (2 if " " in tag else 0) for tag in tags]
    return sum(lengths) + max(len(lengths) - 1, 0)


def instant_of(value: Any) -> datetime | None:
    """An RFC 3339 time with its offset, or None when it is not one."""
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return instant if instant.tzinfo is not None else None


def problems_of(post: Post, now: datetime) -> list[InputProblem]:
    """Everything to fix, so that a person fixes it in one go."""
    try:
        kind = kind_of(post)
    except InputInvalid as error:
        return [InputProblem("media", str(error), error.english, {"found": len(post.media)})]
    return [
        *_title_problems(title_of(post)),
        *_description_problems(description_of(post)),
        *medium_problems(post.media[0], place=1),
        *option_problems("youtube", post.options, OPTIONS, kind),
        *_value_problems(post),
        *_privacy_problems(post, now),
    ]


def _title_problems(title: str) -> list[InputProblem]:
    problems = []
    if not title:
        problems.append(
            InputProblem("title", "유튜브 제목을 입력해 주세요.", "Write a title for YouTube.")
        )
    if len(title) > TITLE_LIMIT:
        problems.append(
            InputProblem(
                "title",
                f"유튜브 제목을 {TITLE_LIMIT}자 이하로 줄여 주세요. 지금은 {len(title)}자입니다.",
                f"Shorten the title to {TITLE_LIMIT} characters; it has {len(title)}.",
                {"limit": TITLE_LIMIT, "found": len(title)},
            )
        )
    return problems + _bracket_problems("title", "제목", "title", title)


def _description_problems(description: str) -> list[InputProblem]:
    found = len(description.encode())
    problems = []
    if found > DESCRIPTION_LIMIT:
        problems.append(
            InputProblem(
                "text",
                f"유튜브 설명을 {DESCRIPTION_LIMIT:,}바이트 이하로 줄여 주세요. 한글은 한 글자가 "
                f"3바이트이며, 지금은 {found:,}바이트입니다.",
                f"Shorten the description to {DESCRIPTION_LIMIT:,} bytes; it has {found:,}.",
                {"limit": DESCRIPTION_LIMIT, "found": found},
            )
        )
    return problems + _bracket_problems("text", "설명", "description", description)


def _bracket_problems(field: str, korean: str, english: str, text: str) -> list[InputProblem]:
    if not {"<", ">"} & set(text):
        return []
    return [
        InputProblem(
            field,
            f"유튜브 {korean}에는 <와 >를 쓸 수 없습니다.",
            f"The {english} on YouTube cannot have < or >.",
        )
    ]


def _value_problems(post: Post) -> list[InputProblem]:
    """Options of the right type whose value YouTube would not take."""
    problems = []
    options = post.options
    tags = options.get("tags")
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        found = length_of_tags(tags)
        if found > TAGS_LIMIT:
            problems.append(
                InputProblem(
                    "options.youtube.tags",
                    f"유튜브 태그를 모두 합쳐 {TAGS_LIMIT}자 이하로 줄여 주세요. 지금은 "
                    f"{found}자입니다.",
                    f"Shorten the tags to {TAGS_LIMIT} characters in all; they have {found}.",
                    {"limit": TAGS_LIMIT, "found": found},
                )
            )
        if any(not tag.strip() or {"<", ">"} & set(tag) for tag in tags):
            problems.append(
                InputProblem(
                    "options.youtube.tags",
                    "유튜브 태그는 비어 있거나 <와 >를 쓸 수 없습니다.",
                    "A tag cannot be empty or have < or >.",
                )
            )
    category = options.get("category_id")
    if isinstance(category, str) and not re.fullmatch(r"[0-9]+", category):
        problems.append(
            InputProblem(
                "options.youtube.category_id",
                "유튜브 카테고리는 '22'처럼 숫자로 적어 주세요.",
                "A category id is a number such as '22'.",
            )
        )
    language = options.get("default_language")
    if isinstance(language, str) and not LANGUAGE.fullmatch(language):
        problems.append(
            InputProblem(
                "options.youtube.default_language",
                "언어는 'ko'나 'en'처럼 언어 코드로 적어 주세요.",
                "A language is a code such as 'ko' or 'en'.",
            )
        )
    thumbnail = options.get("thumbnail_url")
    if isinstance(thumbnail, str):
        try:
            ascii_url(thumbnail)
        except ValueError:
            problems.append(
                InputProblem(
                    "options.youtube.thumbnail_url",
                    "미리보기 이미지 주소는 http:// 또는 https://로 시작하는 공개 주소여야 합니다.",
                    "Give the thumbnail a public address, starting with http:// or https://.",
                )
            )
    return problems


def _privacy_problems(post: Post, now: datetime) -> list[InputProblem]:
    privacy, publish_at = post.options.get("privacy"), post.options.get("publish_at")
    if publish_at is None:
        if privacy != "private":
            return []
        return [
            InputProblem(
                "options.youtube.privacy",
                "비공개 동영상은 아무도 볼 수 없습니다. 공개 예약 시각(publish_at)을 함께 적거나 "
                "공개 범위를 public이나 unlisted로 바꿔 주세요.",
                "Nobody sees a private video; give publish_at too, or make it public or unlisted.",
            )
        ]
    problems = []
    if privacy not in (None, "private"):
        problems.append(
            InputProblem(
                "options.youtube.privacy",
                "공개 예약 시각(publish_at)은 공개 범위가 private일 때만 쓸 수 있습니다.",
                "publish_at goes with privacy private only.",
            )
        )
    instant = instant_of(publish_at)
    if instant is None or instant <= now:
        problems.append(
            InputProblem(
                "options.youtube.publish_at",
                "공개 예약 시각은 '2026-12-01T09:00:00+09:00'처럼 시간대가 있는 앞으로의 "
                "시각이어야 합니다.",
                "publish_at is a time to come, with its offset, such as 2026-12-01T09:00:00+09:00.",
            )
        )
    return problems
