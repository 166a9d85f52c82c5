"""Contents: what is to be posted, when, and to which accounts."""

from typing import Any

from sqlalchemy import BigInteger, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, one_of, primary_key, utc
from models.words import ContentStatus as ContentStatus


class Content(SQLModel, table=True):
    """One piece of content of one client.

    ``media`` is a list of ``{"kind": "image", "url": "https://…", "alt_text": "…"?}``.
    ``revision`` is kept by a database trigger: it grows with every change of what would be posted
    or when, whoever makes the change, so that something prepared from an older one is not sent.
    ``armed_revision`` is the one that the scan has made publishing logs for; with an index on the
    rest, a scan looks at what is new to it, however many contents wait for next year.
    """

    __tablename__ = "contents"
    __table_args__ = (
        one_of("status", ContentStatus),
        Index(
            "contents_due",
            "scheduled_at",
            postgresql_where=text(
                "status = 'approved' AND armed_revision IS DISTINCT FROM revision"
            ),
        ),
    )

    id: int | None = primary_key()
    client_id: int = foreign_key("clients.id", index=True)
    created_by: int = foreign_key("users.id", index=True)
    title: str = Field(sa_type=Text)
    body: str = Field(default="", sa_type=Text)
    media: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )
    status: ContentStatus = Field(default=ContentStatus.DRAFT, sa_type=Text)
    scheduled_at: Timestamp = utc()
    published_at: Timestamp = utc()
    ai_metadata: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    revision: int = Field(
        default=1, sa_type=BigInteger, sa_column_kwargs={"server_default": text("1")}
    )
    armed_revision: int | None = Field(default=None, sa_type=BigInteger)
    created_at: Timestamp = utc(server_default="now()")
    updated_at: Timestamp = utc(server_default="now()")


class ContentTarget(SQLModel, table=True):
    """An account that a content goes to when it is due."""

    __tablename__ = "content_targets"

    content_id: int = foreign_key("contents.id", primary_key=True)
    platform_account_id: int = foreign_key("platform_accounts.id", primary_key=True, index=True)
