"""What YouTube would refuse of a video, found without asking it; and what kind it is."""

import unicodedata
from datetime import datetime
from typing import Any, Final

from engine.errors import InputInvalid
from engine.platforms.options import Option, option_problems
from engine.platforms.text_rules import medium_problems
from engine.ports import InputProblem, Post
from models.words import PostFormat

# https://developers.google.com/youtube/v3/docs/videos, read 2026-11-23. How description and tags
# are counted is not documented exactly: bytes, and characters with quotes around tags with blanks.
TITLE_LIMIT: Final = 100
DESCRIPTION_LIMIT: Final = 5000  # bytes
TAGS_LIMIT: Final = 500  # characters, all together
CATEGORY: Final = "22"  # People & Blogs
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
    """``video`` or ``short``; the same upload, which YouTube tells apart by itself.

    Raises:
        InputInvalid: YouTube has no such post.
    """
    if post.format is PostFormat.STORY or [media.kind for media in post.media] != ["video"]:
        raise InputInvalid(
            "유튜브에는 동영상을 한 개만 올릴 수 있습니다. 동영상 하나를 게시물이나 릴스(쇼츠)로 "
            "넣어 주세요.",
            code="no_such_kind",
            english="YouTube takes exactly one video, as a post or a reel (Short).",
        )
    return "short" if post.format is PostFormat.REEL else "video"


def title_of(post: Post) -> str:
    """The video's title: the platform's own, or the content's."""
    return unicodedata.normalize("NFC", str(post.options.get("title") or post.title)).strip()


def snippet_of(post: Post) -> dict[str, Any]:
    """The video's ``snippet`` as it is sent."""
    snippet: dict[str, Any] = {
        "title": title_of(post),
        "description": unicodedata.normalize("NFC", post.text),
        "categoryId": str(post.options.get("category_id", CATEGORY)),
        "defaultLanguage": str(post.options.get("default_language", "ko")),
    }
    if post.options.get("tags"):
        snippet["tags"] = list(post.options["tags"])
    return snippet


def status_of(post: Post, *, is_hidden: bool) -> dict[str, Any]:
    """The video's ``status``; an update replaces all of it, so it is always whole.

    Args:
        post: with its options.
        is_hidden: private, until the due second.
    """
    options = post.options
    privacy = str(options.get("privacy", "public"))
    publish_at = options.get("publish_at")
    status: dict[str, Any] = {
        "privacyStatus": "private" if is_hidden or publish_at else privacy,
        "selfDeclaredMadeForKids": bool(options.get("made_for_kids", False)),
        "license": str(options.get("license", "youtube")),
        "embeddable": bool(options.get("embeddable", True)),
    }
    if "contains_synthetic_media" in options:
        status["containsSyntheticMedia"] = bool(options["contains_synthetic_media"])
    if publish_at and not is_hidden:
        status["publishAt"] = str(publish_at)
    return status


def problems_of(post: Post) -> list[InputProblem]:
    """Everything to fix, so that a person fixes it in one go."""
    try:
        kind = kind_of(post)
    except InputInvalid as error:
        return [InputProblem("media", str(error), error.english, {"found": len(post.media)})]
    problems = _title_problems(title_of(post))
    size = len(unicodedata.normalize("NFC", post.text).encode())
    if size > DESCRIPTION_LIMIT:
        problems.append(
            InputProblem(
                "text",
                f"설명을 {DESCRIPTION_LIMIT:,}바이트 이하로 줄여 주세요. "
                f"지금은 {size:,}바이트입니다(한글 한 글자는 3바이트입니다).",
                f"Shorten the description to {DESCRIPTION_LIMIT:,} bytes; it has {size:,}.",
                {"limit": DESCRIPTION_LIMIT, "found": size},
            )
        )
    problems += medium_problems(post.media[0], place=1)
    wrong = option_problems("youtube", post.options, OPTIONS, kind)
    if not wrong:
        wrong = _tag_problems(post.options.get("tags") or []) + _time_problems(post)
    return problems + wrong


def _title_problems(title: str) -> list[InputProblem]:
    problems = []
    if not 0 < len(title) <= TITLE_LIMIT:
        problems.append(
            InputProblem(
                "title",
                f"제목을 1자 이상 {TITLE_LIMIT}자 이하로 써 주세요. 지금은 {len(title)}자입니다.",
                f"Give a title of 1 to {TITLE_LIMIT} characters; it has {len(title)}.",
                {"limit": TITLE_LIMIT, "found": len(title)},
            )
        )
    if {"<", ">"} & set(title):
        problems.append(
            InputProblem("title", "제목에는 <와 >를 쓸 수 없습니다.", "A title has no < and no >.")
        )
    return problems


def _tag_problems(tags: list[str]) -> list[InputProblem]:
    found = sum(len(tag) + (2 if " " in tag else 0) for tag in tags) + max(0, len(tags) - 1)
    if found <= TAGS_LIMIT:
        return []
    return [
        InputProblem(
            "options.youtube.tags",
            f"태그를 모두 합쳐 {TAGS_LIMIT}자 이하로 줄여 주세요. 지금은 {found}자입니다.",
            f"Shorten the tags to {TAGS_LIMIT} characters in all; they have {found}.",
            {"limit": TAGS_LIMIT, "found": found},
        )
    ]


def _time_problems(post: Post) -> list[InputProblem]:
    text = post.options.get("publish_at")
    if text is None:
        return []
    problems = []
    try:
        is_aware = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        is_aware = False
    if not is_aware:
        problems.append(
            InputProblem(
                "options.youtube.publish_at",
                "공개 시각은 2026-12-01T09:00:00+09:00처럼 시간대를 넣어 써 주세요.",
                "Write the time as RFC 3339 with its zone, such as 2026-12-01T09:00:00+09:00.",
            )
        )
    if post.options.get("privacy", "private") != "private":
        problems.append(
            InputProblem(
                "options.youtube.privacy",
                "공개 시각을 정하면 공개 범위는 private이어야 합니다.",
                "With publish_at, privacy is private until then.",
            )
        )
    return problems
