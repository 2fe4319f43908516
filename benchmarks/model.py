"""How the model's work grows: with the rows and the processes, and its memory beside the plan.

    python -m benchmarks.model                        a quarter of an hour on two cores; 13 GB
    python -m benchmarks.model --work memory --write  one table, into benchmarks/RESULTS.md

- curve: 64, 256 and 1,024 rows once, in the true shape of Flan-T5-small; summaries of 16 tokens. Fine-tuning
  stops at 256, since 1,024 take it as long as all the rest.
- memory: float32, the longest articles and targets, 512 and 128 tokens, once. Generation takes as many
  articles at once as its budget has room for.
- processes: two of one thread beside one, fine-tuning and greedy search, in `--rounds` rounds

Each job is a process of its own, whose most resident memory counts; on a GPU, what PyTorch has allocated.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import torch

from benchmarks.harness.apart import Apart, Run, writes
from benchmarks.harness.ours import FINETUNE, Ours, finetune_ours
from benchmarks.harness.peers import BATCH_SIZES
from benchmarks.harness.results import benchmark, check_parts, part_of, say, tell
from benchmarks.harness.workload import (
    DEFAULT,
    EOS,
    NUM_BEAMS,
    NUM_PIECES,
    SHAPES,
    SOURCE_TOKENS,
    TARGET_TOKENS,
    Row,
    made_up,
    rows,
)
from benchmarks.training import NUM_STEPS, NUM_WARMING
from resumen.checkpoint.config import ModelConfig
from resumen.model.decoding import greedy, make_generate
from resumen.model.device import DEVICE_KINDS, open_device
from resumen.model.distributed import rank
from resumen.model.loading import load_t5, open_checkpoint
from resumen.model.memory import GIB, budget_of, generation_need
from resumen.model.prepare import prepare_torch
from resumen.runtime.cli import run
from resumen.training.plan import training_bytes

COUNTS = (64, 256, 1_024)  # rows of the curve
MOST_TRAINED = 256  # of them, by fine-tuning
CURVE_TOKENS = 16  # of each summary

ADAM_STEPS = 2  # of a fine-tuning: in the second, Adam's moments are there
ROOM_TOKENS, WRITTEN_TOKENS = 96, 24  # of each summary: room is planned for more than are written

NUM_ARTICLES, AT_ONCE = 32, 16  # of the processes' greedy search


def tunes(folder: Path, device: torch.device, data: list[Row]) -> Run:
    """Return what fine-tunes once; the steps that warm up come on top."""
    warming, batch_size = NUM_WARMING[device.type], BATCH_SIZES[device.type]
    rows = [*data[: warming * batch_size], *data]
    return lambda: (finetune_ours(folder, rows, device, batch_size).rate(warming), None)


def curve(folder: Path, device: torch.device) -> Iterator[str]:
    """Yield the cost curve: articles a second and peak memory at 1, 4 and 16 times the rows."""
    yield f"| rows |{' {}, articles/s | peak, GB |' * 3}".format("fine-tuning", "greedy", "four beams")
    yield f"|---|{'---:|' * 6}"
    for count in COUNTS:
        data = rows(count, seed=3)
        articles, make = [row["input_ids"] for row in data], partial(Ours, folder, device, "auto")
        jobs: list[Callable[[], Run]] = [
            partial(writes, make, articles, beams, CURVE_TOKENS) for beams in (1, NUM_BEAMS)
        ]
        if count <= MOST_TRAINED:
            jobs.insert(0, partial(tunes, folder, device, data))
        cells = [f"{apart():.2f} | {apart.peak:.2f}" for apart in (Apart(job, ours=True) for job in jobs)]
        yield f"| {count:,} | {' | '.join(['– | –'] * (3 - len(cells)) + cells)} |"


@dataclass(frozen=True)
class Job:
    """What is measured: a model of true shape at work, and the bytes that are planned for it."""

    name: str
    model: str
    work: Callable[[Path, torch.device], Run]
    planned: Callable[[ModelConfig, int, torch.device], int]


def ids(length: int, draw: Random) -> list[int]:
    """Return random tokens, the last one </s>."""
    return [*(draw.randrange(3, NUM_PIECES) for _ in range(length - 1)), EOS]


def need_of(config: ModelConfig, rows: int, device: torch.device) -> tuple[int, int]:
    """Return how many articles are generated at once, and the bytes that they take."""
    need = generation_need(config, rows, torch.float32, device, SOURCE_TOKENS, greedy(ROOM_TOKENS))
    count = need.articles(budget_of(device))
    return count, need.of(count)


def generating(folder: Path, device: torch.device) -> Run:
    """Return what generates for as many articles as fit at once; it says how many."""
    t5, draw = load_t5(folder, torch.float32, device), Random(7)
    count, _ = need_of(t5.config, t5.num_rows, device)
    batch, write = [ids(SOURCE_TOKENS, draw) for _ in range(count)], make_generate(t5, greedy(WRITTEN_TOKENS))

    def run() -> tuple[float, str]:
        start = time.perf_counter()
        write(batch)
        return count / (time.perf_counter() - start), f"{count} articles at once"

    return run


def training(batch_size: int, folder: Path, device: torch.device) -> Run:
    """Return what fine-tunes for some steps; it says in which batches."""
    draw = Random(7)
    rows: list[Row] = [
        {"input_ids": ids(SOURCE_TOKENS, draw), "labels": ids(TARGET_TOKENS, draw)}
        for _ in range(ADAM_STEPS * batch_size)
    ]

    def run() -> tuple[float, str]:
        trained = finetune_ours(folder, rows, device, batch_size, precision="fp32")
        return trained.rate(0), f"batch of {batch_size}"

    return run


def training_need(batch_size: int, config: ModelConfig, rows: int, device: torch.device) -> int:
    """Return the bytes that are planned for a step."""
    shape = batch_size, SOURCE_TOKENS, TARGET_TOKENS
    return training_bytes(config, rows, torch.float32, shape, FINETUNE, device)


JOBS = (
    Job("generation", "flan-large", generating, lambda *given: need_of(*given)[1]),
    *(
        Job("fine-tuning", model, partial(training, 8), partial(training_need, 8))
        for model in ("flan-small", "flan-base")
    ),
)


def memory(scratch: Path, device: torch.device) -> Iterator[str]:
    """Yield a table of the memory that is planned for each job, and of what it takes."""
    yield "| job | model | what | planned, GiB | taken, GiB | ratio | articles/s |"
    yield "|---|---|---|---:|---:|---:|---:|"
    for job in JOBS:
        checkpoint = open_checkpoint(folder := made_up(job.model, scratch / job.model))
        planned = job.planned(checkpoint.config, checkpoint.num_rows, device)
        apart = Apart(partial(job.work, folder, device), ours=True)
        articles_a_second = apart()
        took = apart.peak * 1e9
        row = (job.name, job.model, apart.said, planned / GIB, took / GIB, took / planned, articles_a_second)
        yield "| {} | {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.3f} |".format(*row)


def of_this_rank(folder: Path, device: torch.device) -> dict[str, float]:
    """Return the articles a second of the processes of this run together."""
    data, warming = rows(NUM_STEPS["cpu"] * BATCH_SIZES["cpu"], seed=1), NUM_WARMING["cpu"]
    articles = [row["input_ids"] for row in rows(NUM_ARTICLES, seed=2)]
    return {
        "fine-tuning": finetune_ours(folder, data, device).rate(warming),
        "greedy": writes(partial(Ours, folder, device, "auto", AT_ONCE), articles, 1)()[0],
    }


def launched(folder: Path, count: int) -> dict[str, float]:
    """Return the articles a second of `count` processes of one thread."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    command = [sys.executable, *launcher, "-m", "benchmarks.model", "--folder", str(folder)]
    output = subprocess.run(
        command, env=os.environ | {"RESUMEN_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if output.returncode:
        sys.exit(output.stderr)
    result: dict[str, float] = json.loads(output.stdout)
    return result


def processes(rounds: int, folder: Path) -> Iterator[str]:
    """Yield a table of what two processes do beside one."""
    measured = [(launched(folder, 1), launched(folder, 2)) for _ in range(rounds)]
    yield "| work | one process, articles/s | two | ratio | least to most |"
    yield "|---|---:|---:|---:|---|"
    for work in measured[0][0]:
        ratios = [two[work] / one[work] for one, two in measured]
        one, two = (statistics.median(pair[index][work] for pair in measured) for index in (0, 1))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        yield f"| {work} | {one:.2f} | {two:.2f} | {two / one:.2f} × | {spread} |"


def main() -> None:
    arguments = benchmark(__doc__, "python -m benchmarks.model --work memory", rounds=3)
    works = ["curve", "memory", "processes"]
    arguments.add_argument("--work", choices=works, nargs="*", default=works, help="default: all")
    arguments.add_argument("--model", choices=list(SHAPES), default=DEFAULT, help=f"default: {DEFAULT}")
    arguments.add_argument("--device", default="cpu", choices=DEVICE_KINDS, help="default: cpu")
    arguments.add_argument("--folder", type=Path, help="of the checkpoint; for one of several processes")
    chosen = arguments.parse_args()
    if chosen.folder:
        result = of_this_rank(chosen.folder, prepare_torch(seed=7))
        if rank() == 0:
            say(json.dumps(result))
        return
    device = open_device(chosen.device)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        folder = made_up(chosen.model, scratch / chosen.model)
        tables = {
            "curve": (curve(folder, device), 1),
            "memory": (memory(scratch, device), 1),
            "processes": (processes(chosen.rounds, folder), chosen.rounds),
        }
        parts = {work: part_of(work, chosen.device, chosen.model) for work in chosen.work}
        if chosen.write:
            check_parts(parts.values())
        for work, part in parts.items():
            lines, rounds = tables[work]
            tell(part, lines, device, rounds, chosen.write)
            say("")


if __name__ == "__main__":
    run(main)
