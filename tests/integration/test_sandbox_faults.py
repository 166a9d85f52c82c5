"""Each kind of fault as a raw client sees it, and what the platform did meanwhile."""

import json
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.running_sandbox import RunningSandbox

ACCOUNT = "17841400000000001"


def prepare(sandbox: RunningSandbox) -> str:
    """A container that is ready."""
    sandbox.switch(container_ready_s=0, fetch_media=False)
    form = {"access_token": sandbox.token(ACCOUNT), "image_url": sandbox.picture()}
    return sandbox.ask("POST", f"/v25.0/{ACCOUNT}/media", form)["id"]


def publish(sandbox: RunningSandbox, container: str, timeout_s: float = 5) -> bytes:
    """Everything the connection gives, to its end, for a publish that asks to be the last."""
    address = urlsplit(sandbox.base_url)
    with socket.create_connection((address.hostname, address.port), timeout_s) as connection:
        connection.sendall(
            f"POST /v25.0/{ACCOUNT}/media_publish?creation_id={container} HTTP/1.1\r\n"
            f"Host: x\r\nConnection: close\r\nContent-Length: 0\r\n"
            f"Authorization: Bearer {sandbox.token(ACCOUNT)}\r\n\r\n".encode()
        )
        said = b""
        while part := connection.recv(65_536):
            said += part
        return said


def status_of(said: bytes) -> int:
    return int(said.split(b" ", 2)[1])


def body_of(said: bytes) -> bytes:
    return said.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("carry_out", [0, 1])
def test_connection_ends_without_a_byte(sandbox, carry_out):
    container = prepare(sandbox)
    sandbox.fault("close", carry_out=carry_out, call="publish")
    assert publish(sandbox, container) == b""
    assert len(sandbox.posts()) == carry_out


@pytest.mark.parametrize("carry_out", [0, 1])
def test_connection_breaks_without_a_byte(sandbox, carry_out):
    container = prepare(sandbox)
    sandbox.fault("reset", carry_out=carry_out, call="publish")
    with pytest.raises(ConnectionResetError):
        publish(sandbox, container)
    assert len(sandbox.posts()) == carry_out


@pytest.mark.parametrize("carry_out", [0, 1])
def test_answer_never_comes(sandbox, carry_out):
    container = prepare(sandbox)
    sandbox.fault("stall", carry_out=carry_out, call="publish")
    with pytest.raises(TimeoutError):
        publish(sandbox, container, timeout_s=0.2)
    assert len(sandbox.posts()) == carry_out


@pytest.mark.parametrize("carry_out", [0, 1])
@pytest.mark.parametrize(
    ("code", "subcode", "status"),
    [(4, 2207051, 403), (2, None, 500), (190, 460, 400), (9, 2207042, 400), (80002, 2446079, 400)],
)
def test_any_error_of_the_table_comes_with_its_usual_status(
    sandbox, carry_out, code, subcode, status
):
    container = prepare(sandbox)
    sandbox.fault("error", carry_out=carry_out, call="publish", code=code, subcode=subcode)
    said = publish(sandbox, container)
    error = json.loads(body_of(said))["error"]
    assert status_of(said) == status
    assert (error["code"], error.get("error_subcode")) == (code, subcode)
    assert len(sandbox.posts()) == carry_out


@pytest.mark.parametrize("status", [429, 502, 504])
def test_gateway_answers_with_a_page(sandbox, status):
    container = prepare(sandbox)
    sandbox.fault("html", carry_out=1, call="publish", status=status)
    said = publish(sandbox, container)
    assert status_of(said) == status
    assert b"text/html" in said
    assert len(sandbox.posts()) == 1


def test_answer_is_json_of_the_wrong_shape(sandbox):
    container = prepare(sandbox)
    sandbox.fault("wrong_json", carry_out=1, call="publish")
    said = publish(sandbox, container)
    assert status_of(said) == 200
    assert "id" not in json.loads(body_of(said))
    assert len(sandbox.posts()) == 1


def test_answer_is_cut_in_the_middle_of_its_body(sandbox):
    container = prepare(sandbox)
    sandbox.fault("truncated", carry_out=1, call="publish")
    said = publish(sandbox, container)
    head, _, body = said.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert 0 < len(body) < length
    assert len(sandbox.posts()) == 1


