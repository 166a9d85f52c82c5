"""What travels on ``/ws`` and ``/sse`` as an AsyncAPI 3 document, made from the models in use."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final, get_args

from pydantic.json_schema import models_json_schema

from edge.close_codes import REASONS, RETRY_MS, CloseCode
from models import events
from models.events import ChatStream, Event, Frame

_REF: Final = "#/components/schemas/{model}"

_EVENT_ID: Final = {
    "type": "string",
    "pattern": "^[0-9a-f]{20}-(0|[1-9][0-9]{0,14})$",
    "description": "`<epoch>-<seq>`, increasing for each user; give the last one as `resume`. "
    "Only an event that is kept has one.",
}

_ONLY_SSE: Final = (events.StreamClosed,)
_ONLY_WS: Final = (events.Pong, events.Refreshed)
"""What answers a client; on an event stream it says nothing."""


def client_frames() -> tuple[type[Frame], ...]:
    """What a client may send, on a WebSocket."""
    return _members(events.ClientFrame)


def server_frames() -> tuple[type[Frame], ...]:
    """What the edge sends: events first, then control frames."""
    return _members(events.ServerFrame)


@cache
def document() -> dict[str, Any]:
    """The document, as plain JSON values; not to be changed."""
    sent, taken = server_frames(), client_frames()
    _, definitions = models_json_schema(
        [
            *((frame, "serialization") for frame in sent),
            *((frame, "validation") for frame in taken),
        ],
        ref_template=_REF,
    )
    schemas: dict[str, Any] = definitions["$defs"]
    for frame in sent:
        _as_sent(frame, schemas[frame.__name__])
    for frame in taken:
        _as_taken(schemas[frame.__name__])
    streamed = [frame for frame in sent if frame not in _ONLY_WS]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SNS edge: events",
            "version": "1",
            "description": "One JSON object per frame. `hello` comes first on every connection. "
            "Unknown types and fields are to be passed over.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "websocket": {
                "address": "/ws",
                "description": "The token comes as `?token=`, as the subprotocol "
                "`auth.<base64url JWT>` beside `sns.v1`, or in the first frame.",
                "messages": _references(
                    [frame for frame in (*sent, *taken) if frame not in _ONLY_SSE]
                ),
                "bindings": {"ws": {"method": "GET", "query": _QUERY}},
            },
            "eventStream": {
                "address": "/sse",
                "description": "The same as an event stream: `event` is the type, `id` the "
                "event's id, `data` the frame. The token comes as `Authorization: Bearer` or "
                "`?token=`, the position as `Last-Event-ID` or `?resume=`. The last event is "
                "`close`.",
                "messages": _references(streamed),
                "bindings": {"http": {}},
            },
        },
        "operations": {
            "sendFrames": _operation("send", "websocket", [f for f in sent if f not in _ONLY_SSE]),
            "sendEvents": _operation("send", "eventStream", streamed),
            "receiveFrames": _operation("receive", "websocket", taken),
        },
        "components": {
            "messages": {_name(frame): _message(frame) for frame in (*sent, *taken)},
            "schemas": schemas,
        },
        "x-close-codes": [
            {
                "code": int(code),
                "name": code.name,
                "reason": REASONS[code],
                "retry_ms": RETRY_MS[code],
            }
            for code in sorted(CloseCode)
        ],
    }


_QUERY: Final = {
    "type": "object",
    "properties": {"token": {"type": "string"}, "resume": _EVENT_ID},
}


def _members(union: Any) -> tuple[type[Frame], ...]:
    return get_args(get_args(union)[0])


def _name(frame: type[Frame]) -> str:
    """The type as it is on the wire."""
    return str(frame.model_fields["type"].default)


def _as_sent(frame: type[Frame], schema: dict[str, Any]) -> None:
    """Say what serialising does besides the model: absent fields, and the id of a kept event."""
    fields = schema["properties"]
    for name in frame.absent_when_none:
        fields[name]["anyOf"] = [kind for kind in fields[name]["anyOf"] if kind["type"] != "null"]
        fields[name].pop("default", None)
    schema["required"] = [name for name in fields if name not in frame.absent_when_none]
    if issubclass(frame, Event) and frame is not ChatStream:
        schema["properties"] = {"id": _EVENT_ID} | fields


def _as_taken(schema: dict[str, Any]) -> None:
    """A model knows its own type; a frame has to say it."""
    schema["required"] = ["type", *schema.get("required", [])]


def _message(frame: type[Frame]) -> dict[str, Any]:
    summary, _, rest = (frame.__doc__ or "").partition("\n\n")
    return {
        "name": _name(frame),
        "title": frame.__name__,
        "summary": " ".join(summary.split()),
        "description": " ".join(rest.split()),
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(model=frame.__name__)},
    }


def _references(frames: Iterable[type[Frame]]) -> dict[str, Any]:
    return {_name(frame): {"$ref": f"#/components/messages/{_name(frame)}"} for frame in frames}


def _operation(action: str, channel: str, frames: Iterable[type[Frame]]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{_name(frame)}"} for frame in frames],
    }
