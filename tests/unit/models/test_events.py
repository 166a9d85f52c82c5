from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from models import events
from models.events import AnyEvent

ONE_OF_EACH: list[dict[str, Any]] = [
    {
        "type": "crisis_alert",
        "client_id": 1,
        "severity": "critical",
        "message": "부정 댓글이 급증했습니다",
        "comment_ids": [4, 5],
    },
    {"type": "publish_result", "content_id": 2, "platform": "threads", "status": "failed"},
    {
        "type": "approval_request",
        "content_id": 3,
        "title": "가을 신상",
        "from_status": "draft",
        "to_status": "review",
        "requester": "김지은",
    },
    {
        "type": "new_comment",
        "comment_id": 4,
        "platform": "instagram",
        "author": "minji",
        "message": "예뻐요",
        "sentiment": None,
    },
    {
        "type": "notification",
        "notification_id": 5,
        "title": "보고서",
        "message": "준비됐습니다",
        "priority": "normal",
        "reference": {"kind": "report", "id": 9},
    },
    {
        "type": "chat_stream",
        "chunk": "안녕",
        "conversation_id": 6,
        "done": False,
        "index": 0,
        "status": "streaming",
    },
]
ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyEvent)


@pytest.mark.parametrize("fields", ONE_OF_EACH, ids=lambda fields: fields["type"])
def test_frame_has_the_fields_of_its_table_row_and_no_more(fields: dict[str, Any]) -> None:
    wire = ADAPTER.validate_python(fields).to_wire()

    assert wire.pop("v") == 1
    assert wire.pop("ts").endswith("Z")
    assert wire == fields


@pytest.mark.parametrize(
    ("model", "field", "word"),
    [
        ("crisis_alert", "severity", "severe"),
        ("publish_result", "status", "in_doubt"),
        ("publish_result", "platform", "x"),
        ("approval_request", "to_status", "scheduled"),
        ("new_comment", "sentiment", "angry"),
        ("notification", "priority", "highest"),
    ],
)
def test_word_outside_the_closed_set_is_refused(model: str, field: str, word: str) -> None:
    fields = next(fields for fields in ONE_OF_EACH if fields["type"] == model)

    with pytest.raises(ValidationError):
        ADAPTER.validate_python({**fields, field: word})


def test_time_of_another_zone_leaves_as_utc() -> None:
    seoul = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=9)))
    event = events.PublishResult(content_id=1, platform="youtube", status="success", ts=seoul)  # type: ignore[arg-type]

    assert event.to_wire()["ts"] == "2026-11-23T00:00:00Z"


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({**ONE_OF_EACH[1], "ts": "2026-11-23T00:00:00"})


def test_unknown_fields_pass_through() -> None:
    event = ADAPTER.validate_python({**ONE_OF_EACH[1], "trace_id": "t1", "campaign": {"id": 3}})

    assert event.to_wire()["campaign"] == {"id": 3}
    assert event.to_wire()["trace_id"] == "t1"


def test_token_of_an_auth_frame_is_not_printed() -> None:
    assert "secret" not in repr(events.Auth(token="secret"))
