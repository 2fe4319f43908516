"""The training of the miniatures in small: run twice, stopped or killed, it writes the same bytes."""

from pathlib import Path

import pytest
import torch

from miniatures import training
from miniatures.batches import Row, batch_at
from miniatures.corpus import Corpus
from miniatures.export import safetensors_bytes, shipped_tensors
from miniatures.recipes import Recipe
from miniatures.training import make_deterministic, train
from tests.helpers.recipes import scaled_down


def weights_of(corpus: Corpus, name: str, checkpoint: Path, stop_before: int | None = None) -> bytes:
    recipe = scaled_down(name)
    model, _ = train(name, recipe, corpus, checkpoint, stop_before)
    return safetensors_bytes(*shipped_tensors(model, recipe))


@pytest.fixture
def deterministic():
    """Deterministic torch at the tool's thread count, and as it was afterwards."""
    threads, enabled = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    make_deterministic()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(enabled)


@pytest.mark.parametrize("name", ["t5-small", "flan-small"])
def test_two_runs_write_the_same_bytes(deterministic, corpus, tmp_path, name):
    assert weights_of(corpus, name, tmp_path / "one.pt") == weights_of(corpus, name, tmp_path / "two.pt")


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_stopped_run_goes_on_to_the_same_bytes(deterministic, corpus, tmp_path, stop):
    whole = weights_of(corpus, "flan-small", tmp_path / "whole.pt")
    assert weights_of(corpus, "flan-small", tmp_path / "stopped.pt", stop_before=stop) != whole
    assert weights_of(corpus, "flan-small", tmp_path / "stopped.pt") == whole


def test_killed_run_goes_on_to_the_same_bytes(deterministic, corpus, tmp_path, monkeypatch):
    whole = weights_of(corpus, "flan-small", tmp_path / "whole.pt")
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0)  # a checkpoint after every step

    def killed_at_step_6(corpus: Corpus, recipe: Recipe, step: int) -> list[Row]:
        if step == 6:
            raise KeyboardInterrupt
        return batch_at(corpus, recipe, step)

    with monkeypatch.context() as patch:
        patch.setattr(training, "batch_at", killed_at_step_6)
        with pytest.raises(KeyboardInterrupt):
            weights_of(corpus, "flan-small", tmp_path / "killed.pt")
    assert weights_of(corpus, "flan-small", tmp_path / "killed.pt") == whole
