"""Fine-tuning beside the course's loop and Seq2SeqTrainer, on the same rows.

    python -m benchmarks.training                           nine minutes on two cores
    python -m benchmarks.training --rounds 1                each of them once
    python -m benchmarks.training --model t5-base           another true shape than Flan-T5-small's
    python -m benchmarks.training --device cuda             on a GPU, beside Seq2SeqTrainer alone
    ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.training   as on a laptop without AVX512 and AMX

Every round runs each competitor once, each time another one first, so a machine that slows down slows all;
what no figure of RESULTS.md needs, the first round alone. Each has a process of its own: ours as the stages
set torch up, the others as they are installed. It ends without a table where they did not do the same work.
Needs benchmarks/requirements.txt.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.harness.apart import Apart, Run, be_quiet, rates_of, table
from benchmarks.harness.hardware import busy
from benchmarks.harness.ours import FINETUNE, finetune_ours, tokenized
from benchmarks.harness.peers import BATCH_SIZES, Trained, finetune_course, finetune_trainer
from benchmarks.harness.results import benchmark, check_parts, part_of, tell
from benchmarks.harness.workload import DEFAULT, SHAPES, Row, made_up, rows
from resumen.model.device import native_bf16, open_device
from resumen.model.loading import open_checkpoint
from resumen.model.operations import training_operations
from resumen.runtime.cli import run
from resumen.training.loop import EpochSampler, collate

NUM_STEPS = {"cpu": 5, "cuda": 25}  # of fine-tuning a round; a GPU's are short
NUM_WARMING = {"cpu": 1, "cuda": 5}  # of them, not counted
MAX_APART = 0.02  # of the losses of those who fine-tune on the same rows

Train = Callable[[Path, list[Row], torch.device], Trained]


def trains(train: Train, folder: Path, device: torch.device, data: list[Row], compiles: bool = False) -> Run:
    """Return what fine-tunes; it says what it did, and how long it compiled: what the first run took more."""

    def run() -> tuple[float, tuple[Trained, float]]:
        first = train(folder, data, device).total if compiles else 0.0
        output = train(folder, data, device)
        return output.rate(NUM_WARMING[device.type]), (output, first - output.total if compiles else 0.0)

    return run


def competitors(folder: Path, device: torch.device, data: list[Row]) -> dict[str, Apart]:
    """Return who fine-tunes, on the same rows; see `in_turn` for `once`."""
    known: dict[str, Callable[..., Trained]] = {
        "ours": finetune_ours,
        "course": finetune_course,
        "trainer": finetune_trainer,
        "ours, compiled": partial(finetune_ours, compile=True),
        "ours, fp32": partial(finetune_ours, precision="fp32"),
        "trainer, bf16": partial(finetune_trainer, bf16=True),
    }
    if device.type == "cuda":
        every, once = ["ours", "trainer, bf16"], []
    elif native_bf16(device):
        every, once = ["ours", "course", "trainer"], ["ours, compiled", "ours, fp32", "trainer, bf16"]
    else:
        every, once = ["ours", "course"], []
    output = {}
    for name in every + once:
        train = partial(known[name], batch_size=BATCH_SIZES[device.type])
        make = partial(trains, train, folder, device, data, name == "ours, compiled")
        output[name] = Apart(make, name.startswith("ours"), once=name in once)
    return output


def check_trained(who: Mapping[str, Trained]) -> str:
    """Return how far the losses are apart; end unless all saw as many articles and target tokens."""
    seen = {name: (sum(count for count, _ in output.steps), output.targets) for name, output in who.items()}
    losses = [output.loss for output in who.values()]
    apart = (max(losses) - min(losses)) / min(losses)
    if len(set(seen.values())) > 1 or apart > MAX_APART:
        sys.exit(f"not the same work: articles and target tokens {seen}, losses {losses}")
    articles, targets = seen["ours"]
    return (
        f"Each saw the same {articles} articles and {targets:,} target tokens; their mean losses are within "
        f"{apart:.1%}."
    )


def compiling(seconds: float, plain: float, compiled: float) -> str:
    """Return when so many seconds of compiling have paid for themselves, by the articles a second."""
    message = f"Compiling takes {seconds:.0f} s"
    if compiled <= plain:
        return f"{message}, and no later step makes up for it."
    return f"{message}, which pays from {seconds / (1 / plain - 1 / compiled):,.0f} articles on."


def loading(data: list[Row], batch_size: int) -> float:
    """Return the seconds that a step of the stage waits for its batch, the median."""
    split, seconds = tokenized(data), []
    sampler = EpochSampler(split.lengths, batch_size, FINETUNE.seed)
    batches = iter(DataLoader(split, batch_sampler=sampler, collate_fn=partial(collate, pad=0)))
    for _ in range(len(sampler)):
        start = time.perf_counter()
        next(batches)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def results(rounds: int, folder: Path, device: torch.device) -> Iterator[str]:
    """Fine-tune; yield the lines that tell of it."""
    batch_size = BATCH_SIZES[device.type]
    data = rows(NUM_STEPS[device.type] * batch_size, seed=1)
    who = competitors(folder, device, data)
    rates = rates_of(who, rounds)
    yield from table("fine-tuning", rates, {name: apart.peak for name, apart in who.items()})
    output: dict[str, Trained] = {name: apart.said[0] for name, apart in who.items()}
    message = check_trained(output)
    if "ours, compiled" in who:
        seconds = who["ours, compiled"].said[1]
        message += f" {compiling(seconds, rates['ours'][0], rates['ours, compiled'][0])}"
    yield from ["", message, ""]
    yield busy(statistics.median(rates["ours"]), *costs(folder), device)
    step = statistics.median(seconds for _, seconds in output["ours"].steps[NUM_WARMING[device.type] :])
    waits = loading(data, batch_size)
    yield f"A step takes {1_000 * step:,.0f} ms, {1_000 * waits:,.1f} of which it waits for its batch."


def costs(folder: Path) -> tuple[float, float]:
    """Return the tokens and the operations of an article, in the mean."""
    checkpoint = open_checkpoint(folder)
    lengths = [(len(row["input_ids"]), len(row["labels"])) for row in rows(1_000, seed=1)]
    operations = [training_operations(checkpoint.config, checkpoint.num_rows, *pair) for pair in lengths]
    return statistics.mean(map(sum, lengths)), statistics.mean(operations)


def main() -> None:
    arguments = benchmark(__doc__, "python -m benchmarks.training --rounds 1", rounds=3)
    arguments.add_argument("--model", choices=list(SHAPES), default=DEFAULT, help=f"default: {DEFAULT}")
    arguments.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    chosen: Any = arguments.parse_args()
    part = part_of("finetune", chosen.device, chosen.model)
    if chosen.write:
        check_parts([part])
    be_quiet()
    device = open_device(chosen.device)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{scratch}/compiled"  # as if for the first time
        folder = made_up(chosen.model, Path(scratch) / chosen.model)
        tell(part, results(chosen.rounds, folder, device), device, chosen.rounds, chosen.write)


if __name__ == "__main__":
    run(main)
