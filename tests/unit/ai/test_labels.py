"""What a model's outputs mean is read from its own names, or it is refused."""

import pytest

from engine.ai.sentiment import labels_of
from engine.errors import BootFailed
from models.words import Sentiment

NEGATIVE, NEUTRAL, POSITIVE = Sentiment.NEGATIVE, Sentiment.NEUTRAL, Sentiment.POSITIVE


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ({0: "negative", 1: "neutral", 2: "positive"}, (NEGATIVE, NEUTRAL, POSITIVE)),
        ({0: "Positive", 1: "NEGATIVE", 2: "Neutral"}, (POSITIVE, NEGATIVE, NEUTRAL)),
        ({0: "긍정", 1: "중립", 2: "부정"}, (POSITIVE, NEUTRAL, NEGATIVE)),
        ({0: "negative", 1: "positive"}, (NEGATIVE, POSITIVE)),
    ],
)
def test_names_and_order_are_the_models(
    names: dict[int, str], labels: tuple[Sentiment, ...]
) -> None:
    assert labels_of(names) == labels


@pytest.mark.parametrize(
    "names",
    [
        {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"},
        {0: "negative", 1: "neutral"},
        {0: "negative", 1: "부정", 2: "positive"},
        {0: "negative", 1: "positive", 2: "fear"},
        {},
    ],
)
def test_names_that_say_nothing_stop_the_boot(names: dict[int, str]) -> None:
    with pytest.raises(BootFailed, match="id2label"):
        labels_of(names)
