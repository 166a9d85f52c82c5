"""YouTube's error reasons, and what each of them means for the caller.

``errors[0].reason`` alone decides; the HTTP status of most of them is 400 or 403.

Source: https://developers.google.com/youtube/v3/docs/errors, read 2026-11-23.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from engine.errors import (
    AccountStopped,
    ContainerGone,
    InputInvalid,
    OutcomeUnknown,
    PlatformError,
    QuotaSpent,
    ReconnectNeeded,
    RetryLater,
    Throttled,
)
from engine.platforms.connection import Answer
from engine.rules.calendar import until_pacific_midnight

DAY_S: Final = 86_400.0
RATE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """What a reason means.

    Attributes:
        kind: the error to raise.
        scope: whom a limit holds back.
        wait_s: seconds to wait; None is until midnight in California.
        is_doubtful: on a call that makes something visible, it proves nothing.
    """

    kind: type[PlatformError]
    scope: str = "account"
    wait_s: float | None = RATE_S
    is_doubtful: bool = False


INVALID: Final = Row(InputInvalid)
RECONNECT: Final = Row(ReconnectNeeded)
GONE: Final = Row(ContainerGone)
RATE: Final = Row(Throttled)
PROJECT_QUOTA: Final = Row(QuotaSpent, scope="app", wait_s=None)
PASSING: Final = Row(RetryLater, is_doubtful=True)

BY_REASON: Final[Mapping[str, Row]] = {
    **dict.fromkeys(
        (
            "invalidTitle",
            "invalidDescription",
            "invalidTags",
            "invalidCategoryId",
            "invalidPublishAt",
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
            "commentsDisabled",
            "processingFailure",
        ),
        INVALID,
    ),
    "uploadLimitExceeded": Row(QuotaSpent, wait_s=DAY_S),
    "authError": RECONNECT,
    "quotaExceeded": PROJECT_QUOTA,
    "dailyLimitExceeded": PROJECT_QUOTA,
    "rateLimitExceeded": RATE,
    "userRateLimitExceeded": RATE,
    "uploadRateLimitExceeded": RATE,
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
    "ineligibleAccount": Row(AccountStopped),
    **dict.fromkeys(
        ("videoNotFound", "commentThreadNotFound", "parentCommentNotFound", "notFound"), GONE
    ),
    "channelNotFound": RECONNECT,
    "backendError": PASSING,
    "internalError": PASSING,
}


def refusal(answer: Answer, *, is_visible: bool = False) -> PlatformError:
    """The error that an answer other than success stands for; to be raised by the caller.

    Args:
        answer: what came.
        is_visible: the call makes something public, so a doubtful error is an unknown outcome.
    """
    reason, message = _reason_of(answer.body)
    evidence: dict[str, Any] = {"status": answer.status}
    row = BY_REASON.get(reason) or _by_status(answer.status)
    code = reason or f"http/{answer.status}"
    if is_visible and (row.is_doubtful or answer.status >= 500):
        return OutcomeUnknown(message, code=code, evidence=evidence)
    if issubclass(row.kind, Throttled):
        wait_s = row.wait_s
        if wait_s is None:
            wait_s = until_pacific_midnight(datetime.now(UTC)).total_seconds()
        return row.kind(
            message, code=code, retry_after_s=wait_s, scope=row.scope, evidence=evidence
        )
    return row.kind(message, code=code, evidence=evidence)


def _by_status(status: int) -> Row:
    if status == 401:
        return RECONNECT
    if status == 429:
        return RATE
    return GONE if status in (404, 410) else PASSING


def _reason_of(body: bytes) -> tuple[str, str]:
    try:
        error = json.loads(body)["error"]
        return str(error["errors"][0]["reason"]), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, IndexError):
        return "", "unreadable answer"
