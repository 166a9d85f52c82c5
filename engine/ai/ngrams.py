"""Character n-grams of texts as numbers, many texts at a time.

Korean glues its endings to its words, and comments glue words to each other; runs of one to four
characters need no analyser and survive typos. Each is known by a 32-bit hash, which arrays can
sort and search without a string or a dictionary entry per n-gram.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

LONGEST_NGRAM: Final = 4  # characters; five add size and no accuracy

Hashes = NDArray[np.uint32]

_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads well
_BORDER: Final = 0  # between texts; no comment holds it


def ngrams_of(texts: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    """Hash all n-grams of all texts.

    Args:
        texts: n normalized strings; each is read with a space before and behind it.

    Returns:
        The hashes, repetitions included, and for each the index of its text; both in one order.
    """
    joined = "\0".join(f" {text.replace(chr(0), ' ')} " for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    borders = codes == _BORDER
    owner = np.cumsum(borders, dtype=np.int64)
    hashes: list[Hashes] = [np.zeros(0, dtype=np.uint32)]
    owners: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    value = np.zeros(len(codes), dtype=np.uint64)
    whole = np.ones(len(codes), dtype=bool)
    for length in range(1, LONGEST_NGRAM + 1):
        count = len(codes) - length + 1
        if count <= 0:
            break
        value = value[:count] * _FACTOR + codes[length - 1 :].astype(np.uint64) + np.uint64(1)
        whole = whole[:count] & ~borders[length - 1 :]
        mixed = (value ^ (value >> np.uint64(29))) * _FACTOR
        hashes.append((mixed >> np.uint64(32)).astype(np.uint32)[whole])
        owners.append(owner[:count][whole])
    return np.concatenate(hashes), np.concatenate(owners)
