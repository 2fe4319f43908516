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
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from resumen.model.distributed import broadcast, broadcast_tensors, rank
from resumen.rouge.score import ROUGE_TYPES
from resumen.runtime.errors import InputError
from resumen.runtime.files import (
    atomic_write,
    flush,
    list_files,
    remove,
    require_space,
    sha256_of,
    sha256_of_json,
)
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.runtime.parent import dvc_process, is_orphaned

log = logging.getLogger("finetune")

STATE, MANIFEST = "state.safetensors", "manifest.json"
MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's, as torch names them


@dataclass
class History:
    """What a training has come to: the curve, a row an epoch, and the losses of the epoch under way."""

    curve: list[dict[str, Any]]
    loss: float | Tensor = 0.0  # summed over the steps
    steps: int = 0

    @property
    def best(self) -> dict[str, Any]:
        """The row of the first epoch after the base with the highest validation ROUGE-L."""
        return max(self.curve[1:], key=lambda row: row["rougeL"])

    def values(self) -> dict[str, Any]:
        """Return what makes an equal history."""
        return {"curve": self.curve, "loss": float(self.loss), "steps": self.steps}

    def add_step(self, loss: Tensor) -> None:
        """Add a step's loss; it is not read, which would wait for the device."""
        self.loss = self.loss + loss
        self.steps += 1

    def close_epoch(self, epoch: int, step: int, scores: dict[str, float]) -> dict[str, Any]:
        """Add a row to the curve, and return it.

        Raises:
            InputError: the loss is no number any more.
        """
        mean = float(self.loss) / self.steps
        if not math.isfinite(mean):
            raise InputError(
                "params.yaml: finetune.learning_rate, or the fine-tuning's own: the loss of epoch "
                f"{epoch} is {mean}; lower it, or raise warmup_ratio"
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


class Checkpoints:
    """Checkpoints of a training: now and then, at the end of each epoch, and when asked to stop.

    One holds the weights, Adam's moments and the random state, with the history and a hash of each file that
    it needs. Rank 0 writes and reads them; what it reads it sends to the others, which may share no disk.
    """

    def __init__(
        self, folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, schedule: LambdaLR
    ) -> None:
        self.folder, self.optimizer, self.schedule = folder, optimizer, schedule
        self.parameters = dict(model.named_parameters())
        self.device = next(iter(self.parameters.values())).device
        self.seconds = checkpoint_interval()
        self.signal, self.last, self.can_wait = 0, time.monotonic(), True
        dvc_process()  # while it is there
        self.random_state: dict[str, Tensor] = {}  # of the checkpoint, until it is restored

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

    @contextmanager
    def ending_at_once(self) -> Iterator[None]:
        """Let a signal end what is done inside at once: a validation takes minutes, and is done again."""
        self.can_wait = False
        yield
        self.can_wait = True

    def after_step(self, step: int, history: History) -> None:
        """Save a checkpoint in mid-epoch, if it is time, a signal asked for it, or DVC is gone."""
        is_due = self.is_asked() or time.monotonic() - self.last >= self.seconds
        if rank() == 0 and is_due:
            self.save(step, history)

    def is_asked(self) -> bool:
        """Return whether the training is to end: a signal came, or DVC, which started it, is gone."""
        if rank() == 0 and not self.signal and is_orphaned():
            log.warning("DVC, which started this training, is gone")
            self.signal = signal.SIGTERM
        return bool(self.signal)

    def save(self, step: int, history: History) -> None:
        """Write a checkpoint, if the disk has room, and remove what it replaces.

        Raises:
            Interrupted: a signal asked for it, or DVC is gone.
        """
        if rank():
            return
        self.last = time.monotonic()
        try:
            require_space(self.folder, 4 * 3 * sum(map(torch.numel, self.parameters.values())))
        except InputError as error:
            log.warning("no checkpoint: %s", error)
        else:
            best = [epoch_folder(self.folder, history.best["epoch"])] if history.curve[1:] else []
            output = self.folder / f"checkpoint-{step}"
            with atomic_write(output) as partial:
                partial.mkdir()
                save_file(self.state(), partial / STATE)
                files = {f"{output.name}/{STATE}": partial / STATE}
                files |= {f"{model.name}/{file.name}": file for model in best for file in list_files(model)}
                for file in files.values():
                    flush(file)
                hashes = {name: sha256_of(file) for name, file in files.items()}
                content = {"step": step, "history": history.values(), "hashes": hashes}
                write_json(partial / MANIFEST, {"content": content, "sha256": sha256_of_json(content)})
            for old in self.folder.iterdir():
                if old not in (output, *best):
                    remove(old)
        if self.is_asked():
            raise Interrupted(self.signal)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint, by name."""
        moments = {
            f"{moment}.{name}": self.optimizer.state[parameter][moment]
            for name, parameter in self.parameters.items()
            for moment in MOMENTS
        }
        weights = {f"weights.{name}": parameter.detach() for name, parameter in self.parameters.items()}
        return weights | moments | random_state(self.device)

    def load(self) -> tuple[int, History] | None:
        """Take up the last checkpoint, and return its step and history; None if there is none."""
        checkpoint = last_checkpoint(self.folder) if rank() == 0 else None
        content = broadcast(read_json(checkpoint / MANIFEST)["content"] if checkpoint else None)
        if content is None:
            return None
        step = content["step"]
        log.info("resuming from step %d", step)
        for parameter in self.parameters.values():
            moments = {moment: torch.zeros_like(parameter) for moment in MOMENTS}
            self.optimizer.state[parameter] = {"step": torch.tensor(float(step)).to(self.device), **moments}
        state = self.state()
        if checkpoint:
            for name, tensor in load_file(checkpoint / STATE).items():
                state[name].copy_(tensor)
        broadcast_tensors(list(state.values()))
        self.random_state = {name: state[name] for name in random_state(self.device)}
        self.schedule.last_epoch = step
        for group, base, factor in zip(
            self.optimizer.param_groups, self.schedule.base_lrs, self.schedule.lr_lambdas, strict=True
        ):
            group["lr"] = base * factor(step)
        return step, History(**content["history"])

    def restore_random_state(self) -> None:
        """Go on with the random numbers of the checkpoint, once."""
        if state := self.random_state:
            torch.set_rng_state(state["random_state"])
            if "device_random_state" in state:
                torch.get_device_module(self.device).set_rng_state(state["device_random_state"])
        self.random_state = {}


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return torch's random state, that of the CPU and, if it is another, that of `device`, as bytes."""
    state = {"random_state": torch.get_rng_state()}
    if device.type != "cpu":
        state["device_random_state"] = torch.get_device_module(device).get_rng_state()
    return state


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
    checkpoints = [path.parent for path in folder.glob(f"checkpoint-*[0-9]/{MANIFEST}")]
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
