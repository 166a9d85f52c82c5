"""Texts as rows of a sparse matrix: tf-idf of n-grams, each counted once, rows of length one."""

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from engine.ai.ngrams import Hashes, ngrams_of
from engine.ai.normalizing import normalize

CHUNK = 20_000  # texts hashed at a time: some hundred MB of arrays


def count_ngrams(
    texts: Sequence[str], advance: Callable[[int], object]
) -> tuple[NDArray[np.int64], Hashes]:
    """Hash texts; gives the row and the hash of every n-gram that a text holds, once each.

    Args:
        texts: as people wrote them.
        advance: told how many texts were done.
    """
    rows: list[NDArray[np.int64]] = []
    hashes: list[Hashes] = []
    for start in range(0, len(texts), CHUNK):
        chunk = [normalize(text) for text in texts[start : start + CHUNK]]
        found, owners = ngrams_of(chunk)
        pairs = np.unique((owners.astype(np.uint64) << np.uint64(32)) | found)
        rows.append((pairs >> np.uint64(32)).astype(np.int64) + start)
        hashes.append((pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32))
        advance(len(chunk))
    return np.concatenate(rows), np.concatenate(hashes)


def frequent(hashes: Hashes, least: int) -> Hashes:
    """The hashes that at least so many texts hold, rising."""
    known, counts = np.unique(hashes, return_counts=True)
    return known[counts >= least]


def incidence(rows: NDArray[np.int64], hashes: Hashes, known: Hashes, height: int) -> sp.csr_matrix:
    """A matrix of ones: which text holds which known n-gram."""
    at = np.searchsorted(known, hashes)
    at[at == len(known)] = 0
    is_known = known[at] == hashes
    ones = np.ones(int(is_known.sum()), dtype=np.float32)
    return sp.csr_matrix(
        (ones, (rows[is_known], at[is_known].astype(np.int32))), shape=(height, len(known))
    )


def rarity(held: sp.csr_matrix) -> NDArray[np.float32]:
    """Inverse document frequency of each column: 1 + ln((1 + n) / (1 + df))."""
    height, width = held.shape
    counts = np.bincount(held.indices, minlength=width)
    rarities: NDArray[np.float32] = (np.log((1 + height) / (1 + counts)) + 1).astype(np.float32)
    return rarities


def weighted(held: sp.csr_matrix, idf: NDArray[np.float32]) -> sp.csr_matrix:
    """Tf-idf rows of length one; an empty row stays empty."""
    matrix = held.copy()
    matrix.data = idf[matrix.indices]
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    counts = np.diff(matrix.indptr)
    matrix.data /= np.repeat(np.maximum(lengths, 1e-6).astype(np.float32), counts)
    return matrix
