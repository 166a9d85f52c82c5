"""Every documented error, on a call that nobody sees and on one that everybody does."""

import json

import pytest

from engine.errors import (
    AccountStopped,
    ContainerGone,
    InputInvalid,
    NotReady,
    OutcomeUnknown,
    QuotaSpent,
    ReconnectNeeded,
    RetryLater,
    Throttled,
)
from engine.platforms.connection import Answer
from engine.platforms.meta_errors import is_permanent, refusal

ROWS = [
    # code, subcode, on an invisible call, on a publish
    (1, None, RetryLater, OutcomeUnknown),
    (1, 2207057, InputInvalid, InputInvalid),
    (2, None, RetryLater, OutcomeUnknown),
    (3, None, AccountStopped, AccountStopped),
    (4, None, Throttled, Throttled),
    (4, 2207051, AccountStopped, OutcomeUnknown),
    (9, 2207042, QuotaSpent, QuotaSpent),
    (10, None, ReconnectNeeded, ReconnectNeeded),
    (17, None, Throttled, Throttled),
    (24, 2207006, ContainerGone, ContainerGone),
    (24, 2207008, ContainerGone, ContainerGone),
    (25, 2207050, AccountStopped, AccountStopped),
    (32, None, Throttled, Throttled),
    (100, None, InputInvalid, InputInvalid),
    (100, 33, RetryLater, OutcomeUnknown),
    (100, 2207023, InputInvalid, InputInvalid),
    (100, 2207028, InputInvalid, InputInvalid),
    (100, 2207035, InputInvalid, InputInvalid),
    (100, 2207036, InputInvalid, InputInvalid),
    (100, 2207037, InputInvalid, InputInvalid),
    (100, 2207040, InputInvalid, InputInvalid),
    (102, None, ReconnectNeeded, ReconnectNeeded),
    (190, None, ReconnectNeeded, ReconnectNeeded),
    *((190, sub, ReconnectNeeded, ReconnectNeeded) for sub in (458, 459, 460, 463, 464, 467, 492)),
    (200, None, ReconnectNeeded, ReconnectNeeded),
    (299, None, ReconnectNeeded, ReconnectNeeded),
    (341, None, Throttled, Throttled),
    (352, 2207026, InputInvalid, InputInvalid),
    (368, None, AccountStopped, AccountStopped),
    (506, None, InputInvalid, OutcomeUnknown),
    (613, None, Throttled, Throttled),
    (9004, 2207052, RetryLater, RetryLater),
    (9007, 2207027, NotReady, NotReady),
    (36000, 2207004, InputInvalid, InputInvalid),
    (36001, 2207005, InputInvalid, InputInvalid),
    (36003, 2207009, InputInvalid, InputInvalid),
    (36004, 2207010, InputInvalid, InputInvalid),
    (-1, 2207001, RetryLater, OutcomeUnknown),
    (-1, 2207032, RetryLater, OutcomeUnknown),
    (-1, 2207053, RetryLater, OutcomeUnknown),
    (-1, 2207073, InputInvalid, InputInvalid),
    (-2, 2207003, RetryLater, RetryLater),
    (-2, 2207020, ContainerGone, ContainerGone),
    *(
        (code, None, InputInvalid, InputInvalid)
        for code in (6000, 1363020, 1363022, 1363023, 1363024, 1363025, 1363026, 1363031, 1363032)
    ),
    *((code, None, RetryLater, OutcomeUnknown) for code in (1363019, 1363021, 1363030, 1363033)),
    (1349125, None, Throttled, Throttled),
    (1363037, None, RetryLater, RetryLater),
    (1363041, None, ContainerGone, ContainerGone),
    (1363042, None, ReconnectNeeded, ReconnectNeeded),
    (1363045, None, ContainerGone, ContainerGone),
    (1390008, None, InputInvalid, InputInvalid),
    (1609005, None, InputInvalid, InputInvalid),
    *((code, None, Throttled, Throttled) for code in range(80000, 80015)),
    (80002, 2446079, Throttled, Throttled),
    (987654, None, RetryLater, OutcomeUnknown),  # a code that nobody listed
]


