"""The publishing log (one row per content and account), its attempts, and the allowed steps.

``docs/state_machine.md`` draws the steps. The rules that make "one intent, one post" true:
an attempt is committed before a call that a person could see; what is unknown afterwards is
``in_doubt`` and only reads of the platform leave that state; every write after a claim carries
the lease's number.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, one_of, primary_key, utc
from models.words import CommentStatus as CommentStatus
from models.words import PublishingStatus as PublishingStatus

_S = PublishingStatus

STEPS: Final[frozenset[tuple[PublishingStatus, PublishingStatus]]] = frozenset(
    {
        (_S.PENDING, _S.STAGED),  # the container is ready, invisible
        (_S.PENDING, _S.FAILED),  # refused for good before anything could be seen
        (_S.PENDING, _S.CANCELLED),
        (_S.PENDING, _S.IN_DOUBT),  # its container turns out to be published
        (_S.STAGED, _S.PENDING),  # asked for at once, from a newer content
        (_S.STAGED, _S.SENDING),  # the attempt is committed; the call follows
        (_S.STAGED, _S.FAILED),
        (_S.STAGED, _S.CANCELLED),
        (_S.CANCELLED, _S.PENDING),  # approved again, or due as changed
        (_S.FAILED, _S.PENDING),  # changed and approved again, or asked for again by a person
        (_S.SENDING, _S.SUCCESS),
        (_S.SENDING, _S.FAILED),  # the platform refused for good
        (_S.SENDING, _S.STAGED),  # provably nothing was published: retry later
        (_S.SENDING, _S.PENDING),  # the same, and the container is no longer usable
        (_S.SENDING, _S.IN_DOUBT),  # no one knows
        (_S.IN_DOUBT, _S.SUCCESS),  # exactly one live post matches
        (_S.IN_DOUBT, _S.STAGED),  # reads say it is not live: the same container may be sent
        (_S.IN_DOUBT, _S.PENDING),  # reads say it is not live, and the container is gone
        (_S.IN_DOUBT, _S.FAILED),
        (_S.IN_DOUBT, _S.NEEDS_PERSON),  # several match, or no read can decide
        (_S.NEEDS_PERSON, _S.SUCCESS),  # a person named the live post
        (_S.NEEDS_PERSON, _S.FAILED),  # a person has looked: it is not live
        (_S.SUCCESS, _S.DELETED),  # taken down again, on somebody's wish
    }
)


def is_allowed(before: PublishingStatus, after: PublishingStatus) -> bool:
    """Whether the life cycle has this step."""
    return (before, after) in STEPS


class PublishingLog(SQLModel, table=True):
    """One post: one content on one account.

    ``act_at`` is when somebody has to do something next: prepare, send, look, or try again.
    ``lease_number`` grows with every claim; a write that carries an older one changes nothing.
    ``kind`` is the platform's own word for the post, such as ``reel``; ``parts`` are the ids of
    what was made on the way to its container (children, uploads), stored as soon as they are known.
    """

    __tablename__ = "publishing_logs"
    __table_args__ = (
        one_of("status", PublishingStatus),
        UniqueConstraint("content_id", "platform_account_id"),
        Index(
            "publishing_logs_open",
            "act_at",
            postgresql_where=text("status IN ('pending', 'staged', 'sending', 'in_doubt')"),
        ),
        Index(
            "publishing_logs_leftovers",
            "id",
            postgresql_where=text("status IN ('cancelled', 'failed') AND container_id IS NOT NULL"),
        ),
    )

    id: int | None = primary_key()
    content_id: int = foreign_key("contents.id")
    platform_account_id: int = foreign_key("platform_accounts.id", index=True)
    status: PublishingStatus = Field(default=PublishingStatus.PENDING, sa_type=Text)
    due_at: Timestamp = utc(server_default="now()")
    act_at: Timestamp = utc(server_default="now()")
    is_late: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    revision: int | None = Field(default=None, sa_type=BigInteger)
    kind: str | None = Field(default=None, sa_type=Text)
    parts: dict[str, Any] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )
    container_id: str | None = Field(default=None, sa_type=Text)
    container_expires_at: Timestamp = utc()
    payload_hash: str | None = Field(default=None, sa_type=Text)
    retry_count: int = Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"})
    sent_at: Timestamp = utc()
    lease_owner: str | None = Field(default=None, sa_type=Text)
    lease_number: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    lease_expires_at: Timestamp = utc()
    platform_post_id: str | None = Field(default=None, sa_type=Text)
    platform_post_url: str | None = Field(default=None, sa_type=Text)
    error_code: str | None = Field(default=None, sa_type=Text)
    error_message: str | None = Field(default=None, sa_type=Text)
    trace_id: str = Field(sa_type=Text)
    created_at: Timestamp = utc(server_default="now()")
    updated_at: Timestamp = utc(server_default="now()")


class PublishingAttempt(SQLModel, table=True):
    """The write-ahead ledger: what was about to be called, and what came of it.

    ``outcome`` is null while nobody knows; ``accepted``, ``refused``, ``not_sent`` or ``unknown``
    afterwards. Rows are never deleted and never lose a value.
    """

    __tablename__ = "publishing_attempts"
    __table_args__ = (UniqueConstraint("publishing_log_id", "number"),)

    id: int | None = primary_key()
    publishing_log_id: int = foreign_key("publishing_logs.id")
    number: int = Field(sa_type=Integer)
    lease_number: int = Field(sa_type=BigInteger)
    call: str = Field(sa_type=Text)
    payload_hash: str | None = Field(default=None, sa_type=Text)
    is_visible: bool
    started_at: Timestamp = utc(server_default="now()")
    finished_at: Timestamp = utc()
    outcome: str | None = Field(default=None, sa_type=Text)
    evidence: dict[str, Any] = Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )


class FirstComment(SQLModel, table=True):
    """The comment that an account adds to its own post once that is live.

    It has a ledger and doubts of its own, and never touches the post's: whatever becomes of it, the
    post stays published. ``status`` goes pending → sending → success | failed, and sending →
    in_doubt → success | pending | needs_person.
    """

    __tablename__ = "first_comments"
    __table_args__ = (
        one_of("status", CommentStatus),
        Index(
            "first_comments_open",
            "act_at",
            postgresql_where=text("status IN ('pending', 'sending', 'in_doubt')"),
        ),
    )

    publishing_log_id: int = foreign_key("publishing_logs.id", primary_key=True)
    message: str = Field(sa_type=Text)
    status: CommentStatus = Field(default=CommentStatus.PENDING, sa_type=Text)
    act_at: Timestamp = utc(server_default="now()")
    retry_count: int = Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"})
    sent_at: Timestamp = utc()
    lease_owner: str | None = Field(default=None, sa_type=Text)
    lease_number: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    lease_expires_at: Timestamp = utc()
    platform_comment_id: str | None = Field(default=None, sa_type=Text)
    error_code: str | None = Field(default=None, sa_type=Text)
    error_message: str | None = Field(default=None, sa_type=Text)
    created_at: Timestamp = utc(server_default="now()")
    updated_at: Timestamp = utc(server_default="now()")
