"""A training that can be stopped anywhere: its batches, its loss, its history, its checkpoints.

Trainer runs the steps. Batches are drawn by seed and epoch, dropout by Trainer's random state, so a training
that goes on from a checkpoint computes what it would have computed.
"""

import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from transformers import (
    Seq2SeqTrainer,
    T5ForConditionalGeneration,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from stages.shared.cli import InputError
from stages.shared.decoding import batches
from stages.shared.files import (
    digest,
    digest_of,
    files_of,
    flush,
    read_json,
    remove,
    require_space,
    write_json,
)
from stages.shared.models import shape_of
from stages.shared.progress import track
from stages.shared.ranks import add_up, own_rows, rank
from stages.shared.recipe import FinetuneParams
from stages.shared.scores import ROUGE_TYPES
from stages.shared.t5 import T5, Dropout

log = logging.getLogger("finetune")

ALIKE = 64  # tokens: within them, chance says who is with whom
SEAL = "seal.json"

Row = dict[str, list[int]]  # ids, labels and perhaps a mask, by name


class TokenizedRows(torch.utils.data.Dataset[Row]):
    """The rows of a tokenized split, kept as Arrow until asked for; `ids` are apart, no model takes them."""

    def __init__(self, table: pa.Table) -> None:
        self.ids: list[str] = table["id"].to_pylist()
        self.table = table.drop_columns("id")
        self.lengths: list[int] = pc.list_value_length(table["input_ids"]).to_pylist()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: int) -> Row:
        return {name: self.table[name][place].as_py() for name in self.table.column_names}


class Epochs(torch.utils.data.Sampler[list[int]]):
    """The batches of an epoch, of like length under a token budget, in an order drawn by seed and epoch.

    A length counts as the multiple of 64 above it, or as the longest: so each epoch has as many batches.
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        longest = max(lengths, default=0)
        self.lengths = [min(math.ceil(length / ALIKE) * ALIKE, longest) for length in lengths]
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.count = len(batches(self.lengths, batch_size))

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        draw = Random(f"{self.seed} {self.epoch}")
        order = draw.sample(range(len(self.lengths)), len(self.lengths))
        planned = batches([self.lengths[place] for place in order], self.batch_size)
        longest, *others = [[order[place] for place in places] for places in planned]
        draw.shuffle(others)
        yield from [longest, *others]  # memory that does not suffice fails at once


class Loader(torch.utils.data.DataLoader[Row]):
    """A DataLoader that Trainer tells the epoch."""

    batch_sampler: Epochs

    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)


class Arithmetic:
    """The loss of a model's parameters as they are, in `dtype`; they and their gradients stay in float32."""

    def __init__(
        self, model: T5ForConditionalGeneration, dtype: torch.dtype, longest: tuple[int, int] | None = None
    ) -> None:
        """Compile the encoder for batches of `longest`, (rows, tokens), if given: padded ones and whole."""
        self.parameters, self.shape, self.dtype = dict(model.named_parameters()), shape_of(model), dtype
        self.longest = longest
        self.compiled = torch.compile(T5.encode, dynamic=False) if longest else None

    def now(self) -> T5:
        return T5(self.parameters.__getitem__, self.shape, self.dtype)

    def loss(self, batch: Mapping[str, torch.Tensor], params: FinetuneParams) -> torch.Tensor:
        """Return the loss of this process's rows of a batch, summed over their target tokens.

        Where it has none it computes a row for nothing: so all processes draw the same random numbers.
        """
        count = len(batch["labels"])
        mine, weight = own_rows(count), 1.0
        if mine.start == mine.stop:
            mine, weight = slice(0, 1), 0.0
        encode = self.compiled if tuple(batch["input_ids"].shape) == self.longest else None
        part = {name: tensor[mine] for name, tensor in batch.items()}
        drop = Dropout(params.dropout, mine, count)
        return weight * self.now().loss(part, params.label_smoothing, drop, encode)


