"""Answering: what a model says to prompts of any kind, greedily, in float32."""

import logging
from pathlib import Path

import torch

from resumen.generation.models import open_model
from resumen.model.decoding import generate_in_batches, greedy
from resumen.model.device import memory_errors
from resumen.model.prepare import announce, prepare_torch
from resumen.schema.systems import SearchParams

log = logging.getLogger("probe")

BATCH_SIZE = 64  # of the longest prompts; in float32 the companions of a prompt do not change its answer


def answer(
    folder: Path, prompts: list[str], max_new_tokens: int, what: str, search: SearchParams | None = None
) -> list[str]:
    """Return the answer of the model in `folder` to each prompt, in order."""
    device = prepare_torch(seed=0)  # greedy search draws nothing
    announce(log, device, torch.float32)
    model = open_model(folder, greedy(max_new_tokens), torch.float32, device, search)
    ids, _ = model.encode(prompts, None, "instruction")
    with memory_errors("probe", 1):
        generate = model.load(what, [len(row) for row in ids], BATCH_SIZE)
        return model.decode(generate_in_batches(ids, generate, BATCH_SIZE, what))
