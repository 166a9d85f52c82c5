"""Pieces of one answer of the assistant that wait for the same socket, made one.

A long answer is many small frames. When a socket falls behind, they can go as one without loss:
the chunks in order, with what the last of them says. Nothing else is ever merged or dropped.
"""

from collections.abc import Iterable
from typing import Any, Final

import orjson

_KIND: Final = '"chat_stream"'
_KEPT: Final = '{"id":"'


def is_kept(text: str) -> bool:
    """Whether a frame is in its user's history, from where a resume brings it back."""
    return text.startswith(_KEPT)


def is_chat(text: str) -> bool:
    """Whether a frame may be a piece of an answer; its whole is in the stored conversation."""
    return not is_kept(text) and _KIND in text


def merge_chat(texts: Iterable[str]) -> list[str]:
    """Frames in order, with the pieces of each conversation where its first one was."""
    merged: list[str | dict[str, Any]] = []
    pieces: dict[int, dict[str, Any]] = {}
    for text in texts:
        piece = _piece(text)
        if piece is None:
            merged.append(text)
        elif (first := pieces.get(piece["conversation_id"])) is not None:
            _append(first, piece)
        else:
            pieces[piece["conversation_id"]] = piece
            merged.append(piece)
    return [frame if isinstance(frame, str) else orjson.dumps(frame).decode() for frame in merged]


def _piece(text: str) -> dict[str, Any] | None:
    """A frame of the form that can be merged; anyone may send others by this name."""
    if not is_chat(text):
        return None
    frame: dict[str, Any] = orjson.loads(text)
    match frame:
        case {
            "type": "chat_stream",
            "conversation_id": int(),
            "chunk": str(),
            "index": int(),
        }:
            return frame
    return None


def _append(first: dict[str, Any], piece: dict[str, Any]) -> None:
    chunk = first["chunk"] + piece["chunk"]
    first_index = first.get("first_index", first["index"])
    first |= piece | {"chunk": chunk, "first_index": first_index}
