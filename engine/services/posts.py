"""A content's columns as one platform gets them, and what they come to in one hash."""

import hashlib
import json
import unicodedata
from typing import Any

from engine.errors import InputInvalid
from engine.ports import Media, Post, UserTag
from engine.services.claiming import Claim
from models.accounts import Platform
from models.contents import PostFormat


def post_of(claimed: Claim) -> Post:
    """The content as the claimed post's platform gets it.

    Raises:
        InputInvalid: ``media`` or ``options`` are not what ``models.contents`` describes.
    """
    return post_from(
        claimed.platform,
        title=claimed.title,
        body=claimed.body,
        media=claimed.media,
        format_=claimed.format,
        options=claimed.options,
    )


def post_from(
    platform: Platform,
    *,
    title: str,
    body: str,
    media: list[dict[str, Any]],
    format_: PostFormat,
    options: dict[str, Any],
) -> Post:
    """A content's columns as one platform gets them.

    Raises:
        InputInvalid: ``media`` or ``options`` are not what ``models.contents`` describes.
    """
    own = options.get(platform.value, {})
    link = options.get("link")
    if not isinstance(own, dict) or not (link is None or isinstance(link, str)):
        raise InputInvalid("게시 옵션의 형식이 맞지 않습니다.", code="options_malformed")
    return Post(
        text=unicodedata.normalize("NFC", body),
        media=tuple(_media_of(number, item) for number, item in enumerate(media, start=1)),
        title=unicodedata.normalize("NFC", title),
        format=format_,
        link=link,
        options=own,
    )


def _media_of(number: int, item: Any) -> Media:
    if not isinstance(item, dict) or not isinstance(item.get("url"), str):
        raise InputInvalid(f"{number}번째 미디어에 주소(url)가 없습니다.", code="media_without_url")
    try:
        return Media(
            url=item["url"],
            kind=_text(item.get("kind", "image")),
            alt_text=item.get("alt_text"),
            user_tags=tuple(
                UserTag(_text(tag["username"]), float(tag["x"]), float(tag["y"]))
                for tag in item.get("user_tags") or ()
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputInvalid(
            f"{number}번째 미디어의 종류(kind)나 사람 태그(user_tags)를 읽을 수 없습니다.",
            code="media_malformed",
        ) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def payload_hash(kind: str, post: Post) -> str:
    """What was prepared, in 64 hexadecimal digits."""
    canonical = json.dumps(
        [
            kind,
            post.text,
            post.title,
            post.link,
            [
                [m.kind, m.url, m.alt_text, [[t.username, t.x, t.y] for t in m.user_tags]]
                for m in post.media
            ],
            post.options,
        ],
        ensure_ascii=False,
        sort_keys=True,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()
