"""Contents: what is to be posted, when, and to which accounts."""

from typing import Any

from sqlalchemy import BigInteger, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, one_of, primary_key, utc
from models.words import ContentStatus as ContentStatus
from models.words import PostFormat as PostFormat


class Content(SQLModel, table=True):
    """One piece of content of one client.

    ``media`` is a list of ``{"kind": "image" | "video", "url": "https://…", "alt_text": "…"?,
    "user_tags": [{"username", "x", "y"}]?}``, in order; x and y are shares of the picture, 0 to 1.
    ``options`` holds what not every post has: ``link``, ``first_comment``, and under a platform's
    name what only that one knows (``docs/platforms.md`` lists them).
    ``revision`` is kept by a database trigger: it grows with every change of what would be posted
    or when, whoever makes the change, so that something prepared from an older one is not sent.
    ``armed_revision`` is the one that the scan has made publishing logs for; with an index on the
    rest, a scan looks at what is new to it, however many contents wait for next year.
    """

    __tablename__ = "contents"
    __table_args__ = (
        one_of("status", ContentStatus),
        one_of("format", PostFormat),
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
    format: PostFormat = Field(
        default=PostFormat.POST, sa_type=Text, sa_column_kwargs={"server_default": text("'post'")}
    )
    options: dict[str, Any] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
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


class ContentAudit(SQLModel, table=True):
    """One step of a content's life: who took it, and what they said.

    Written by a database trigger, so that no writer goes unrecorded; who it was comes from the
    transaction's ``sns.user_id`` and ``sns.note`` and is null for a program that does not say.
    """

    __tablename__ = "content_audits"

    id: int | None = primary_key()
    content_id: int = foreign_key("contents.id", index=True)
    user_id: int | None = foreign_key("users.id", nullable=True)
    from_status: ContentStatus = Field(sa_type=Text)
    to_status: ContentStatus = Field(sa_type=Text)
    note: str | None = Field(default=None, sa_type=Text)
    at: Timestamp = utc(server_default="now()")


class ContentCheck(SQLModel, table=True):
    """The latest validation of a content for one account.

    ``problems`` is a list of ``{"field", "korean", "english", "evidence"}``, empty when all is
    well; it speaks of ``revision`` only.
    """

    __tablename__ = "content_checks"

    content_id: int = foreign_key("contents.id", primary_key=True)
    platform_account_id: int = foreign_key("platform_accounts.id", primary_key=True)
    revision: int = Field(sa_type=BigInteger)
    problems: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}
    )
    checked_at: Timestamp = utc(server_default="now()")
