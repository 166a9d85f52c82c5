"""Trains the sentiment model that is shipped, and measures it.

``python -m engine.ai.training.sentiment train DATA`` takes some minutes on one core;
``… evaluate DATA`` measures what is in ``engine/ai/weights/sentiment``. DATA holds ``nsmc/``,
``kote/`` and ``question-pair/`` (:mod:`engine.ai.training.corpora`).

The recipe, in the order of the code:

1. Character 1-4-grams of all texts; those that eight texts hold.
2. Two logistic regressions on reviews alone: how positive (ratings as soft targets), and how
   lukewarm. The n-grams that weigh most stay, and are fitted again.
3. A softmax over negative, neutral and positive on comments, and on reviews that step 2 has not
   seen: it has what step 2 says, in four numbers, and n-grams of its own. Questions in which
   step 2 sees little feeling stand for neutral, which comments show too seldom.
4. Neutral, which is rare, is lifted, and a temperature set, on folds that step 3 has not seen.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import scipy.sparse as sp
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from engine.ai.ngrams import Hashes
from engine.ai.sentiment import SHIPPED, load_sentiment
from engine.ai.training.corpora import (
    NEUTRAL,
    POSITIVE,
    Comments,
    Reviews,
    read_comments,
    read_questions,
    read_reviews,
)
from engine.ai.training.features import count_ngrams, frequent, incidence, rarity, weighted
from engine.ai.training.fitting import Fitted, fit_sigmoid, fit_softmax, log_shares
from engine.ai.training.measuring import accuracy, calibration_error, macro_f1

Array = NDArray[Any]

SEED: Final = 7
LEAST_TEXTS: Final = 8
NGRAMS: Final = 400_000
POLARITY_BY_RATING: Final = np.array(
    [0, 0.0, 0.02, 0.05, 0.12, 0.3, 0.42, 0.55, 0.7, 0.95, 1.0], dtype=np.float64
)
"""How positive a rating is, by rating; the first has no meaning."""

SEEN_BY_HEAD: Final = 20_000
"""Reviews kept from step 2 for step 3, half of them positive."""

IS_NEUTRAL: Final = np.array([0.0, 1.0, 0.0])

FILM_FREEDOM: Final = 8.0
OWN_FREEDOM: Final = 3.0
DENSE_FREEDOM: Final = 1000.0
OWN_LEAST_TEXTS: Final = 2
NEUTRAL_IMPORTANCE: Final = 1.4
REVIEW_IMPORTANCE: Final = 0.4
QUESTION_IMPORTANCE: Final = 0.2
CALM: Final = 1.2
"""A question with less polarity (a logit) is taken for neutral."""
FOLDS: Final = 4
ACCURACY_FOR_F1: Final = 0.006
"""So much accuracy is given for a better macro-F1 when neutral is lifted."""

POLARITY_STEPS: Final = 130
LUKEWARM_STEPS: Final = 60
REFIT_STEPS: Final = 40
HEAD_STEPS: Final = 150

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console()

DataArgument = Annotated[Path, typer.Argument(exists=True, file_okay=False)]


@app.command()
def train(
    data: DataArgument,
    out: Annotated[Path, typer.Option(help="Where the model is written.")] = SHIPPED,
) -> None:
    """Train the model and write it."""
    from engine.ai.training.writing import write

    reviews = read_reviews(data / "nsmc", "train.tsv.gz", "neutral-train.tsv.gz", "rest.parquet")
    comments = read_comments(data / "kote", "train.tsv.gz")
    questions = read_questions(data / "question-pair", "train.tsv.gz")
    with Progress(console=console) as progress:
        known, idf, films, head = _fit(reviews, comments, questions, progress)
    write(out, known=known, idf=idf, films=films, head=head)
    console.print(f"written to {out}")


@app.command()
def evaluate(
    data: DataArgument,
    model: Annotated[str, typer.Option(help="A folder or a name; empty: the shipped one.")] = "",
) -> None:
    """Measure a model on the validation files."""
    loaded = load_sentiment(model)

    def shares_of(texts: list[str]) -> Array:
        rows = [
            loaded.shares_now(texts[start : start + 256]) for start in range(0, len(texts), 256)
        ]
        return np.array([row for chunk in rows for row in chunk])

    reviews = read_reviews(data / "nsmc", "valid.tsv.gz")
    shares, truth = shares_of(reviews.texts), np.array(reviews.classes)
    is_positive = shares[:, POSITIVE] > shares[:, 0]
    console.print(
        f"nsmc: accuracy by the score's sign {accuracy(is_positive, truth == POSITIVE):.4f}, "
        f"ECE {_polar_error(shares, truth):.4f}"
    )
    comments = read_comments(data / "kote", "valid.tsv.gz")
    shares, truth = shares_of(comments.texts), np.array(comments.classes)
    said = shares.argmax(axis=1)
    polar = truth != NEUTRAL
    is_positive = shares[:, POSITIVE] > shares[:, 0]
    console.print(
        f"kote: accuracy {accuracy(said, truth):.4f}, macro-F1 {macro_f1(said, truth):.4f}, "
        f"ECE {calibration_error(shares.max(axis=1), said == truth):.4f}, "
        f"sign {accuracy(is_positive[polar], truth[polar] == POSITIVE):.4f}, "
        f"ECE of the sign {_polar_error(shares[polar], truth[polar]):.4f}"
    )


def _polar_error(shares: Array, truth: Array) -> float:
    """Calibration error of negative against positive, neutral left out."""
    both = shares[:, [0, POSITIVE]]
    confidence = both.max(axis=1) / both.sum(axis=1)
    return calibration_error(confidence, (both.argmax(axis=1) == 1) == (truth == POSITIVE))


def _fit(
    reviews: Reviews, comments: Comments, questions: list[str], progress: Progress
) -> tuple[Hashes, Array, list[Fitted], Fitted]:
    texts = [*reviews.texts, *comments.texts]
    task = progress.add_task("n-grams", total=len(texts))
    rows, hashes = count_ngrams(texts, lambda done: progress.advance(task, done))
    known = frequent(hashes, LEAST_TEXTS)
    held = incidence(rows, hashes, known, len(texts))
    ratings, classes = np.array(reviews.ratings), np.array(reviews.classes)
    is_kept = _kept_for_head(classes)
    idf = rarity(held)
    films = _fit_films(weighted(held, idf), ratings, classes, is_kept, progress)
    heaviest = np.argsort(-np.abs(films[0].weights) - np.abs(films[1].weights) / 2)[:NGRAMS]
    stay = np.sort(heaviest)
    known, idf, held = known[stay], idf[stay], held[:, stay]
    matrix = weighted(held, idf)
    start = [Fitted(one.weights[stay], one.bias) for one in films]
    films = _fit_films(matrix, ratings, classes, is_kept, progress, start=start)
    chosen = np.append(
        np.flatnonzero(is_kept), np.arange(len(reviews.texts), len(texts), dtype=np.int64)
    )
    head = _fit_head(
        matrix[chosen],
        films,
        np.append(classes[is_kept], comments.classes),
        reviews=int(is_kept.sum()),
        questions=_calm(questions, known, idf, films),
        progress=progress,
    )
    return known, idf, films, head


def _vectors(texts: list[str], known: Hashes, idf: NDArray[np.float32]) -> sp.csr_matrix:
    rows, hashes = count_ngrams(texts, lambda _: None)
    return weighted(incidence(rows, hashes, known, len(texts)), idf)


def _dense(matrix: sp.csr_matrix, films: list[Fitted]) -> Array:
    """What the head sees besides n-grams, as the model computes it."""
    polarity, lukewarm = (film.logits(matrix) for film in films)
    known = np.log1p(np.diff(matrix.indptr))
    return np.stack([polarity, np.abs(polarity), lukewarm, known], axis=1)


def _calm(
    questions: list[str], known: Hashes, idf: NDArray[np.float32], films: list[Fitted]
) -> sp.csr_matrix:
    matrix = _vectors(questions, known, idf)
    return matrix[np.flatnonzero(np.abs(films[0].logits(matrix)) < CALM)]


def _kept_for_head(classes: Array) -> NDArray[np.bool_]:
    generator = np.random.default_rng(SEED)
    is_kept = np.zeros(len(classes), dtype=bool)
    for one in (0, POSITIVE):
        among = np.flatnonzero(classes == one)
        is_kept[generator.choice(among, min(len(among) // 4, SEEN_BY_HEAD // 2), False)] = True
    return is_kept


def _fit_films(
    matrix: sp.csr_matrix,
    ratings: Array,
    classes: Array,
    is_kept: Array,
    progress: Progress,
    start: list[Fitted] | None = None,
) -> list[Fitted]:
    seen = np.flatnonzero(~is_kept)
    rows, ratings, classes = matrix[seen], ratings[seen], classes[seen]
    counts = np.bincount(classes, minlength=3)
    # Negative and positive weigh the same in all, lukewarm a third of either per review.
    balance = np.where(classes == POSITIVE, counts[0] / counts[POSITIVE], 1.0)
    polarity = fit_sigmoid(
        rows,
        POLARITY_BY_RATING[ratings],
        np.where(classes == NEUTRAL, 0.3, balance),
        freedom=FILM_FREEDOM,
        steps=REFIT_STEPS if start else POLARITY_STEPS,
        start=start[0] if start else None,
        advance=_task(progress, "polarity", REFIT_STEPS if start else POLARITY_STEPS),
    )
    lukewarm = fit_sigmoid(
        rows,
        (classes == NEUTRAL).astype(np.float64),
        np.where(classes == NEUTRAL, 0.6, balance),
        freedom=FILM_FREEDOM / 2,
        steps=REFIT_STEPS // 2 if start else LUKEWARM_STEPS,
        start=start[1] if start else None,
        advance=_task(progress, "lukewarm", REFIT_STEPS // 2 if start else LUKEWARM_STEPS),
    )
    return [polarity, lukewarm]


def _fit_head(
    matrix: sp.csr_matrix,
    films: list[Fitted],
    classes: Array,
    *,
    reviews: int,
    questions: sp.csr_matrix,
    progress: Progress,
) -> Fitted:
    """Fit step 3; the first ``reviews`` rows are reviews. Weights of n-grams come first.

    Questions are in every fold's training and in no measurement: nobody labelled them.
    """
    width = matrix.shape[1]
    is_review = np.arange(len(classes)) < reviews
    # N-grams of its own only where comments hold them: reviews are there to keep the peace.
    in_comments = np.bincount(matrix[reviews:].indices, minlength=width) >= OWN_LEAST_TEXTS
    own = np.flatnonzero(in_comments)
    asked = questions.shape[0]
    whole_matrix = sp.vstack([matrix, questions]).tocsr()
    dense = _dense(whole_matrix, films)
    rows = sp.hstack([whole_matrix[:, own], sp.csr_matrix(dense)]).tocsr()
    freedom = np.append(np.full(len(own), OWN_FREEDOM), np.full(dense.shape[1], DENSE_FREEDOM))
    importance = np.where(
        is_review, REVIEW_IMPORTANCE, np.where(classes == NEUTRAL, NEUTRAL_IMPORTANCE, 1.0)
    )
    importance = np.append(importance, np.full(asked, QUESTION_IMPORTANCE))
    targets = np.eye(3)[np.append(classes, np.full(asked, NEUTRAL))]
    advance = _task(progress, "head", HEAD_STEPS * (FOLDS + 1))

    def fit(chosen: Array) -> Fitted:
        return fit_softmax(
            rows[chosen],
            targets[chosen],
            importance[chosen],
            freedom=freedom,
            steps=HEAD_STEPS,
            advance=advance,
        )

    folds = np.random.default_rng(SEED).integers(0, FOLDS, len(classes))
    always = np.full(asked, True)
    unseen = np.zeros((len(classes), 3))
    for fold in range(FOLDS):
        tested = np.flatnonzero(folds == fold)
        unseen[tested] = fit(np.append(folds != fold, always)).logits(rows[tested])
    lift, sharpness = _calibrate(unseen[~is_review], classes[~is_review])
    progress.console.print(
        _on_folds(unseen * sharpness + lift * IS_NEUTRAL, classes, is_review)
        + f" (neutral lifted by {lift:.2f}, sharpness {sharpness:.2f})"
    )
    whole = fit(np.arange(rows.shape[0]))
    weights = np.zeros((width + dense.shape[1], 3))
    weights[own] = whole.weights[: len(own)]
    weights[width:] = whole.weights[len(own) :]
    return Fitted(weights * sharpness, whole.bias * sharpness + lift * IS_NEUTRAL)


def _calibrate(logits: Array, classes: Array) -> tuple[float, float]:
    """How far to lift neutral, and by what to multiply all logits before it."""
    lifts = np.arange(0, 1.5, 0.05)
    said = [(logits + lift * IS_NEUTRAL).argmax(axis=1) for lift in lifts]
    right = [accuracy(one, classes) for one in said]
    good = [at for at, share in enumerate(right) if share >= max(right) - ACCURACY_FOR_F1]
    best = max(good, key=lambda at: macro_f1(said[at], classes))
    confidences = {
        sharpness: np.exp(log_shares(sharpness * (logits + lifts[best] * IS_NEUTRAL)).max(axis=1))
        for sharpness in np.arange(0.6, 1.5, 0.02)
    }
    is_right = said[best] == classes
    sharpness = min(confidences, key=lambda one: calibration_error(confidences[one], is_right))
    return float(lifts[best] * sharpness), float(sharpness)


def _on_folds(logits: Array, classes: Array, is_review: Array) -> str:
    said = logits.argmax(axis=1)
    is_positive = logits[:, POSITIVE] > logits[:, 0]
    confidence = np.exp(log_shares(logits).max(axis=1))
    ours, films = ~is_review, is_review
    error = calibration_error(confidence[ours], said[ours] == classes[ours])
    return (
        f"unseen folds: comments accuracy {accuracy(said[ours], classes[ours]):.4f}, "
        f"macro-F1 {macro_f1(said[ours], classes[ours]):.4f}, ECE {error:.4f}; reviews, sign "
        f"{accuracy(is_positive[films], classes[films] == POSITIVE):.4f}"
    )


def _task(progress: Progress, name: str, steps: int) -> Callable[[], object]:
    task = progress.add_task(name, total=steps)
    return lambda: progress.advance(task)


if __name__ == "__main__":
    app()
