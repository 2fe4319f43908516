"""Prompts in, summaries out: batches of like length through `generate`."""

from collections.abc import Callable, Sequence

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from tokenizers import Tokenizer
from transformers import T5ForConditionalGeneration

from stages.shared.params import Block
from stages.shared.progress import track
from stages.shared.spelling import cut, decode, encode

Ids = list[int]
Generate = Callable[[list[Ids]], list[Ids]]  # a batch of prompts' ids -> as many outputs' ids


class Decoding(Block):
    """How `generate` chooses tokens; the names are those of transformers' GenerationConfig."""

    max_new_tokens: PositiveInt
    num_beams: PositiveInt  # 1 is greedy
    length_penalty: PositiveFloat  # beams only; > 1 favours longer outputs
    no_repeat_ngram_size: NonNegativeInt  # 0 allows repetition


def greedy(max_new_tokens: int) -> Decoding:
    """Return the plainest decoding: the likeliest token, again and again."""
    return Decoding(max_new_tokens=max_new_tokens, num_beams=1, length_penalty=1.0, no_repeat_ngram_size=0)


def encode_prompts(
    tokenizer: Tokenizer, prompts: list[str], max_tokens: int | None
) -> tuple[list[Ids], list[int]]:
    """Return each prompt's ids, cut to `max_tokens`, and its length in tokens before the cut."""
    uncut = encode(tokenizer, prompts)
    return [cut(ids, max_tokens) if max_tokens else ids for ids in uncut], [len(ids) for ids in uncut]


def in_batches(rows: Sequence[Ids], generate: Generate, batch_size: int, what: str) -> list[Ids]:
    """Return one output a row, in the order of `rows`.

    Rows of like length share a batch, so little of it is padding; the longest come first, so that
    memory fails at once if it fails.
    """
    by_length = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
    outputs: list[Ids] = [[] for _ in rows]
    starts = range(0, len(rows), batch_size)
    for start in track(starts, what, len(starts), unit="batch"):
        places = by_length[start : start + batch_size]
        made = generate([rows[place] for place in places])
        for place, output in zip(places, made, strict=True):
            outputs[place] = output
    return outputs


def generator(model: T5ForConditionalGeneration, decoding: Decoding, device: torch.device) -> Generate:
    """Return a function from a batch of ids to what `model` writes, special tokens included."""
    model = model.to(device)
    pad = model.config.pad_token_id
    options = {"max_new_tokens": decoding.max_new_tokens, "num_beams": decoding.num_beams}
    if decoding.num_beams > 1:
        options["length_penalty"] = decoding.length_penalty
    if decoding.no_repeat_ngram_size:
        options["no_repeat_ngram_size"] = decoding.no_repeat_ngram_size

    @torch.inference_mode()
    def generate(batch: list[Ids]) -> list[Ids]:
        width = max(map(len, batch))
        ids = torch.tensor([row + [pad] * (width - len(row)) for row in batch], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch], device=device)
        return model.generate(ids, attention_mask=mask, do_sample=False, **options).tolist()

    return generate


def write_texts(
    tokenizer: Tokenizer, rows: Sequence[Ids], generate: Generate, batch_size: int, what: str
) -> list[str]:
    """Return the text that the model writes for each row of ids, in order."""
    return decode(tokenizer, in_batches(rows, generate, batch_size, what))
