"""Other people's text, made safe to keep and to show beside text of ours."""

import unicodedata
from typing import Final

EVENT_LIMIT: Final = 1000  # characters of a comment that a browser event carries; the row has all
NAME_LIMIT: Final = 100  # characters
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
KEPT_CONTROLS: Final = frozenset("\n\t")

# Controls that change the direction of what follows, with what ends each of them.
# https://www.unicode.org/reports/tr9/#Explicit_Directional_Embeddings, read 2026-11-23.
POP_EMBEDDING: Final = "\u202c"
POP_ISOLATE: Final = "\u2069"
ENDED_BY: Final = {
    **dict.fromkeys("\u202a\u202b\u202d\u202e", POP_EMBEDDING),
    **dict.fromkeys("\u2066\u2067\u2068", POP_ISOLATE),
}
DIRECTIONS: Final = frozenset({*ENDED_BY, POP_EMBEDDING, POP_ISOLATE})


def clean(text: str) -> str:
    """A comment as it is kept: NFC, nothing that PostgreSQL or JSON cannot hold, directions closed.

    NUL and half characters (lone surrogates) become U+FFFD, so that it is seen that something
    stood there; other control characters but line breaks and tabs go. An override of the writing
    direction stays and is ended where the text ends: it must not turn around what we write behind.
    Idempotent.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    whole = "".join(_kept(character) for character in text)
    # Composed first: a control between a letter and its mark is gone by now.
    return _closed(unicodedata.normalize("NFC", whole))


def clean_name(name: str | None) -> str | None:
    """A name for one line: no line breaks, no direction controls, at most 100 characters."""
    if name is None:
        return None
    bare = "".join(character for character in clean(name) if character not in DIRECTIONS)
    return cut(" ".join(bare.split()), NAME_LIMIT) or None


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, an ellipsis at the end if something is left out.

    A joined emoji or a letter with its marks is left out whole rather than cut in two.
    """
    if len(text) <= limit:
        return text
    end = limit - 1
    while end > 0 and _goes_on(text[end - 1], text[end]):
        end -= 1
    return _closed(text[:end]).rstrip() + "…"


def _kept(character: str) -> str:
    if character == "\0" or "\ud800" <= character <= "\udfff":
        return REPLACEMENT
    if character not in KEPT_CONTROLS and unicodedata.category(character) == "Cc":
        return ""
    return character


def _goes_on(left: str, right: str) -> bool:
    """Whether two characters show as one."""
    return (
        right in "\u200d\ufe0f\u20e3"
        or left == "\u200d"
        or unicodedata.combining(right) > 0
        or "\U0001f3fb" <= right <= "\U0001f3ff"
    )


def _closed(text: str) -> str:
    """``text`` with every change of direction ended at its end."""
    if not any(character in ENDED_BY for character in text):
        return text
    open_: list[str] = []
    for character in text:
        if character in ENDED_BY:
            open_.append(ENDED_BY[character])
        elif open_ and character == open_[-1]:
            open_.pop()
        elif character == POP_ISOLATE and POP_ISOLATE in open_:
            while open_.pop() != POP_ISOLATE:  # it ends the embeddings inside it too
                pass
    return text + "".join(reversed(open_))
