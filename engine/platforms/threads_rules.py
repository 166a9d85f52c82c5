"""What Threads would refuse in a post, found without asking it; and what kind a post is."""

import unicodedata
from typing import Final

from engine.errors import InputInvalid
from engine.platforms.options import Option, option_problems
from engine.platforms.text_rules import count_problem, medium_problems, text_problem
from engine.ports import InputProblem, Post
from models.words import PostFormat

# https://developers.facebook.com/docs/threads/posts and /overview, read 2026-11-23.
TEXT_LIMIT: Final = 500  # characters; an emoji counts as its UTF-8 bytes
LINK_LIMIT: Final = 5
ALT_TEXT_LIMIT: Final = 1000
CAROUSEL: Final = range(2, 21)
BEYOND_BASIC: Final = 0xFFFF  # emoji lie beyond Unicode's basic plane
OPTIONS: Final = {
    "reply_control": Option(
        str,
        words=(
            "everyone",
            "accounts_you_follow",
            "mentioned_only",
            "parent_post_author_only",
            "followers_only",
        ),
    ),
    "topic_tag": Option(str, most=50),
    "location_id": Option(str),
}


def kind_of(post: Post) -> str:
    """``text``, ``image``, ``video`` or ``carousel``.

    Raises:
        InputInvalid: Threads has no such post.
    """
    count = len(post.media)
    if post.format is PostFormat.STORY:
        raise InputInvalid(
            "스레드에는 스토리가 없습니다. 형식을 게시물로 바꿔 주세요.",
            code="no_such_kind",
            english="Threads has no stories; make it a post.",
        )
    if not count:
        return "text"
    if count == 1:
        return "video" if post.media[0].kind == "video" else "image"
    if count in CAROUSEL:
        return "carousel"
    raise InputInvalid(
        f"사진과 동영상을 20개 이하로 줄여 주세요. 지금은 {count}개입니다.",
        code="no_such_kind",
        english=f"Attach at most 20 pictures and videos; there are {count}.",
    )


def length_of(text: str) -> int:
    """How long Threads thinks a text is."""
    composed = unicodedata.normalize("NFC", text)
    return sum(len(one.encode()) if ord(one) > BEYOND_BASIC else 1 for one in composed)


def problems_of(post: Post) -> list[InputProblem]:
    """Everything to fix, so that a person fixes it in one go."""
    try:
        kind = kind_of(post)
    except InputInvalid as error:
        return [InputProblem("media", str(error), error.english, {"found": len(post.media)})]
    problems = text_problem(post.text, TEXT_LIMIT, length=length_of(post.text))
    problems += count_problem(f"{post.text} {post.link or ''}", "link", LINK_LIMIT)
    if kind == "text" and not post.text.strip():
        problems.append(
            InputProblem("text", "본문을 입력해 주세요.", "Write a text, or attach a picture.")
        )
    if post.link is not None and kind != "text":
        problems.append(
            InputProblem(
                "options.link",
                "스레드에서는 글만 있는 게시물에 링크를 붙일 수 있습니다. 링크를 본문에 넣어 "
                "주세요.",
                "Threads attaches links to text posts only; put the link into the text.",
            )
        )
    tag = post.options.get("topic_tag")
    if isinstance(tag, str) and (not tag or {".", "&"} & set(tag)):
        problems.append(
            InputProblem(
                "options.threads.topic_tag",
                "주제 태그에는 마침표(.)와 &를 쓸 수 없습니다.",
                "A topic tag has 1 to 50 characters, and no . or &.",
            )
        )
    for place, media in enumerate(post.media, start=1):
        problems += medium_problems(media, place=place, alt_text_limit=ALT_TEXT_LIMIT)
    return problems + option_problems("threads", post.options, OPTIONS, kind)
