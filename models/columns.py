"""Column pieces that every table repeats: ids, aware UTC times, and closed sets of words."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Dialect, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

Timestamp = datetime | None
"""What :func:`utc` columns hold: aware, or ``None`` until the database or a step sets it."""


class NaiveDatetime(ValueError):
    """A time without a zone was about to be stored; say which zone it is in."""


class UtcDateTime(TypeDecorator[datetime]):
    """``timestamptz`` that takes aware times only and gives them back in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time.

        Raises:
            NaiveDatetime: ``value`` has no zone.
        """
        if value is not None and value.tzinfo is None:
            raise NaiveDatetime(f"{value.isoformat()} has no time zone; add one, such as +09:00")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the stored instant in UTC."""
        return value.astimezone(UTC) if value is not None else None


def primary_key() -> Any:
    """A 64-bit identity; JSON numbers hold it exactly up to 2**53."""
    return Field(default=None, primary_key=True, sa_type=BigInteger)


def foreign_key(target: str, *, primary_key: bool = False, **column: Any) -> Any:
    """A 64-bit reference to ``table.column``; required unless ``nullable=True`` is given."""
    default: Any = {"default": None} if column.get("nullable") else {}
    return Field(
        foreign_key=target, sa_type=BigInteger, primary_key=primary_key, **default, **column
    )


def utc(*, server_default: str | None = None, **column: Any) -> Any:
    """An aware UTC time; nullable unless the database fills it in by ``server_default`` (SQL)."""
    arguments: dict[str, Any] = {"nullable": server_default is None}
    if server_default is not None:
        arguments["server_default"] = text(server_default)
    return Field(default=None, sa_type=UtcDateTime, sa_column_kwargs=arguments, **column)


def one_of(column: str, words: type[StrEnum]) -> CheckConstraint:
    """The database refuses a word outside the set, whoever writes the row."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")
