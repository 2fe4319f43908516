"""Checkpoints: where a killed run goes on."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

import miniatures
import resumen.news
from miniatures.corpus import Corpus
from miniatures.recipes import Recipe
from resumen.runtime.files import atomic_write


class TrainingState(NamedTuple):
    """What a step changes."""

    model: torch.nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    losses: list[float]  # of each step so far


def save_checkpoint(state: TrainingState, path: Path) -> None:
    """Write `state` to `path`, all of it or nothing."""
    content = {
        "model": state.model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in state.optimizers],
        "losses": state.losses,
    }
    with atomic_write(path) as partial:
        torch.save(content, partial)


def load_checkpoint(state: TrainingState, path: Path) -> None:
    """Set `state` to what `path` holds."""
    content = torch.load(path, weights_only=True)
    state.model.load_state_dict(content["model"])
    for optimizer, saved in zip(state.optimizers, content["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    state.losses[:] = content["losses"]


def fingerprint(recipe: Recipe, corpus: Corpus, num_threads: int) -> str:
    """Return what a checkpoint is good for: this recipe, code, news, vocabulary, torch and thread count."""
    digest = hashlib.sha256(repr((recipe, torch.__version__, num_threads)).encode())
    for path in source_files():
        digest.update(path.read_bytes())
    digest.update(repr(corpus.stories).encode())
    digest.update(corpus.tokenizer.to_str().encode())
    return digest.hexdigest()[:16]


def source_files() -> list[Path]:
    """Return the modules of this package and of the news, and the data of the news."""
    folders = [Path(folder) for package in (miniatures, resumen.news) for folder in package.__path__]
    return [path for folder in folders for path in sorted([*folder.glob("*.py"), *folder.glob("*.yaml")])]
