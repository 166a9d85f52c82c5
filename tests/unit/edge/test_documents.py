"""Documents, models and routes say the same."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Route

from edge import asyncapi, contents, events_page, openapi, webhooks
from edge.app import Edge, create_app
from edge.chat import operations as chat_operations
from edge.close_codes import REASONS, CloseCode
from edge.notifications import OPERATIONS
from edge.pages import PAGES
from edge.settings import Settings
from edge.sse import farewell, written
from models import events
from models.events import Event, Frame
from tests.unit.models.test_events import ONE_OF_EACH

EVENT_ID = f"{'0' * 20}-7"
SECRETS = {"SNS_JWT_SECRET": "s" * 40}
HELLO: dict[str, Any] = {
    "type": "hello", "epoch": "0" * 20, "seq": 7, "recovered": True,
    "server_time": "2026-11-23T00:00:00Z", "connection_id": "ab",
}  # fmt: skip
CONTROL: list[dict[str, Any]] = [
    HELLO,
    {"type": "pong"},
    {"type": "close", "code": 4200, "reason": "draining", "retry_ms": 500},
    {"type": "refreshed", "expires_at": "2026-11-23T00:00:00Z"},
    {
        "type": "token_expiring",
        "expires_at": "2026-11-23T00:00:00Z",
        "closes_at": "2026-11-23T00:00:30Z",
    },
    {"type": "draining", "retry_ms": 250},
    {"type": "withheld", "id": EVENT_ID},
    {"type": "notifications_read", "notification_ids": [1, 2], "unread": 0},
    {"type": "notifications_read", "up_to": 9, "unread": 3},
]
FROM_CLIENT: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "auth", "token": "t"},
    {"type": "auth", "token": "t", "resume": EVENT_ID},
    {"type": "resume", "id": EVENT_ID},
    {"type": "refresh", "token": "t"},
]


@pytest.fixture
def api() -> dict[str, Any]:
    operations = [*OPERATIONS, *contents.OPERATIONS, *chat_operations(is_enabled=True)]
    return openapi.document(operations, PAGES, webhooks.PATHS)


def name_of(fields: dict[str, Any]) -> str:
    return "-".join([fields["type"], *(name for name in ("up_to", "resume") if name in fields)])


def references(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["$ref"]] if "$ref" in document else []
        return own + [ref for value in document.values() for ref in references(value)]
    if isinstance(document, list):
        return [ref for value in document for ref in references(value)]
    return []


def resolve(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def validator(document: dict[str, Any], type_: str) -> Draft202012Validator:
    payload = document["components"]["messages"][type_]["payload"]
    return Draft202012Validator(payload | {"components": document["components"]})


def sent(fields: dict[str, Any]) -> dict[str, Any]:
    """What the edge writes for these fields, by its own model."""
    models = {asyncapi._name(model): model for model in asyncapi.server_frames()}
    return models[fields["type"]].model_validate(fields).to_wire()


@pytest.mark.parametrize("fields", [*ONE_OF_EACH, *CONTROL], ids=name_of)
def test_what_the_edge_sends_is_what_the_document_says(fields: dict[str, Any]) -> None:
    document = asyncapi.document()
    frame = sent(fields)

    validator(document, fields["type"]).validate(frame)
    for name in document["components"]["schemas"][
        document["components"]["messages"][fields["type"]]["title"]
    ]["required"]:
        broken = {key: value for key, value in frame.items() if key != name}
        assert not validator(document, fields["type"]).is_valid(broken), name


@pytest.mark.parametrize("fields", ONE_OF_EACH, ids=name_of)
def test_kept_events_have_an_id_of_the_documented_form(fields: dict[str, Any]) -> None:
    schema = validator(asyncapi.document(), fields["type"])

    assert schema.is_valid({"id": EVENT_ID} | sent(fields))
    assert schema.is_valid({"id": "7"} | sent(fields)) == (fields["type"] == "chat_stream")


@pytest.mark.parametrize("fields", FROM_CLIENT, ids=name_of)
def test_what_the_edge_takes_is_what_the_document_says(fields: dict[str, Any]) -> None:
    document = asyncapi.document()

    validator(document, fields["type"]).validate(fields)
    assert not validator(document, fields["type"]).is_valid(fields | {"type": "other"})
    assert not validator(document, fields["type"]).is_valid({})
    assert f"#/channels/websocket/messages/{fields['type']}" in references(
        document["operations"]["receiveFrames"]
    )


def test_every_frame_there_is_is_in_the_document_and_has_an_example_here() -> None:
    def below(model: type[Frame]) -> set[type[Frame]]:
        return {model} | {each for child in model.__subclasses__() for each in below(child)}

    frames = {each for each in below(Frame) if each.__module__ == events.__name__}
    assert frames - {Frame, Event} == {*asyncapi.server_frames(), *asyncapi.client_frames()}
    examples = {fields["type"] for fields in [*ONE_OF_EACH, *CONTROL, *FROM_CLIENT]}
    assert examples == set(asyncapi.document()["components"]["messages"])


def test_every_reference_of_both_documents_leads_somewhere(api: dict[str, Any]) -> None:
    for document in (api, asyncapi.document()):
        found = references(document)
        assert found
        for reference in found:
            resolve(document, reference)
        for schema in document["components"]["schemas"].values():
            Draft202012Validator.check_schema(schema)
        used = {ref.rpartition("/")[2] for ref in found if "/schemas/" in ref}
        assert used == set(document["components"]["schemas"])


def test_close_codes_of_the_document_are_those_in_use() -> None:
    assert {
        row["code"]: (row["name"], row["reason"]) for row in asyncapi.document()["x-close-codes"]
    } == {int(code): (code.name, REASONS[code]) for code in CloseCode}


async def test_every_route_is_documented_and_every_documented_one_is_served(
    api: dict[str, Any],
) -> None:
    app = create_app(Edge(Settings.load(SECRETS)))
    served = {
        (re.sub(r":\w+}", "}", route.path), method)
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    documented = {
        (path, method.upper()) for path, methods in api["paths"].items() for method in methods
    }
    assert served == documented


def test_operations_say_who_may_ask_and_what_may_go_wrong(api: dict[str, Any]) -> None:
    names = []
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            names.append(operation["operationId"])
            if not path.startswith(("/notifications", "/chat")):
                continue
            assert operation["security"] == [{"bearer": []}]
            statuses = set(operation["responses"])
            assert {"401", "403", "422", "503", "default"} <= statuses
            if method == "post":
                assert {"400", "408", "413", "415"} <= statuses
                assert operation["requestBody"]["required"]
            in_path = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
            assert in_path == re.findall(r"{(\w+)}", path)
    assert len(names) == len(set(names))


def test_page_for_people_shows_every_frame_and_runs_nothing() -> None:
    document = asyncapi.document()
    page = events_page.render(document)

    for name in document["components"]["messages"]:
        assert f"<h3><code>{name}</code></h3>" in page
    for code in CloseCode:
        assert f"<code>{int(code)}</code>" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_page_for_people_escapes_what_it_shows() -> None:
    document = asyncapi.document()
    hostile = document | {"info": {"title": "<script>", "description": "a & <b>"}}
    page = events_page.render(hostile)

    assert "<script" not in page
    assert "a &amp; &lt;b&gt;" in page


def test_frame_as_an_event_of_a_stream() -> None:
    assert written(b'{"id":"e-7","type":"x"}') == (
        b'id: e-7\nevent: x\ndata: {"id":"e-7","type":"x"}\n\n'
    )
    assert written(b'{"type":"pong"}') == b":\n\n"
    assert farewell(4200, 500) == (
        b"event: close\nretry: 500\n"
        b'data: {"type":"close","code":4200,"reason":"draining","retry_ms":500}\n\n'
    )
