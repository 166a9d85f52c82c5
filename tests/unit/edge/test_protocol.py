"""The conversation, fed by hand: no socket, no event loop."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge.close_codes import CloseCode
from edge.protocol import (
    Action,
    Authenticate,
    Close,
    Limits,
    Protocol,
    Push,
    Read,
    Renew,
    Send,
    State,
)
from models.channels import Position
from models.delivery import Reading
from models.events import Hello

EPOCH, OTHER = "a" * 20, "b" * 20
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def at(seq: int, epoch: str = EPOCH) -> Position:
    return Position(epoch, seq)


def page(head: int, *frames: bytes, whole: bool = True, epoch: str = EPOCH) -> Reading:
    return Reading(epoch, head, whole, list(frames))


def codes(actions: list[Action]) -> list[CloseCode]:
    return [action.code for action in actions if isinstance(action, Close)]


def texts(actions: list[Action]) -> list[str]:
    return [action.text for action in actions if isinstance(action, Send)]


def frames(actions: list[Action]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in texts(actions)]


def hello_of(actions: list[Action]) -> Hello:
    return Hello.model_validate_json(texts(actions)[0])


def verifying() -> Protocol:
    protocol = Protocol("c1", Limits(), now=0)
    protocol.present("t", now=0)
    return protocol


def joined(resume: str | None = None, valid_s: float = 600) -> Protocol:
    protocol = Protocol("c1", Limits(), now=0)
    protocol.resume_from(resume)
    assert protocol.present("t", now=0) == [Authenticate("t")]
    assert protocol.authenticated(NOW + timedelta(seconds=valid_s), valid_s, now=0)
    return protocol


def live(head: int = 5, valid_s: float = 600) -> Protocol:
    protocol = joined(valid_s=valid_s)
    protocol.history(page(head, whole=False), NOW)
    assert protocol.state is State.LIVE
    return protocol


def test_fresh_client_starts_live_at_the_head() -> None:
    protocol = joined()

    actions = protocol.history(page(5, whole=False), NOW)

    hello = hello_of(actions)
    assert (hello.epoch, hello.seq, hello.recovered) == (EPOCH, 5, False)
    assert protocol.position == at(5)
    assert protocol.state is State.LIVE


def test_resuming_client_gets_the_hello_of_its_own_position_and_then_what_it_missed() -> None:
    protocol = joined(resume=f"{EPOCH}-3")

    actions = protocol.history(page(5, b"four", b"five"), NOW)

    hello = hello_of(actions)
    assert (hello.seq, hello.recovered) == (3, True)
    assert texts(actions)[1:] == ["four", "five"]
    assert protocol.position == at(5)


def test_history_is_read_page_by_page_until_the_head_is_reached() -> None:
    protocol = joined(resume=f"{EPOCH}-0")

    first = protocol.history(page(2, b"one"), NOW)
    second = protocol.history(page(2, b"two"), NOW)

    assert first[-1] == Read(at(1))
    assert texts(second) == ["two"]
    assert protocol.state is State.LIVE


def test_push_while_reading_makes_it_read_on_instead_of_being_sent_out_of_turn() -> None:
    protocol = joined(resume=f"{EPOCH}-0")

    assert protocol.push(at(2)) is Push.SKIP
    first = protocol.history(page(1, b"one"), NOW)
    second = protocol.history(page(2, b"two"), NOW)

    assert first[-1] == Read(at(1))
    assert texts(second) == ["two"]


def test_push_that_the_reading_already_had_is_not_sent_again() -> None:
    protocol = joined(resume=f"{EPOCH}-0")

    assert protocol.push(at(1)) is Push.SKIP
    protocol.history(page(1, b"one"), NOW)

    assert protocol.state is State.LIVE
    assert protocol.push(at(1)) is Push.SKIP
    assert protocol.push(at(2)) is Push.SEND


def test_only_the_very_next_push_is_sent() -> None:
    protocol = live(5)

    assert protocol.push(at(5)) is Push.SKIP
    assert protocol.push(at(7)) is Push.READ
    assert protocol.push(at(1, OTHER)) is Push.READ
    assert protocol.push(at(6)) is Push.SEND
    assert protocol.position == at(6)


def test_gap_is_read_from_history_and_then_pushes_go_on() -> None:
    protocol = live(5)

    assert protocol.repair() == [Read(at(5))]
    assert protocol.repair() == []
    assert texts(protocol.history(page(7, b"six", b"seven"), NOW)) == ["six", "seven"]
    assert protocol.push(at(8)) is Push.SEND


def test_new_epoch_that_continues_the_history_is_taken_over() -> None:
    protocol = live(5)

    protocol.repair()
    actions = protocol.history(page(6, b"six", epoch=OTHER), NOW)

    assert texts(actions) == ["six"]
    assert protocol.position == at(6, OTHER)


def test_gap_that_history_cannot_fill_closes_with_history_lost() -> None:
    protocol = live(5)
    protocol.repair()

    assert codes(protocol.history(page(9, whole=False), NOW)) == [CloseCode.HISTORY_LOST]


def test_comparison_notices_a_head_beyond_the_position_and_nothing_else() -> None:
    protocol = live(5)

    assert not protocol.has_missed(at(5))
    assert not protocol.has_missed(at(4))
    assert protocol.has_missed(at(6))
    assert protocol.has_missed(at(5, OTHER))
    protocol.repair()
    assert not protocol.has_missed(at(6))


def test_resume_frame_that_overtakes_a_reading_is_answered_for_its_own_position() -> None:
    protocol = live(5)
    protocol.repair()

    assert protocol.receive_text(f'{{"type":"resume","id":"{EPOCH}-2"}}', now=1) == []
    overtaken = protocol.history(page(6, b"six"), NOW)
    actions = protocol.history(page(6, b"three", b"four", b"five", b"six"), NOW)

    assert overtaken == [Read(at(2))]
    assert hello_of(actions).seq == 2
    assert texts(actions)[1:] == ["three", "four", "five", "six"]


def test_ping_before_the_hello_is_answered_after_it() -> None:
    protocol = joined()

    assert protocol.receive_text('{"type":"ping"}', now=1) == []
    assert texts(protocol.history(page(0, whole=False), NOW))[1] == '{"type":"pong"}'


def test_nothing_is_taken_live_before_the_hello_or_after_the_end() -> None:
    protocol = joined()
    assert not protocol.takes_live
    protocol.history(page(0, whole=False), NOW)
    assert protocol.takes_live
    protocol.close(CloseCode.DRAINING)
    assert not protocol.takes_live
    assert protocol.push(at(1)) is Push.SKIP
    assert protocol.receive_text('{"type":"ping"}', now=1) == []


def test_auth_frame_brings_token_and_position() -> None:
    protocol = Protocol("c1", Limits(), now=0)

    text = f'{{"type":"auth","token":"t","resume":"{EPOCH}-4"}}'
    assert protocol.receive_text(text, now=1) == [Authenticate("t")]
    assert protocol.receive_text(text, now=1) == []
    assert protocol.authenticated(NOW, 600, now=1) == [Read(at(4))]


def test_frames_before_authentication_are_not_answered() -> None:
    protocol = Protocol("c1", Limits(), now=0)

    assert protocol.receive_text('{"type":"ping"}', now=1) == []
    assert protocol.receive_text(f'{{"type":"resume","id":"{EPOCH}-4"}}', now=1) == []
    assert protocol.state is State.AWAITING_AUTH


@pytest.mark.parametrize(
    ("state", "code", "due"),
    [
        ("awaiting auth", CloseCode.AUTH_TIMEOUT, 10),
        ("verifying", CloseCode.TRY_LATER, 10),
        ("joining", CloseCode.TRY_LATER, 10),
        ("live", CloseCode.SILENT, 90),
    ],
)
def test_waiting_ends_at_its_deadline_with_the_code_of_what_was_waited_for(
    state: str, code: CloseCode, due: float
) -> None:
    protocol = {
        "awaiting auth": lambda: Protocol("c1", Limits(), now=0),
        "verifying": verifying,
        "joining": joined,
        "live": live,
    }[state]()

    assert protocol.deadline == due
    assert protocol.tick(due - 0.1) == []
    assert codes(protocol.tick(due)) == [code]
    assert protocol.tick(due + 1) == []


def test_every_frame_from_the_client_moves_the_silence_on() -> None:
    protocol = live()

    protocol.receive_text('{"type":"unknown"}', now=50)

    assert protocol.deadline == 140


def test_recovering_for_long_is_not_mistaken_for_waiting_for_the_hello() -> None:
    protocol = joined(resume=f"{EPOCH}-0")
    protocol.history(page(2, b"one"), NOW)

    assert protocol.state is State.CATCHING_UP
    assert protocol.deadline == 90


def test_first_close_stands() -> None:
    protocol = live()

    assert codes(protocol.receive_bytes()) == [CloseCode.BINARY_FRAME]
    assert protocol.close(CloseCode.DRAINING) == []


def test_client_is_warned_before_its_token_ends_and_cut_after_the_grace() -> None:
    protocol = live(valid_s=60)

    assert protocol.deadline == 30
    (warning,) = frames(protocol.tick(30))
    assert warning == {
        "type": "token_expiring",
        "expires_at": "2026-11-23T00:01:00Z",
        "closes_at": "2026-11-23T00:01:30Z",
    }
    protocol.receive_text('{"type":"ping"}', now=60)
    assert protocol.deadline == 90
    assert protocol.tick(89.9) == []
    assert codes(protocol.tick(90)) == [CloseCode.TOKEN_INVALID]


def test_token_that_is_near_its_end_from_the_start_is_warned_of_after_the_hello() -> None:
    protocol = joined(valid_s=5)

    assert protocol.tick(1) == []
    protocol.history(page(0, whole=False), NOW)
    assert [frame["type"] for frame in frames(protocol.tick(1))] == ["token_expiring"]


def test_refresh_in_the_grace_extends_the_connection_and_is_answered() -> None:
    protocol = live(valid_s=10)
    protocol.tick(0)

    refresh = '{"type":"refresh","token":"new"}'
    assert protocol.receive_text(refresh, now=35) == [Renew("new")]
    assert protocol.receive_text(refresh, now=35) == []  # one at a time
    answer = protocol.renewed(NOW + timedelta(seconds=70), 35, now=35)

    assert frames(answer) == [{"type": "refreshed", "expires_at": "2026-11-23T00:01:10Z"}]
    assert protocol.tick(39.9) == []
    assert protocol.deadline == 40  # the new token is warned of, too
    assert protocol.receive_text(refresh, now=36) == [Renew("new")]


def test_refresh_before_anyone_is_known_is_passed_over() -> None:
    refresh = '{"type":"refresh","token":"new"}'

    assert Protocol("c1", Limits(), now=0).receive_text(refresh, now=0) == []
    assert verifying().receive_text(refresh, now=0) == []


@pytest.mark.parametrize(
    "code", [CloseCode.TOKEN_INVALID, CloseCode.REFUSED, CloseCode.REVOKED, CloseCode.TRY_LATER]
)
def test_refusal_of_a_token_closes_with_its_code(code: CloseCode) -> None:
    for protocol in (verifying(), live()):
        assert codes(protocol.refused(code)) == [code]
        assert protocol.renewed(NOW, 600, now=0) == []
        assert protocol.authenticated(NOW, 600, now=0) == []


def test_client_may_send_a_burst_and_then_so_many_frames_a_second() -> None:
    protocol = live()

    for _ in range(20):
        assert texts(protocol.receive_text('{"type":"ping"}', now=5)) == ['{"type":"pong"}']
    for tenth in range(51, 70):
        assert texts(protocol.receive_text('{"type":"ping"}', now=tenth / 10))
    assert codes(protocol.receive_text('{"type":"ping"}', now=6.9)) == [CloseCode.TOO_MANY_FRAMES]


def test_frames_that_nobody_reads_count_as_well() -> None:
    protocol = Protocol("c1", Limits(frames_burst=3), now=0)

    for _ in range(3):
        assert protocol.receive_text('{"type":"unknown"}', now=0) == []
    assert codes(protocol.receive_text('{"type":"unknown"}', now=0)) == [CloseCode.TOO_MANY_FRAMES]


def test_old_connection_is_sent_elsewhere() -> None:
    protocol = Protocol("c1", Limits(), now=0, retires_at=50)
    protocol.present("t", now=0)
    protocol.authenticated(NOW, 600, now=0)
    protocol.history(page(0, whole=False), NOW)

    assert protocol.deadline == 50
    actions = protocol.tick(50)

    assert frames(actions) == [{"type": "draining", "retry_ms": 0}]
    assert codes(actions) == [CloseCode.DRAINING]


def test_draining_before_the_hello_is_a_close_alone() -> None:
    actions = joined().drain(500)

    assert texts(actions) == []
    assert codes(actions) == [CloseCode.DRAINING]
