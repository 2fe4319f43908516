"""Training: the loop, its loss, its optimizers and its learning rate."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import T5ForConditionalGeneration

from miniatures.batches import Row, batch_at
from miniatures.checkpoints import TrainingState, load_checkpoint, save_checkpoint
from miniatures.corpus import Corpus
from miniatures.model import new_model, pad
from miniatures.recipes import Recipe, phase_at
from miniatures.vocabulary import NUM_SPARE_ROWS, PAD

log = logging.getLogger("miniatures")

NUM_THREADS = 1  # a model; another count adds floats in another order: other bytes
CHECKPOINT_SECONDS = 60
LOG_SECONDS = 15  # between plain lines, where no terminal shows a bar
IGNORED_LABEL = -100  # of padding, in transformers


def make_deterministic() -> None:
    """Make torch repeat itself, in this process: same machine, same bytes."""
    torch.set_num_threads(NUM_THREADS)
    torch.use_deterministic_algorithms(True)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of `step`: warm-up, then the phase's peak, in the end a line down to zero."""
    peak = recipe.phases[phase_at(recipe, step)[0]].learning_rate
    warmup = (step + 1) / (recipe.warmup_steps + 1)
    decay = (recipe.steps - step) / (recipe.steps * recipe.decay_share)
    return peak * min(warmup, 1.0, decay)


def loss_of(model: Callable[..., Any], rows: Sequence[Row]) -> torch.Tensor:
    """Return the mean cross-entropy over the tokens of the targets."""
    sources = pad([source for source, _ in rows], PAD)  # (rows, source tokens)
    labels = pad([target for _, target in rows], IGNORED_LABEL)  # (rows, target tokens)
    loss: torch.Tensor = model(input_ids=sources, attention_mask=(sources != PAD).long(), labels=labels).loss
    return loss


def optimizers_for(model: torch.nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Return Muon for the layers' matrices and AdamW for the rest; a group has its `scale` of the rate.

    On 240 steps of short copying Muon took the loss to 1.9 where AdamW alone took it to 2.6 (both at 3e-3).
    A relative position bias has to grow to about 5 before a head looks at just one neighbour, for which AdamW
    at the common rate takes thousands of steps; and without such a head there is no copying.
    """
    rest, matrices, positions = [], [], []
    for name, parameter in model.named_parameters():
        if "relative_attention_bias" in name:
            positions.append(parameter)
        elif parameter.ndim == 2 and name not in ("shared.weight", "lm_head.weight"):
            matrices.append(parameter)
        else:
            rest.append(parameter)
    groups = [{"params": rest, "scale": 1.0}, {"params": positions, "scale": recipe.position_scale}]
    return [
        torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0),
        torch.optim.Muon(
            [{"params": matrices, "scale": 1.0}],
            lr=0.0,
            momentum=0.95,
            weight_decay=0.0,
            adjust_lr_fn="match_rms_adamw",
        ),
    ]


def train(
    name: str,
    recipe: Recipe,
    corpus: Corpus,
    checkpoint: Path,
    stop_before: int | None = None,
    bar: int = 0,
) -> tuple[T5ForConditionalGeneration, list[float]]:
    """Return the trained model and the loss of each step; go on from `checkpoint` if it is there.

    `stop_before` ends at a step as a kill would, but with a checkpoint: for tests. `bar` is the line of the
    progress bar, where several models train side by side.
    """
    model = new_model(recipe, corpus.tokenizer.get_vocab_size() + NUM_SPARE_ROWS)
    optimizers = optimizers_for(model, recipe)
    forward = torch.compile(model, dynamic=True) if recipe.compiled else model
    losses: list[float] = []
    state = TrainingState(model, optimizers, losses)
    if checkpoint.exists():
        load_checkpoint(state, checkpoint)
        log.info("%s: goes on at step %d of %d", name, len(losses), recipe.steps)

    stop = recipe.steps if stop_before is None else stop_before
    saved_at = time.monotonic()
    for step in progress(name, range(len(losses), stop), recipe.steps, losses, bar):
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = learning_rate(recipe, step) * group["scale"]
        loss = loss_of(forward, batch_at(corpus, recipe, step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.max_grad_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
        if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
            save_checkpoint(state, checkpoint)
            saved_at = time.monotonic()
    save_checkpoint(state, checkpoint)
    return model, losses


def progress(name: str, steps: range, total: int, losses: Sequence[float], position: int) -> Iterator[int]:
    """Yield `steps`, showing rate and time left: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        with tqdm(steps, name, total, initial=steps.start, unit="step", position=position) as bar:
            for step in bar:
                yield step
                bar.set_postfix(loss=f"{recent_loss(losses):.3f}", refresh=False)
        return
    started = logged = time.monotonic()
    for step in steps:
        yield step
        now = time.monotonic()
        if now - logged > LOG_SECONDS or step + 1 == steps.stop:
            rate = (step + 1 - steps.start) / (now - started)
            left = (total - step - 1) / rate
            text = "%s: step %d/%d, loss %.3f, %.1f steps/s, %.0f s left"
            log.info(text, name, step + 1, total, recent_loss(losses), rate, left)
            logged = now


def recent_loss(losses: Sequence[float]) -> float:
    """Return the mean of the last 50 losses."""
    return sum(losses[-50:]) / len(losses[-50:])
