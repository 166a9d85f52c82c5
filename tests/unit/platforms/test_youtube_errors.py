import json
from datetime import UTC, datetime

import pytest

from engine import errors
from engine.platforms.connection import Answer
from engine.platforms.youtube_errors import refusal

NOW = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)  # an hour before Pacific midnight


def answered(status, reason=None, **headers):
    error = {"code": status, "message": "no", "errors": [{"reason": reason}] if reason else []}
    return Answer(status, headers, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "invalidTitle", errors.InputInvalid),
        (400, "commentTextTooLong", errors.InputInvalid),
        (400, "processingFailure", errors.RetryLater),
        (400, "somethingNew", errors.InputInvalid),
        (401, "authError", errors.ReconnectNeeded),
        (401, "youtubeSignupRequired", errors.ReconnectNeeded),
        (403, "commentsDisabled", errors.InputInvalid),
        (403, "insufficientPermissions", errors.ReconnectNeeded),
        (403, "ineligibleAccount", errors.AccountStopped),
        (403, "rateLimitExceeded", errors.Throttled),
        (429, "userRateLimitExceeded", errors.Throttled),
        (429, None, errors.Throttled),
        (404, "videoNotFound", errors.ContainerGone),
        (503, "backendError", errors.RetryLater),
        (502, None, errors.RetryLater),
    ],
)
def test_the_reason_decides_what_follows(status, reason, kind):
    assert type(refusal(answered(status, reason), now=NOW)) is kind


@pytest.mark.parametrize("reason", ["quotaExceeded", "dailyLimitExceeded"])
def test_a_spent_quota_holds_the_whole_app_until_pacific_midnight(reason):
    error = refusal(answered(403, reason), now=NOW, is_visible=True)
    assert isinstance(error, errors.QuotaSpent)
    assert (error.scope, error.retry_after_s) == ("app", 3600)


def test_a_channels_upload_limit_holds_that_account_for_a_day():
    error = refusal(answered(400, "uploadLimitExceeded"), now=NOW)
    assert isinstance(error, errors.QuotaSpent)
    assert (error.scope, error.retry_after_s) == ("account", 86_400)


def test_a_server_error_is_doubtful_only_where_something_could_be_seen():
    assert isinstance(
        refusal(answered(503, "backendError"), now=NOW, is_visible=True), errors.OutcomeUnknown
    )
    assert isinstance(
        refusal(answered(400, "invalidTitle"), now=NOW, is_visible=True), errors.InputInvalid
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "invalid_grant"}', b"null"])
def test_an_error_that_cannot_be_read_goes_by_its_status(body):
    assert isinstance(refusal(Answer(500, {}, body), now=NOW), errors.RetryLater)
