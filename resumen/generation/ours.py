"""A T5, mT5 or UMT5, computed by our own arithmetic."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from resumen.checkpoint.config import ModelConfig
from resumen.model.decoding import Generate, check_generation, encode_prompts, make_generate, smaller_than
from resumen.model.loading import check_vocabulary, load_t5
from resumen.model.memory import generation_need
from resumen.model.operations import num_parameters, summary_operations
from resumen.prompts.truncation import encode_truncated
from resumen.schema.sections import Decoding
from resumen.vocabulary.tokenizer import Ids, decode, load_tokenizer, round_trip


class OwnModel:
    """See `TextModel`."""

    def __init__(self, folder: Path, decoding: Decoding, dtype: torch.dtype, device: torch.device) -> None:
        self.folder, self.decoding, self.dtype, self.device = folder, decoding, dtype, device
        self.tokenizer = load_tokenizer(folder)

    def encode(self, prompts: list[str], max_tokens: int | None, style: str) -> tuple[list[Ids], list[bool]]:
        if max_tokens is None:
            return encode_prompts(self.tokenizer, prompts, None)[0], [False] * len(prompts)
        return encode_truncated(self.tokenizer, prompts, max_tokens, style)

    def decode(self, rows: list[Ids]) -> list[str]:
        return decode(self.tokenizer, rows)

    def round_trip(self, texts: list[str]) -> list[str]:
        return round_trip(self.tokenizer, texts)

    def load(self, what: str, lengths: Sequence[int], batch_size: int) -> Generate:
        def plan(config: ModelConfig, num_rows: int) -> None:
            check_vocabulary(num_rows, self.tokenizer, self.folder)
            self.config, self.num_rows = config, num_rows
            self.check_memory(what, lengths, batch_size)

        return make_generate(load_t5(self.folder, self.dtype, self.device, plan), self.decoding)

    def check_memory(self, what: str, lengths: Sequence[int], batch_size: int) -> None:
        shape = self.config, self.num_rows, self.dtype, self.device
        check_generation(
            what,
            partial(generation_need, *shape, decoding=self.decoding),
            lengths,
            batch_size,
            self.device,
            smaller_than(self.dtype),
        )

    def cost(self, lengths: Sequence[tuple[int, int]]) -> dict[str, int]:
        shape, beams = (self.config, self.num_rows), self.decoding.num_beams
        total = sum(summary_operations(*shape, *pair, beams) for pair in lengths)
        return {"parameters": num_parameters(*shape), "operations": round(total / len(lengths))}

    def made_with(self) -> dict[str, Any]:
        return {}
