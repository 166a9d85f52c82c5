"""Conversations with the assistant, and what was said in them."""

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, one_of, primary_key, utc
from models.words import MessageRole as MessageRole
from models.words import MessageStatus as MessageStatus


class Conversation(SQLModel, table=True):
    """One user's talk with the assistant; nobody else ever sees it."""

    __tablename__ = "conversations"

    id: int | None = primary_key()
    user_id: int = foreign_key("users.id", index=True)
    created_at: Timestamp = utc(server_default="now()")


class Message(SQLModel, table=True):
    """A question, or the answer to it.

    An answer is a row before its first word, so that it can be cancelled: its worker watches
    ``status``, stops when it is ``cancelled``, and stores what it has said by then.
    A conversation has one open answer at most.
    """

    __tablename__ = "messages"
    __table_args__ = (
        one_of("role", MessageRole),
        one_of("status", MessageStatus),
        Index("messages_of_conversation", "conversation_id", "id"),
        Index(
            "messages_open_answer",
            "conversation_id",
            unique=True,
            postgresql_where=text("status IN ('waiting', 'streaming')"),
        ),
    )

    id: int | None = primary_key()
    conversation_id: int = foreign_key("conversations.id")
    role: MessageRole = Field(sa_type=Text)
    status: MessageStatus = Field(sa_type=Text)
    body: str = Field(sa_type=Text)
    created_at: Timestamp = utc(server_default="now()")
    ended_at: Timestamp = utc()
