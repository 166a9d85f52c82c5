import json

from edge.intake import read_message


def test_message_becomes_a_frame_without_its_address() -> None:
    data = json.dumps({"user_id": 7, "event_id": "e", "id": "forged", "type": "x", "extra": [1]})

    message = read_message(data.encode(), needs_user=True)

    assert (message.user_id, message.event_id) == (7, "e")
    assert message.frame.pop("ts").endswith("Z")
    assert message.frame == {"type": "x", "extra": [1], "v": 1}


def test_own_version_and_time_are_kept() -> None:
    data = b'{"type":"x","v":2,"ts":"2026-11-23T00:00:00Z"}'

    frame = read_message(data, needs_user=False).frame

    assert frame == {"type": "x", "v": 2, "ts": "2026-11-23T00:00:00Z"}
