"""Scoring at MLSUM's size: all measures of 13,920 articles × 9 systems, and ROUGE beside rouge_score.

    python -m benchmarks.scoring                 some minutes
    python -m benchmarks.scoring --share 0.05    the same in small, to see that it works

Articles of MLSUM's length, made up; each system's summaries are sentences of the article and of another.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from random import Random
from typing import Any
from unittest.mock import patch

import torch
from rouge_score import rouge_scorer, tokenizers

from benchmarks.full_scale import articles
from benchmarks.speed import check_parts, hardware, say, write_results
from resumen.rouge import score as rouge_score_module
from resumen.rouge.score import ROUGE_TYPES, ascii_words, rouge, rouge_content
from resumen.runtime.cli import parser, run
from resumen.runtime.cpu import num_cores
from resumen.sources.mlsum import MLSUM_ROWS
from resumen.text.sentences import sentences
from resumen.text.words import words
from stages.evaluate import score_all

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


def with_content(pairs: list[Pair]) -> list[tuple[float, ...]]:
    """Return every score of `SpanishRouge`."""
    return [(*rouge(*pair), *rouge_content(pair[0], [pair[1]], "es")) for pair in pairs]


def with_all_of_ours(pairs: list[Pair]) -> list[tuple[float, ...]]:
    """Return every ROUGE of the stage: over Unicode words, first; ASCII ones, and content stems."""
    return [
        (*rouge(*pair), *rouge(*pair, ascii_words), *rouge_content(pair[0], [pair[1]], "es"))
        for pair in pairs
    ]


def with_ours_but_lsum(pairs: list[Pair]) -> list[tuple[float, ...]]:
    """Return ROUGE-1, -2 and -L as `rouge` computes them, without the work of ROUGE-Lsum."""
    with patch.object(rouge_score_module, "union_hits", lambda given, wanted: 0):
        return [result[:3] for result in with_ours(pairs)]


def with_rouge_score(pairs: list[Pair], types: Sequence[str] = ROUGE_TYPES) -> list[tuple[float, ...]]:
    scorer = rouge_scorer.RougeScorer(types, tokenizer=Words())
    output = []
    for prediction, reference in pairs:
        if "rougeLsum" in types:
            prediction, reference = ("\n".join(sentences(text)) for text in (prediction, reference))
        scores = scorer.score(reference, prediction)
        output.append(tuple(100 * scores[name].fmeasure for name in types))
    return output


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    output = call()
    return time.perf_counter() - start, output


def check_scores(got: Iterable[tuple[float, ...]], expected: Iterable[tuple[float, ...]]) -> None:
    """End if a score is not that of rouge_score, which has the first of ours."""
    pairs = (
        pair for ours, theirs in zip(got, expected, strict=True) for pair in zip(ours, theirs, strict=False)
    )
    apart = max(abs(one - other) for one, other in pairs)
    if not apart <= 1e-9:  # nor NaN
        sys.exit(f"scores differ by {apart:.1e} points: this is no comparison")


def in_halves(pool: ProcessPoolExecutor, call: Callable, pairs: list[Pair]) -> list[tuple[float, ...]]:
    """Return what `call` makes of `pairs`, by two processes."""
    half = len(pairs) // 2
    return list(chain(*pool.map(call, [pairs[:half], pairs[half:]])))


def compare(pairs: list[Pair]) -> Iterator[str]:
    """Yield a table of our ROUGE beside rouge_score's, in turn."""
    yield "| what | ours on one core is | on two cores | least to most, on two |"
    yield "|---|---:|---:|---|"
    for what, types, ours in (
        ("ROUGE-1, -2, -L", ROUGE_TYPES[:3], with_ours_but_lsum),
        ("the same and -Lsum", ROUGE_TYPES, with_ours),
        (
            "ROUGE-1, -2, -L by rouge_score; ours those, -Lsum and content words",
            ROUGE_TYPES[:3],
            with_content,
        ),
        ("ROUGE-1, -2, -L by rouge_score; ours all 10 of the stage", ROUGE_TYPES[:3], with_all_of_ours),
    ):
        result: list[tuple[float, float, float]] = []
        with ProcessPoolExecutor(2) as pool:
            list(pool.map(ours, [pairs[:8]] * 2))  # started
            for _ in range(ROUNDS):
                theirs, expected = seconds(partial(with_rouge_score, pairs, types))
                one, got = seconds(partial(ours, pairs))
                two, both = seconds(partial(in_halves, pool, ours, pairs))
                check_scores(got, expected)
                check_scores(both, expected)
                result.append((theirs, one, two))
        theirs, one, two = (statistics.median(values) for values in zip(*result, strict=True))
        ratios = [theirs / two for theirs, _, two in result]
        spread = f"{min(ratios):.1f} to {max(ratios):.1f}"
        yield f"| {what} | {theirs / one:.1f} × | {theirs / two:.1f} × | {spread} |"


def curve(pairs: list[Pair]) -> str:
    """Return a line on our pairs a second, on one core, of 1, 4 and 16 times the pairs."""
    counts = [len(pairs) // times for times in (16, 4, 1)]
    rates = [
        count / min(seconds(lambda count=count: with_ours(pairs[:count]))[0] for _ in range(3))
        for count in counts
    ]
    message = [", ".join(f"{value:,.0f}" for value in values) for values in (rates, counts)]
    return (
        f"{len(pairs):,} pairs, equal scores. Ours on one core: {message[0]} pairs/s at {message[1]} pairs."
    )


def systems(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Return what made-up systems say of the articles in `rows`: sentences of theirs and of another."""
    draw = Random(1)
    parts = [sentences(row["text"]) for row in rows]
    return {
        f"system-{number}": [
            {
                "prediction": " ".join([*draw.sample(part, min(2, len(part))), draw.choice(parts[0])]),
                "spelled_reference": row["summary"],
            }
            for row, part in zip(rows, parts, strict=True)
        ]
        for number in range(NUM_SYSTEMS)
    }


def main() -> None:
    arguments = parser(__doc__, "python -m benchmarks.scoring --share 0.05")
    arguments.add_argument("--share", type=float, default=1.0, help="of MLSUM's test split (default: 1)")
    arguments.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    options = arguments.parse_args()
    if options.write:
        check_parts(["scoring"])
    rows = [
        {"id": str(number), "text": row["text"], "summary": row["summary"]}
        for number, row in enumerate(articles(int(MLSUM_ROWS["es"]["test"] * options.share), 9_003))
    ]
    output = systems(rows)
    pairs = [
        (message["prediction"], row["summary"]) for message, row in zip(output["system-0"], rows, strict=True)
    ][:NUM_PAIRS]
    lines = [hardware(torch.device("cpu")), "", *compare(pairs), "", curve(pairs)]
    spent, count = seconds(lambda: sum(1 for _ in score_all(rows, output, "none", "es")))
    lines.append(f"{count:,} summaries, all measures, {num_cores()} cores: {spent:.0f} s.")
    say("\n".join(lines))
    if options.write:
        write_results("scoring", lines, ROUNDS)


if __name__ == "__main__":
    run(main)
