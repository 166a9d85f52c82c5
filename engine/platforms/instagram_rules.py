"""What Instagram would refuse in a post, found without asking it."""

import re
import unicodedata
from typing import Final

from engine.platforms.media_urls import ascii_url
from engine.ports import InputProblem, Media, Post

# https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/media
# and .../instagram-platform/content-publishing, read 2026-11-23. How Meta counts "characters" of
# Korean and emoji is not documented; these are code points after NFC.
CAPTION_LIMIT: Final = 2200
HASHTAG_LIMIT: Final = 30
MENTION_LIMIT: Final = 20
ALT_TEXT_LIMIT: Final = 1000
HASHTAG: Final = re.compile(r"#[^\s#]")
MENTION: Final = re.compile(r"(?<![\w.])@\w")


def problems_of(post: Post) -> list[InputProblem]:
    """Everything to fix, so that a person fixes it in one go."""
    problems = _in_text(unicodedata.normalize("NFC", post.text))
    if len(post.media) != 1:
        problems.append(
            InputProblem(
                "media",
                f"사진을 한 장만 넣어 주세요. 지금은 {len(post.media)}장입니다.",
                f"Attach exactly one picture; there are {len(post.media)}.",
                {"limit": 1, "found": len(post.media)},
            )
        )
    for media in post.media:
        problems.extend(_in_media(media))
    return problems


def _in_text(text: str) -> list[InputProblem]:
    problems = []
    if len(text) > CAPTION_LIMIT:
        problems.append(
            InputProblem(
                "text",
                f"본문을 {CAPTION_LIMIT:,}자 이하로 줄여 주세요. 지금은 {len(text):,}자입니다.",
                f"Shorten the caption to {CAPTION_LIMIT:,} characters; it has {len(text):,}.",
                {"limit": CAPTION_LIMIT, "found": len(text)},
            )
        )
    hashtags = len(HASHTAG.findall(text))
    if hashtags > HASHTAG_LIMIT:
        problems.append(
            InputProblem(
                "text",
                f"해시태그를 {HASHTAG_LIMIT}개 이하로 줄여 주세요. 지금은 {hashtags}개입니다.",
                f"Use at most {HASHTAG_LIMIT} hashtags; there are {hashtags}.",
                {"limit": HASHTAG_LIMIT, "found": hashtags},
            )
        )
    mentions = len(MENTION.findall(text))
    if mentions > MENTION_LIMIT:
        problems.append(
            InputProblem(
                "text",
                f"계정 언급(@)을 {MENTION_LIMIT}개 이하로 줄여 주세요. 지금은 {mentions}개입니다.",
                f"Mention at most {MENTION_LIMIT} accounts; there are {mentions}.",
                {"limit": MENTION_LIMIT, "found": mentions},
            )
        )
    return problems


def _in_media(media: Media) -> list[InputProblem]:
    problems = []
    if media.kind != "image":
        problems.append(
            InputProblem(
                "media",
                "인스타그램 게시물에는 사진만 넣을 수 있습니다. 사진으로 바꿔 주세요.",
                "Only pictures can be posted to Instagram; replace this with a picture.",
                {"found": media.kind},
            )
        )
    try:
        ascii_url(media.url)
    except ValueError:
        problems.append(
            InputProblem(
                "media",
                "사진 주소는 http:// 또는 https://로 시작하는 공개 주소여야 합니다.",
                "Give the picture's public address, starting with http:// or https://.",
            )
        )
    if media.alt_text is not None and len(media.alt_text) > ALT_TEXT_LIMIT:
        found = len(media.alt_text)
        problems.append(
            InputProblem(
                "alt_text",
                f"대체 텍스트를 {ALT_TEXT_LIMIT:,}자 이하로 줄여 주세요. 지금은 {found:,}자입니다.",
                f"Shorten the alternative text to {ALT_TEXT_LIMIT:,} characters; it has {found:,}.",
                {"limit": ALT_TEXT_LIMIT, "found": found},
            )
        )
    return problems
