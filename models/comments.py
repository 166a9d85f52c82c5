"""The inbox: comments on the accounts' posts, answers to them, and what platforms push to us.

A comment is known by its account and the platform's id. It is new exactly once: in the transaction
that inserts its row.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Double, Index, Integer, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, one_of, primary_key, utc
from models.words import Platform, ReplyStatus, Sentiment

_S = ReplyStatus

REPLY_STEPS: Final[frozenset[tuple[ReplyStatus, ReplyStatus]]] = frozenset(
    {
        (_S.DRAFT, _S.APPROVED),
        (_S.DRAFT, _S.CANCELLED),
        (_S.APPROVED, _S.DRAFT),  # taken back to be changed
        (_S.APPROVED, _S.CANCELLED),
        (_S.APPROVED, _S.SENDING),  # the attempt is committed; the call follows
        (_S.APPROVED, _S.FAILED),  # nothing to answer, or nobody to answer as
        (_S.FAILED, _S.APPROVED),  # a person asks for it again
        (_S.SENDING, _S.SUCCESS),
        (_S.SENDING, _S.FAILED),  # the platform refused for good
        (_S.SENDING, _S.APPROVED),  # provably nothing was sent: retry later
        (_S.SENDING, _S.IN_DOUBT),  # no one knows
        (_S.IN_DOUBT, _S.SUCCESS),  # exactly one answer of ours matches
        (_S.IN_DOUBT, _S.APPROVED),  # reads say it is not there
        (_S.IN_DOUBT, _S.FAILED),
        (_S.IN_DOUBT, _S.NEEDS_PERSON),  # several match, or no read can decide
        (_S.NEEDS_PERSON, _S.SUCCESS),
        (_S.NEEDS_PERSON, _S.FAILED),
    }
)
"""The steps of a reply; a database trigger holds every writer to them."""


class Comment(SQLModel, table=True):
    """One comment, as the platform last showed it.

    ``thread_id`` is the platform's id of the comment that began the thread (its own, if it did);
    ``parent_comment_id`` of the one that it answers. ``author_id`` and ``author_name`` are null
    where the platform names nobody. ``is_own``: the account itself wrote it. ``message`` is NFC,
    without what PostgreSQL cannot hold. ``missing_since`` is when a whole reading of its post first
    lacked it; ``deleted_at`` when that was sure. ``sentiment_score`` is in [-1, 1].
    """

    __tablename__ = "comments_inbox"
    __table_args__ = (
        one_of("platform", Platform),
        one_of("sentiment", Sentiment),
        UniqueConstraint("platform_account_id", "platform_comment_id"),
        Index("comments_inbox_of_client", "client_id", "commented_at"),
        Index("comments_inbox_of_post", "platform_account_id", "platform_post_id", "commented_at"),
    )

    id: int | None = primary_key()
    client_id: int = foreign_key("clients.id")
    platform_account_id: int = foreign_key("platform_accounts.id")
    platform: Platform = Field(sa_type=Text)
    platform_comment_id: str = Field(sa_type=Text)
    platform_post_id: str = Field(sa_type=Text)
    thread_id: str = Field(sa_type=Text)
    parent_comment_id: str | None = Field(default=None, sa_type=Text)
    author_id: str | None = Field(default=None, sa_type=Text)
    author_name: str | None = Field(default=None, sa_type=Text)
    is_own: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    message: str = Field(sa_type=Text)
    commented_at: Timestamp = utc(server_default="now()")
    edited_at: Timestamp = utc()
    is_hidden: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    like_count: int | None = Field(default=None, sa_type=Integer)
    missing_since: Timestamp = utc()
    deleted_at: Timestamp = utc()
    sentiment: Sentiment | None = Field(default=None, sa_type=Text)
    sentiment_score: float | None = Field(default=None, sa_type=Double)
    ai_reply_draft: str | None = Field(default=None, sa_type=Text)
    first_seen_at: Timestamp = utc(server_default="now()")
    updated_at: Timestamp = utc(server_default="now()")


class WatchedPost(SQLModel, table=True):
    """A live post whose comments are collected, and how far its reading is.

    ``mark`` is the platform's last word on whether comments came or went (see
    ``engine.ports.SeenPost``); ``comment_count`` the platform's count at the last whole reading,
    ``unexplained`` that count less ours then. ``calls`` is what the last whole reading cost.
    """

    __tablename__ = "watched_posts"

    platform_account_id: int = foreign_key("platform_accounts.id", primary_key=True)
    platform_post_id: str = Field(sa_type=Text, primary_key=True)
    posted_at: Timestamp = utc(server_default="now()")
    mark: str | None = Field(default=None, sa_type=Text)
    comment_count: int | None = Field(default=None, sa_type=Integer)
    unexplained: int = Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"})
    calls: int = Field(default=1, sa_type=Integer, sa_column_kwargs={"server_default": "1"})
    last_comment_at: Timestamp = utc()
    read_at: Timestamp = utc()
    swept_at: Timestamp = utc()
    is_closed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class CollectionState(SQLModel, table=True):
    """Where the collecting of one account stands.

    ``queued_at`` is set while a message of it is on its way, so that runs do not pile up.
    ``lease_expires_at`` keeps it to one worker at a time. ``error_code`` and ``error_message`` are
    of the last run that failed; a run that ends well clears them.
    """

    __tablename__ = "collection_states"

    platform_account_id: int = foreign_key("platform_accounts.id", primary_key=True)
    queued_at: Timestamp = utc()
    lease_number: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    lease_expires_at: Timestamp = utc()
    finished_at: Timestamp = utc()
    failures: int = Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"})
    error_code: str | None = Field(default=None, sa_type=Text)
    error_message: str | None = Field(default=None, sa_type=Text)


class CommentReply(SQLModel, table=True):
    """An answer to a comment, sent with the same ledger as a post.

    ``status`` goes draft → approved → sending → success | failed, and sending → in_doubt →
    success | approved | needs_person. ``parts`` are ids of what was made on the way (Threads).
    """

    __tablename__ = "comment_replies"
    __table_args__ = (
        one_of("status", ReplyStatus),
        Index(
            "comment_replies_open",
            "act_at",
            postgresql_where=text("status IN ('approved', 'sending', 'in_doubt')"),
        ),
    )

    id: int | None = primary_key()
    comment_id: int = foreign_key("comments_inbox.id", index=True)
    message: str = Field(sa_type=Text)
    status: ReplyStatus = Field(default=ReplyStatus.DRAFT, sa_type=Text)
    created_by: int = foreign_key("users.id")
    approved_by: int | None = foreign_key("users.id", nullable=True)
    is_asked: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    act_at: Timestamp = utc(server_default="now()")
    retry_count: int = Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"})
    parts: dict[str, Any] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )
    sent_at: Timestamp = utc()
    lease_owner: str | None = Field(default=None, sa_type=Text)
    lease_number: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    lease_expires_at: Timestamp = utc()
    platform_comment_id: str | None = Field(default=None, sa_type=Text)
    error_code: str | None = Field(default=None, sa_type=Text)
    error_message: str | None = Field(default=None, sa_type=Text)
    trace_id: str = Field(sa_type=Text)
    created_at: Timestamp = utc(server_default="now()")
    updated_at: Timestamp = utc(server_default="now()")


class ReplyAttempt(SQLModel, table=True):
    """The write-ahead ledger of replies; as ``models.publishing.PublishingAttempt``."""

    __tablename__ = "reply_attempts"
    __table_args__ = (UniqueConstraint("reply_id", "number"),)

    id: int | None = primary_key()
    reply_id: int = foreign_key("comment_replies.id")
    number: int = Field(sa_type=Integer)
    lease_number: int = Field(sa_type=BigInteger)
    started_at: Timestamp = utc(server_default="now()")
    finished_at: Timestamp = utc()
    outcome: str | None = Field(default=None, sa_type=Text)
    evidence: dict[str, Any] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )


class WebhookDelivery(SQLModel, table=True):
    """What a platform pushed, whole and unread; its signature was good.

    ``digest`` is SHA-256 of the raw body in hex: a delivery that is repeated word for word is kept
    once. ``note`` says what was left out of it, and why.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("webhook_deliveries_received", "received_at"),)

    id: int | None = primary_key()
    digest: str = Field(unique=True, sa_type=Text)
    body: bytes = Field(sa_type=LargeBinary)
    received_at: Timestamp = utc(server_default="now()")
    processed_at: Timestamp = utc()
    note: str | None = Field(default=None, sa_type=Text)


class PushedComment(SQLModel, table=True):
    """The newest that webhooks told of one comment, by the platform's own times.

    Deliveries come twice, late and out of order; this is what a late one is held against. It may be
    of a comment that is not in the inbox (yet). ``text_at`` is of the text that a webhook brought
    into the inbox last, ``hidden_at`` of what ``is_hidden`` says; ``removed_at`` is for good.
    """

    __tablename__ = "pushed_comments"
    __table_args__ = (Index("pushed_comments_told", "told_at"),)

    platform_account_id: int = foreign_key("platform_accounts.id", primary_key=True)
    platform_comment_id: str = Field(sa_type=Text, primary_key=True)
    text_at: Timestamp = utc()
    is_hidden: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    hidden_at: Timestamp = utc()
    removed_at: Timestamp = utc()
    told_at: Timestamp = utc(server_default="now()")
