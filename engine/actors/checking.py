"""Commands that look at contents before they are due."""

from typing import Annotated

import dramatiq
from pydantic import Field, validate_call

from engine import runtime
from engine.actors import message_key, patiently
from engine.brokers import medium
from engine.services import validating

RowId = Annotated[int, Field(gt=0, lt=2**63)]


@dramatiq.actor(broker=medium, queue_name=medium.tier, retry_when=patiently, min_backoff=60_000)
@validate_call
async def validate_content(content_id: RowId) -> None:
    """Check a content for each of its accounts; what was found is in ``content_checks``.

    Raises:
        InvalidCommand: there is no such content, or it has no account to go to.
    """
    here = runtime.current()
    await validating.validate_content(
        here.database,
        here.validation(),
        content_id=content_id,
        now=here.clock.now(),
        message_key=message_key(),
    )
