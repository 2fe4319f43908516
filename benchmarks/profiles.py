"""How long fine-tuning and generation of a profile take here: measured in part, extrapolated.

    python -m benchmarks.profiles                                 ten minutes on two cores
    python -m benchmarks.profiles --profile mlsum --device cuda   on a GPU
    python -m benchmarks.profiles --write                         into benchmarks/RESULTS.md

Of the fine-tuning a fiftieth is taken, of `mlsum`'s a thousandth; with it go a validation before the first
epoch and after each (summaries, loss, ROUGE), a checkpoint after each epoch and, in a longer one, every
five minutes, the summaries of all systems, and their ROUGE. Every fine-tuning is taken to be one of
`flan-small`. The weights are random, so every summary has all its 96 tokens; genuine ones are half as long.
Left out are the downloads, `fetch`, `format`, `tokenize`, the probes, and of `evaluate` all but ROUGE. The
error is half of the 95 % interval, by Student's t, of each part's pieces in this run, added up in
quadrature; from run to run the machine itself differs by more.
"""

import math
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from scipy import stats

from benchmarks.harness.apart import be_quiet, check_lengths
from benchmarks.harness.ours import FINETUNE, Ours, finetune_ours, tokenized
from benchmarks.harness.results import benchmark, check_parts, tell
from benchmarks.harness.workload import made_up, rows
from benchmarks.training import NUM_WARMING
from resumen.model.device import choose_dtype
from resumen.model.loading import load_t5
from resumen.model.prepare import prepare_torch
from resumen.rouge.metric import SpanishRouge
from resumen.runtime.cli import run
from resumen.runtime.files import flush, sha256_of
from resumen.runtime.paths import FINETUNED_DIR
from resumen.runtime.provenance import write_provenance
from resumen.schema.params import read_params
from resumen.sources.mlsum import MLSUM_ROWS
from resumen.training.checkpoints import checkpoint_interval
from resumen.training.finetuning import Validation
from resumen.vocabulary.tokenizer import load_tokenizer


@dataclass(frozen=True)
class Job:
    """What a profile of params.yaml comes to."""

    articles: int
    epochs: int
    batch_size: int  # of fine-tuning; a validation takes eight times as many
    validation: int  # articles
    test: int
    compile: bool
    finetunings: int  # whose articles are counted above, those of validation too
    share: int
    systems: dict[str, int]  # the shape of each checkpoint, and how many systems it is


SHARES = {"course": 50, "mlsum": 1_000}  # of the fine-tuning, one article in so many is taken
NUM_TOKENS = 96  # of each summary
PIECES = 3  # of every other part
BATCH = {"cpu": 24, "cuda": 64}  # articles of a piece; `generate.batch_size` is 64, which is somewhat faster
TEXTS = 200  # of which ROUGE is taken at a time
CHECKPOINT = 4 * 4 * 77_000_000  # bytes: weights, Adam's two moments, the best model

Part = tuple[str, float, float]  # what, its seconds in all, their error


def job_of(profile: str, params: dict[str, Any]) -> Job:
    """Return what a profile of params.yaml with MLSUM in it comes to."""
    values = params["profiles"][profile]
    data, recipe = values["data"], values["finetune"]
    counts = {
        split: count if data[split] == "all" else data[split] for split, count in MLSUM_ROWS["es"].items()
    }
    num_finetunings, scored = len(params["finetunings"]), recipe["validation_rows"]
    sources = [Path(system["from"]) for system in params["systems"].values()]
    output = [
        params["finetunings"][source.name]["base"] if source.parent == FINETUNED_DIR else source.name
        for source in sources
    ]
    return Job(
        articles=counts["train"] * num_finetunings,
        epochs=recipe["epochs"],
        batch_size=recipe["batch_size"],
        validation=num_finetunings * (counts["validation"] if scored == "all" else scored),
        test=counts["test"],
        compile=recipe["compile"],
        finetunings=num_finetunings,
        share=SHARES[profile],
        systems=dict(sorted(Counter(output).items())),
    )


def whole(what: str, pieces: Sequence[float], count: float) -> Part:
    """Return a part of `count` pieces such as those that took so many seconds."""
    error = statistics.stdev(pieces) / math.sqrt(len(pieces)) * stats.t.ppf(0.975, len(pieces) - 1)
    return what, statistics.mean(pieces) * count, error * count


def repeated(call: Callable[[], object]) -> list[float]:
    """Return the seconds of each of some calls."""
    result = []
    for _ in range(PIECES):
        start = time.perf_counter()
        call()
        result.append(time.perf_counter() - start)
    return result


