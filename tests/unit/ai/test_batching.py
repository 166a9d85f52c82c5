"""Calls at the same time share a batch, and what was read is remembered."""

import asyncio
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from engine.ai import sentiment
from engine.ai.sentiment import TransformersSentiment
from models.words import Sentiment

LABELS = (Sentiment.NEGATIVE, Sentiment.NEUTRAL, Sentiment.POSITIVE)

pytestmark = pytest.mark.anyio


class Watched:
    """A tokenizer and a model in one, that like long texts and note what they are given."""

    model_max_length = 100

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[int] = set()
        self.fault: Exception | None = None

    def __call__(self, texts: list[str] | None = None, **inputs: Any) -> Any:
        if texts is not None:
            self.batches.append(texts)
            self.threads.add(threading.get_ident())
            if self.fault is not None:
                raise self.fault
            return {"lengths": torch.tensor([float(len(text)) for text in texts])}
        lengths = inputs["lengths"]
        logits = torch.stack([-lengths, torch.zeros_like(lengths), lengths], dim=1)
        return SimpleNamespace(logits=logits)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
async def model(watched: Watched) -> AsyncIterator[TransformersSentiment]:
    model = TransformersSentiment(watched, watched, LABELS)
    yield model
    await model.close()


async def test_calls_at_the_same_time_are_one_batch_sorted_by_length(
    model: TransformersSentiment, watched: Watched
) -> None:
    await asyncio.gather(model.read(["다섯글자임"]), model.read(["하나"]), model.read(["셋이다"]))

    assert watched.batches == [["하나", "셋이다", "다섯글자임"]]


async def test_answers_come_in_input_order(model: TransformersSentiment) -> None:
    texts = ["가" * length for length in (3, 1, 2, 1)]

    readings = await model.read(texts)

    assert [reading.score for reading in readings] == [
        reading.score for reading in [(await model.read([text]))[0] for text in texts]
    ]
    assert readings[0].score > readings[2].score > readings[1].score == readings[3].score


async def test_a_text_is_read_once_and_then_remembered(
    model: TransformersSentiment, watched: Watched
) -> None:
    await model.read(["같은 말", "같은 말"])
    await model.read(["같은 말"])

    assert watched.batches == [["같은 말"]]


async def test_only_so_many_are_remembered(
    model: TransformersSentiment, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentiment, "REMEMBERED", 2)
    await model.read(["하나"])
    await model.read(["둘"])
    await model.read(["하나"])  # the last one used
    await model.read(["셋"])  # drives out 둘
    await model.read(["하나"])
    await model.read(["둘"])

    assert watched.batches == [["하나"], ["둘"], ["셋"], ["둘"]]


async def test_many_texts_are_cut_into_batches(
    model: TransformersSentiment, watched: Watched
) -> None:
    await model.read([f"댓글 {number}" for number in range(150)])

    assert [len(batch) for batch in watched.batches] == [64, 64, 22]


async def test_one_thread_that_is_not_the_loops_does_the_reading(
    model: TransformersSentiment, watched: Watched
) -> None:
    for number in range(3):
        await asyncio.gather(*(model.read([f"{number}-{other}"]) for other in range(3)))

    assert len(watched.threads) == 1
    assert threading.get_ident() not in watched.threads


async def test_a_fault_reaches_its_callers_and_later_ones_are_served(
    model: TransformersSentiment, watched: Watched
) -> None:
    watched.fault = RuntimeError("out of memory")
    with pytest.raises(RuntimeError, match="out of memory"):
        await model.read(["하나"])
    watched.fault = None

    assert len(await model.read(["하나"])) == 1


async def test_a_caller_that_gives_up_takes_nobody_along(
    model: TransformersSentiment,
) -> None:
    first = asyncio.create_task(model.read(["같은 말"]))
    second = asyncio.create_task(model.read(["같은 말"]))
    await asyncio.sleep(0)
    first.cancel()

    assert len(await second) == 1


async def test_a_comment_without_text_is_neutral(model: TransformersSentiment) -> None:
    [reading] = await model.read(["  "])

    assert (reading.sentiment, reading.score) == (Sentiment.NEUTRAL, 0.0)
