"""Asking the assistant and taking a question back; reading what was said.

Each function is called inside the caller's transaction and commits nothing itself.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from models.outgoing import put_message
from models.statements import Row, Statements
from models.words import MessageRole, MessageStatus


class ConversationUnknown(Exception):
    """There is no such conversation, or it is another user's; nobody learns which."""


class UserUnknown(Exception):
    """The user has no row, so that nothing can be theirs."""


class AnswerOpen(Exception):
    """The assistant still answers in this conversation; cancel that or wait for it."""


class Asked(NamedTuple):
    """A question, and the row that its answer will be in."""

    conversation_id: int
    question_id: int
    answer_id: int


async def ask(
    connection: Statements, *, user_id: int, conversation_id: int | None, message: str
) -> Asked:
    """Write a question and an open answer, and have the actor ``answer_chat`` answer it.

    The message's key is ``chat:<answer id>``: a worker that gets it late, after a cancel and
    another question, thereby knows which answer was meant.

    Raises:
        UserUnknown: there is no such user.
        ConversationUnknown: ``conversation_id`` is not one of this user's.
        AnswerOpen: it has an open answer.
    """
    if conversation_id is None:
        begun = await connection.fetch(
            """
            INSERT INTO conversations (user_id) SELECT id FROM users WHERE id = $1::bigint
            RETURNING id
            """,
            user_id,
        )
        if not begun:
            raise UserUnknown("there is no such user")
        conversation_id = int(begun[0]["id"])
    else:
        await _hold(connection, user_id, conversation_id)
        if await connection.fetch(
            """
            SELECT 1 FROM messages
            WHERE conversation_id = $1::bigint AND status IN ('waiting', 'streaming')
            """,
            conversation_id,
        ):
            raise AnswerOpen("the assistant is still answering")
    said = await connection.fetch(
        """
        INSERT INTO messages (conversation_id, role, status, body, ended_at)
        VALUES ($1::bigint, $2::text, $3::text, $4::text, now())
        RETURNING id
        """,
        conversation_id,
        MessageRole.USER,
        MessageStatus.DONE,
        message,
    )
    opened = await connection.fetch(
        """
        INSERT INTO messages (conversation_id, role, status, body)
        VALUES ($1::bigint, $2::text, $3::text, '')
        RETURNING id
        """,
        conversation_id,
        MessageRole.ASSISTANT,
        MessageStatus.WAITING,
    )
    asked = Asked(conversation_id, said[0]["id"], opened[0]["id"])
    await put_message(
        connection,
        key=f"chat:{asked.answer_id}",
        actor="answer_chat",
        args=[user_id, conversation_id, message],
        trace_id=uuid4().hex,
    )
    return asked


async def cancel_answer(connection: Statements, *, user_id: int, conversation_id: int) -> bool:
    """Cancel the open answer of a conversation; false if there is none. Its worker watches the row.

    Raises:
        ConversationUnknown: it is not one of this user's.
    """
    await _hold(connection, user_id, conversation_id)
    cancelled = await connection.fetch(
        """
        UPDATE messages SET status = $2::text, ended_at = now()
        WHERE conversation_id = $1::bigint AND status IN ('waiting', 'streaming')
        RETURNING id
        """,
        conversation_id,
        MessageStatus.CANCELLED,
    )
    return bool(cancelled)


async def read_messages(
    connection: Statements,
    *,
    user_id: int,
    conversation_id: int,
    before: int | None,
    limit: int,
) -> Sequence[Row]:
    """The latest messages before an id, newest first, at most ``limit``.

    Raises:
        ConversationUnknown: it is not one of this user's.
    """
    if not await connection.fetch(
        "SELECT 1 FROM conversations WHERE id = $1::bigint AND user_id = $2::bigint",
        conversation_id,
        user_id,
    ):
        raise ConversationUnknown("there is no such conversation")
    return await connection.fetch(
        """
        SELECT id, role, status, body, created_at, ended_at FROM messages
        WHERE conversation_id = $1::bigint AND ($2::bigint IS NULL OR id < $2::bigint)
        ORDER BY id DESC
        LIMIT $3::int
        """,
        conversation_id,
        before,
        limit,
    )


async def _hold(connection: Statements, user_id: int, conversation_id: int) -> None:
    """Keep a conversation for this transaction, so that two tabs do not both ask."""
    found = await connection.fetch(
        """
        SELECT 1 FROM conversations WHERE id = $1::bigint AND user_id = $2::bigint
        FOR NO KEY UPDATE
        """,
        conversation_id,
        user_id,
    )
    if not found:
        raise ConversationUnknown("there is no such conversation")
