"""All measures of articles × 9 systems at MLSUM's size, and what the paired bootstrap promises.

    python -m benchmarks.scoring                                  13,920 articles, some minutes
    python -m benchmarks.scoring --share 0.25                     of a quarter of them
    python -m benchmarks.scoring --work intervals --trials 1000   half a minute a row

The intervals are simulated where the truth is known. For each number of articles, with differences of
deviation 8 points that are normal or skewed (a shifted exponential): how often the 95 % interval holds the
truth, how often a difference is found where none is, and how often one of the size that is called detectable
is found.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.harness.results import benchmark, check_parts, tell
from benchmarks.harness.workload import articles, summaries
from resumen.runtime.cli import run
from resumen.runtime.cpu import num_cores
from resumen.scoring.bootstrap import Difference, bootstrap_means, difference, minimum_detectable_effect
from resumen.sources.mlsum import MLSUM_ROWS
from stages.evaluate import score_all

NUM_SYSTEMS = 9
DEVIATION = 8.0  # points; about that of ROUGE-L between two of our systems
CONFIDENCE = 0.95
SAMPLES = 1_000
COUNTS = (5, 20, 50, 200, 1_000)


def normal(draw: np.random.Generator, count: int) -> np.ndarray:
    return draw.normal(0, DEVIATION, count)


def skewed(draw: np.random.Generator, count: int) -> np.ndarray:
    return DEVIATION * (draw.exponential(1, count) - 1)


def found_in(scores: np.ndarray, seed: int) -> Difference:
    """Return what the bootstrap says of one trial."""
    return difference(scores, bootstrap_means(scores[:, None], SAMPLES, seed)[:, 0], CONFIDENCE)


def measures(share: float) -> Iterator[str]:
    """Yield how long all measures of a share of MLSUM's test articles take."""
    made = articles(int(MLSUM_ROWS["es"]["test"] * share), 9_003)
    rows = [{**row, "id": str(number)} for number, row in enumerate(made)]
    output = {
        f"system-{number}": [
            {"prediction": text, "spelled_reference": row["summary"]}
            for text, row in zip(texts, rows, strict=True)
        ]
        for number, texts in enumerate(summaries(rows, NUM_SYSTEMS))
    }
    start = time.perf_counter()
    count = sum(1 for _ in score_all(rows, output, "none", "es"))
    seconds = time.perf_counter() - start
    yield f"{count:,} summaries, all measures, {num_cores()} cores: {seconds:.0f} s."


def intervals(trials: int) -> Iterator[str]:
    """Yield a table of what is found in `trials` simulated comparisons a row."""
    yield "| differences | articles | coverage, % | type I, % | power, % |"
    yield "|---|---:|---:|---:|---:|"
    for shape in (normal, skewed):
        for count in COUNTS:
            draw = np.random.default_rng(7)
            without = [found_in(shape(draw, count), seed) for seed in range(trials)]
            minimum = DEVIATION * minimum_detectable_effect(without[0], CONFIDENCE) / without[0].deviation
            there = [found_in(shape(draw, count) + minimum, seed) for seed in range(trials)]
            held = np.mean([row.lower <= 0 <= row.upper for row in without])
            wrong, seen = (np.mean([row.p < 1 - CONFIDENCE for row in rows]) for rows in (without, there))
            shares = " | ".join(f"{100 * share:.1f}" for share in (held, wrong, seen))
            yield f"| {shape.__name__} | {count:,} | {shares} |"


def main() -> None:
    arguments = benchmark(__doc__, "python -m benchmarks.scoring --share 0.25")
    arguments.add_argument("--work", choices=("measures", "intervals"), default="measures")
    arguments.add_argument("--share", type=float, default=1.0, help="of MLSUM's test split (default: 1)")
    arguments.add_argument("--trials", type=int, default=2_000, help="of the intervals (default: 2000)")
    chosen = arguments.parse_args()
    part = "scoring" if chosen.work == "measures" else "intervals"
    if chosen.write:
        check_parts([part])
    lines = measures(chosen.share) if chosen.work == "measures" else intervals(chosen.trials)
    tell(part, lines, torch.device("cpu"), 1, chosen.write)


if __name__ == "__main__":
    run(main)
