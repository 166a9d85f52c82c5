import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from edge.frames import text_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frame_of_any_size_is_read_back_by_a_real_client(size: int) -> None:
    client = ClientProtocol(parse_uri("ws://edge"), state=State.OPEN, max_size=None)
    client.receive_data(text_frame("x" * size))

    assert client.events_received() == [Frame(Opcode.TEXT, b"x" * size)]


def test_size_is_that_of_the_bytes_not_of_the_characters() -> None:
    client = ClientProtocol(parse_uri("ws://edge"), state=State.OPEN)
    client.receive_data(text_frame("소식" * 30))

    (frame,) = client.events_received()
    assert bytes(frame.data).decode() == "소식" * 30


def test_one_event_is_encoded_once() -> None:
    assert text_frame("the same") is text_frame("the same")
