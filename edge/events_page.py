"""The AsyncAPI document for people: one page, no script, nothing from elsewhere."""

from collections.abc import Iterable
from html import escape
from typing import Any, Final

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of the page."""

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color: #1b1f24; background: #fff }
h2 { margin-top: 2.5rem } h3 { margin: 2rem 0 .25rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0;
  border-bottom: 1px solid #d8dee4 }
code { font: .9em ui-monospace, monospace }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 }
  th, td { border-color: #30363d } }
"""


def render(document: dict[str, Any]) -> str:
    """The page; every text of the document is escaped."""
    info, messages = document["info"], document["components"]["messages"]
    schemas = document["components"]["schemas"]
    directions = (
        ("From the edge", document["operations"]["sendFrames"]),
        ("Only on /sse", _only_streamed(document)),
        ("From the client", document["operations"]["receiveFrames"]),
    )
    parts = [f"<h1>{escape(info['title'])}</h1>", f"<p>{escape(info['description'])}</p>"]
    parts += [
        f"<p><code>{escape(channel['address'])}</code>: {escape(channel['description'])}</p>"
        for channel in document["channels"].values()
    ]
    for title, operation in directions:
        parts.append(f"<h2>{escape(title)}</h2>")
        for reference in operation["messages"]:
            message = messages[reference["$ref"].rpartition("/")[2]]
            parts += _message(message, schemas)
    parts.append("<h2>Close codes</h2>")
    parts += _table(
        ("code", "meaning", "an EventSource returns after"),
        (
            (str(row["code"]), row["reason"], f"{row['retry_ms']} ms")
            for row in document["x-close-codes"]
        ),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head>\n"
        f"<body>{chr(10).join(parts)}</body></html>\n"
    )


def _only_streamed(document: dict[str, Any]) -> dict[str, Any]:
    framed = document["channels"]["websocket"]["messages"]
    streamed = document["operations"]["sendEvents"]["messages"]
    return {
        "messages": [
            reference
            for reference in streamed
            if reference["$ref"].rpartition("/")[2] not in framed
        ]
    }


def _message(message: dict[str, Any], schemas: dict[str, Any]) -> Iterable[str]:
    schema = schemas[message["payload"]["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    yield f"<h3><code>{escape(message['name'])}</code></h3>"
    yield f"<p>{escape(message['summary'])} {escape(message['description'])}</p>"
    yield from _table(
        ("field", "type", ""),
        (
            (name, _kind(field, schemas), "" if name in required else "may be missing")
            for name, field in schema["properties"].items()
        ),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield "<table><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"
    for first, *others in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        yield f"<tr><td><code>{escape(first)}</code></td>{cells}</tr>"
    yield "</table>"


def _kind(field: dict[str, Any], schemas: dict[str, Any]) -> str:
    """A field's type in a few words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return _kind(schemas[name], schemas) if "enum" in schemas[name] else name
    if "const" in field:
        return repr(field["const"])
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    if "anyOf" in field:
        return " or ".join(_kind(kind, schemas) for kind in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_kind(field['items'], schemas)}"
    return str(field.get("format") or field.get("type") or "any")
