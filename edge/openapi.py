"""The HTTP API's OpenAPI 3.1 document, made from the declared operations and their models."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from edge import problems
from edge.operations import MAX_BODY_BYTES, Nothing, Operation
from edge.pages import Page
from edge.problems import ProblemDetails

_REF: Final = "#/components/schemas/{model}"

_WITH_BODY: Final = {
    HTTPStatus.BAD_REQUEST: "the body is not JSON",
    HTTPStatus.REQUEST_TIMEOUT: "the body did not come in time",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: f"the body has more than {MAX_BODY_BYTES} bytes",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "the body is not application/json",
}

_ALWAYS: Final = {
    HTTPStatus.UNAUTHORIZED: "no token, or one that proves nothing",
    HTTPStatus.FORBIDDEN: "a page of an origin that is not allowed",
    HTTPStatus.UNPROCESSABLE_ENTITY: "not the form that is documented here",
    HTTPStatus.TOO_MANY_REQUESTS: "too often; Retry-After says when to ask again",
    HTTPStatus.SERVICE_UNAVAILABLE: "not now; Retry-After says when to ask again",
}


def document(
    operations: Iterable[Operation],
    pages: Iterable[Page],
    others: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The document, as plain JSON values.

    Args:
        operations: on a user's data.
        pages: that anybody may read.
        others: further paths, as the document says them.
    """
    operations = list(operations)
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ProblemDetails, "serialization")]
    for operation in operations:
        models.append((operation.answer, "serialization"))
        models += [
            (model, "validation")
            for model in (operation.parameters, operation.body)
            if model is not Nothing
        ]
    refs, definitions = models_json_schema(list(dict.fromkeys(models)), ref_template=_REF)
    schemas = definitions["$defs"]
    paths: dict[str, Any] = {}
    for operation in operations:
        described = _describe(operation, refs, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    for page in pages:
        paths.setdefault(page.path, {})["get"] = _describe_page(page)
    paths |= others
    for operation in operations:  # parameters are spelled out, one by one
        schemas.pop(operation.parameters.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SNS edge",
            "version": "1",
            "description": "Notifications and chat of one user. What happens meanwhile arrives on "
            "`/ws` or `/sse`; `/asyncapi.json` describes it.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }


def _describe(
    operation: Operation, refs: Any, schemas: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    problems_of_it = {**_ALWAYS, **operation.problems}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": [{"bearer": []}],
    }
    if operation.parameters is not Nothing:
        described["parameters"] = _parameters(
            schemas[operation.parameters.__name__], set(re.findall(r"{(\w+)}", operation.path))
        )
    if operation.body is not Nothing:
        problems_of_it |= _WITH_BODY
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": refs[operation.body, "validation"]}},
        }
    problem = {"content": {problems.MEDIA_TYPE: {"schema": refs[ProblemDetails, "serialization"]}}}
    described["responses"] = {
        str(int(operation.status)): {
            "description": operation.status.phrase,
            "content": {"application/json": {"schema": refs[operation.answer, "serialization"]}},
        },
        **{
            str(int(status)): {"description": when} | problem
            for status, when in sorted(problems_of_it.items())
        },
        "default": {"description": "a fault of the server"} | problem,
    }
    return described


def _parameters(schema: dict[str, Any], in_path: set[str]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in required,
            "schema": _without_null(field),
        }
        for name, field in schema["properties"].items()
    ]


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A parameter is left out, it is never null."""
    kept: list[dict[str, Any]] = [
        kind for kind in field.get("anyOf", []) if kind != {"type": "null"}
    ]
    if len(kept) != 1:
        return field
    rest = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    return kept[0] | rest


def _describe_page(page: Page) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": page.name,
        "summary": page.summary,
        "responses": {
            "200": {
                "description": "OK",
                "content": {page.media_type: {"schema": {"type": "string"}}},
            }
        },
    }
    if page.needs_token:
        described["security"] = [{"bearer": []}, {"query": []}]
        described["parameters"] = [
            {"name": name, "in": place, "required": False, "schema": {"type": "string"}}
            for name, place in (("Last-Event-ID", "header"), ("resume", "query"))
        ]
    return described
