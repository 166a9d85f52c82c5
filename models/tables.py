"""Every table, loaded: what migrations are compared against."""

from sqlmodel import SQLModel

from models import (
    accounts,
    analytics,
    chat,
    comments,
    contents,
    notices,
    outbox,
    people,
    publishing,
)

__all__ = [
    "METADATA",
    "accounts",
    "analytics",
    "chat",
    "comments",
    "contents",
    "notices",
    "outbox",
    "people",
    "publishing",
]

METADATA = SQLModel.metadata
