"""Pieces that the API's models repeat: ids, cursors, pages, texts that PostgreSQL can hold."""

from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

MOST_ID: Final = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=MOST_ID)]

Cursor = Annotated[
    int | None,
    Field(ge=1, le=MOST_ID, description="`next` of the page before; without it the newest page"),
]

Next = Annotated[int | None, Field(description="give it as `before` for the next page; null: none")]

Instant = AwareDatetime


def storable(text: str) -> str:
    """Refuse the one character that PostgreSQL does not take."""
    if "\0" in text:
        raise ValueError("must not have the character U+0000")
    return text


Storable = Annotated[str, AfterValidator(storable)]
