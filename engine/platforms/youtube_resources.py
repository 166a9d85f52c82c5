"""A post as YouTube's video resource, and a video resource as what it says of a post."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from engine.platforms.youtube_rules import description_of, instant_of, title_of
from engine.ports import ContainerReading, ContainerState, Post

LANGUAGE: Final = "ko"
UNSEEN: Final = "private"
# https://developers.google.com/youtube/v3/docs/videos#status.failureReason, read 2026-11-25.
FAILURES: Final[Mapping[str, str]] = {
    "conversion": "동영상을 변환하지 못했습니다.",
    "invalidFile": "동영상 파일이 아니거나 손상되었습니다.",
    "emptyFile": "동영상 파일이 비어 있습니다.",
    "tooSmall": "동영상 파일이 너무 작습니다.",
    "codec": "지원하지 않는 코덱입니다.",
    "uploadAborted": "동영상 업로드가 중단되었습니다.",
}
REJECTIONS: Final[Mapping[str, str]] = {
    "copyright": "저작권 문제로 거부되었습니다.",
    "inappropriate": "부적절한 콘텐츠로 거부되었습니다.",
    "duplicate": "이미 올린 동영상과 같아 거부되었습니다.",
    "termsOfUse": "이용 약관 위반으로 거부되었습니다.",
    "length": "동영상이 너무 길어 거부되었습니다.",
    "claim": "소유권 주장이 있어 거부되었습니다.",
    "trademark": "상표권 문제로 거부되었습니다.",
    "legal": "법적 문제로 거부되었습니다.",
    "uploaderAccountClosed": "채널 계정이 폐쇄되어 거부되었습니다.",
    "uploaderAccountSuspended": "채널 계정이 정지되어 거부되었습니다.",
}


def video_of(post: Post, *, category_id: str) -> dict[str, Any]:
    """What an upload begins with; nobody can see it."""
    options = post.options
    snippet: dict[str, Any] = {
        "title": title_of(post),
        "description": description_of(post),
        "categoryId": str(options.get("category_id", category_id)),
        "defaultLanguage": str(options.get("default_language", LANGUAGE)),
    }
    if options.get("tags"):
        snippet["tags"] = list(options["tags"])
    return {"snippet": snippet, "status": {**_kept_status(post), "privacyStatus": UNSEEN}}


def final_status(post: Post) -> dict[str, Any]:
    """The status that publishing sets. An update replaces it whole, so everything is in it."""
    status = _kept_status(post)
    instant = instant_of(post.options.get("publish_at"))
    if instant is None:
        return {**status, "privacyStatus": str(post.options.get("privacy", "public"))}
    at = instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**status, "privacyStatus": UNSEEN, "publishAt": at}


def _kept_status(post: Post) -> dict[str, Any]:
    options = post.options
    status: dict[str, Any] = {
        "selfDeclaredMadeForKids": bool(options.get("made_for_kids", False)),
        "embeddable": bool(options.get("embeddable", True)),
        "license": str(options.get("license", "youtube")),
    }
    if "contains_synthetic_media" in options:
        status["containsSyntheticMedia"] = bool(options["contains_synthetic_media"])
    return status


def is_unseen(status: Mapping[str, Any]) -> bool:
    """Whether a video is private, with no time at which that ends."""
    return status.get("privacyStatus") == UNSEEN and not status.get("publishAt")


def reading_of(video: Mapping[str, Any], url: str) -> ContainerReading | None:
    """How far a video is; None when its state cannot be read."""
    status = video.get("status")
    if not isinstance(status, dict):
        return None
    state = status.get("uploadStatus")
    if state == "failed":
        word = str(status.get("failureReason", ""))
        return _failed(FAILURES.get(word, "유튜브가 동영상을 처리하지 못했습니다."), word)
    if state == "rejected":
        word = str(status.get("rejectionReason", ""))
        return _failed(REJECTIONS.get(word, "유튜브가 동영상을 거부했습니다."), word)
    if state == "deleted":
        return _failed("유튜브에서 동영상이 삭제되었습니다.", "deleted")
    if status.get("privacyStatus") not in ("public", "unlisted", UNSEEN):
        return None
    if not is_unseen(status):
        return ContainerReading(ContainerState.PUBLISHED, post_id=str(video["id"]), url=url)
    if state not in ("uploaded", "processed"):
        return None
    done = video.get("processingDetails") or {}
    detail = str(done.get("processingStatus", "")) if isinstance(done, dict) else ""
    is_ready = state == "processed"
    return ContainerReading(
        ContainerState.READY if is_ready else ContainerState.IN_PROGRESS, detail
    )


def _failed(sentence: str, word: str) -> ContainerReading:
    return ContainerReading(ContainerState.FAILED, f"{sentence} ({word})" if word else sentence)
