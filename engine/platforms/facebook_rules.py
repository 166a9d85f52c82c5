"""What a Facebook Page would refuse in a post, found without asking it; and what kind it is."""

from typing import Final
from urllib.parse import urlsplit

from engine.errors import InputInvalid
from engine.platforms.options import Option, option_problems
from engine.platforms.text_rules import medium_problems, text_problem
from engine.ports import InputProblem, Post
from models.words import PostFormat

# The bounds that Facebook's error texts name; its pages give no table (2026-11-25).
TEXT_LIMIT: Final = 63_206
ALT_TEXT_LIMIT: Final = 1000
PHOTO_LIMIT: Final = 10
OPTIONS: Final = {
    "place_id": Option(str, kinds=("text", "photo", "photos", "reel")),
    "title": Option(str, kinds=("video", "reel"), most=255),
}


def kind_of(post: Post) -> str:
    """``text``, ``photo``, ``photos``, ``video`` or ``reel``.

    Raises:
        InputInvalid: a Page has no such post.
    """
    kinds = [media.kind for media in post.media]
    match post.format:
        case PostFormat.STORY:
            korean = "페이스북 스토리는 아직 지원하지 않습니다. 형식을 게시물로 바꿔 주세요."
            english = "Stories of Pages are not supported; make it a post."
        case PostFormat.REEL if kinds == ["video"]:
            return "reel"
        case PostFormat.REEL:
            korean, english = "릴스에는 동영상을 한 개만 넣어 주세요.", "A reel has one video."
        case _ if not kinds:
            return "text"
        case _ if kinds == ["video"]:
            return "video"
        case _ if "video" in kinds:
            korean = (
                "페이스북에는 동영상을 한 개만, 사진 없이 올릴 수 있습니다. 하나만 남겨 주세요."
            )
            english = "A Page's post has one video and nothing else, or pictures only."
        case _ if len(kinds) <= PHOTO_LIMIT:
            return "photo" if len(kinds) == 1 else "photos"
        case _:
            korean = f"사진을 {PHOTO_LIMIT}장 이하로 줄여 주세요. 지금은 {len(kinds)}장입니다."
            english = f"Attach at most {PHOTO_LIMIT} pictures; there are {len(kinds)}."
    raise InputInvalid(korean, code="no_such_kind", english=english)


def problems_of(post: Post) -> list[InputProblem]:
    """Everything to fix, so that a person fixes it in one go."""
    try:
        kind = kind_of(post)
    except InputInvalid as error:
        return [InputProblem("media", str(error), error.english, {"found": len(post.media)})]
    problems = text_problem(post.text, TEXT_LIMIT)
    if kind == "text" and not post.text.strip() and post.link is None:
        problems.append(
            InputProblem("text", "본문이나 링크를 입력해 주세요.", "Write a text, or give a link.")
        )
    if post.link is not None:
        problems += _link_problems(post.link, kind)
    for place, media in enumerate(post.media, start=1):
        limit = ALT_TEXT_LIMIT if media.kind == "image" else None
        problems += medium_problems(media, place=place, alt_text_limit=limit)
    return problems + option_problems("facebook", post.options, OPTIONS, kind)


def _link_problems(link: str, kind: str) -> list[InputProblem]:
    parts = urlsplit(link)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return [
            InputProblem(
                "options.link",
                "링크는 http:// 또는 https://로 시작해야 합니다.",
                "A link starts with http:// or https://.",
            )
        ]
    if kind != "text":
        return [
            InputProblem(
                "options.link",
                "사진이나 동영상이 있는 게시물에는 링크를 따로 붙일 수 없습니다. "
                "링크를 본문에 넣어 주세요.",
                "A post with pictures or a video takes no link; put it into the text.",
            )
        ]
    return []
