"""What may be said of a video, and which reason refuses the rest.

Sources: the discovery document of youtube.v3, revision 20261104, read 2026-11-25, and
https://developers.google.com/youtube/v3/docs/videos, read 2026-11-23.
"""

from datetime import datetime
from typing import Any, Final

from engine.sandbox.youtube_errors import YouTubeError

TITLE_LIMIT: Final = 100  # characters
DESCRIPTION_LIMIT: Final = 5000  # bytes
TAGS_LIMIT: Final = 500  # characters, with commas between, and quotes around what has a space
CATEGORIES: Final = frozenset(map(str, range(1, 45)))
PRIVACIES: Final = ("public", "unlisted", "private")
DEFAULT_PRIVACY: Final = "public"


def check_snippet(snippet: dict[str, Any]) -> None:
    """Raise the reason that refuses a ``snippet``."""
    title = snippet.get("title", "")
    if not isinstance(title, str) or not 0 < len(title) <= TITLE_LIMIT or {"<", ">"} & set(title):
        raise YouTubeError("invalidTitle")
    description = snippet.get("description", "")
    if not isinstance(description, str) or (
        len(description.encode()) > DESCRIPTION_LIMIT or {"<", ">"} & set(description)
    ):
        raise YouTubeError("invalidDescription")
    tags = snippet.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise YouTubeError("invalidTags")
    if sum(len(tag) + (2 if " " in tag else 0) + 1 for tag in tags) > TAGS_LIMIT + 1:
        raise YouTubeError("invalidTags")
    if str(snippet.get("categoryId", "22")) not in CATEGORIES:
        raise YouTubeError("invalidCategoryId")


def completed_status(status: dict[str, Any]) -> dict[str, Any]:
    """A ``status`` as it is kept.

    Without a privacy it gets the default one, which is public, at an update too: "the existing
    privacy setting will be removed and the video will revert to the default privacy setting".

    Raises:
        YouTubeError: a privacy that does not exist, or a time that cannot be.
    """
    kept = {"privacyStatus": DEFAULT_PRIVACY, **status}
    if kept["privacyStatus"] not in PRIVACIES:
        raise YouTubeError("invalidVideoMetadata")
    if "publishAt" in kept and (
        kept["privacyStatus"] != "private" or instant_of(kept["publishAt"]) is None
    ):
        raise YouTubeError("invalidPublishAt")
    return kept


def instant_of(text: object) -> float | None:
    """The unix seconds of an RFC 3339 time, or None when it is none."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return None if at.tzinfo is None else at.timestamp()
