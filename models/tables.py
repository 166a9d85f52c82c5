"""Every table, loaded: what migrations are compared against."""

from sqlmodel import SQLModel

from models import accounts, contents, notices, outbox, people, publishing

__all__ = ["METADATA", "accounts", "contents", "notices", "outbox", "people", "publishing"]

METADATA = SQLModel.metadata
