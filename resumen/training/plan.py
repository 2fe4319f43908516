"""What a step of training takes, counted on tensors without values; and what a validation beside it takes."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import ceil
from typing import Any
from weakref import finalize

import torch
from torch import Tensor

from resumen.checkpoint.config import ModelConfig
from resumen.model.device import CPU, META, planned_for
from resumen.model.distributed import world_size
from resumen.model.memory import FLOAT32, PROGRAM, check_free, products
from resumen.model.operations import num_parameters
from resumen.model.private import dispatch_mode
from resumen.model.t5 import T5, Dropout
from resumen.schema.sections import FinetuneParams
from resumen.training.loop import EpochSampler

ADAM_STATE = 2 * FLOAT32  # bytes of AdamW, a parameter
HEAP = 1.12  # what a heap takes for what lies in it: measured 1.09 to 1.19, flan-small and flan-base, batch 8

Shape = tuple[int, int, int]  # of a batch: articles, source tokens, target tokens


class LiveBytes(dispatch_mode()):  # type: ignore[misc]  # torch's own, or nothing that counts
    """Counts the bytes of the tensors that are alive while it is entered, and the most that ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now: int = 0
        self.peak: int = 0
        self.seen: set[int] = set()  # storages, by their identity

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, Tensor) and tensor.device == META:
                self.add(tensor.untyped_storage())
        return result

    def add(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key not in self.seen:
            self.seen.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            finalize(storage, self.forget, key, size)

    def forget(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.now -= size


def step_bytes(
    config: ModelConfig,
    rows: int,
    dtype: torch.dtype,
    shape: Shape,
    params: FinetuneParams | None = None,
    device: torch.device = CPU,
) -> int:
    """Return the most bytes that the parameters, activations and gradients of a step take at once.

    `rows` are those of the embedding, `shape` the batch's: articles, source tokens, target tokens. `params`
    say the dropout, the smoothing, and whether gradients of an earlier batch wait (None: nothing of it);
    `device` how it is computed.
    """
    articles, source, target = shape
    batch = {
        "input_ids": torch.ones(articles, source, dtype=torch.long),
        "attention_mask": torch.ones(articles, source, dtype=torch.long),
        "labels": torch.ones(articles, target, dtype=torch.long),
    }
    batch["attention_mask"][1:, -1:] = 0  # padding has a mask of its own
    dropout, smoothing = (params.dropout, params.label_smoothing) if params else (0.0, 0.0)
    passes = 2 if params and params.gradient_accumulation > 1 else 1
    with planned_for(device), LiveBytes() as live:
        shapes = config.tensors(rows)
        if config.untied_head:
            shapes["lm_head.weight"] = shapes["shared.weight"]
        tensors = {
            name: torch.empty(shape, device=META, requires_grad=True) for name, shape in shapes.items()
        }
        for _ in range(passes):
            loss = T5(tensors.__getitem__, config, dtype).loss(batch, smoothing, Dropout(dropout))
            loss.backward()
    peak: int = live.peak
    return peak


def training_bytes(
    config: ModelConfig,
    rows: int,
    dtype: torch.dtype,
    shape: Shape,
    params: FinetuneParams | None = None,
    device: torch.device = CPU,
) -> int:
    """Return the bytes of a process that trains on batches of `shape`; see `step_bytes`."""
    state = ADAM_STATE * num_parameters(config, rows)
    return int(HEAP * (PROGRAM + state + step_bytes(config, rows, dtype, shape, params, device)))


def largest_batches(lengths: list[int], targets: list[int], chosen: list[int], batch_size: int) -> set[Shape]:
    """Return the shapes of the batches that may take the most: of each length of articles, as many as fit.

    `lengths` and `targets` are tokens of each article, `chosen` those that are trained on. Batches have one
    budget of source tokens: what an attention takes grows with their length, what targets take with their
    number. A batch takes rows as long as its first, or shorter, so its longest target is that of all these.
    """
    sampler = EpochSampler(lengths, batch_size, seed=0)
    rows = sorted((sampler.lengths[index], targets[index]) for index in chosen)
    longest = dict(
        zip((length for length, _ in rows), accumulate((target for _, target in rows), max), strict=True)
    )
    return {
        (min(batch_size * sampler.longest // length, len(lengths)), length, target)
        for length, target in longest.items()
    }


def held_in_training(config: ModelConfig, rows: int, dtype: torch.dtype) -> int:
    """Return the bytes of parameters, optimizer and fused weights, while there are no gradients."""
    head = rows * config.d_model * (dtype != torch.float32)
    parameters = num_parameters(config, rows) * (FLOAT32 + ADAM_STATE)
    return parameters + (head + products(config, rows)) * dtype.itemsize


def check_training(
    what: str,
    config: ModelConfig,
    rows: int,
    dtype: torch.dtype,
    device: torch.device,
    shapes_of: Callable[[int], set[Shape]],
    params: FinetuneParams,
    keys: Sequence[str],
) -> None:
    """Raise InputError unless the memory for a step is free.

    `shapes_of` gives the batches that may take the most by the batch size. The message proposes the largest
    batch that fits, and the accumulation that leaves the step about as it was; `keys` are those that say the
    two.
    """
    key, accumulation_key = keys

    def need(batch_size: int, accumulation: int) -> int:
        chosen = params.model_copy(update={"gradient_accumulation": accumulation})
        return max(
            training_bytes(config, rows, dtype, (ceil(count / world_size()), source, target), chosen, device)
            for count, source, target in shapes_of(batch_size)
        )

    def remedy(free: int) -> str:
        whole = params.batch_size * params.gradient_accumulation
        for smaller in range(params.batch_size - 1, 0, -1):
            if whole % smaller == 0 and need(smaller, whole // smaller) <= free:
                more = f"{accumulation_key}={whole // smaller}"
                return f"set {key}={smaller} and {more}, which leaves the step about as it was"
        return "take a smaller base, or lower tokenize.source_tokens"

    of_what = f"batch_size {params.batch_size}, in {str(dtype).removeprefix('torch.')}"
    whole = need(params.batch_size, params.gradient_accumulation)
    check_free(f"{key}: a step of {what}, {of_what},", whole, device, remedy)
