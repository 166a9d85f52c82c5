"""Asking the assistant: a question starts an answer, which then arrives as ``chat_stream`` events.

The edge writes rows; a worker answers. A reader that leaves stops nothing, and what it missed is in
the stored conversation.
"""

from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from edge.fields import Cursor, Id, Instant, Next, storable
from edge.operations import Context, Handler, Nothing, Operation
from edge.problems import Problem
from models import chatting
from models.words import MessageRole, MessageStatus

MAX_QUESTION: Final = 8000
"""Characters; more than anyone types, less than a model's context."""


class Question(BaseModel):
    """A question; without ``conversation_id`` it begins a conversation."""

    model_config = ConfigDict(extra="forbid")

    conversation_id: Id | None = None
    message: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION),
        AfterValidator(storable),
    ]


class QuestionTaken(BaseModel):
    """The question is stored and will be answered; the answer's pieces carry the conversation."""

    conversation_id: int
    question_id: int
    answer_id: int


class OneConversation(BaseModel):
    """Which conversation."""

    model_config = ConfigDict(extra="forbid")

    conversation_id: Id


class ConversationPage(OneConversation):
    """Which part of which conversation."""

    before: Cursor = None
    limit: int = Field(default=50, ge=1, le=100)


class MessageItem(BaseModel):
    """A question or an answer; an answer has what was said of it when it was stored."""

    message_id: int
    role: MessageRole
    status: MessageStatus
    message: str
    created_at: Instant
    ended_at: Instant | None


class ConversationMessages(BaseModel):
    """A page, newest first."""

    conversation_id: int
    items: list[MessageItem]
    next: Next


class AnswerCancelled(BaseModel):
    """False if there was nothing to cancel."""

    conversation_id: int
    cancelled: bool


async def ask(context: Context, _: Nothing, question: Question) -> QuestionTaken:
    """Rows and message in one commit."""
    try:
        async with context.database.transaction() as connection:
            asked = await chatting.ask(
                connection,
                user_id=context.identity.user_id,
                conversation_id=question.conversation_id,
                message=question.message,
            )
    except chatting.ConversationUnknown:
        raise _unknown() from None
    except chatting.UserUnknown:
        raise Problem(
            HTTPStatus.FORBIDDEN, "the token's user does not exist", kind="user-unknown"
        ) from None
    except chatting.AnswerOpen:
        raise Problem(
            HTTPStatus.CONFLICT,
            "the assistant is still answering; cancel that or wait",
            kind="answer-open",
        ) from None
    return QuestionTaken(**asked._asdict())


async def not_yet(_: Context, __: Nothing, ___: Question) -> QuestionTaken:
    """Where no worker has the actor, a question would wait for ever; better to say so."""
    raise Problem.try_later(
        "the assistant is not available yet", kind="assistant-unavailable", retry_after_s=3600
    )


async def read(context: Context, page: ConversationPage, _: Nothing) -> ConversationMessages:
    """One more row than asked for tells whether there is a next page."""
    try:
        async with context.database.transaction() as connection:
            rows = await chatting.read_messages(
                connection,
                user_id=context.identity.user_id,
                conversation_id=page.conversation_id,
                before=page.before,
                limit=page.limit + 1,
            )
    except chatting.ConversationUnknown:
        raise _unknown() from None
    items = [
        MessageItem(
            message_id=row["id"],
            role=row["role"],
            status=row["status"],
            message=row["body"],
            created_at=row["created_at"],
            ended_at=row["ended_at"],
        )
        for row in rows[: page.limit]
    ]
    return ConversationMessages(
        conversation_id=page.conversation_id,
        items=items,
        next=items[-1].message_id if len(rows) > page.limit else None,
    )


async def cancel(context: Context, which: OneConversation, _: Nothing) -> AnswerCancelled:
    """A state of the row; the worker watches it."""
    try:
        async with context.database.transaction() as connection:
            cancelled = await chatting.cancel_answer(
                connection,
                user_id=context.identity.user_id,
                conversation_id=which.conversation_id,
            )
    except chatting.ConversationUnknown:
        raise _unknown() from None
    return AnswerCancelled(conversation_id=which.conversation_id, cancelled=cancelled)


def _unknown() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "there is no such conversation", kind="unknown")


_OF_ONE: Final = MappingProxyType({HTTPStatus.NOT_FOUND: "no conversation of this user"})


def operations(*, is_enabled: bool) -> tuple[Operation, ...]:
    """The chat's operations; asking only where something answers."""
    handle: Handler = ask if is_enabled else not_yet
    return (
        Operation(
            method="POST",
            path="/chat",
            name="askAssistant",
            summary="Ask; the answer arrives as chat_stream events",
            handle=handle,
            body=Question,
            answer=QuestionTaken,
            status=HTTPStatus.ACCEPTED,
            problems={
                **_OF_ONE,
                HTTPStatus.CONFLICT: "the assistant is still answering in this conversation",
            },
        ),
        Operation(
            method="GET",
            path="/chat/{conversation_id}",
            name="readConversation",
            summary="What was said in a conversation, newest first",
            handle=read,
            parameters=ConversationPage,
            answer=ConversationMessages,
            problems=_OF_ONE,
        ),
        Operation(
            method="DELETE",
            path="/chat/{conversation_id}",
            name="cancelAnswer",
            summary="Cancel the answer that is being given, if any",
            handle=cancel,
            parameters=OneConversation,
            answer=AnswerCancelled,
            problems=_OF_ONE,
        ),
    )
