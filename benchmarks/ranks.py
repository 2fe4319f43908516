"""Two processes of one thread beside one: fine-tuning and greedy generation, the true shape of Flan-T5-small.

    python -m benchmarks.ranks --rounds 3

Each measurement is a run of its own, in turn; the ratio is of the medians.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.peers import BATCH_SIZE
from benchmarks.speed import (
    NUM_TOKENS,
    NUM_WARMING,
    Ours,
    check_lengths,
    check_parts,
    finetune_ours,
    hardware,
    rate,
    say,
    write_results,
)
from benchmarks.workload import made_up, rows
from resumen.model.distributed import rank
from resumen.model.prepare import prepare_torch
from resumen.runtime.cli import parser, run

NUM_STEPS, NUM_ARTICLES = NUM_WARMING + 6, 64
WORKS = ("fine-tuning", "greedy")


def articles_a_second(folder: Path, device: torch.device) -> dict[str, float]:
    """Return the rates of the processes of this run together."""
    steps = finetune_ours(folder, rows(NUM_STEPS * BATCH_SIZE, seed=1), device).steps[NUM_WARMING:]
    articles = [row["input_ids"] for row in rows(NUM_ARTICLES, seed=2)]
    writer = Ours(folder, device, "auto", batch_size=16)
    writer(articles, 1, 2)  # warms up
    start = time.perf_counter()
    output = writer(articles, 1, NUM_TOKENS)
    seconds = time.perf_counter() - start
    check_lengths(output, NUM_TOKENS)
    return {"fine-tuning": rate(steps), "greedy": len(articles) / seconds}


def measured(folder: Path, processes: int) -> dict[str, float]:
    """Return the rates of `processes` processes of one thread."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *launcher, "-m", "benchmarks.ranks", "--folder", str(folder)]
    output = subprocess.run(
        command, env=os.environ | {"RESUMEN_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if output.returncode:
        sys.exit(output.stderr)
    return json.loads(output.stdout)


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.ranks --rounds 3")
    arguments.add_argument("--rounds", type=int, default=3, help="default: 3")
    arguments.add_argument("--folder", type=Path, help="of the checkpoint; one of several processes")
    arguments.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    chosen = arguments.parse_args()
    if chosen.write:
        check_parts(["ranks"])
    if chosen.folder:
        result = articles_a_second(chosen.folder, prepare_torch(seed=7))
        if rank() == 0:
            say(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = made_up("flan-small", Path(scratch) / "flan-small")
        rounds = [(measured(folder, 1), measured(folder, 2)) for _ in range(chosen.rounds)]
    lines = [
        hardware(torch.device("cpu")),
        "",
        "| work | one process, articles/s | two | ratio | least to most |",
        "|---|---:|---:|---:|---|",
    ]
    for work in WORKS:
        ratios = [two[work] / one[work] for one, two in rounds]
        one, two = (statistics.median(pair[index][work] for pair in rounds) for index in (0, 1))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        lines.append(f"| {work} | {one:.2f} | {two:.2f} | {two / one:.2f} × | {spread} |")
    say("\n".join(lines))
    if chosen.write:
        write_results("ranks", lines, chosen.rounds)


if __name__ == "__main__":
    run(main)
