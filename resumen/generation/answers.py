"""Answering: what a model says to prompts of any kind, greedily, in float32."""

import logging
from functools import partial
from pathlib import Path

import torch

from resumen.checkpoint.config import ModelConfig
from resumen.model.decoding import check_generation, encode_prompts, generate_texts, greedy, make_generate
from resumen.model.device import memory_errors
from resumen.model.loading import check_vocabulary, load_t5
from resumen.model.memory import generation_need
from resumen.model.prepare import announce, prepare_torch
from resumen.vocabulary.tokenizer import load_tokenizer

log = logging.getLogger("probe")

BATCH_SIZE = 64  # of the longest prompts; in float32 the companions of a prompt do not change its answer


def answer(folder: Path, prompts: list[str], max_new_tokens: int, what: str) -> list[str]:
    """Return the answer of the model in `folder` to each prompt, in order."""
    device = prepare_torch(seed=0)  # greedy search draws nothing
    announce(log, device, torch.float32)
    tokenizer = load_tokenizer(folder)
    ids, _ = encode_prompts(tokenizer, prompts, max_tokens=None)
    decoding, lengths = greedy(max_new_tokens), [len(row) for row in ids]

    def plan(config: ModelConfig, num_rows: int) -> None:
        check_vocabulary(num_rows, tokenizer, folder)
        need_of = partial(generation_need, config, num_rows, torch.float32, device, decoding=decoding)
        check_generation(what, need_of, lengths, BATCH_SIZE, device)

    with memory_errors("probe", 1):
        model = load_t5(folder, torch.float32, device, plan)
        return generate_texts(tokenizer, ids, make_generate(model, decoding), BATCH_SIZE, what)
