"""What a training keeps to resume: its history and its checkpoints."""

import logging
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from resumen.model.distributed import rank
from resumen.rouge.score import ROUGE_TYPES
from resumen.runtime.errors import InputError
from resumen.runtime.files import flush, list_files, remove, require_space, sha256_of, sha256_of_json
from resumen.runtime.jsonfiles import read_json, write_json

log = logging.getLogger("finetune")

MANIFEST = "manifest.json"


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


def epoch_folder(folder: Path, epoch: int) -> Path:
    """Return where the model of an epoch is kept until the end."""
    return folder / f"epoch-{epoch}"


class Interrupted(BaseException):
    """The process was asked to end, by a signal: no Exception, or what handles those would swallow it."""


class Checkpoints(TrainerCallback):
    """Keeps Trainer's checkpoints: now and then, at the end of each epoch, and when asked to stop.

    A checkpoint counts once its manifest is there, with the history and a hash of each file that it needs:
    Trainer writes them one by one and would go on from a half. Before the validation of an epoch none is
    made, since Trainer would go on after it.
    """

    def __init__(self, folder: Path, history: History, num_parameters: int) -> None:
        self.folder, self.history = folder, history
        self.seconds = checkpoint_interval()
        self.num_bytes = 4 * 3 * num_parameters  # weights, and Adam's two moments
        self.signal, self.last, self.can_wait = 0, time.monotonic(), False

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
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
            raise Interrupted(number)

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
                raise Interrupted(self.signal)

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
        (done / MANIFEST).unlink(missing_ok=True)  # of a damaged one
        best = [epoch_folder(self.folder, self.history.best["epoch"])] if self.history.curve[1:] else []
        files = [file for folder in (done, *best) for file in list_files(folder)]
        for file in files:
            flush(file)
        hashes = {file.relative_to(self.folder).as_posix(): sha256_of(file) for file in files}
        content = {"history": self.history.values(), "hashes": hashes}
        write_json(done / MANIFEST, {"content": content, "sha256": sha256_of_json(content)})
        for old in self.folder.iterdir():
            if old not in (done, *best):
                remove(old)
        self.last = time.monotonic()
        if self.signal:
            raise Interrupted(self.signal)


def checkpoint_interval() -> float:
    """Return the time between two checkpoints, as RESUMEN_CHECKPOINT_SECONDS says.

    Raises:
        InputError: it says no number ≥ 0.
    """
    value = os.environ.get("RESUMEN_CHECKPOINT_SECONDS", "300")
    try:
        if (seconds := float(value)) >= 0:
            return seconds
    except ValueError:
        pass
    raise InputError(f"RESUMEN_CHECKPOINT_SECONDS: expected a number ≥ 0, got {value!r}")


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint in `folder` whose files are right; a damaged one is removed."""
    checkpoints = [path for path in folder.glob("checkpoint-*") if (path / MANIFEST).is_file()]
    for checkpoint in sorted(checkpoints, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        try:
            manifest = read_json(checkpoint / MANIFEST)
            if manifest["sha256"] == sha256_of_json(manifest["content"]):
                hashes = manifest["content"]["hashes"]
                if all(sha256_of(folder / name) == value for name, value in hashes.items()):
                    return checkpoint
        except (InputError, KeyError, TypeError):
            pass
        log.warning("%s is damaged, and is removed", checkpoint)
        remove(checkpoint)
    return None


def kept_history(checkpoint: Path) -> History:
    """Return the history that a checkpoint holds."""
    return History(**read_json(checkpoint / MANIFEST)["content"]["history"])
