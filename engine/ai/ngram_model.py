"""The shipped sentiment model: character n-grams, one table, and a small head.

Two parts of what the table says were learned from reviews of films (how positive, how lukewarm) and
three from comments on everything. The head weighs them, so that a weak feeling can mean "neutral",
which a linear model cannot say. Importing this makes both classes known to ``transformers``: the
folder then loads through ``AutoModelForSequenceClassification`` and ``AutoTokenizer`` like any
other, without code from the folder.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BatchEncoding,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizer,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from engine.ai.ngrams import ngrams_of
from engine.ai.normalizing import normalize

MODEL_TYPE: Final = "sns-ngrams"
NGRAMS_FILE: Final = "ngrams.npy"

FILM_PARTS: Final = 2
"""Columns of the table that know films: polarity, and how lukewarm."""

DENSE: Final = 4
"""What the head sees besides: polarity, its size, lukewarmness, log of the n-grams known."""


class NgramConfig(PretrainedConfig):
    """Sizes of the model; labels are in ``id2label``, as everywhere in ``transformers``."""

    model_type = MODEL_TYPE

    def __init__(self, ngrams: int = 0, **kwargs: Any) -> None:
        self.ngrams = ngrams
        super().__init__(**kwargs)


class NgramForSequenceClassification(PreTrainedModel):
    """Classifies sets of n-grams.

    ``table`` has a row for each n-gram and one of zeros for padding. Its columns: the film parts,
    one per label, and the square of the n-gram's rarity (idf), by which a text's sum is scaled to
    a vector of length one.
    """

    config_class = NgramConfig
    base_model_prefix = "ngrams"

    def __init__(self, config: NgramConfig) -> None:
        super().__init__(config)
        labels = int(config.num_labels or 0)
        columns = FILM_PARTS + labels + 1
        self.table = nn.Embedding(config.ngrams + 1, columns, padding_idx=0)
        self.film_bias = nn.Parameter(torch.zeros(FILM_PARTS))
        self.head = nn.Linear(DENSE, labels)
        self.post_init()  # type: ignore[no-untyped-call]  # transformers leaves it so

    def _init_weights(self, module: nn.Module) -> None:
        """Weights come from the file; there is nothing to draw at random."""

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Give logits.

        Args:
            input_ids: (texts, longest); each n-gram of a text once, 0 behind its last.
            attention_mask: not needed: padding adds zero.
        """
        summed = self.table(input_ids).sum(dim=1)
        scaled = summed[:, :-1] / summed[:, -1:].clamp(min=1e-6).sqrt()
        films = scaled[:, :FILM_PARTS] + self.film_bias
        known = (input_ids > 0).sum(dim=1, keepdim=True).to(films.dtype)
        dense = torch.cat([films[:, :1], films[:, :1].abs(), films[:, 1:], known.log1p()], dim=1)
        return SequenceClassifierOutput(logits=scaled[:, FILM_PARTS:] + self.head(dense))


class NgramTokenizer(PreTrainedTokenizer):
    """Turns comments into ids of the n-grams that the model knows, each once, rising.

    Args:
        ngrams_file: hashes of the n-grams, rising; the id of one is its place, from 1.
    """

    vocab_files_names = {"ngrams_file": NGRAMS_FILE}  # noqa: RUF012  # the base says how
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(self, ngrams_file: str, **kwargs: Any) -> None:
        self._file = Path(ngrams_file)
        self._known: NDArray[np.uint32] = np.load(self._file, allow_pickle=False)
        kwargs.setdefault("model_max_length", int(1e9))
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]

    @property
    def vocab_size(self) -> int:
        """How many ids there are, padding among them."""
        return len(self._known) + 1

    def get_vocab(self) -> dict[str, int]:
        """Hashes in hex by id: the n-grams themselves are not kept."""
        return {f"{value:08x}": at for at, value in enumerate(self._known.tolist(), start=1)}

    def __len__(self) -> int:
        return self.vocab_size

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        padding: bool | str = False,
        return_tensors: str | None = None,
        **_: Any,
    ) -> BatchEncoding:
        """Encode one text or many; limits on length do not apply, a text is cut at 1,000 letters.

        Tensors are always padded: they could not be made otherwise.
        """
        texts = [text] if isinstance(text, str) else list(text)
        rows = self._ids_of(texts)
        if padding or return_tensors:
            longest = max((len(row) for row in rows), default=0) or 1
            ids = np.zeros((len(rows), longest), dtype=np.int64)
            for at, row in enumerate(rows):
                ids[at, : len(row)] = row
            rows = list(ids)
        masks = [(row > 0).astype(np.int64) for row in rows]
        if return_tensors == "pt":
            return BatchEncoding(
                {
                    "input_ids": torch.from_numpy(np.stack(rows)),
                    "attention_mask": torch.from_numpy(np.stack(masks)),
                }
            )
        lists = {
            "input_ids": [row.tolist() for row in rows],
            "attention_mask": [mask.tolist() for mask in masks],
        }
        if isinstance(text, str):
            lists = {name: values[0] for name, values in lists.items()}
        return BatchEncoding(lists)

    def _ids_of(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        hashes, owners = ngrams_of([normalize(text) for text in texts])
        at = np.searchsorted(self._known, hashes)
        at[at == len(self._known)] = 0
        is_known = self._known[at] == hashes
        # One number per text and n-gram: sorted and freed of repetitions in one go.
        pairs = np.unique((owners[is_known] << np.int64(32)) | (at[is_known] + 1))
        counts = np.bincount(pairs >> np.int64(32), minlength=len(texts))
        return np.split(pairs & np.int64(0xFFFFFFFF), np.cumsum(counts)[:-1])

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Copy the file of hashes."""
        target = Path(save_directory) / f"{filename_prefix or ''}{NGRAMS_FILE}"
        if target.resolve() != self._file.resolve():
            shutil.copyfile(self._file, target)
        return (str(target),)


AutoConfig.register(MODEL_TYPE, NgramConfig, exist_ok=True)
AutoModelForSequenceClassification.register(
    NgramConfig, NgramForSequenceClassification, exist_ok=True
)
AutoTokenizer.register(NgramConfig, slow_tokenizer_class=NgramTokenizer, exist_ok=True)
