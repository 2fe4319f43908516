"""A system's model, whatever it is: here alone it is decided who computes it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from resumen.checkpoint.kinds import ModelKind, model_kind
from resumen.model.decoding import Generate
from resumen.model.device import states_dtype
from resumen.schema.sections import Decoding
from resumen.schema.systems import SearchParams
from resumen.vocabulary.tokenizer import Ids

log = logging.getLogger("model")


class TextModel(Protocol):
    """A model folder that writes: its tokenizer is read; its weights are, once it is loaded."""

    dtype: torch.dtype  # of the weights

    def encode(self, prompts: list[str], max_tokens: int | None, style: str) -> tuple[list[Ids], list[bool]]:
        """Return each prompt's ids, cut to `max_tokens` and to what the model can read, and whether it was.

        `style` is that of the prompts, an instruction or a conversation.
        """

    def decode(self, rows: list[Ids]) -> list[str]:
        """Return the text of each row of ids, special tokens left out."""

    def round_trip(self, texts: list[str]) -> list[str]:
        """Return each text as the vocabulary can spell it."""

    def load(self, what: str, lengths: Sequence[int], batch_size: int) -> Generate:
        """Return what writes, of prompts of `lengths` tokens in batches; see `check_generation` for `what`.

        No tensor is read before the memory for it is found to be free.

        Raises:
            InputError: it is not; or the weights are not all there, or damaged.
        """

    def check_memory(self, what: str, lengths: Sequence[int], batch_size: int) -> None:
        """Raise InputError unless the memory is free for other prompts, once the model is loaded."""

    def cost(self, lengths: Sequence[tuple[int, int]]) -> dict[str, int]:
        """Return the parameters, and the mean operations of articles of so many tokens, read and written."""

    def made_with(self) -> dict[str, Any]:
        """Return what is to be said of how it writes, beside decoding and precision."""


def open_model(
    folder: Path,
    decoding: Decoding,
    dtype: torch.dtype,
    device: torch.device,
    search: SearchParams | None = None,
) -> TextModel:
    """Return the model of a folder: a T5 or a relative is computed here, any other by transformers.

    So is a T5 whose system says how to `search` beyond our four keys.

    Raises:
        InputError: the folder holds no model that writes text, or its tokenizer cannot be read.
    """
    kind = model_kind(folder)
    search = search or SearchParams()
    if kind == ModelKind.T5 and search == SearchParams():
        from resumen.generation.ours import OwnModel

        return OwnModel(folder, decoding, dtype, device)
    from resumen.generation.auto import AutoTextModel  # transformers takes seconds to import

    if dtype == torch.int8:
        log.warning("%s: int8 is for a T5 that is computed here; this model is computed in float32", folder)
    return AutoTextModel(folder, kind, decoding, search, states_dtype(dtype), device)