def graph_answer(code, subcode=None, *, status=400, headers=None, **more):
    error = {"message": "m", "type": "OAuthException", "code": code, "fbtrace_id": "T", **more}
    if subcode is not None:
        error["error_subcode"] = subcode
    return Answer(status, headers or {}, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(("code", "subcode", "invisible", "visible"), ROWS)
def test_code_and_subcode_decide_what_the_caller_does(code, subcode, invisible, visible):
    answer = graph_answer(code, subcode)
    assert type(refusal(answer, is_visible=False)) is invisible
    assert type(refusal(answer, is_visible=True)) is visible


@pytest.mark.parametrize("status", [400, 403, 429])
def test_http_status_does_not_change_a_listed_refusal(status):
    assert type(refusal(graph_answer(190, 460, status=status), is_visible=True)) is ReconnectNeeded


def test_server_error_on_a_publish_is_unknown_whatever_its_code():
    assert type(refusal(graph_answer(9007, 2207027, status=500), is_visible=True)) is OutcomeUnknown
    assert type(refusal(graph_answer(9007, 2207027, status=500), is_visible=False)) is NotReady


def test_error_names_its_code_and_trace():
    error = refusal(graph_answer(9007, 2207027), is_visible=True)
    assert error.code == "9007/2207027"
    assert error.evidence == {"status": 400, "trace_id": "T"}


@pytest.mark.parametrize(
    ("code", "subcode", "scope"),
    [
        (4, None, "app"),
        (341, None, "app"),
        (32, None, "page"),
        (80001, None, "page"),
        (80001, 2446079, "page"),
        (17, None, "account"),
        (613, None, "account"),
        (80002, None, "account"),
        (80014, None, "account"),
        (1349125, None, "account"),
        (9, 2207042, "account"),
    ],
)
@pytest.mark.parametrize("is_visible", [True, False])
def test_throttle_says_whom_it_holds_back(code, subcode, scope, is_visible):
    assert refusal(graph_answer(code, subcode), is_visible=is_visible).scope == scope


@pytest.mark.parametrize(
    ("status", "will_fail_again"),
    [
        ("Error: Media upload has failed with error code 2207077", True),
        ("Error: Media upload has failed with error code 2207081", True),
        ("Error: Media upload has failed with error code 2207082", False),
        ("Error: Media upload has failed with error code 2207085", True),
        ("2207026: unsupported video", True),
        ("Error: error code 2207003", False),
        ("Error: error code 2207099", False),
        ("post 12207085", False),
        ("", False),
    ],
)
def test_failed_containers_text_says_whether_the_same_media_will_fail_again(
    status, will_fail_again
):
    assert is_permanent(status) is will_fail_again


def test_throttle_lasts_as_long_as_the_usage_header_says():
    usage = json.dumps({"17": [{"type": "instagram", "estimated_time_to_regain_access": 7}]})
    answer = graph_answer(80002, headers={"x-business-use-case-usage": usage})
    assert refusal(answer, is_visible=True).retry_after_s == 7 * 60


@pytest.mark.parametrize("usage", ["", "no json", "[]", '{"a": 1}', '{"a": [{"b": null}]}', "{}"])
def test_unreadable_usage_header_leaves_the_usual_wait(usage):
    answer = graph_answer(80002, headers={"x-business-use-case-usage": usage})
    assert refusal(answer, is_visible=True).retry_after_s == 3600


def test_gateway_throttle_without_a_body_is_a_throttle():
    answer = Answer(429, {"retry-after": "17"}, b"<html>slow down</html>")
    error = refusal(answer, is_visible=True)
    assert type(error) is Throttled
    assert error.retry_after_s == 17


@pytest.mark.parametrize("status", [200, 302, 400, 404, 500, 502, 504])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "x"}', b'{"error": {}}'])
def test_answer_that_is_no_graph_error_proves_nothing(status, body):
    answer = Answer(status, {}, body)
    assert type(refusal(answer, is_visible=True)) is OutcomeUnknown
    assert type(refusal(answer, is_visible=False)) is RetryLater
