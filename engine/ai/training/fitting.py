"""Logistic regression on sparse rows, by L-BFGS. Deterministic on one machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was found: logits are ``rows @ weights + bias``."""

    weights: Array
    bias: Array

    def logits(self, rows: sp.csr_matrix) -> Array:
        """The logits of rows."""
        found: Array = np.asarray(rows @ self.weights + self.bias)
        return found


def fit_sigmoid(
    rows: sp.csr_matrix,
    targets: Array,
    importance: Array,
    *,
    freedom: float,
    steps: int,
    start: Fitted | None = None,
    advance: Callable[[], object],
) -> Fitted:
    """Fit one yes-or-no output.

    Args:
        rows: n texts.
        targets: n shares of "yes", in [0, 1].
        importance: n weights of the texts.
        freedom: inverse of the penalty on the squared weights (scikit-learn's C).
        steps: most steps of L-BFGS.
        start: weights to begin with.
        advance: called after each step.
    """
    width = rows.shape[1]
    across = rows.T
    total = float(importance.sum())

    def loss(point: Array) -> tuple[float, Array]:
        weights = point[:-1].astype(np.float32)
        logits = np.asarray(rows @ weights) + point[-1]
        # log(1 + e^z) - t z, in a form that does not overflow
        each = np.logaddexp(0, logits) - targets * logits
        slope = (importance * (1 / (1 + np.exp(-logits)) - targets)).astype(np.float32)
        value = float((importance * each).sum()) + float(point[:-1] @ point[:-1]) / (2 * freedom)
        gradient = np.append(np.asarray(across @ slope) + point[:-1] / freedom, slope.sum())
        return value / total, gradient / total

    first = np.zeros(width + 1) if start is None else np.append(start.weights, start.bias)
    point = _descend(loss, first, steps, advance)
    return Fitted(point[:-1].astype(np.float32), point[-1])


def fit_softmax(
    rows: sp.csr_matrix,
    targets: Array,
    importance: Array,
    *,
    freedom: Array,
    steps: int,
    advance: Callable[[], object],
) -> Fitted:
    """Fit one output per class.

    Args:
        rows: n texts.
        targets: (n, classes), each row of sum one.
        importance: n weights of the texts.
        freedom: per column of ``rows``, as in :func:`fit_sigmoid`.
        steps: most steps of L-BFGS.
        advance: called after each step.
    """
    width, classes = rows.shape[1], targets.shape[1]
    across = rows.T.tocsr()
    penalty = (1 / freedom)[:, None]
    total = float(importance.sum())

    def loss(point: Array) -> tuple[float, Array]:
        weights = point[: width * classes].reshape(width, classes)
        logits = np.asarray(rows @ weights) + point[width * classes :]
        logs = log_shares(logits)
        value = -float((importance[:, None] * targets * logs).sum())
        slope = importance[:, None] * (np.exp(logs) - targets)
        gradient = np.asarray(across @ slope) + penalty * weights
        value += float((penalty * weights**2).sum()) / 2
        return value / total, np.append(gradient.ravel(), slope.sum(axis=0)) / total

    point = _descend(loss, np.zeros((width + 1) * classes), steps, advance)
    return Fitted(point[: width * classes].reshape(width, classes), point[width * classes :])


def log_shares(logits: Array) -> Array:
    """Logarithms of the softmax of each row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def _descend(
    loss: Callable[[Array], tuple[float, Array]],
    start: Array,
    steps: int,
    advance: Callable[[], object],
) -> Array:
    found: Array = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=lambda _: advance() and None,
        options={"maxiter": steps, "maxcor": 8},
    ).x
    return found
