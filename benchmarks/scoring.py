"""Scoring at MLSUM's size: all measures of 13,920 articles × 9 systems, and ROUGE beside rouge_score.

    python -m benchmarks.scoring                 some minutes
    python -m benchmarks.scoring --share 0.05    the same in small, to see that it works

Articles of MLSUM's length, made up; each system's summaries are sentences of the article and of another.
"""

import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from random import Random

from rouge_score import rouge_scorer, tokenizers

from benchmarks.full_scale import articles
from stages.evaluate import score_all
from stages.shared.cli import parser, run
from stages.shared.cores import num_cores
from stages.shared.mlsum import MLSUM_ROWS
from stages.shared.scores import ROUGE_TYPES, rouge
from stages.shared.sentences import sentences
from stages.shared.words import words

NUM_SYSTEMS = 9
NUM_PAIRS = 1_500  # of the comparison
ROUNDS = 5

Pair = tuple[str, str]  # prediction, reference


class Words(tokenizers.Tokenizer):
    """`words`, in the shape that rouge_score wants."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def with_ours(pairs: list[Pair]) -> list[tuple[float, ...]]:
    return [rouge(*pair) for pair in pairs]


def with_rouge_score(pairs: list[Pair]) -> list[tuple[float, ...]]:
    scorer = rouge_scorer.RougeScorer(ROUGE_TYPES, tokenizer=Words())
    made = []
    for prediction, reference in pairs:
        scores = scorer.score("\n".join(sentences(reference)), "\n".join(sentences(prediction)))
        made.append(tuple(100 * scores[name].fmeasure for name in ROUGE_TYPES))
    return made


def seconds(call: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    made = call()
    return time.perf_counter() - start, made


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.scoring --share 0.05")
    arguments.add_argument("--share", type=float, default=1.0, help="of MLSUM's test split (default: 1)")
    options = arguments.parse_args()
    draw = Random(1)
    rows = [
        {"id": str(number), "text": row["text"], "summary": row["summary"]}
        for number, row in enumerate(articles(int(MLSUM_ROWS["es"]["test"] * options.share), 9_003))
    ]
    parts = [sentences(row["text"]) for row in rows]
    made = {
        f"system-{number}": [
            {
                "prediction": " ".join([*draw.sample(part, min(2, len(part))), draw.choice(parts[0])]),
                "spelled_reference": row["summary"],
            }
            for row, part in zip(rows, parts, strict=True)
        ]
        for number in range(NUM_SYSTEMS)
    }
    pairs = [
        (prediction["prediction"], row["summary"])
        for prediction, row in zip(made["system-0"], rows, strict=True)
    ][:NUM_PAIRS]
    half = len(pairs) // 2
    ratios: dict[str, list[float]] = {"one core": [], "two cores": []}
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(with_ours, [pairs[:8]] * 2))  # started
        for _ in range(ROUNDS):
            theirs, expected = seconds(lambda: with_rouge_score(pairs))
            ours, got = seconds(lambda: with_ours(pairs))
            both, _ = seconds(lambda: list(pool.map(with_ours, [pairs[:half], pairs[half:]])))
            ratios["one core"].append(theirs / ours)
            ratios["two cores"].append(theirs / both)
    apart = max(
        abs(x - y) for one, other in zip(got, expected, strict=True) for x, y in zip(one, other, strict=True)
    )
    say = sys.stdout.write
    say(f"{len(pairs)} pairs, largest difference from rouge_score: {apart:.1e} points\n")
    for name, values in ratios.items():
        spread = f"{min(values):.1f} to {max(values):.1f}"
        say(f"times rouge_score on {name}: {statistics.median(values):.1f} ({spread})\n")
    curve = [
        f"{count / min(seconds(lambda count=count: with_ours(pairs[:count]))[0] for _ in range(3)):,.0f}"
        for count in (NUM_PAIRS // 16, NUM_PAIRS // 4, NUM_PAIRS)
    ]
    say(f"ours at 1, 4 and 16 times {NUM_PAIRS // 16} pairs, one core: {', '.join(curve)} pairs/s\n")
    spent, scores = seconds(lambda: sum(1 for _ in score_all(rows, made, "none")))
    say(f"{scores} summaries, all measures, {num_cores()} cores: {spent:.0f} s\n")


if __name__ == "__main__":
    run(main)
