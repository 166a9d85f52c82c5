"""Figures of accounts and posts, a row for each and day of Asia/Seoul."""

from datetime import date
from typing import Any

from sqlalchemy import Date, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, primary_key, utc


class AnalyticsSnapshot(SQLModel, table=True):
    """What was known of one account, or one of its posts, for one day.

    ``platform_post_id`` is ``""`` in the account's own row. ``day`` is the account's day in
    Asia/Seoul. ``figures`` maps the names of ``engine.ports.Figures`` to numbers; null is "the
    platform has none yet", which is not 0. What is cumulative on the platform (likes of a post,
    followers) is kept cumulative, as of the end of the day or the last reading in it; differences
    are made when reading. ``unavailable`` maps names that the platform refused to its code. A later
    reading of the same day replaces the row.
    """

    __tablename__ = "analytics_snapshots"
    __table_args__ = (
        UniqueConstraint("platform_account_id", "platform_post_id", "day"),
        Index("analytics_snapshots_of_client", "client_id", "day"),
    )

    id: int | None = primary_key()
    client_id: int = foreign_key("clients.id")
    platform_account_id: int = foreign_key("platform_accounts.id")
    platform_post_id: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    content_id: int | None = foreign_key("contents.id", nullable=True)
    day: date = Field(sa_type=Date)
    figures: dict[str, Any] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )
    unavailable: dict[str, Any] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )
    fetched_at: Timestamp = utc(server_default="now()")
