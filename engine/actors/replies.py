"""Commands that act on comments, where everybody sees it."""

import contextlib
from typing import Annotated, Literal

import dramatiq
from pydantic import Field, validate_call

from engine import runtime
from engine.actors import message_key, patiently
from engine.brokers import critical
from engine.services import moderating, replying

RowId = Annotated[int, Field(gt=0, lt=2**63)]


@dramatiq.actor(broker=critical, queue_name=critical.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def send_reply(reply_id: RowId) -> None:
    """Send an approved reply, once, however often this is sent.

    Its own retries (three, from 60 s) are due times in its row; whoever wrote it is told when it
    cannot be sent.

    Raises:
        InvalidCommand: there is none, or nobody approved it; a dead letter follows.
    """
    here = runtime.current()
    await replying.ask_to_send(here.database, reply_id=reply_id, message_key=message_key())
    if here.replier is not None:
        here.replier.wake()


@dramatiq.actor(broker=critical, queue_name=critical.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def moderate_comment(
    comment_id: RowId, action: Literal["hide", "unhide", "delete"], user_id: RowId | None = None
) -> None:
    """Hide a comment, show it again, or delete it, where the platform can; idempotent.

    Raises:
        InvalidCommand: there is no such comment.
    """
    here = runtime.current()
    with contextlib.suppress(*moderating.CANNOT):  # whoever asked has been told
        await moderating.moderate(
            here.database,
            comment_id=comment_id,
            action=action,
            user_id=user_id,
            inboxes=here.inboxes,
            vault=here.settings.vault(),
            message_key=message_key(),
        )
