"""What a message leaves behind when it fails for good."""

from dramatiq import Message

from engine.brokers.dead_letters import revived
from engine.brokers.held import HeldMessage, describe


def held() -> HeldMessage:
    return HeldMessage(Message("low", "work", (1,), {}, {"retries": 3, "trace": "t"}), "id")


def test_reason_is_one_line_that_a_database_can_store() -> None:
    assert describe(ValueError("a\n  b\x00c")) == "ValueError: a b c"
    assert describe(KeyError()) == "KeyError: "


def test_obituary_carries_reason_and_traceback() -> None:
    message = held()
    try:
        raise RuntimeError("no paper")
    except RuntimeError as error:
        message.stuff_exception(error)
    options = Message.decode(message.obituary()).options
    assert options["reason"] == "RuntimeError: no paper"
    assert "no paper" in options["traceback"]
    assert options["trace"] == "t"


def test_message_failed_without_an_error_still_has_a_reason() -> None:
    message = held()
    assert message.reason() == "Rejected: a middleware refused the message"
    assert "traceback" not in Message.decode(message.obituary()).options


def test_revived_message_has_all_its_retries_again() -> None:
    original = Message("low", "work", (1,), {}, {"retries": 3, "reason": "r", "trace": "t"})
    assert revived(original).options == {"trace": "t"}
    assert original.options["retries"] == 3
