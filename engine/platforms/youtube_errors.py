"""What an error of YouTube means for whoever called.

Source: https://developers.google.com/youtube/v3/docs/errors, read 2026-11-25. The word to go by is
the first error's ``reason``; the HTTP status alone tells little: 403 is a spent quota as well as a
missing permission.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from engine.errors import (
    AccountStopped,
    ContainerGone,
    InputInvalid,
    OutcomeUnknown,
    PlatformError,
    QuotaSpent,
    ReconnectNeeded,
    Refused,
    RetryLater,
    Throttled,
)
from engine.platforms.connection import Answer
from engine.rules.pacific import seconds_to_midnight

DAY_S: Final = 86_400.0
BACKOFF_S: Final = 60.0  # the platform names no time for its rate limits


@dataclass(frozen=True, slots=True)
class Reason:
    """What one reason leads to. ``korean`` and ``english`` replace the platform's own text."""

    kind: type[Refused]
    korean: str = ""
    english: str = ""


INVALID: Final = Reason(InputInvalid)
GONE: Final = Reason(ContainerGone)
RECONNECT: Final = Reason(ReconnectNeeded)
STOPPED: Final = Reason(AccountStopped)
TRANSIENT: Final = Reason(RetryLater)

UNTIL_MIDNIGHT: Final = frozenset({"quotaExceeded", "dailyLimitExceeded"})
FOR_A_DAY: Final = frozenset({"uploadLimitExceeded"})
BACKOFF: Final = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "uploadRateLimitExceeded"}
)
REASONS: Final[Mapping[str, Reason]] = {
    "invalidTitle": Reason(InputInvalid, "유튜브 제목을 고쳐 주세요.", "Change the title."),
    "invalidDescription": Reason(
        InputInvalid, "유튜브 설명(본문)을 고쳐 주세요.", "Change the description."
    ),
    "invalidTags": Reason(InputInvalid, "유튜브 태그를 고쳐 주세요.", "Change the tags."),
    "invalidCategoryId": Reason(
        InputInvalid, "유튜브 카테고리 번호를 확인해 주세요.", "Check the category id."
    ),
    "invalidPublishAt": Reason(
        InputInvalid, "유튜브 공개 예약 시각을 확인해 주세요.", "Check the time of publish_at."
    ),
    **dict.fromkeys(
        (
            "invalidFilename",
            "invalidVideoMetadata",
            "invalidRecordingDetails",
            "defaultLanguageNotSet",
            "mediaBodyRequired",
            "commentTextRequired",
            "commentTextTooLong",
            "invalidCommentMetadata",
            "invalidCustomEmoji",
            "parentIdMissing",
            "operationNotSupported",
            "parentCommentIsPrivate",
            "channelOrVideoIdMissing",
        ),
        INVALID,
    ),
    "commentsDisabled": Reason(
        InputInvalid,
        "이 동영상은 댓글이 사용 중지되어 있어 댓글을 달 수 없습니다.",
        "Comments are turned off for this video.",
    ),
    "processingFailure": TRANSIENT,
    "authError": RECONNECT,
    **dict.fromkeys(
        (
            "forbidden",
            "insufficientPermissions",
            "forbiddenPrivacySetting",
            "forbiddenLicenseSetting",
            "authenticatedUserNotChannel",
            "youtubeSignupRequired",
        ),
        RECONNECT,
    ),
    "ineligibleAccount": STOPPED,
    **dict.fromkeys(
        ("videoNotFound", "commentThreadNotFound", "parentCommentNotFound", "channelNotFound"),
        GONE,
    ),
    "backendError": TRANSIENT,
    "internalError": TRANSIENT,
}
BY_STATUS: Final[Mapping[int, Reason]] = {
    400: INVALID,
    401: RECONNECT,
    403: RECONNECT,
    404: GONE,
    410: GONE,
}


def reason_of(body: bytes) -> tuple[str, str]:
    """The first error's reason and the message; empty where there is none."""
    try:
        error = json.loads(body)["error"]
        message = str(error.get("message", ""))
        first = (error.get("errors") or [{}])[0]
        return str(first.get("reason", "")), message
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return "", ""


def refusal(answer: Answer, *, now: datetime, is_visible: bool = False) -> PlatformError:
    """The error that an answer other than success stands for; to be raised by the caller.

    Args:
        answer: what came.
        now: the daily quota is counted to Pacific midnight from here.
        is_visible: the call makes something public, so a 5xx, or a reason that the platform does
            not document, is an unknown outcome.
    """
    word, message = reason_of(answer.body)
    code = word or f"http/{answer.status}"
    message = message or f"HTTP status {answer.status}"
    evidence: dict[str, Any] = {"status": answer.status}
    if is_visible and (answer.status >= 500 or answer.status < 400):
        return OutcomeUnknown(message, code=code, evidence=evidence)
    if word in UNTIL_MIDNIGHT:
        return QuotaSpent(
            message,
            code=code,
            retry_after_s=seconds_to_midnight(now),
            scope="app",
            evidence=evidence,
        )
    if word in FOR_A_DAY:
        return QuotaSpent(message, code=code, retry_after_s=DAY_S, evidence=evidence)
    if word in BACKOFF or answer.status == 429:
        after = answer.headers.get("retry-after", "")
        wait_s = float(after) if after.isdecimal() else BACKOFF_S
        return Throttled(message, code=code, retry_after_s=wait_s, evidence=evidence)
    if is_visible and word not in REASONS and answer.status != 401:
        # Not one that the platform documents: it proves nothing of what was done.
        return OutcomeUnknown(message, code=code, evidence=evidence)
    reason = REASONS.get(word) or BY_STATUS.get(answer.status, TRANSIENT)
    if reason.kind is InputInvalid:
        return InputInvalid(
            reason.korean or f"유튜브가 내용을 받지 않았습니다: {message}",
            code=code,
            english=reason.english or message,
            evidence={**evidence, "message": message},
        )
    return reason.kind(message, code=code, evidence=evidence)
