"""Figures of merit, each a number that the model card names."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BINS = 15


def accuracy(said: Array, truth: Array) -> float:
    """The share that is right."""
    return float((said == truth).mean())


def macro_f1(said: Array, truth: Array, classes: int = 3) -> float:
    """The mean of the classes' F1, each class counting the same."""
    scores = []
    for one in range(classes):
        right = int(((said == one) & (truth == one)).sum())
        named = int((said == one).sum() + (truth == one).sum())
        scores.append(2 * right / named if named else 0.0)
    return float(np.mean(scores))


def calibration_error(confidence: Array, is_right: Array) -> float:
    """Expected calibration error over 15 bins of equal width.

    Args:
        confidence: the share that the model gave to what it said, in [0, 1].
        is_right: whether it was so.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = 0.0
    for one in range(BINS):
        inside = bins == one
        if inside.any():
            gap = confidence[inside].mean() - is_right[inside].mean()
            error += abs(float(gap)) * float(inside.mean())
    return error
