"""Meta's error codes, and what each of them means for the caller.

One row per code and subcode. Code and subcode alone decide: the message is prose, the type is
``OAuthException`` for nearly everything, the HTTP status of a throttled call is 400, 403 or 429,
and ``is_transient`` was seen to be false on faults that went away.

Sources, all read 2026-11-23:
    https://developers.facebook.com/docs/graph-api/guides/error-handling
    https://developers.facebook.com/docs/graph-api/overview/rate-limiting
    https://developers.facebook.com/docs/instagram-platform/reference/error-codes
    https://github.com/gitroomhq/postiz-app/issues/1562, 1681 and 1900, seen in the field
The codes of Page videos (6000, 1349125, 1363019 to 1363045, 1390008) are known from the field only,
where they were compiled from Meta's page on video errors.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import (
    AccountStopped,
    ContainerGone,
    InputInvalid,
    NotReady,
    OutcomeUnknown,
    PlatformError,
    QuotaSpent,
    ReconnectNeeded,
    RetryLater,
    Throttled,
)
from engine.platforms.connection import Answer
from engine.platforms.usage import business_use

HOUR_S: Final = 3600.0
MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """What an error means.

    Attributes:
        kind: the error to raise.
        is_doubtful: on a call that makes something visible, the error proves nothing.
        scope: whom a throttle holds back: ``account``, ``page`` or ``app``.
        wait_s: seconds to wait when the platform does not say.
    """

    kind: type[PlatformError]
    is_doubtful: bool = False
    scope: str = "account"
    wait_s: float = 5 * MINUTE_S


TRANSIENT: Final = Row(RetryLater, is_doubtful=True)
INVALID: Final = Row(InputInvalid)
RECONNECT: Final = Row(ReconnectNeeded)
GONE: Final = Row(ContainerGone)
STOPPED: Final = Row(AccountStopped)
REPEAT: Final = Row(RetryLater)  # by the contract nothing happened, so it is never doubtful
BUSINESS_LIMIT: Final = Row(Throttled, wait_s=HOUR_S)

BY_SUBCODE: Final[Mapping[tuple[int, int], Row]] = {
    (1, 2207057): INVALID,  # thumbnail offset out of range
    (4, 2207051): Row(AccountStopped, is_doubtful=True),  # blocked as spam, and yet live at times
    (9, 2207042): Row(QuotaSpent, wait_s=HOUR_S),  # a day's posts are used; one leaves at a time
    (24, 2207006): GONE,  # not found
    (24, 2207008): GONE,  # expired
    (25, 2207050): STOPPED,  # restricted until its owner acts in the app
    (100, 33): Row(RetryLater, is_doubtful=True),  # "does not exist", said of things that do
    (100, 2207023): INVALID,  # media type
    (100, 2207028): INVALID,  # a carousel's length
    (100, 2207035): INVALID,  # product tags
    (100, 2207036): INVALID,
    (100, 2207037): INVALID,
    (100, 2207040): INVALID,  # too many tags
    (352, 2207026): INVALID,  # video format
    (9004, 2207052): REPEAT,  # picture not fetched; the same URL often works later
    (9007, 2207027): Row(NotReady),
    (36000, 2207004): INVALID,  # over 8 MiB
    (36001, 2207005): INVALID,  # image format
    (36003, 2207009): INVALID,  # aspect ratio
    (36004, 2207010): INVALID,  # caption
    (-1, 2207001): TRANSIENT,  # server error
    (-1, 2207032): TRANSIENT,  # could not be created
    (-1, 2207053): TRANSIENT,  # upload failed
    (-1, 2207073): INVALID,  # media type not supported
    (-2, 2207003): REPEAT,  # download timed out
    (-2, 2207020): GONE,  # expired
}

BY_CODE: Final[Mapping[int, Row]] = {
    -2: Row(RetryLater, is_doubtful=True),
    -1: TRANSIENT,
    1: TRANSIENT,
    2: TRANSIENT,
    3: STOPPED,  # the app lacks the capability: a person has to look at its configuration
    4: Row(Throttled, scope="app"),
    9: Row(Throttled, wait_s=HOUR_S),
    10: RECONNECT,
    17: Row(Throttled),
    24: GONE,
    25: STOPPED,
    32: Row(Throttled, scope="page"),
    100: INVALID,
    102: RECONNECT,
    190: RECONNECT,
    **dict.fromkeys(range(200, 300), RECONNECT),
    341: Row(Throttled, scope="app"),
    352: INVALID,
    368: STOPPED,
    506: Row(InputInvalid, is_doubtful=True),  # duplicate: the first one is probably live
    613: Row(Throttled),
    6000: INVALID,  # a bad file
    9004: REPEAT,
    9007: Row(NotReady),
    36000: INVALID,
    36001: INVALID,
    36003: INVALID,
    36004: INVALID,
    **dict.fromkeys(range(80000, 80015), BUSINESS_LIMIT),
    80001: Row(Throttled, scope="page", wait_s=HOUR_S),
    1349125: Row(Throttled, wait_s=HOUR_S),  # too many videos at once
    # The upload broke: it is resumed, or begun anew.
    **dict.fromkeys((1363019, 1363021, 1363030, 1363033), TRANSIENT),
    1363020: INVALID,  # no file
    **dict.fromkeys((1363022, 1363023), INVALID),  # size
    **dict.fromkeys((1363024, 1363031, 1363032), INVALID),  # format
    **dict.fromkeys((1363025, 1363026), INVALID),  # length
    1363037: REPEAT,  # wrong offset: the platform is asked for the right one
    1363041: GONE,  # the upload session expired
    1363042: RECONNECT,  # no permission to upload videos
    1363045: GONE,  # other bytes came than the session was opened for
    1390008: INVALID,  # caption too long
    1609005: INVALID,  # link not readable
}
# What a container's status text names and no error envelope does, seen in the field.
BY_STATUS: Final[Mapping[int, Row]] = {
    **{subcode: row for (_, subcode), row in BY_SUBCODE.items()},
    2207077: INVALID,  # video could not be downloaded
    2207081: INVALID,  # the account has no trial reels
    2207082: REPEAT,  # upload failed
    2207085: INVALID,  # processing failed
}
STATUS_CODE: Final = re.compile(r"(?<!\d)2207\d{3}(?!\d)")
UNLISTED: Final = Row(RetryLater, is_doubtful=True)
GATEWAY_LIMIT: Final = Row(Throttled, wait_s=MINUTE_S)


def row_of(code: int, subcode: int | None) -> Row:
    """What an error means; a subcode that is not listed means what its code means."""
    if subcode is not None and (code, subcode) in BY_SUBCODE:
        return BY_SUBCODE[code, subcode]
    return BY_CODE.get(code, UNLISTED)


def is_permanent(status: str) -> bool:
    """Whether a failed container's own text says that the same media will fail again.

    Args:
        status: such as ``"Error: Media upload has failed with error code 2207082"``.
    """
    found = STATUS_CODE.search(status)
    return found is not None and BY_STATUS.get(int(found[0])) == INVALID


def refusal(answer: Answer, *, is_visible: bool) -> PlatformError:
    """The error that an answer other than success stands for; to be raised by the caller.

    Args:
        answer: what came.
        is_visible: the call makes something public, so a doubtful error is an unknown outcome.
    """
    error = _error_of(answer.body)
    evidence: dict[str, Any] = {"status": answer.status}
    if trace := answer.headers.get("x-fb-trace-id") or answer.headers.get("x-fb-request-id"):
        evidence["trace_id"] = trace
    if error is None:
        row = GATEWAY_LIMIT if answer.status == 429 else UNLISTED
        code, message = (
            f"http/{answer.status}",
            f"unreadable answer with HTTP status {answer.status}",
        )
    else:
        number, subcode = error["code"], error.get("error_subcode")
        row = row_of(number, subcode)
        code = str(number) if subcode is None else f"{number}/{subcode}"
        message = str(error.get("message", ""))
        evidence["trace_id"] = error.get("fbtrace_id", evidence.get("trace_id"))
    if is_visible and (row.is_doubtful or answer.status >= 500):
        return OutcomeUnknown(message, code=code, evidence=evidence)
    if issubclass(row.kind, Throttled):
        use = business_use(answer.headers)
        regain_s = 0.0 if use is None else use.regain_s
        wait_s = regain_s or _retry_after_s(answer.headers) or row.wait_s
        return row.kind(
            message, code=code, retry_after_s=wait_s, scope=row.scope, evidence=evidence
        )
    return row.kind(message, code=code, evidence=evidence)


def _error_of(body: bytes) -> dict[str, Any] | None:
    try:
        envelope = json.loads(body)
    except ValueError:
        return None
    error = envelope.get("error") if isinstance(envelope, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return None
    return error


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds; its other form, a date, is left to the row's own wait."""
    value = headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None