def test_platform_makes_two_of_one_request(sandbox):
    container = prepare(sandbox)
    sandbox.fault(carry_out=2, call="publish")
    said = publish(sandbox, container)
    first, second = sandbox.posts()
    assert json.loads(body_of(said))["id"] == first["id"] != second["id"]
    assert first["container_id"] == second["container_id"] == container


def test_delay_before_shows_the_post_late_and_delay_after_shows_it_at_once(sandbox):
    container = prepare(sandbox)
    sandbox.fault(call="publish", delay_before_s=0.2)
    began = time.time()
    publish(sandbox, container)
    (post,) = sandbox.posts()
    assert post["posted_at"] - post["arrived_at"] >= 0.19  # less what a clock's adjustment takes
    assert post["arrived_at"] - began < 0.2
    container = prepare(sandbox)
    sandbox.fault(call="publish", delay_after_s=0.2)
    began = time.time()
    publish(sandbox, container)
    assert time.time() - began >= 0.19
    assert sandbox.posts()[1]["posted_at"] - began < 0.2


def test_answer_delay_counts_from_the_moment_of_carrying_out(sandbox):
    container = prepare(sandbox)
    sandbox.switch(answer_ms=150)
    began = time.time()
    publish(sandbox, container)
    assert time.time() - began >= 0.14
    assert sandbox.posts()[0]["posted_at"] - began < 0.15


def test_fault_strikes_the_nth_call_so_many_times(sandbox):
    container = prepare(sandbox)
    sandbox.fault("error", carry_out=0, call="publish", code=1, nth=2, times=2)
    sandbox.switch(republish="same")
    statuses = [status_of(publish(sandbox, container)) for _ in range(4)]
    assert statuses == [200, 500, 500, 200]


def test_fault_without_a_count_strikes_until_cleared(sandbox):
    container = prepare(sandbox)
    sandbox.fault("error", carry_out=0, call="publish", code=1, times=None)
    assert [status_of(publish(sandbox, container)) for _ in range(3)] == [500] * 3
    sandbox.clear_faults()
    assert status_of(publish(sandbox, container)) == 200
    assert len(sandbox.applied_faults()) == 3


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"method": "GET"},
        {"path": "/*/media"},
        {"call": "read_container"},
        {"account": "17841400000000002"},
    ],
)
def test_fault_for_other_calls_leaves_this_one_alone(sandbox, elsewhere):
    container = prepare(sandbox)
    sandbox.fault("close", carry_out=0, **elsewhere)
    assert status_of(publish(sandbox, container)) == 200


def test_applied_fault_is_recorded_with_its_request(sandbox):
    container = prepare(sandbox)
    fault = sandbox.fault("close", carry_out=1, path="/*/media_publish", account=ACCOUNT)
    publish(sandbox, container)
    (applied,) = sandbox.applied_faults()
    (request,) = sandbox.requests(call="publish")
    assert (applied["fault"], applied["request_id"]) == (fault, request["id"])
    assert (request["fault"], request["status"]) == (fault, None)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"answer": "explode"},
        {"answer": "close"},
        {"answer": "close", "carry_out": 3},
        {"answer": "truncated", "carry_out": 0},
        {"anser": "close"},
        {"nth": 0},
        {"nth": "1"},
        {"delay_before_s": "soon"},
        [],
    ],
)
def test_fault_that_makes_no_sense_is_refused_with_a_reason(sandbox, nonsense):
    answer = httpx.post(f"{sandbox.base_url}/sandbox/faults", json=nonsense)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert sandbox.ask("GET", "/sandbox/faults")["planned"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("switches", {"anser_ms": 1}),
        ("switches", {"republish": "maybe"}),
        ("switches", {"fetch_media": 1}),
        ("clock", {"advance": 1}),
        ("clock", {"set": "now"}),
        ("accounts", {"username": "x"}),
        ("accounts/nobody/token", {"subcode": 460}),
    ],
)
def test_instruction_that_makes_no_sense_is_refused_with_a_reason(sandbox, path, body):
    answer = httpx.post(f"{sandbox.base_url}/sandbox/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
