"""The training of the miniatures in small: run twice, stopped or killed, it writes the same bytes."""

from pathlib import Path

import pytest
import torch

from stages import miniatures
from stages.miniatures import Corpus, Recipe
from tests.helpers.recipes import scaled_down


def weights_of(corpus: Corpus, name: str, checkpoint: Path, stop_before: int | None = None) -> bytes:
    recipe = scaled_down(name)
    model, _ = miniatures.train(name, recipe, corpus, checkpoint, stop_before)
    return miniatures.safetensors_bytes(*miniatures.shipped_tensors(model, recipe))


@pytest.fixture
def settled():
    """Deterministic torch at the tool's thread count, and as it was afterwards."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    miniatures.settle()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.parametrize("name", ["t5-small", "flan-small"])
def test_two_runs_write_the_same_bytes(settled, corpus, tmp_path, name):
    assert weights_of(corpus, name, tmp_path / "one.pt") == weights_of(corpus, name, tmp_path / "two.pt")


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_stopped_run_goes_on_to_the_same_bytes(settled, corpus, tmp_path, stop):
    whole = weights_of(corpus, "flan-small", tmp_path / "whole.pt")
    assert weights_of(corpus, "flan-small", tmp_path / "stopped.pt", stop_before=stop) != whole
    assert weights_of(corpus, "flan-small", tmp_path / "stopped.pt") == whole


def test_killed_run_goes_on_to_the_same_bytes(settled, corpus, tmp_path, monkeypatch):
    whole = weights_of(corpus, "flan-small", tmp_path / "whole.pt")
    monkeypatch.setattr(miniatures, "CHECKPOINT_SECONDS", 0)  # a checkpoint after every step
    take = corpus.batch

    def batch(recipe: Recipe, step: int) -> list[tuple[list[int], list[int]]]:
        if step == 6:
            raise KeyboardInterrupt
        return take(recipe, step)

    with monkeypatch.context() as patch:
        patch.setattr(corpus, "batch", batch)
        with pytest.raises(KeyboardInterrupt):
            weights_of(corpus, "flan-small", tmp_path / "killed.pt")
    assert weights_of(corpus, "flan-small", tmp_path / "killed.pt") == whole
