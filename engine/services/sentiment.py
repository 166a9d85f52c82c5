"""What people feel in their comments: read once per version of the text, written in batches.

A message names one comment. Those that run at the same time are loaded, read and recorded together:
one transaction sets the feeling, consumes the messages and lets the waiting events go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.ports import SentimentModel, SentimentReading
from engine.services.announcing import let_go
from engine.services.batching import Batcher
from models.words import Sentiment

BATCH_LIMIT: Final = 200  # comments in one transaction, which then holds locks for some ms

_LOAD = text("""
SELECT id, message FROM comments_inbox
WHERE id = ANY(CAST(:ids AS bigint[])) AND NOT is_own AND deleted_at IS NULL
""")

# In the order in which every writer of several comments locks them. The text must still be the one
# that was read: a comment edited meanwhile has a message of its own, with the newer text.
_RECORD = text("""
WITH got AS (
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:messages AS text[]),
        CAST(:sentiments AS text[]), CAST(:scores AS double precision[])
    ) AS got (id, message, sentiment, score)
), locked AS (
    SELECT c.id, got.sentiment, got.score
    FROM comments_inbox c JOIN got ON got.id = c.id AND got.message = c.message
    WHERE NOT c.is_own AND c.deleted_at IS NULL
    ORDER BY c.commented_at, c.platform_comment_id COLLATE "C" FOR NO KEY UPDATE OF c
)
UPDATE comments_inbox c
SET sentiment = locked.sentiment, sentiment_score = locked.score, updated_at = now()
FROM locked WHERE c.id = locked.id
RETURNING c.id
""")

_CONSUME = text("""
UPDATE outbox SET consumed_at = now()
WHERE key IN (
    SELECT key FROM outbox
    WHERE key = ANY(CAST(:keys AS text[])) AND consumed_at IS NULL
    ORDER BY key FOR UPDATE
)
""")


@dataclass(frozen=True, slots=True)
class Asked:
    """A comment to analyse, and the key of the message that asks; None when nobody relayed it."""

    comment_id: int
    message_key: str | None


class SentimentAnalysis:
    """Analyses comments for one worker process.

    Args:
        database: where comments are.
        model: reads feelings.
    """

    def __init__(self, *, database: AsyncEngine, model: SentimentModel) -> None:
        self._database = database
        self._model = model
        self._batcher: Batcher[Asked, SentimentReading | None] = Batcher(
            self._analyze, limit=BATCH_LIMIT
        )

    async def analyze(
        self, comment_id: int, *, message_key: str | None = None
    ) -> SentimentReading | None:
        """Read a comment as it is now and record what it feels like. Idempotent.

        Returns:
            What was recorded; None for a comment that is gone, our own, or was edited while it was
            read: the edit has a message of its own.
        """
        return await self._batcher.submit(Asked(comment_id, message_key))

    async def _analyze(self, asked: Sequence[Asked]) -> list[SentimentReading | None]:
        async with self._database.connect() as connection:
            rows = await connection.execute(
                _LOAD, {"ids": sorted({one.comment_id for one in asked})}
            )
            messages: dict[int, str] = {row.id: row.message for row in rows}
        readings = await self._model.read(list(messages.values()))
        recorded = await self._record(
            messages,
            dict(zip(messages, readings, strict=True)),
            sorted({one.message_key for one in asked if one.message_key is not None}),
        )
        return [recorded.get(one.comment_id) for one in asked]

    async def _record(
        self,
        messages: dict[int, str],
        readings: dict[int, SentimentReading],
        keys: Sequence[str],
    ) -> dict[int, SentimentReading]:
        async with self._database.begin() as connection:
            rows = await connection.execute(
                _RECORD,
                {
                    "ids": list(messages),
                    "messages": list(messages.values()),
                    "sentiments": [readings[id_].sentiment.value for id_ in messages],
                    "scores": [readings[id_].score for id_ in messages],
                },
            )
            recorded = {row.id: readings[row.id] for row in rows}
            if keys:
                await connection.execute(_CONSUME, {"keys": keys})
            if recorded:
                known: dict[int, Sentiment] = {
                    id_: reading.sentiment for id_, reading in recorded.items()
                }
                await let_go(connection, known)
        return recorded
