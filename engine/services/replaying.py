"""Sends a dead letter again, on the road that every message takes: as a row of the outbox."""

from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from engine.errors import InvalidCommand
from models.outbox import DeadLetter, OutboxKind, OutboxRow


async def replay(session: AsyncSession, letter_id: int) -> DeadLetter:
    """Write the message anew, with all its retries, in the caller's transaction.

    It gets a new key: receivers drop a key that they have seen, and the old one died seen.

    Raises:
        InvalidCommand: there is no such letter, or it can never run.
    """
    letter = await session.get(DeadLetter, letter_id, with_for_update=True)
    if letter is None:
        raise InvalidCommand(f"there is no dead letter {letter_id}")
    if not letter.actor:
        raise InvalidCommand(f"dead letter {letter_id} could not be read, so it cannot be sent")
    options = letter.message.get("options", {})
    session.add(
        OutboxRow(
            kind=OutboxKind.MESSAGE,
            key=f"replay-{letter_id}-{uuid4().hex}",
            actor=letter.actor,
            payload={
                "args": letter.message.get("args", []),
                "kwargs": letter.message.get("kwargs", {}),
            },
            trace_id=options.get("trace_id") or uuid4().hex,
        )
    )
    letter.replayed_at = datetime.now(UTC)
    return letter
