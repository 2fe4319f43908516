"""The loop that fine-tunes, from top to bottom: batches, loss, steps, and the validation of an epoch.

AdamW with its two groups, the schedules and the clipping are those of transformers' Trainer, in its order:
the weights come out equal to the byte. Batches are drawn by seed and epoch, dropout by torch's random state,
so a training that resumes computes what it would have computed. Every process plans all batches, computes
the loss of its rows, and sums the gradients.
"""

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset, Sampler

from resumen.model.decoding import plan_batches
from resumen.model.distributed import all_reduce, rank, shard_rows
from resumen.model.t5 import T5, Dropout
from resumen.runtime.progress import track
from resumen.schema.sections import FinetuneParams
from resumen.training.checkpoints import Checkpoints, History, curve_row
from resumen.training.pretrained import Parameters
from resumen.vocabulary.tokenizer import IGNORE_INDEX

log = logging.getLogger("finetune")

LOGGED = ("epoch", "train_loss", "validation_loss", "rougeL")
LENGTH_MULTIPLE = 64  # tokens: within them, chance says who is with whom
NO_DECAY = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")  # as Trainer has it

TokenizedRow = dict[str, list[int]]  # ids, labels and perhaps a mask, by name
Batch = Mapping[
    str, Tensor
]  # input_ids and attention_mask, (rows, source tokens); labels, (rows, target tokens)
Validate = Callable[[T5], dict[str, float]]  # the loss of the validation rows, and ROUGE in points


class TokenizedRows(Dataset[TokenizedRow]):
    """The rows of a tokenized split, kept as Arrow until asked for; `ids` are apart, no model takes them."""

    def __init__(self, table: pa.Table) -> None:
        self.ids: list[str] = table["id"].to_pylist()
        self.table = table.drop_columns("id")
        self.lengths: list[int] = pc.list_value_length(table["input_ids"]).to_pylist()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> TokenizedRow:
        return {name: self.table[name][index].as_py() for name in self.table.column_names}


def chosen_rows(ids: list[str], count: int | None, seed: int) -> list[int]:
    """Return the places of `count` rows, or of all, in order: the first by a hash of `seed` and the row's id.

    So fewer rows are among more, and every base is trained on the same ones.

    >>> set(chosen_rows(["a", "b", "c", "d"], 2, seed=1)) < set(chosen_rows(["a", "b", "c", "d"], 3, seed=1))
    True
    """
    hashes = [blake2b(f"{seed} {name}".encode(), digest_size=8).digest() for name in ids]
    return sorted(sorted(range(len(ids)), key=hashes.__getitem__)[:count])


class EpochSampler(Sampler[list[int]]):
    """The batches of an epoch, of like length under a token budget, in an order drawn by seed and epoch.

    A length counts as the multiple of 64 above it, and as half the longest at least, or as the longest: so
    each epoch has as many batches, and none more than twice the articles, whose targets take memory too. Of
    `chosen` rows an epoch has as many as of all: they are gone through as often as that takes, and batches
    are planned over all passes, so that fewer articles mean neither fewer steps nor fewer tokens a step.
    """

    def __init__(
        self, lengths: list[int], batch_size: int, seed: int, chosen: list[int] | None = None
    ) -> None:
        self.longest = max(lengths, default=0)
        shortest = math.ceil(self.longest / 2)
        rounded = [math.ceil(length / LENGTH_MULTIPLE) * LENGTH_MULTIPLE for length in lengths]
        self.lengths = [min(max(length, shortest), self.longest) for length in rounded]
        self.batch_size, self.seed, self.epoch, self.skipped = batch_size, seed, 0, 0
        self.chosen = list(range(len(lengths))) if chosen is None else chosen
        self.count = len(plan_batches(self.lengths, batch_size))

    def set_epoch(self, epoch: int, skipped: int = 0) -> None:
        """Go to an epoch, past its first `skipped` batches."""
        self.epoch, self.skipped = epoch, skipped

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        draw, order, planned = Random(f"{self.seed} {self.epoch}"), list[int](), list[list[int]]()
        while len(order) < len(self.lengths) or len(planned) < self.count:
            order += draw.sample(self.chosen, len(self.chosen))
            if len(order) >= len(self.lengths):
                passes = [self.lengths[index] for index in order]
                planned = plan_batches(passes, self.batch_size, self.longest)
        longest, *others = [[order[index] for index in indices] for indices in planned]
        draw.shuffle(others)
        batches = [longest, *others]  # memory that does not suffice fails at once
        yield from batches[self.skipped : self.count]


