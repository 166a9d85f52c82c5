import pytest

from edge import logs

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl-_x"


@pytest.mark.parametrize(
    "line",
    [
        f'"WebSocket /ws?token={JWT}" [accepted]',
        f'"WebSocket /ws?resume=1&%74oken={JWT}" [accepted]',
        f"token={JWT}",
        f"GET /webhooks/meta?hub.mode=subscribe&hub.verify_token={JWT}&hub.challenge=1",
        f"Sec-WebSocket-Protocol: sns.v1, auth.{'QUJD' * 10}",
        f'{{"type":"auth","token":"{JWT}"}}',
    ],
)
def test_token_is_taken_out_of_any_line(line: str) -> None:
    redacted = logs.redact(line)

    assert "[redacted]" in redacted
    assert "eyJ" not in redacted
    assert "QUJD" not in redacted


def test_other_text_stays_as_it_is() -> None:
    line = '{"event": "\\"WebSocket /ws\\" [accepted]", "id": "0123456789abcdef0123-7"}'

    assert logs.redact(line) == line
