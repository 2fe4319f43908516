"""The compiled encoder: training that repeats itself, with the gradients of the plain one."""

import shutil
from pathlib import Path

import pytest
import torch

from resumen.runtime.jsonfiles import read_json
from resumen.schema.rows import load_table
from resumen.training.loop import TokenizedRows, TrainedT5
from resumen.training.pretrained import load_model
from stages.finetune import main
from tests.helpers.batches import TRAIN, collator
from tests.helpers.training import outputs


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs g++")
def test_compiled_training_repeats_itself_and_is_the_plain_one(cut_alike, quick, runs, monkeypatch):
    calls = []
    real = torch.compile

    def watched(*arguments, **options):
        compiled = real(*arguments, **options)
        return lambda *given: calls.append(given[1].shape) or compiled(*given)

    monkeypatch.setattr(torch, "compile", watched)
    quick(compile=True)
    runs(main, "flan-small")
    first = outputs()
    assert len(calls) == 6  # 24 articles in batches of 8, twice
    assert set(calls) == {(8, 16, 16)}
    runs(main, "flan-small")
    assert outputs() == first
    curve = read_json(Path("metrics/curves/flan-small.json"))
    quick(compile=False)
    runs(main, "flan-small")
    plain = read_json(Path("metrics/curves/flan-small.json"))
    for row, other in zip(curve, plain, strict=True):  # dropout draws other numbers
        assert row["validation_loss"] == pytest.approx(other["validation_loss"], rel=0.1)


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs g++")
@pytest.mark.parametrize("padded", [False, True])
def test_the_compiled_encoder_gives_the_gradients_of_the_plain_one(tiny, cut_alike, quick, padded):
    model = load_model(tiny["untied"])
    rows = [row for row in TokenizedRows(load_table(TRAIN)) if len(row["input_ids"]) == 16][:4]
    if padded:
        rows[1] |= {"input_ids": rows[1]["input_ids"][:9]}
    batch, params, result = collator(model)(rows), quick(dropout=0.0), []
    for longest in (None, (4, 16)):
        loss = TrainedT5(model, torch.float32, longest).loss(batch, params)
        result.append((loss, *torch.autograd.grad(loss, list(model.parameters()))))
    torch.testing.assert_close(*result, rtol=1e-4, atol=1e-5)
