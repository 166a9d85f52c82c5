"""Reads the training data from a folder that is not part of the project.

NSMC (github.com/e9t/nsmc, CC0) has reviews of films with ratings of 1 to 10; KOTE
(github.com/searle-j/KOTE, MIT) online comments of every kind with 44 emotions; Question_pair
(github.com/songys/Question_pair, MIT) things that people ask. All read 2026-11-23.
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NEGATIVE: Final = 0
NEUTRAL: Final = 1
POSITIVE: Final = 2

# Indices into the list of emotions in KOTE's README; 24 is "no emotion".
POSITIVE_EMOTIONS: Final = frozenset({1, 2, 4, 7, 8, 13, 14, 15, 16, 28, 32, 40, 42, 43})
NEITHER: Final = frozenset({11, 24, 29, 39})
NO_EMOTION: Final = 24

QUESTION_ENDINGS: Final = ("?", "까", "나요", "가요", "까요", "해요", "어요")


@dataclass(frozen=True, slots=True)
class Reviews:
    """Texts with ratings; ``classes`` by rating: 1-4 negative, 5-8 neutral, 9-10 positive."""

    texts: list[str]
    ratings: list[int]

    @property
    def classes(self) -> list[int]:
        """The class of each."""
        return [class_of_rating(rating) for rating in self.ratings]


@dataclass(frozen=True, slots=True)
class Comments:
    """Texts with one class each."""

    texts: list[str]
    classes: list[int]


def class_of_rating(rating: int) -> int:
    """The class of a rating of 1 to 10, as NSMC draws the lines."""
    if rating <= 4:
        return NEGATIVE
    return POSITIVE if rating >= 9 else NEUTRAL


def class_of_emotions(emotions: frozenset[int]) -> int:
    """The class of a comment by the emotions that people saw in it."""
    positive = len(emotions & POSITIVE_EMOTIONS)
    negative = len(emotions - POSITIVE_EMOTIONS - NEITHER)
    if positive + negative == 0:
        return NEUTRAL
    balance = (positive - negative) / (positive + negative)
    if abs(balance) <= 0.4 or (NO_EMOTION in emotions and abs(balance) < 0.7):
        return NEUTRAL
    return POSITIVE if balance > 0 else NEGATIVE


def read_reviews(folder: Path, *files: str) -> Reviews:
    """Reviews of all ``files`` in ``folder``, in order; ``.tsv.gz`` or ``.parquet``."""
    found = Reviews([], [])
    for name in files:
        path = folder / name
        rows = _parquet_rows(path) if path.suffix == ".parquet" else _rows(path)
        for row in rows:
            found.texts.append(row["text"])
            found.ratings.append(int(row["rating"]))
    return found


def read_comments(folder: Path, *files: str) -> Comments:
    """Comments of all ``files`` in ``folder``, in order."""
    found = Comments([], [])
    for name in files:
        for row in _rows(folder / name):
            found.texts.append(row["text"])
            emotions = frozenset(int(at) for at in row["emotions"].split(",") if at)
            found.classes.append(class_of_emotions(emotions))
    return found


def read_questions(folder: Path, *files: str) -> list[str]:
    """First questions of all pairs that are put as a question, each once, sorted."""
    found = {row["question1"].strip() for name in files for row in _rows(folder / name)}
    return sorted(question for question in found if question.endswith(QUESTION_ENDINGS))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def _parquet_rows(path: Path) -> Iterator[dict[str, str]]:
    import pyarrow.parquet  # of the extra "train"

    for batch in pyarrow.parquet.ParquetFile(path).iter_batches(columns=["text", "rating"]):
        yield from batch.to_pylist()