def fine_tuning(job: Job, folder: Path, device: torch.device) -> Part:
    data = rows(job.articles * job.epochs // job.share, seed=1)
    tune = partial(finetune_ours, folder, data, device, job.batch_size, compile=job.compile)
    first = tune() if job.compile else None
    output = tune()
    an_article = [seconds / articles for articles, seconds in output.steps[NUM_WARMING[device.type] :]]
    count = job.articles * job.epochs
    what, seconds, error = whole(f"fine-tuning, {job.articles:,} articles × {job.epochs}", an_article, count)
    compiling = job.finetunings * (first.total - output.total) if first else 0.0  # once each
    return what, seconds + compiling, error


def validating(job: Job, folder: Path, device: torch.device) -> Part:
    t5 = load_t5(folder, choose_dtype("auto", device), device)
    size = 8 * job.batch_size
    data = rows(size, seed=3)
    params = FINETUNE.model_copy(update={"max_new_tokens": NUM_TOKENS, "batch_size": job.batch_size})

    def validation(count: int) -> Validation:
        split = tokenized(data[:count])
        return Validation(split, {name: ["Llueve."] for name in split.ids}, load_tokenizer(folder), params)

    validation(8)(t5)  # warms up
    whole_batch, times = validation(size), job.epochs + 1
    pieces = repeated(lambda: whole_batch(t5))
    return whole(
        f"validation on {job.validation:,} articles, {times} times", pieces, times * job.validation / size
    )


def writing(what: str, folder: Path, device: torch.device, test: int, times: int) -> Part:
    """Return what it takes to load a checkpoint and to write so many summaries, so many times."""
    start = time.perf_counter()
    write = Ours(folder, device, "auto")
    loading = time.perf_counter() - start
    sources = [row["input_ids"] for row in rows(BATCH[device.type], seed=2)]
    write(sources[:8], 1, 2)  # warms up

    def batch() -> None:
        check_lengths(write(sources, 1, NUM_TOKENS), NUM_TOKENS)

    what, seconds, error = whole(what, repeated(batch), times * test / len(sources))
    return what, seconds + times * loading, error


def scoring(job: Job) -> Part:
    texts = [" ".join(f"w{token % 997}" for token in row["labels"]) for row in rows(TEXTS, seed=4)]
    rouge, times = SpanishRouge(keep_in_memory=True), sum(job.systems.values())
    pieces = repeated(lambda: rouge.compute(predictions=texts, references=texts[::-1]))
    return whole(f"ROUGE of {times} systems", pieces, times * job.test / TEXTS)


def checkpoints(job: Job, scratch: Path, seconds: float) -> Part:
    """Return what writing, flushing and hashing their checkpoints takes fine-tunings of so many seconds."""
    path, content = scratch / "checkpoint", bytes(CHECKPOINT)

    def save() -> None:
        path.write_bytes(content)
        flush(path)
        sha256_of(path)

    count = job.finetunings * job.epochs
    count *= 1 + int(seconds / count // checkpoint_interval())
    return whole(f"{count} checkpoints", repeated(save), count)


def parts(job: Job, device: torch.device, scratch: Path) -> Iterator[Part]:
    yield scoring(job)
    for name, times in job.systems.items():
        folder = made_up(name, scratch / name)
        write_provenance(folder, source="made up")  # held against the weights when they are loaded
        if name == "flan-small":
            tuning = fine_tuning(job, folder, device)
            yield tuning
            yield checkpoints(job, scratch, tuning[1])
            yield validating(job, folder, device)
        yield writing(f"{name}, {'2 × ' * (times - 1)}{job.test:,} articles", folder, device, job.test, times)


def results(profile: str, device: torch.device, scratch: Path) -> Iterator[str]:
    """Yield a table of the minutes of each part of a profile."""
    yield "| part | minutes | ± |"
    yield "|---|---:|---:|"
    seconds, errors = [], []
    for what, taken, error in parts(job_of(profile, read_params()), device, scratch):
        seconds.append(taken)
        errors.append(error)
        yield f"| {what} | {taken / 60:.1f} | {error / 60:.1f} |"
    yield f"| all | {sum(seconds) / 60:.1f} | {math.hypot(*errors) / 60:.1f} |"


def main() -> None:
    arguments = benchmark(__doc__, "python -m benchmarks.profiles")
    arguments.add_argument("--profile", choices=list(SHARES), default="course", help="default: course")
    arguments.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    chosen = arguments.parse_args()
    if chosen.write:
        check_parts([chosen.profile])
    be_quiet()
    os.environ.setdefault("RESUMEN_DEVICE", chosen.device)
    device = prepare_torch(seed=7)
    with tempfile.TemporaryDirectory() as scratch:
        tell(chosen.profile, results(chosen.profile, device, Path(scratch)), device, 1, chosen.write)


if __name__ == "__main__":
    run(main)
