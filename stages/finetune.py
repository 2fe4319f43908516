"""Finetune: train the base on the tokenized news; keep the epoch that summarizes validation best.

Reads   data/tokenized/, models/pretrained/<base>/, data/raw/validation.parquet (the references)
Writes  models/finetuned/              what AutoModelForSeq2SeqLM and AutoTokenizer load
        metrics/finetune.json          steps, losses, validation ROUGE, best epoch, precision
        metrics/plots/training.json    the curve, a row an epoch; epoch 0 is the base
Params  finetune

    python -m stages.finetune
"""

import logging
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import torch
from tokenizers import Tokenizer
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5ForConditionalGeneration,
    TrainerCallback,
)

from stages.shared.cli import InputError, parser, run
from stages.shared.decoding import batches, generator, greedy, write_texts
from stages.shared.device import choose_dtype, prepare_torch
from stages.shared.files import load_table, read_table, remove, whole, write_json
from stages.shared.models import load_model, save_model, shape_of, start_letters
from stages.shared.params import load_params
from stages.shared.progress import track
from stages.shared.recipe import FinetuneParams
from stages.shared.rouge import SpanishRouge
from stages.shared.scores import ROUGE_TYPES
from stages.shared.spelling import load_tokenizer
from stages.shared.t5 import T5, check_vocabulary

log = logging.getLogger("finetune")

TOKENIZED = Path("data/tokenized")
PRETRAINED = Path("models/pretrained")
RAW_VALIDATION = Path("data/raw/validation.parquet")
FINETUNED = Path("models/finetuned")
METRICS = Path("metrics/finetune.json")
CURVE = Path("metrics/plots/training.json")


class TokenizedRows(torch.utils.data.Dataset):
    """The rows of a tokenized split, kept as Arrow until asked for; `ids` are apart, no model takes them."""

    def __init__(self, table: pa.Table) -> None:
        self.ids = table["id"].to_pylist()
        self.table = table.drop_columns("id")

    def __len__(self) -> int:
        return self.table.num_rows

    def __getitem__(self, place: int) -> dict[str, list[int]]:
        return {name: self.table[name][place].as_py() for name in self.table.column_names}


class Arithmetic:
    """The loss of a model's parameters as they are, in `dtype`; they and their gradients stay in float32."""

    def __init__(self, model: T5ForConditionalGeneration, dtype: torch.dtype) -> None:
        self.parameters, self.shape, self.dtype = dict(model.named_parameters()), shape_of(model), dtype

    def now(self) -> T5:
        return T5(self.parameters.__getitem__, self.shape, self.dtype)


@torch.inference_mode()
def validation_loss(t5: T5, rows: torch.utils.data.Dataset, collate: Callable, batch_size: int) -> float:
    """Return the mean cross-entropy over all target tokens of `rows`, without label smoothing."""
    total, tokens = 0.0, 0
    for places in batches([len(rows[place]["input_ids"]) for place in range(len(rows))], batch_size):
        batch = collate([rows[place] for place in places]).to(t5.embedding.device)
        total += float(t5.loss(batch))
        tokens += int(batch["labels"].ge(0).sum())
    return total / tokens


class Validation:
    """What is measured after each epoch: the loss, and ROUGE against the raw references.

    Decoded labels would not do for references: they are cut, and have lost the letters that the
    vocabulary lacks, as the predictions have.
    """

    def __init__(
        self,
        rows: TokenizedRows,
        references: dict[str, str],
        tokenizer: Tokenizer,
        collate: Callable,
        params: FinetuneParams,
    ) -> None:
        if missing := [name for name in rows.ids if name not in references]:
            raise InputError(f"{RAW_VALIDATION}: lacks id {missing[0]!r} of {TOKENIZED}; run `dvc repro`")
        places = list(range(len(rows)))
        if params.validation_rows != "all" and params.validation_rows < len(rows):
            places = sorted(Random(params.seed).sample(places, params.validation_rows))
        self.rows = torch.utils.data.Subset(rows, places)
        self.references = [references[rows.ids[place]] for place in places]
        self.tokenizer, self.collate, self.params = tokenizer, collate, params

    def __call__(self, t5: T5) -> dict[str, float]:
        """Return `loss` and each ROUGE type, in points."""
        batch_size = 8 * self.params.batch_size  # no gradients to keep
        sources = [[token for token in row["input_ids"] if token != t5.shape.pad] for row in self.rows]
        generate = generator(t5, greedy(self.params.max_new_tokens))
        texts = write_texts(self.tokenizer, sources, generate, batch_size, "finetune validation")
        rouge = SpanishRouge(keep_in_memory=True)
        scores = rouge.compute(predictions=texts, references=self.references)
        loss = validation_loss(t5, self.rows, self.collate, batch_size)
        return {"loss": loss, **scores}


