"""What our speed costs in quality on `mini`: fine-tuning beside the plain one, generation in bf16 and int8.

    python -m benchmarks.quality run plain --seeds 13-22 >> runs.jsonl      four minutes a seed and thread
    python -m benchmarks.quality run ours --seeds 13-22 >> runs.jsonl       two to three
    python -m benchmarks.quality run "ours, bf16" --seeds 13-22 >> runs.jsonl
    torchrun --nproc-per-node 2 -m benchmarks.quality run "ours, 2 processes" --seeds 13-22 >> runs.jsonl
    python -m benchmarks.quality table runs.jsonl
    python -m benchmarks.quality generation                                 each system, in bf16 and int8
    python -m benchmarks.quality generation --articles 2000 finetuned       one, on news made up anew

Needs a `dvc repro` of `mini` before. *plain* is Seq2SeqTrainer as it is installed, with transformers' own
forward pass, in float32: random batches of 8, padded. Rows, epochs, learning rate, schedule and clipping are
those of `params.yaml`, which were chosen with ours, and seed 13. A run gives the validation ROUGE-L of its
best epoch; "ours, bf16" writes its summaries in bf16 too. Each bound is of its own row.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import torch
from scipy import stats
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5ForConditionalGeneration,
    TrainerCallback,
)

from benchmarks.harness.peers import BATCH_SIZES
from benchmarks.harness.results import say
from resumen.checkpoint.config import ModelConfig
from resumen.generation.models import open_model
from resumen.model.decoding import generate_in_batches
from resumen.model.device import choose_dtype
from resumen.model.distributed import rank, world_size
from resumen.model.loading import open_checkpoint
from resumen.model.prepare import prepare_torch
from resumen.model.t5 import T5
from resumen.news.stories import row_of, stories
from resumen.rouge.score import ROUGE_TYPES, rouge
from resumen.runtime.cli import parser, run
from resumen.runtime.errors import InputError
from resumen.runtime.paths import PRETRAINED_DIR, RAW_TEST, RAW_VALIDATION, TOKENIZED_DIR
from resumen.schema.params import load_params, parse_key, read_params
from resumen.schema.rows import load_table, read_table, references_of
from resumen.schema.sections import (
    FinetuneParams,
    FormatParams,
    GenerateParams,
    GeneratePrecision,
    SourceParams,
)
from resumen.schema.systems import system_params
from resumen.text.prompts import TEMPLATE_FIELDS, fill_template
from resumen.training.finetuning import Validation, fine_tune
from resumen.training.loop import TokenizedRows
from resumen.training.pretrained import init_letters, load_model, save_model
from resumen.vocabulary.tokenizer import load_tokenizer

PRECISION = {
    "plain": "fp32",
    "ours": "fp32",
    "ours, bf16": "bf16",
    "ours, 2 processes": "fp32",
    "ours, bf16, 2 processes": "bf16",
}
PRECISIONS: tuple[GeneratePrecision, ...] = ("fp32", "bf16", "int8")  # of generation, the exact one first
SEED = 38  # of made-up articles
CONFIDENCE = 0.95  # of the one-sided bound

FINETUNING = "flan-small"  # of params.yaml, whose recipe is `finetune`'s; its base is of that name
TOKENIZED = TOKENIZED_DIR / FINETUNING
Score = Callable[[Path, TokenizedRows, Validation, FinetuneParams, torch.device], float]


class EachEpoch(TrainerCallback):
    """Scores the validation split at the end of each epoch, as our trainer does."""

    def __init__(self, validation: Validation, config: ModelConfig) -> None:
        self.validation, self.config = validation, config
        self.found: list[float] = []

    def on_epoch_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        parameters = dict(given["model"].named_parameters())
        with torch.inference_mode():
            t5 = T5(parameters.__getitem__, self.config, torch.float32)
            self.found.append(self.validation(t5)["rougeL"])


def training_arguments(
    params: FinetuneParams, folder: Path, device: torch.device
) -> Seq2SeqTrainingArguments:
    """Return the recipe as Trainer takes it, its batches eight articles whatever their length."""
    return Seq2SeqTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=params.epochs,
        learning_rate=params.learning_rate,
        per_device_train_batch_size=BATCH_SIZES["cpu"],
        gradient_accumulation_steps=params.gradient_accumulation,
        lr_scheduler_type="constant_with_warmup" if params.schedule == "constant" else params.schedule,
        warmup_steps=params.warmup_ratio,
        weight_decay=params.weight_decay,
        max_grad_norm=params.max_grad_norm,
        use_cpu=device.type == "cpu",
        seed=params.seed,
        data_seed=params.seed,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def plain(
    folder: Path,
    rows: TokenizedRows,
    validation: Validation,
    params: FinetuneParams,
    device: torch.device,
) -> float:
    """Return what Seq2SeqTrainer comes to, with its own batches, forward pass and loss."""
    model = T5ForConditionalGeneration.from_pretrained(folder, dropout_rate=0.0)
    scores = EachEpoch(validation, open_checkpoint(folder).config)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Seq2SeqTrainer(
            model=model,
            args=training_arguments(params, Path(scratch), device),
            train_dataset=rows,
            data_collator=DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(folder), model),
            callbacks=[scores],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return max(scores.found)


def ours(
    folder: Path,
    rows: TokenizedRows,
    validation: Validation,
    params: FinetuneParams,
    device: torch.device,
) -> float:
    """Return what the stage comes to."""
    with tempfile.TemporaryDirectory() as scratch:
        history, _ = fine_tune(
            load_model(folder), rows, validation, params, device, TOKENIZED / "tokenizer", Path(scratch)
        )
    return float(history.best["rougeL"])


def score(name: str, seed: int, device: torch.device) -> float:
    """Return the validation ROUGE-L of a run, in points, rounded as in metrics/."""
    params = load_params(FinetuneParams, "finetune")
    params = params.model_copy(update={"seed": seed, "precision": PRECISION[name]})
    if params.dropout:
        raise InputError("params.yaml: finetune.dropout: expected 0 (transformers' draws other masks)")
    torch.manual_seed(seed)
    base, tokenizer = PRETRAINED_DIR / FINETUNING, load_tokenizer(TOKENIZED / "tokenizer")
    columns = ["id", "summary", "references"]
    references = {row["id"]: references_of(row) for row in read_table(RAW_VALIDATION, columns)}
    held_out = TokenizedRows(load_table(TOKENIZED / "validation.parquet"))
    validation = Validation(held_out, references, tokenizer, params)
    rows = TokenizedRows(load_table(TOKENIZED / "train.parquet"))
    run_of: Score = plain if name == "plain" else ours
    with tempfile.TemporaryDirectory() as scratch:
        model = load_model(base)
        init_letters(model, load_tokenizer(base), tokenizer)
        save_model(model, TOKENIZED / "tokenizer", Path(scratch))
        return round(run_of(Path(scratch), rows, validation, params, device), 2)


def table(runs: list[dict[str, Any]]) -> list[str]:
    """Return a row for each kind of run, beside the plain ones of the same seeds."""
    by_name: dict[str, dict[int, float]] = {}
    for output in runs:
        of_seed = by_name.setdefault(output["run"], {})
        if output["seed"] in of_seed:
            raise InputError(f"{output['run']}, seed {output['seed']}: stands there twice")
        of_seed[output["seed"]] = output["rougeL"]
    lines = [
        f"| validation ROUGE-L | seeds | mean | less plain | at least ({CONFIDENCE:.0%}, one-sided) |",
        "|---|---|---:|---:|---:|",
    ]
    for name, scores in by_name.items():
        seeds = sorted(scores.keys() & by_name.get("plain", {}).keys())
        if len(seeds) < 2:
            raise InputError(f"{name}: at least two seeds with a plain run are needed, got {seeds}")
        mean = statistics.mean(scores[seed] for seed in seeds)
        line = f"| {name} | {', '.join(f'{seed}: {scores[seed]:.2f}' for seed in seeds)} "
        if name == "plain":
            lines.append(f"{line}| {mean:.2f} | | |")
            continue
        less = [scores[seed] - by_name["plain"][seed] for seed in seeds]
        error = statistics.stdev(less) / len(less) ** 0.5
        bound = statistics.mean(less) - stats.t.ppf(CONFIDENCE, len(less) - 1) * error
        lines.append(f"{line}| {mean:.2f} | {statistics.mean(less):+.2f} | {bound:+.2f} |")
    return lines


def made_up_articles(count: int, seed: int) -> list[dict[str, Any]]:
    """Return rows of made-up news that no split has: `seed` is another than theirs."""
    return [{"id": str(number), **row_of(story)} for number, story in enumerate(stories(count, seed))]


def generation(device: torch.device, count: int | None, systems: Collection[str]) -> Iterator[str]:
    """Yield a table of each system's ROUGE-L, its summaries written in float32, and rounded.

    Of the test split, or of `count` made-up articles. The error is half of the 95 % interval of the mean
    difference, by the articles' differences.
    """
    all_params, params = read_params(), load_params(GenerateParams, "generate")
    source = parse_key(SourceParams, all_params, "tokenize", "source_tokens")
    ours = load_params(FormatParams, "format")
    columns = ["id", *TEMPLATE_FIELDS]
    rows = made_up_articles(count, seed=SEED) if count else list(read_table(RAW_TEST, columns))
    yield f"| ROUGE-L, {len(rows):,} articles | in | float32 | rounded | difference | ± | other summaries |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for name in systems or all_params["systems"]:
        if (system := system_params(all_params, name)).is_foreign:
            continue
        chosen, what = params.model_copy(update=system.overrides()), f"quality {name}"
        prompts = [fill_template(system.template or ours.template, row) for row in rows]
        exact: list[float] = []
        for precision in PRECISIONS:
            model = open_model(system.path, chosen, choose_dtype(precision, device), device, system.generate)
            style = ours.style if system.template is None else "instruction"
            ids, _ = model.encode(prompts, source.source_tokens, style)
            write = model.load(what, [len(row) for row in ids], chosen.batch_size)
            texts = model.decode(generate_in_batches(ids, write, chosen.batch_size, what))
            index = ROUGE_TYPES.index("rougeL")
            scores = [rouge(text, row["summary"])[index] for text, row in zip(texts, rows, strict=True)]
            if not exact:
                exact, plain = scores, texts
                continue
            less = [other - one for one, other in zip(exact, scores, strict=True)]
            error = statistics.stdev(less) / len(less) ** 0.5 * stats.t.ppf(0.975, len(less) - 1)
            others = sum(one != other for one, other in zip(plain, texts, strict=True))
            means = [statistics.mean(exact), statistics.mean(scores), statistics.mean(less)]
            yield "| {} | {} | {:.2f} | {:.2f} | {:+.2f} | {:.2f} | {} |".format(
                name, precision, *means, error, others
            )


def seeds_of(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.quality run ours --seeds 13-22 >> runs.jsonl")
    commands = arguments.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="print a line of JSON for each seed")
    running.add_argument("name", choices=PRECISION)
    running.add_argument("--seeds", type=seeds_of, required=True, help="such as 13-22")
    commands.add_parser("table", help="print the table of runs").add_argument(
        "path", type=argparse.FileType(encoding="utf-8"), help="their lines"
    )
    writing = commands.add_parser("generation", help="print the table of the systems")
    writing.add_argument("systems", nargs="*", metavar="SYSTEM", help="default: all")
    writing.add_argument("--articles", type=int, help="made-up ones instead of the test split")
    chosen = arguments.parse_args()
    if chosen.command == "generation":
        for line in generation(prepare_torch(seed=0), chosen.articles, chosen.systems):
            say(line)
        return
    if chosen.command == "table":
        sys.stdout.write("\n".join(table([json.loads(line) for line in chosen.path])) + "\n")
        return
    device = prepare_torch(seed=chosen.seeds[0])
    expected = 2 if "2 processes" in chosen.name else 1
    if world_size() != expected:
        raise InputError(f"{chosen.name}: expected so many processes: {expected}, got {world_size()}")
    for seed in chosen.seeds:
        result = score(chosen.name, seed, device)
        if rank() == 0:
            say(json.dumps({"run": chosen.name, "seed": seed, "rougeL": result}))


if __name__ == "__main__":
    run(main)
