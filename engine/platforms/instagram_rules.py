"""What Instagram would refuse in a post, found without asking it; and what kind a post is."""

from typing import Final

from engine.errors import InputInvalid
from engine.platforms.media_urls import is_public_url
from engine.platforms.options import Option, option_problems
from engine.platforms.text_rules import count_problem, medium_problems, text_problem
from engine.ports import InputProblem, Post
from models.words import PostFormat

# https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/media
# and .../instagram-platform/content-publishing, read 2026-11-23. How Meta counts "characters" of
# Korean and emoji is not documented; these are code points after NFC.
CAPTION_LIMIT: Final = 2200
HASHTAG_LIMIT: Final = 30
MENTION_LIMIT: Final = 20
ALT_TEXT_LIMIT: Final = 1000
TAG_LIMIT: Final = 20
COLLABORATOR_LIMIT: Final = 3
CAROUSEL: Final = range(2, 11)
FEED: Final = ("image", "carousel", "reel")
OPTIONS: Final = {
    "location_id": Option(str, kinds=FEED),
    "collaborators": Option(list, kinds=FEED, most=COLLABORATOR_LIMIT),
    "share_to_feed": Option(bool, kinds=("reel",)),
    "cover_url": Option(str, kinds=("reel",)),
    "thumb_offset_ms": Option(int, kinds=("reel",)),
}


def kind_of(post: Post) -> str:
    """``image``, ``carousel``, ``reel`` or ``story``.

    Raises:
        InputInvalid: Instagram has no such post.
    """
    kinds = [media.kind for media in post.media]
    match post.format, len(kinds):
        case PostFormat.STORY, 1:
            return "story"
        case PostFormat.REEL, 1 if kinds == ["video"]:
            return "reel"
        case PostFormat.POST, 1:
            return "image" if kinds == ["image"] else "reel"
        case PostFormat.POST, count if count in CAROUSEL:
            return "carousel"
    korean, english = _no_such_post(post)
    raise InputInvalid(korean, code="no_such_kind", english=english)


def _no_such_post(post: Post) -> tuple[str, str]:
    """What to do, in Korean and English."""
    count = len(post.media)
    if post.format is PostFormat.STORY:
        return (
            f"스토리에는 사진이나 동영상을 한 개만 넣어 주세요. 지금은 {count}개입니다.",
            f"A story has exactly one picture or video; there are {count}.",
        )
    if post.format is PostFormat.REEL:
        return "릴스에는 동영상을 한 개만 넣어 주세요.", "A reel has exactly one video."
    if not count:
        return (
            "인스타그램 게시물에는 사진이나 동영상이 필요합니다. 한 개 이상 넣어 주세요.",
            "Attach at least one picture or video.",
        )
    return (
        f"사진과 동영상을 10개 이하로 줄여 주세요. 지금은 {count}개입니다.",
        f"Attach at most 10 pictures and videos; there are {count}.",
    )


def problems_of(post: Post) -> list[InputProblem]:
    """Everything to fix, so that a person fixes it in one go."""
    try:
        kind = kind_of(post)
    except InputInvalid as error:
        return [InputProblem("media", str(error), error.english, {"found": len(post.media)})]
    problems: list[InputProblem] = []
    if kind != "story":  # which shows no text
        problems += text_problem(post.text, CAPTION_LIMIT)
        problems += count_problem(post.text, "hashtag", HASHTAG_LIMIT)
        problems += count_problem(post.text, "mention", MENTION_LIMIT)
    takes_alt_text = kind in ("image", "carousel")
    for place, media in enumerate(post.media, start=1):
        problems += medium_problems(
            media,
            place=place,
            alt_text_limit=ALT_TEXT_LIMIT if takes_alt_text and media.kind == "image" else None,
            tag_limit=TAG_LIMIT if kind != "story" else None,
        )
    if post.link is not None:
        problems.append(
            InputProblem(
                "options.link",
                "인스타그램 게시물에는 링크를 걸 수 없습니다. 링크를 지워 주세요.",
                "An Instagram post cannot carry a link; remove it.",
            )
        )
    cover = post.options.get("cover_url")
    if isinstance(cover, str) and not is_public_url(cover):
        problems.append(
            InputProblem(
                "options.instagram.cover_url",
                "표지 사진의 주소는 http:// 또는 https://로 시작하는 공개 주소여야 합니다.",
                "Give the cover a public address, starting with http:// or https://.",
            )
        )
    return problems + option_problems("instagram", post.options, OPTIONS, kind)