@dataclass
class History:
    """What a training has come to: the curve, a row an epoch, and the losses of the epoch under way."""

    curve: list[dict[str, Any]]
    loss: float | torch.Tensor = 0.0  # summed over the steps
    steps: int = 0

    @property
    def best(self) -> dict[str, Any]:
        """The row of the first epoch after the base with the highest validation ROUGE-L."""
        return max(self.curve[1:], key=lambda row: row["rougeL"])

    def values(self) -> dict[str, Any]:
        """Return what makes an equal history."""
        return {"curve": self.curve, "loss": float(self.loss), "steps": self.steps}

    def close_epoch(self, epoch: int, step: int, scores: dict[str, float]) -> dict[str, Any]:
        """Add a row to the curve, and return it.

        Raises:
            InputError: the loss is no number any more.
        """
        mean = float(self.loss) / self.steps
        if not math.isfinite(mean):
            raise InputError(
                f"params.yaml: finetune.learning_rate: the loss of epoch {epoch} is {mean}; lower the "
                "rate, or raise warmup_ratio"
            )
        self.curve.append(curve_row(epoch, step, mean, scores))
        self.loss, self.steps = 0.0, 0
        return self.curve[-1]


def curve_row(epoch: int, step: int, train_loss: float | None, scores: Mapping[str, float]) -> dict[str, Any]:
    """Return a row of the training curve: losses in nats a token, ROUGE in points."""
    return {
        "epoch": epoch,
        "step": step,
        "train_loss": None if train_loss is None else round(train_loss, 4),
        "validation_loss": round(scores["loss"], 4),
        **{name: round(scores[name], 2) for name in ROUGE_TYPES},
    }


SHOWN = ("epoch", "train_loss", "validation_loss", "rougeL")


