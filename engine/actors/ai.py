"""Commands that a model answers."""

from typing import Annotated

import dramatiq
from pydantic import Field, validate_call

from engine import runtime
from engine.actors import message_key, patiently
from engine.brokers import high

RowId = Annotated[int, Field(gt=0, lt=2**63)]


@dramatiq.actor(broker=high, queue_name=high.tier, retry_when=patiently, min_backoff=5_000)
@validate_call
async def analyze_sentiment(comment_id: RowId) -> None:
    """Write down what a comment feels like, and let its ``new_comment`` event go with it.

    A comment that is gone, or that the account wrote itself, is left alone.
    """
    await runtime.current().sentiment().analyze(comment_id, message_key=message_key())
