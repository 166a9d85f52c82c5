"""Holds recorded requests against Google's own description of the interface.

The description is the discovery document that ``google-api-python-client`` ships, so what a client
of ours sends is judged by Google's words and not by what we remember of them. It says nothing of
values beyond types, enumerations and ranges: a title that is too long is for the platform to
refuse.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any, Self

UPLOAD_SESSION = "upload_id"  # the query of a session's address; the document has no such calls
WHOLE_NUMBER = re.compile(r"-?\d+")
NAMES_OF_THE_THING = {"id", "kind", "etag"}  # a body may carry them beside the parts it sets


class Discovery:
    """One interface as its discovery document tells it.

    Args:
        document: the discovery document, as parsed JSON.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.revision = str(document["revision"])
        self._schemas = document["schemas"]
        self._everywhere = document["parameters"]
        self._methods: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._upload_paths: set[str] = set()
        prefix = "/" + str(document["servicePath"]).strip("/")
        for method in _methods_of(document["resources"]):
            path = f"{prefix.rstrip('/')}/{method['path'].lstrip('/')}"
            self._methods[method["httpMethod"], path] = method
            for protocol in method.get("mediaUpload", {}).get("protocols", {}).values():
                self._methods[method["httpMethod"], protocol["path"]] = method
                self._upload_paths.add(protocol["path"])

    @classmethod
    def of_youtube(cls) -> Self:
        """The YouTube Data API, version 3, of the installed client library."""
        folder = files("googleapiclient") / "discovery_cache" / "documents"
        return cls(json.loads((folder / "youtube.v3.json").read_text("utf-8")))

    @classmethod
    def of_youtube_analytics(cls) -> Self:
        """The YouTube Analytics API, version 2, of the installed client library."""
        folder = files("googleapiclient") / "discovery_cache" / "documents"
        return cls(json.loads((folder / "youtubeAnalytics.v2.json").read_text("utf-8")))

    def problems_of(self, row: Mapping[str, Any]) -> list[str]:
        """What is wrong with one row of the sandbox's ``/sandbox/requests``."""
        return self.problems(
            row["method"], row["path"], row.get("query") or {}, row.get("json") or None
        )

    def problems(
        self, method: str, path: str, query: Mapping[str, str], body: Any = None
    ) -> list[str]:
        """What is wrong with a request; nothing when the document allows it.

        Args:
            method: of HTTP.
            path: without host and query, as in ``/youtube/v3/videos``.
            query: repeated parameters are joined by commas; without tokens.
            body: parsed JSON, or None when there was none or it was media.
        """
        if path in self._upload_paths and UPLOAD_SESSION in query:
            # https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol,
            # read 2026-11-25: bytes and questions both are a PUT to the session's address.
            return [] if method == "PUT" else [f"{method} to an upload session, which takes PUT"]
        call = self._methods.get((method, path))
        if call is None:
            return [f"no method {method} {path}"]
        return [
            *self._problems_of_query(call, query),
            *self._problems_of_parts(call, query, body),
            *self._problems_of_body(call, body),
        ]

    def _problems_of_query(
        self, call: Mapping[str, Any], query: Mapping[str, str]
    ) -> Iterator[str]:
        known = {**self._everywhere, **call.get("parameters", {})}
        for name, rule in known.items():
            if rule.get("required") and not query.get(name):
                yield f"{call['id']}: the parameter {name} is required"
        for name, value in query.items():
            if name not in known:
                yield f"{call['id']}: no parameter {name}"
                continue
            values = value.split(",") if known[name].get("repeated") else [value]
            for one in values:
                if not _is_text_of(one, known[name]):
                    yield f"{call['id']}: the parameter {name} cannot be {one!r}"

    def _problems_of_parts(
        self, call: Mapping[str, Any], query: Mapping[str, str], body: Any
    ) -> Iterator[str]:
        schema = self._resource_of(call)
        if "part" not in call.get("parameters", {}) or schema is None:
            return
        known = {name for name, rule in schema["properties"].items() if "$ref" in rule} | {"id"}
        asked = set(query.get("part", "").split(",")) - {""}
        for part in sorted(asked - known):
            yield f"{call['id']}: no part {part}"
        if "request" in call and isinstance(body, dict):
            for name in sorted((set(body) & known) - asked - NAMES_OF_THE_THING):
                yield f"{call['id']}: the body sets {name}, which part does not name"

    def _problems_of_body(self, call: Mapping[str, Any], body: Any) -> Iterator[str]:
        if "request" not in call:
            if body is not None:
                yield f"{call['id']}: takes no body"
        elif body is None:
            yield f"{call['id']}: the body is missing"
        else:
            yield from self._misfits(body, call["request"], call["id"])

    def _misfits(self, value: Any, rule: Mapping[str, Any], where: str) -> Iterator[str]:
        rule = self._schemas[rule["$ref"]] if "$ref" in rule else rule
        match rule["type"]:
            case "object":
                yield from self._misfits_of_object(value, rule, where)
            case "array":
                if not isinstance(value, list):
                    yield f"{where} must be a list, not {value!r}"
                    return
                for index, one in enumerate(value):
                    yield from self._misfits(one, rule["items"], f"{where}[{index}]")
            case kind if not _is_scalar(value, kind, rule):
                yield f"{where} cannot be {value!r}"

    def _misfits_of_object(self, value: Any, rule: Mapping[str, Any], where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where} must be an object, not {value!r}"
            return
        fields, others = rule.get("properties", {}), rule.get("additionalProperties")
        for name, one in value.items():
            field = fields.get(name, others)
            if field is None:
                yield f"{where} has no field {name}"
            else:
                yield from self._misfits(one, field, f"{where}.{name}")

    def _resource_of(self, call: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The schema of the thing that a call writes or lists."""
        if "request" in call:
            schema: Mapping[str, Any] = self._schemas[call["request"]["$ref"]]
            return schema
        answer = self._schemas.get(call.get("response", {}).get("$ref"), {})
        items = answer.get("properties", {}).get("items", {}).get("items", {})
        return self._schemas.get(items.get("$ref"))


def _methods_of(resources: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for resource in resources.values():
        yield from resource.get("methods", {}).values()
        yield from _methods_of(resource.get("resources", {}))


def _is_text_of(text: str, rule: Mapping[str, Any]) -> bool:
    """Whether a parameter's text stands for a value of its type."""
    match rule["type"]:
        case "integer":
            return bool(WHOLE_NUMBER.fullmatch(text)) and _is_in_range(int(text), rule)
        case "boolean":
            return text in ("true", "false")
    return text in rule.get("enum", [text])


def _is_scalar(value: Any, kind: str, rule: Mapping[str, Any]) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) and _is_in_range(value, rule)
    if kind == "number":
        return isinstance(value, int | float)
    if not isinstance(value, str):
        return False
    match rule.get("format"):
        case "date-time":
            return _is_instant(value)
        case "int64" | "uint64":
            # JSON's numbers lose digits of large ones, so that they travel as text.
            return bool(WHOLE_NUMBER.fullmatch(value))
    return value in rule.get("enum", [value])


def _is_in_range(number: int, rule: Mapping[str, Any]) -> bool:
    lowest, highest = rule.get("minimum", number), rule.get("maximum", number)
    return int(lowest) <= number <= int(highest)


def _is_instant(text: str) -> bool:
    """Whether this is a time of RFC 3339, which has an offset."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
