"""What the paired bootstrap promises, simulated where the truth is known.

    python -m benchmarks.intervals                 about a minute a row
    python -m benchmarks.intervals --trials 200    the same in small

For each number of articles, with differences of deviation 8 points that are normal or skewed (a shifted
exponential): how often the 95 % interval holds the truth, how often a difference is found where none is, and
how often one of the size that is called detectable is found.
"""

import sys

import numpy as np

from resumen.runtime.cli import parser, run
from resumen.scoring.bootstrap import Difference, bootstrap_means, difference, minimum_detectable_effect

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


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.intervals --trials 200")
    arguments.add_argument("--trials", type=int, default=2_000, help="for each row (default: 2000)")
    trials = arguments.parse_args().trials
    sys.stdout.write(f"{'differences':<12}{'articles':>9}{'coverage %':>12}{'type I %':>10}{'power %':>9}\n")
    for shape in (normal, skewed):
        for count in COUNTS:
            draw = np.random.default_rng(7)
            without = [found_in(shape(draw, count), seed) for seed in range(trials)]
            minimum = DEVIATION * minimum_detectable_effect(without[0], CONFIDENCE) / without[0].deviation
            there = [found_in(shape(draw, count) + minimum, seed) for seed in range(trials)]
            held = np.mean([row.lower <= 0 <= row.upper for row in without])
            wrong, seen = (np.mean([row.p < 1 - CONFIDENCE for row in rows]) for rows in (without, there))
            sys.stdout.write(
                f"{shape.__name__:<12}{count:>9}{100 * held:>12.1f}{100 * wrong:>10.1f}{100 * seen:>9.1f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    run(main)
