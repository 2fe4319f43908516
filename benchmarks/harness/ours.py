"""Ours, as the stages run it: fine-tuning without validation, and generation from checkpoint to tokens."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from benchmarks.harness.peers import BATCH_SIZES, LEARNING_RATE, Steps, Trained
from benchmarks.harness.workload import Row
from resumen.model.decoding import generate_in_batches, make_generate
from resumen.model.device import choose_dtype
from resumen.model.loading import load_t5
from resumen.model.t5 import T5
from resumen.rouge.score import ROUGE_TYPES
from resumen.schema.sections import Decoding, FinetuneParams, GeneratePrecision
from resumen.training.checkpoints import epoch_folder
from resumen.training.finetuning import longest_batch
from resumen.training.loop import EpochSampler, TokenizedRows, TrainedT5
from resumen.training.loop import train as train_loop
from resumen.training.pretrained import load_model

FINETUNE = FinetuneParams(
    epochs=1,
    learning_rate=LEARNING_RATE,
    batch_size=BATCH_SIZES["cpu"],
    gradient_accumulation=1,
    schedule="linear",
    warmup_ratio=0.1,
    weight_decay=0.0,
    max_grad_norm=1.0,
    label_smoothing=0.0,
    dropout=0.1,
    compile=False,
    precision="auto",
    max_new_tokens=64,
    validation_rows="all",
    seed=13,
)


def tokenized(rows: list[Row]) -> TokenizedRows:
    """Return rows as a split that was tokenized."""
    named = [{"id": str(number), **row} for number, row in enumerate(rows)]
    return TokenizedRows(pa.Table.from_pylist(named))


def finetune_ours(
    folder: Path, rows: list[Row], device: torch.device, batch_size: int = BATCH_SIZES["cpu"], **changes: Any
) -> Trained:
    """Fine-tune by the stage's own loop, validation apart; `changes` to the parameters of FINETUNE.

    A step is timed from the gradients of the one before to its own, so the loading of its batch is in it.
    """
    model = load_model(folder)
    params = FINETUNE.model_copy(update={"batch_size": batch_size, **changes})
    data, dtype, steps = tokenized(rows), choose_dtype(params.precision, device), Steps(device)
    model.to(device)
    trained = TrainedT5(model, dtype, longest_batch(data, params))
    sampler = EpochSampler(data.lengths, params.batch_size, params.seed)
    with tempfile.TemporaryDirectory() as scratch:
        steps.on_step_begin()
        history, _ = train_loop(
            model,
            trained,
            data,
            unscored,
            params,
            Path(scratch),
            lambda epoch: epoch_folder(Path(scratch), epoch).mkdir(),  # an empty model
            lambda step: steps.mark(),
        )
    targets = sum(len(row["labels"]) for row in rows)
    loss = history.curve[-1]["train_loss"]
    return Trained(list(zip(map(len, sampler), steps.seconds, strict=True)), targets, loss)


def unscored(t5: T5) -> dict[str, float]:
    """Return what a validation would, without one."""
    return {"loss": 0.0, **dict.fromkeys(ROUGE_TYPES, 0.0)}


class Ours:
    """The stage `generate`, from checkpoint to tokens."""

    def __init__(
        self, folder: Path, device: torch.device, precision: GeneratePrecision, batch_size: int = 64
    ) -> None:
        self.t5 = load_t5(folder, choose_dtype(precision, device), device)
        self.batch_size = batch_size

    def __call__(self, articles: list[list[int]], num_beams: int, num_tokens: int) -> list[list[int]]:
        decoding = Decoding(
            max_new_tokens=num_tokens, num_beams=num_beams, length_penalty=1.0, no_repeat_ngram_size=0
        )
        return generate_in_batches(
            articles, make_generate(self.t5, decoding), self.batch_size, "speed generation"
        )