class SummaryTrainer(Seq2SeqTrainer):
    """Seq2SeqTrainer with our loss and our validation.

    The loss is the mean over the target tokens of a whole step, which Trainer counts: so 2 × 4 articles give
    the gradient of 1 × 8. T5's own ignores the count; with accumulation 4 it came out four times too large.
    Trainer's own validation shuffles the rows under group_by_length.
    """

    def __init__(
        self, arithmetic: Arithmetic, validation: Validation, params: FinetuneParams, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.arithmetic, self.validation, self.params = arithmetic, validation, params

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None) -> torch.Tensor:
        total = self.arithmetic.now().loss(inputs, self.params.label_smoothing, self.params.dropout)
        return total / num_items_in_batch

    @torch.inference_mode()
    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        metrics = {f"eval_{name}": value for name, value in self.validation(self.arithmetic.now()).items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


SHOWN = ("epoch", "train_loss", "validation_loss", "rougeL")


class KeepBest(TrainerCallback):
    """Keeps the curve, and saves the model of the epoch with the best validation ROUGE-L."""

    def __init__(self, save: Callable[[T5ForConditionalGeneration], None], curve: list[dict]) -> None:
        self.save, self.curve = save, curve
        self.best = -math.inf
        self.train_loss = math.nan

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        self.train_loss = logs.get("loss", self.train_loss)

    def on_evaluate(self, args, state, control, metrics=None, model=None, **kwargs) -> None:
        scores = {name.removeprefix("eval_"): value for name, value in metrics.items()}
        row = curve_row(round(state.epoch), state.global_step, self.train_loss, scores)
        self.curve.append(row)
        log.info("epoch %d: loss %s, on validation %s, ROUGE-L %s", *(row[key] for key in SHOWN))
        if row["rougeL"] > self.best:
            self.best = row["rougeL"]
            self.save(model)


class Progress(TrainerCallback):
    """A bar over the steps, or plain lines where there is no terminal, as in every other stage."""

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        self.steps = track(range(state.max_steps), "finetune training", state.max_steps, unit="step")
        next(self.steps)

    def on_step_end(self, args, state, control, **kwargs) -> None:
        next(self.steps, None)


def curve_row(epoch: int, step: int, train_loss: float | None, scores: dict) -> dict[str, Any]:
    """Return a row of the training curve: losses in nats a token, ROUGE in points."""
    return {
        "epoch": epoch,
        "step": step,
        "train_loss": None if train_loss is None else round(train_loss, 4),
        "validation_loss": round(scores["loss"], 4),
        **{name: round(scores[name], 2) for name in ROUGE_TYPES},
    }


def training_arguments(
    params: FinetuneParams, scratch: str, device: torch.device
) -> Seq2SeqTrainingArguments:
    """Return Trainer's arguments; what it would write goes to `scratch` and is thrown away."""
    return Seq2SeqTrainingArguments(
        output_dir=scratch,
        num_train_epochs=params.epochs,
        learning_rate=params.learning_rate,
        per_device_train_batch_size=params.batch_size,
        gradient_accumulation_steps=params.gradient_accumulation,
        lr_scheduler_type="constant_with_warmup" if params.schedule == "constant" else params.schedule,
        warmup_steps=params.warmup_ratio,
        weight_decay=params.weight_decay,
        max_grad_norm=params.max_grad_norm,
        use_cpu=device.type == "cpu",
        seed=params.seed,
        data_seed=params.seed,
        train_sampling_strategy="group_by_length",
        logging_strategy="epoch",
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def train(
    model: T5ForConditionalGeneration,
    rows: TokenizedRows,
    validation: Validation,
    params: FinetuneParams,
    save: Callable[[T5ForConditionalGeneration], None],
    device: torch.device,
) -> tuple[list[dict[str, Any]], int]:
    """Train `model`, `save` it at each best epoch, and return the curve and the number of steps."""
    arithmetic = Arithmetic(model.to(device), choose_dtype(params.precision, device))
    with torch.inference_mode():
        curve = [curve_row(0, 0, None, validation(arithmetic.now()))]
    with tempfile.TemporaryDirectory() as scratch:
        trainer = SummaryTrainer(
            arithmetic,
            validation,
            params,
            model=model,
            args=training_arguments(params, scratch, device),
            train_dataset=rows,
            eval_dataset=validation.rows,
            data_collator=validation.collate,
            callbacks=[Progress(), KeepBest(save, curve)],
        )
        trainer.remove_callback(PrinterCallback)
        steps = trainer.train().global_step
    return curve, steps


def main() -> None:
    parser(__doc__, "python -m stages.finetune").parse_args()
    params = load_params(FinetuneParams, "finetune")
    rows = TokenizedRows(load_table(TOKENIZED / "train.parquet"))
    step = params.batch_size * params.gradient_accumulation
    if len(rows) < step:
        raise InputError(
            f"params.yaml: finetune.batch_size: a step takes {step} articles (batch_size × "
            f"gradient_accumulation), and the training split has {len(rows)}; lower it"
        )
    device = prepare_torch(params.seed)
    base = PRETRAINED / params.base
    model = load_model(base)
    tokenizer = load_tokenizer(TOKENIZED / "tokenizer")
    check_vocabulary(model.shared.num_embeddings, tokenizer, base)
    start_letters(model, load_tokenizer(base), tokenizer)
    collate = DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(TOKENIZED / "tokenizer"), model)
    references = {row["id"]: row["summary"] for row in read_table(RAW_VALIDATION, ["id", "summary"])}
    validation_table = load_table(TOKENIZED / "validation.parquet")
    validation = Validation(TokenizedRows(validation_table), references, tokenizer, collate, params)

    with whole(FINETUNED) as partial:

        def save(trained: T5ForConditionalGeneration) -> None:
            remove(partial)
            save_model(trained, TOKENIZED / "tokenizer", partial)

        curve, steps = train(model, rows, validation, params, save, device)
    best = max(curve[1:], key=lambda row: row["rougeL"])
    metrics = {
        "base": params.base,
        "precision": str(choose_dtype(params.precision, device)).removeprefix("torch."),
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": steps,
        "best_epoch": best["epoch"],
        "train_loss": best["train_loss"],
        "validation_loss": best["validation_loss"],
        **{f"validation_{name}": best[name] for name in ROUGE_TYPES},
    }
    write_json(CURVE, curve)
    write_json(METRICS, metrics)
    log.info(
        "wrote %s: %d steps; best epoch %d: validation loss %.3f, ROUGE-L %.2f (%.2f before)",
        FINETUNED,
        steps,
        best["epoch"],
        best["validation_loss"],
        best["rougeL"],
        curve[0]["rougeL"],
    )


if __name__ == "__main__":
    run(main)