def collate(rows: list[TokenizedRow], pad: int) -> dict[str, Tensor]:
    """Return rows padded to the longest among them, labels with IGNORE_INDEX, which earns no loss.

    >>> collate([{"input_ids": [5, 1], "labels": [6, 1]}, {"input_ids": [1], "labels": [1]}], pad=0)["labels"]
    tensor([[   6,    1],
            [   1, -100]])
    """
    source, target = (max(len(row[name]) for row in rows) for name in ("input_ids", "labels"))

    def padded(name: str, length: int, value: int) -> Tensor:
        return torch.tensor([row[name] + [value] * (length - len(row[name])) for row in rows])

    masked = [{"attention_mask": [1] * len(row["input_ids"]), **row} for row in rows]
    mask = [row["attention_mask"] + [0] * (source - len(row["attention_mask"])) for row in masked]
    return {
        "input_ids": padded("input_ids", source, pad),
        "attention_mask": torch.tensor(mask),
        "labels": padded("labels", target, IGNORE_INDEX),
    }


class TrainedT5:
    """The T5 of a model's parameters as they are, in `dtype`; they and their gradients stay in float32."""

    def __init__(self, model: Parameters, dtype: torch.dtype, longest: tuple[int, int] | None = None) -> None:
        """Compile the encoder for batches of `longest`, (rows, tokens), if given: padded ones and whole."""
        self.parameters, self.config, self.dtype = dict(model.named_parameters()), model.config, dtype
        self.longest = longest
        self.compiled = torch.compile(T5.encode, dynamic=False) if longest else None

    def t5(self) -> T5:
        return T5(self.parameters.__getitem__, self.config, self.dtype)

    def loss(self, batch: Batch, params: FinetuneParams) -> Tensor:
        """Return the loss of this process's rows of a batch, summed over their target tokens.

        Where it has none it computes a row for nothing: so all processes draw the same random numbers.
        """
        count = len(batch["labels"])
        mine, weight = shard_rows(count), 1.0
        if mine.start == mine.stop:
            mine, weight = slice(0, 1), 0.0
        encode = self.compiled if tuple(batch["input_ids"].shape) == self.longest else None
        part = {name: tensor[mine] for name, tensor in batch.items()}  # (rows of this process, tokens)
        drop = Dropout(params.dropout, mine, count)
        return weight * self.t5().loss(part, params.label_smoothing, drop, encode)


def make_optimizer(model: torch.nn.Module, params: FinetuneParams) -> torch.optim.Optimizer:
    """Return AdamW as Trainer makes it: fused, and no decay of norms and of relative position biases."""
    named = list(model.named_parameters())
    groups = [
        {
            "params": [parameter for name, parameter in named if bool(NO_DECAY.search(name)) == is_exempt],
            "weight_decay": 0.0 if is_exempt else params.weight_decay,
        }
        for is_exempt in (False, True)
    ]
    return torch.optim.AdamW(groups, lr=params.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True)


