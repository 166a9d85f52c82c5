"""The conversation, fed by hand: no socket, no event loop."""

from datetime import UTC, datetime

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


def hello_of(actions: list[Action]) -> Hello:
    return Hello.model_validate_json(texts(actions)[0])


def joined(resume: str | None = None, valid_s: float = 600) -> Protocol:
    protocol = Protocol("c1", Limits(), now=0)
    protocol.resume_from(resume)
    assert protocol.authenticated(valid_s, now=0)
    return protocol


def live(head: int = 5) -> Protocol:
    protocol = joined()
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
    assert protocol.authenticated(600, now=1) == [Read(at(4))]


def test_frames_before_authentication_are_not_answered() -> None:
    protocol = Protocol("c1", Limits(), now=0)

    assert protocol.receive_text('{"type":"ping"}', now=1) == []
    assert protocol.receive_text(f'{{"type":"resume","id":"{EPOCH}-4"}}', now=1) == []
    assert protocol.state is State.AWAITING_AUTH


@pytest.mark.parametrize(
    ("state", "code", "due"),
    [
        ("awaiting auth", CloseCode.AUTH_TIMEOUT, 10),
        ("joining", CloseCode.TRY_LATER, 10),
        ("live", CloseCode.SILENT, 90),
        ("expiring", CloseCode.TOKEN_INVALID, 60),
    ],
)
def test_waiting_ends_at_its_deadline_with_the_code_of_what_was_waited_for(
    state: str, code: CloseCode, due: float
) -> None:
    protocol = {
        "awaiting auth": lambda: Protocol("c1", Limits(), now=0),
        "joining": joined,
        "live": live,
        "expiring": lambda: joined(valid_s=60),
    }[state]()
    if state == "expiring":
        protocol.history(page(0, whole=False), NOW)

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