class SummaryTrainer(Seq2SeqTrainer):
    """Seq2SeqTrainer with our batches, our loss and our validation, alone or as one of several processes.

    The loss is the mean over the target tokens of a whole step, which Trainer counts: so 2 × 4 articles give
    the gradient of 1 × 8. T5's own ignores the count; with accumulation 4 it came out four times too large.
    Every process plans all batches, computes the loss of its rows, and adds up the gradients: Trainer
    believes it is alone.
    """

    train_dataset: TokenizedRows

    def __init__(
        self,
        arithmetic: Arithmetic,
        validation: Callable[[T5], dict[str, float]],
        params: FinetuneParams,
        history: History,
        save: Callable[[int], None],
        **kwargs: Any,
    ) -> None:
        """Call `save` with the number of each epoch that is the best so far, in rank 0."""
        super().__init__(**kwargs)
        self.arithmetic, self.validation, self.params = arithmetic, validation, params
        self.history, self.save = history, save
        self.step_loss: float | torch.Tensor = 0.0

    def get_train_dataloader(self) -> Loader:
        epochs = Epochs(self.train_dataset.lengths, self.params.batch_size, self.params.seed)
        return Loader(self.train_dataset, batch_sampler=epochs, collate_fn=self.data_collator)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], torch.Tensor | int | None]:
        """Return the batches of a step and the number of their target tokens, which stays on the CPU."""
        return super().get_batch_samples(epoch_iterator, num_batches, torch.device("cpu"))

    def _prepare_inputs(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return inputs  # `T5.loss` sends them

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        assert num_items_in_batch is not None  # of `get_batch_samples`
        return self.arithmetic.loss(inputs, self.params) / num_items_in_batch

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.step_loss = self.step_loss + loss
        if self.accelerator.sync_gradients:  # the last batch of a step
            add_up([self.step_loss])
            gradients: list[torch.Tensor] = []
            for parameter in model.parameters():
                assert parameter.grad is not None  # every rank has the same ones to add up
                gradients.append(parameter.grad)
            add_up(gradients, self.arithmetic.dtype)
            self.history.loss = self.history.loss + self.step_loss
            self.history.steps += 1
            self.step_loss = torch.zeros_like(self.step_loss)
        return loss

    @torch.inference_mode()
    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        epoch, scores = round(self.state.epoch), self.validation(self.arithmetic.now())
        row = self.history.close_epoch(epoch, self.state.global_step, scores)
        log.info("epoch %d: loss %s, on validation %s, ROUGE-L %s", *(row[key] for key in SHOWN))
        if self.history.best is row and rank() == 0:
            self.save(epoch)
        metrics = {f"eval_{name}": value for name, value in scores.items()}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def epoch_folder(folder: Path, epoch: int) -> Path:
    """Return where the model of an epoch is kept until the end."""
    return folder / f"epoch-{epoch}"


class Progress(TrainerCallback):
    """A bar over the steps, or plain lines where there is no terminal, as in every other stage."""

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        todo = range(state.global_step, state.max_steps)
        self.steps = track(todo, "finetune training", len(todo), unit="step")
        next(self.steps, None)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        next(self.steps, None)


class Stopped(BaseException):
    """The process was asked to end, by a signal: no Exception, or what handles those would swallow it."""


class Checkpoints(TrainerCallback):
    """Keeps Trainer's checkpoints, sealed: now and then, at the end of each epoch, and when asked to stop.

    A checkpoint counts once its seal is there, with the history and a hash of each file that it needs:
    Trainer writes them one by one and would go on from a half. Before the validation of an epoch none is
    made, since Trainer would go on after it.
    """

    def __init__(self, folder: Path, history: History, num_parameters: int) -> None:
        self.folder, self.history = folder, history
        self.seconds = seconds_between()
        self.num_bytes = 4 * 3 * num_parameters  # weights, and Adam's two moments
        self.signal, self.last, self.can_wait = 0, time.monotonic(), False

    @contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Let SIGTERM and Ctrl-C end the training with its work kept; rank 0 decides for all."""
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        for number in before:
            signal.signal(number, self.stop if rank() == 0 else signal.SIG_IGN)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self, number: int, frame: Any) -> None:
        """Note the wish until the step has ended; in a validation, and the second time, end at once."""
        is_second, self.signal = bool(self.signal), number
        if is_second or not self.can_wait:
            raise Stopped(number)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any
    ) -> None:
        self.steps = state.max_steps // int(args.num_train_epochs)  # of an epoch

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.can_wait = True

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        is_due = self.signal or time.monotonic() - self.last >= self.seconds
        if is_due and rank() == 0 and state.global_step % self.steps:
            control.should_save = self.is_possible()
            if self.signal and not control.should_save:
                raise Stopped(self.signal)

    def on_epoch_end(self, args: Any, state: Any, control: TrainerControl, **kwargs: Any) -> None:
        self.can_wait = False
        control.should_save = rank() == 0 and self.is_possible()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.can_wait = True

    def is_possible(self) -> bool:
        """Return whether the disk has room; if not, say so and try again after the usual time."""
        try:
            require_space(self.folder, self.num_bytes)
        except InputError as error:
            log.warning("no checkpoint: %s", error)
            self.last = time.monotonic()
            return False
        return True

    def on_save(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        done = self.folder / f"checkpoint-{state.global_step}"
        (done / SEAL).unlink(missing_ok=True)  # of a damaged one
        best = [epoch_folder(self.folder, self.history.best["epoch"])] if self.history.curve[1:] else []
        files = [file for folder in (done, *best) for file in files_of(folder)]
        for file in files:
            flush(file)
        hashes = {file.relative_to(self.folder).as_posix(): digest(file) for file in files}
        sealed = {"history": self.history.values(), "hashes": hashes}
        write_json(done / SEAL, {"sealed": sealed, "digest": digest_of(sealed)})
        for old in self.folder.iterdir():
            if old not in (done, *best):
                remove(old)
        self.last = time.monotonic()
        if self.signal:
            raise Stopped(self.signal)


def seconds_between() -> float:
    """Return the time between two checkpoints, as RESUMEN_CHECKPOINT_SECONDS says.

    Raises:
        InputError: it says no number ≥ 0.
    """
    said = os.environ.get("RESUMEN_CHECKPOINT_SECONDS", "300")
    try:
        if (seconds := float(said)) >= 0:
            return seconds
    except ValueError:
        pass
    raise InputError(f"RESUMEN_CHECKPOINT_SECONDS: expected a number ≥ 0, got {said!r}")


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint in `folder` whose seal is right; a damaged one is removed."""
    found = [path for path in folder.glob("checkpoint-*") if (path / SEAL).is_file()]
    for checkpoint in sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        try:
            seal = read_json(checkpoint / SEAL)
            if seal["digest"] == digest_of(seal["sealed"]):
                hashes = seal["sealed"]["hashes"]
                if all(digest(folder / name) == value for name, value in hashes.items()):
                    return checkpoint
        except (InputError, KeyError, TypeError):
            pass
        log.warning("%s is damaged, and is removed", checkpoint)
        remove(checkpoint)
    return None


def sealed_history(checkpoint: Path) -> History:
    """Return the history that a checkpoint holds."""
    return History(**read_json(checkpoint / SEAL)["sealed"]["history"])