def learning_rate_factor(step: int, schedule: str, num_warmup: int, num_steps: int) -> float:
    """Return what the peak learning rate is multiplied by at a step, from 0; as transformers' schedules.

    >>> [learning_rate_factor(step, "linear", 2, 6) for step in range(7)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if step < num_warmup:
        return step / num_warmup
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return max(0.0, (num_steps - step) / max(1, num_steps - num_warmup))
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


def make_schedule(optimizer: torch.optim.Optimizer, params: FinetuneParams, num_steps: int) -> LambdaLR:
    """Return the schedule of the learning rate, its warm-up included."""
    num_warmup = math.ceil(num_steps * params.warmup_ratio)
    return LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, params.schedule, num_warmup, num_steps)
    )


def step_gradients(
    batches: list[Batch], trained: TrainedT5, model: torch.nn.Module, params: FinetuneParams
) -> Tensor:
    """Leave a step's gradients in the parameters, clipped, and return its loss.

    Both are means over the target tokens of the whole step, so 2 × 4 articles give the gradient of 1 × 8.
    """
    num_targets = sum(batch["labels"].ne(IGNORE_INDEX).sum() for batch in batches)
    total = torch.zeros((), device=next(model.parameters()).device)
    for batch in batches:
        loss = trained.loss(batch, params) / num_targets
        loss.backward()
        total += loss.detach()
    all_reduce([total])
    gradients = []
    for parameter in model.parameters():
        assert parameter.grad is not None  # every rank has the same ones to sum
        gradients.append(parameter.grad)
    all_reduce(gradients, trained.dtype)
    clip_grad_norm_(model.parameters(), params.max_grad_norm)
    return total


def train(
    model: Parameters,
    trained: TrainedT5,
    rows: TokenizedRows,
    validate: Validate,
    params: FinetuneParams,
    folder: Path,
    save: Callable[[int], None],
    before_step: Callable[[int], None] = lambda step: None,
    chosen: list[int] | None = None,
) -> tuple[History, int]:
    """Train `model` on the `chosen` of `rows`, or on all; return the history and the number of steps.

    It goes on from the last checkpoint in `folder`. `save` is called with the number of each epoch that is
    the best so far, in rank 0; `before_step` with that of each step, from 0, once its gradients are there.

    Raises:
        Interrupted: a signal asked for it; the work is kept.
        InputError: the loss is no number any more.
    """
    torch.manual_seed(params.seed)
    sampler = EpochSampler(rows.lengths, params.batch_size, params.seed, chosen)
    loader = DataLoader(rows, batch_sampler=sampler, collate_fn=partial(collate, pad=trained.config.pad))
    steps_an_epoch = math.ceil(len(sampler) / params.gradient_accumulation)
    num_steps = params.epochs * steps_an_epoch
    optimizer = make_optimizer(model, params)
    schedule = make_schedule(optimizer, params, num_steps)
    checkpoints = Checkpoints(folder, model, optimizer, schedule)
    step, history = checkpoints.load() or (0, None)
    if history is None:
        with torch.inference_mode():
            history = History([curve_row(0, 0, None, validate(trained.t5()))])
    bar = track(range(step, num_steps), "finetune training", num_steps - step, unit="step")
    with checkpoints.handle_signals():
        for epoch in range(step // steps_an_epoch + 1, params.epochs + 1):
            done = step % steps_an_epoch  # steps of this epoch, if the training resumes in it
            sampler.set_epoch(epoch - 1, done * params.gradient_accumulation)
            if not done:
                checkpoints.restore_random_state()
            batches = iter(loader)  # draws a number
            checkpoints.restore_random_state()
            while some := list(islice(batches, params.gradient_accumulation)):
                next(bar, None)
                loss = step_gradients(some, trained, model, params)
                before_step(step)
                optimizer.step()
                schedule.step()
                model.zero_grad()
                step += 1
                history.add_step(loss)
                if step % steps_an_epoch:
                    checkpoints.after_step(step, history)
            with checkpoints.ending_at_once(), torch.inference_mode():
                scores = validate(trained.t5())
            row = history.close_epoch(epoch, step, scores)
            log.info("epoch %d: loss %s, on validation %s, ROUGE-L %s", *(row[key] for key in LOGGED))
            if history.best is row and rank() == 0:
                save(epoch)
            checkpoints.save(step, history)
    return history, step
