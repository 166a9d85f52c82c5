"""Sentiment of comments by whatever classifier ``transformers`` can load.

One thread owns the model. Calls that come within a few milliseconds of each other share a batch;
the event loop only waits.
"""

import asyncio
import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import structlog

from engine.errors import BootFailed
from engine.ports import SentimentReading
from models.words import Sentiment

log = structlog.get_logger(__name__)

SHIPPED: Final = Path(__file__).parent / "weights" / "sentiment"

WINDOW_S: Final = 0.003
"""Others are waited for so long: less than a person or the database could notice."""

BATCH_LIMIT: Final = 64  # texts; of a large model, about what its matrices use well
REMEMBERED: Final = 20_000
"""Readings kept by hash of the text, about 4 MB: "ㅋㅋㅋ" and "예뻐요" come again and again."""

LONGEST_TOKENS: Final = 512
"""Most that usual encoders take; a tokenizer with a lower limit says so."""

NOTHING_SAID: Final = SentimentReading(Sentiment.NEUTRAL, 0.0)
"""Of a comment without text: no model is asked, it would guess."""

_NAMES: Final = {
    "negative": Sentiment.NEGATIVE,
    "neg": Sentiment.NEGATIVE,
    "부정": Sentiment.NEGATIVE,
    "neutral": Sentiment.NEUTRAL,
    "neu": Sentiment.NEUTRAL,
    "중립": Sentiment.NEUTRAL,
    "positive": Sentiment.POSITIVE,
    "pos": Sentiment.POSITIVE,
    "긍정": Sentiment.POSITIVE,
}


def labels_of(names: Mapping[int, str]) -> tuple[Sentiment, ...]:
    """What each output of a model means, by its own names for them.

    Args:
        names: ``id2label`` of its config.

    Returns:
        A sentiment per output, in order. Neutral may be missing: such a model knows two.

    Raises:
        BootFailed: a name says nothing (``LABEL_0``), or two outputs mean the same.
    """
    said = [names[at] for at in sorted(names)]
    found = [_NAMES.get(name.strip().lower()) for name in said]
    labels = tuple(label for label in found if label is not None)
    both = {Sentiment.NEGATIVE, Sentiment.POSITIVE}
    if len(labels) != len(said) or len(set(labels)) != len(labels) or not both <= set(labels):
        raise BootFailed(
            f"the sentiment model calls its outputs {', '.join(said) or 'nothing'}; write "
            "negative, neutral and positive (or 부정, 중립, 긍정) into id2label of its "
            "config.json, or choose another model in SNS_SENTIMENT_MODEL"
        )
    return labels


class TransformersSentiment:
    """A loaded model, as :class:`engine.ports.SentimentModel`. Made by :func:`load_sentiment`.

    Args:
        tokenizer: gives tensors of a list of texts.
        model: gives ``logits`` for them.
        labels: what each output means.
    """

    def __init__(self, tokenizer: Any, model: Any, labels: Sequence[Sentiment]) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._labels = tuple(labels)
        self._positive = self._labels.index(Sentiment.POSITIVE)
        self._negative = self._labels.index(Sentiment.NEGATIVE)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sentiment")
        self._waiting: dict[str, asyncio.Future[SentimentReading]] = {}
        self._remembered: OrderedDict[bytes, SentimentReading] = OrderedDict()
        self._running: asyncio.Task[None] | None = None

    async def read(self, texts: Sequence[str]) -> list[SentimentReading]:
        """Read comments, in input order; see :class:`engine.ports.SentimentModel`."""
        return list(await asyncio.gather(*(self._read(text) for text in texts)))

    async def _read(self, text: str) -> SentimentReading:
        key = _hash(text)
        known = self._remembered.get(key)
        if known is not None:
            self._remembered.move_to_end(key)
            return known
        future = self._waiting.get(text)
        if future is None:
            future = self._waiting[text] = asyncio.get_running_loop().create_future()
            if self._running is None or self._running.done():
                self._running = asyncio.create_task(self._work_off())
        # Shielded: others may wait for the same text when one of them is cancelled.
        return await asyncio.shield(future)

    async def _work_off(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            if len(self._waiting) < BATCH_LIMIT:
                await asyncio.sleep(WINDOW_S)
            # Sorted by length, so that a batch pads little; the shortest first.
            asked = sorted(self._waiting, key=len)
            for at in range(0, len(asked), BATCH_LIMIT):
                batch = asked[at : at + BATCH_LIMIT]
                futures = [self._waiting[text] for text in batch]
                try:
                    readings = await loop.run_in_executor(self._thread, self.read_now, batch)
                except Exception as error:  # noqa: BLE001  # it is the callers' to handle
                    for future in futures:
                        future.set_exception(error)
                else:
                    for text, future, reading in zip(batch, futures, readings, strict=True):
                        self._remember(text, reading)
                        future.set_result(reading)
                for text in batch:
                    del self._waiting[text]

    def _remember(self, text: str, reading: SentimentReading) -> None:
        self._remembered[_hash(text)] = reading
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def read_now(self, texts: Sequence[str]) -> list[SentimentReading]:
        """Read comments on the calling thread, in one batch; nothing is remembered."""
        return [
            self._reading(row) if text.strip() else NOTHING_SAID
            for text, row in zip(texts, self.shares_now(texts), strict=True)
        ]

    def shares_now(self, texts: Sequence[str]) -> list[list[float]]:
        """What share each output of the model has, in the model's order, per text."""
        import torch

        with torch.inference_mode():
            inputs = self._tokenizer(
                list(texts),
                padding=True,
                truncation=True,
                max_length=min(LONGEST_TOKENS, self._tokenizer.model_max_length),
                return_tensors="pt",
            )
            shares: list[list[float]] = (
                self._model(**inputs).logits.float().softmax(dim=-1).tolist()
            )
        return shares

    def _reading(self, shares: Sequence[float]) -> SentimentReading:
        likeliest = max(range(len(shares)), key=shares.__getitem__)
        return SentimentReading(
            self._labels[likeliest], round(shares[self._positive] - shares[self._negative], 4)
        )

    async def close(self) -> None:
        """Finish what is asked, then end the thread. Idempotent."""
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
        self._thread.shutdown(wait=False)


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def load_sentiment(name: str = "") -> TransformersSentiment:
    """Load a model and read one comment with it, so that the first real one waits for nothing.

    Args:
        name: a folder, or a name that ``transformers`` knows; empty: the shipped one.

    Raises:
        BootFailed: it cannot be loaded, or its labels say nothing; the message says what to do.
    """
    # Quiet before they are imported: they look once. What is wrong is raised, not printed.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from engine.ai import ngram_model  # noqa: F401  # registers the shipped architecture
    except ImportError as error:
        raise BootFailed(
            f"the high tier needs torch and transformers ({error}); install with "
            "`pip install -c constraints.txt .`"
        ) from error
    # One thread: workers share a machine, and more of them make small batches slower.
    torch.set_num_threads(1)
    source = name or str(SHIPPED)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32)
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise BootFailed(
            f"cannot load the sentiment model {source} ({reason[0] if reason else error!r}); "
            "SNS_SENTIMENT_MODEL names a folder with config.json, weights and tokenizer, or a "
            "model of the hub; empty is the shipped one, which `make train-sentiment` makes anew"
        ) from error
    loaded = TransformersSentiment(tokenizer, model.eval(), labels_of(model.config.id2label))
    try:
        loaded.read_now(["좋아요"])
    except Exception as error:
        raise BootFailed(
            f"the sentiment model {source} does not read a comment: {error}"
        ) from error
    return loaded
