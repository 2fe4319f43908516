"""The memory that generation and fine-tuning take at true shapes, beside what is planned.

    python -m benchmarks.memory               some ten minutes on two cores; 13 GB
    python -m benchmarks.memory --write       into benchmarks/RESULTS.md

Random weights, float32, the longest articles and targets: 512 and 128 tokens. Generation takes as many
articles at once as its budget has room for. Each job is a process of its own, whose most resident memory
counts; on a GPU, what PyTorch has allocated.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import torch

from benchmarks.speed import FINETUNE, Apart, finetune_ours, hardware, say, write_results
from benchmarks.workload import EOS, NUM_PIECES, SOURCE_TOKENS, TARGET_TOKENS, Row, made_up
from resumen.checkpoint.config import ModelConfig
from resumen.model.decoding import greedy, make_generate
from resumen.model.device import DEVICE_KINDS, open_device
from resumen.model.loading import load_t5, open_checkpoint
from resumen.model.memory import GIB, budget_of, generation_need
from resumen.runtime.cli import parser, run
from resumen.training.plan import training_bytes

NUM_STEPS = 3  # of a fine-tuning
NUM_TOKENS = 24  # of each summary; room is planned for more
ROOM_TOKENS = 96


@dataclass(frozen=True)
class Job:
    """What is measured: a model of true shape at work, and the bytes that are planned for it."""

    name: str
    model: str
    work: Callable[[Path, torch.device], tuple[float, str]]  # articles a second, and what was done
    planned: Callable[[ModelConfig, int, torch.device], int]


def ids(length: int, draw: Random) -> list[int]:
    """Return random tokens, the last one </s>."""
    return [*(draw.randrange(3, NUM_PIECES) for _ in range(length - 1)), EOS]


def need_of(config: ModelConfig, rows: int, device: torch.device) -> tuple[int, int]:
    """Return how many articles are generated at once, and the bytes that they take."""
    need = generation_need(config, rows, torch.float32, device, SOURCE_TOKENS, greedy(ROOM_TOKENS))
    count = need.articles(budget_of(device))
    return count, need.of(count)


def generating(folder: Path, device: torch.device) -> tuple[float, str]:
    """Generate for as many articles as fit at once."""
    t5, draw = load_t5(folder, torch.float32, device), Random(7)
    count, _ = need_of(t5.config, t5.num_rows, device)
    batch, write = [ids(SOURCE_TOKENS, draw) for _ in range(count)], make_generate(t5, greedy(NUM_TOKENS))
    start = time.perf_counter()
    write(batch)
    return count / (time.perf_counter() - start), f"{count} articles at once"


def training(batch_size: int, folder: Path, device: torch.device) -> tuple[float, str]:
    """Fine-tune for some steps."""
    draw = Random(7)
    rows: list[Row] = [
        {"input_ids": ids(SOURCE_TOKENS, draw), "labels": ids(TARGET_TOKENS, draw)}
        for _ in range(NUM_STEPS * batch_size)
    ]
    trained = finetune_ours(folder, rows, device, batch_size=batch_size, precision="fp32")
    articles, seconds = map(sum, zip(*trained.steps, strict=True))
    return articles / seconds, f"batch of {batch_size}"


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


def measured(job: Job, folder: Path, device: torch.device) -> str:
    """Return the line of the table that tells of a job."""
    checkpoint = open_checkpoint(made_up(job.model, folder))
    planned = job.planned(checkpoint.config, checkpoint.num_rows, device)
    apart = Apart(partial(partial, job.work, folder, device), ours=True, lasting=False)
    articles_a_second = apart()
    took = apart.peak * 1e9 / GIB
    ratio = took * GIB / planned
    row = (job.name, job.model, apart.said, planned / GIB, took, ratio, articles_a_second)
    return "| {} | {} | {} | {:.2f} | {:.2f} | {:.2f} | {:.3f} |".format(*row)


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.memory")
    arguments.add_argument("--device", default="cpu", choices=DEVICE_KINDS)
    arguments.add_argument("--write", action="store_true", help="write into benchmarks/RESULTS.md")
    options = arguments.parse_args()
    device = open_device(options.device)
    lines = [
        hardware(device),
        "",
        "| job | model | what | planned, GiB | taken, GiB | ratio | articles/s |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for job in JOBS:
        with tempfile.TemporaryDirectory() as scratch:
            lines.append(measured(job, Path(scratch), device))
        say(lines[-1])
    if options.write:
        write_results("memory" if device.type == "cpu" else f"{device.type} memory", lines, 1)


if __name__ == "__main__":
    run(main)
