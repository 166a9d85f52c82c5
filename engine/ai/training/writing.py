"""Writes a trained model as a folder that ``transformers`` loads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.ai.ngram_model import (
    FILM_PARTS,
    NGRAMS_FILE,
    NgramConfig,
    NgramForSequenceClassification,
)
from engine.ai.ngrams import Hashes
from engine.ai.training.fitting import Fitted

LABELS = {0: "negative", 1: "neutral", 2: "positive"}
NUMBERS = {label: number for number, label in LABELS.items()}


def write(
    folder: Path, *, known: Hashes, idf: NDArray[Any], films: list[Fitted], head: Fitted
) -> None:
    """Write config, weights in half precision, and the tokenizer's two files.

    The weights of an n-gram hold its rarity already; what is left to the model is the length.
    """
    width = len(known)
    parts = [film.weights[:, None] for film in films] + [head.weights[:width]]
    table = np.zeros((width + 1, FILM_PARTS + len(LABELS) + 1), dtype=np.float32)
    table[1:, :-1] = np.concatenate(parts, axis=1) * idf[:, None]
    table[1:, -1] = idf**2
    model = NgramForSequenceClassification(
        NgramConfig(ngrams=width, id2label=LABELS, label2id=NUMBERS)
    )
    with torch.no_grad():
        model.table.weight.copy_(torch.from_numpy(table))
        model.film_bias.copy_(torch.tensor([float(film.bias) for film in films]))
        model.head.weight.copy_(torch.from_numpy(head.weights[width:].T.copy()))
        model.head.bias.copy_(torch.from_numpy(head.bias))
    folder.mkdir(parents=True, exist_ok=True)
    model.type(torch.float16).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # it is private at first; it is shipped
    np.save(folder / NGRAMS_FILE, known.astype("<u4"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "NgramTokenizer", "pad_token": "[PAD]"}, indent=2) + "\n"
    )
