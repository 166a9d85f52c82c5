"""A model that knows two words, and notes what it was asked."""

from collections.abc import Awaitable, Callable, Sequence

from engine.ports import SentimentReading
from models.words import Sentiment


class FakeSentiment:
    """``before_reading`` runs while a batch is read, as other work does meanwhile."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.before_reading: Callable[[], Awaitable[None]] | None = None

    async def read(self, texts: Sequence[str]) -> list[SentimentReading]:
        self.asked.append(list(texts))
        if self.before_reading is not None:
            await self.before_reading()
        return [self._reading(text) for text in texts]

    def _reading(self, text: str) -> SentimentReading:
        if "좋아" in text:
            return SentimentReading(Sentiment.POSITIVE, 0.9)
        if "별로" in text:
            return SentimentReading(Sentiment.NEGATIVE, -0.9)
        return SentimentReading(Sentiment.NEUTRAL, 0.0)

    async def close(self) -> None:
        pass
