"""ROUGE beside rouge_score, on the same pairs: of one core and of two, in turn.

    python -m benchmarks.rouge               a minute or two
    python -m benchmarks.rouge --rounds 1    each of them once

Articles of MLSUM's length, made up; a summary is two sentences of its article and one of another. It ends
without a table where the scores differ.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from typing import Any
from unittest.mock import patch

import torch
from rouge_score import rouge_scorer, tokenizers

from benchmarks.harness.results import benchmark, check_parts, tell
from benchmarks.harness.workload import articles, summaries
from resumen.rouge import score as rouge_score_module
from resumen.rouge.score import ROUGE_TYPES, ascii_words, rouge, rouge_content
from resumen.runtime.cli import run
from resumen.text.sentences import sentences
from resumen.text.words import words

NUM_PAIRS = 1_500

Pair = tuple[str, str]  # prediction, reference
Score = Callable[[list[Pair]], list[tuple[float, ...]]]


class Words(tokenizers.Tokenizer):  # type: ignore[misc]  # it has no types
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


def in_halves(pool: ProcessPoolExecutor, call: Score, pairs: list[Pair]) -> list[tuple[float, ...]]:
    """Return what `call` makes of `pairs`, by two processes."""
    half = len(pairs) // 2
    return list(chain(*pool.map(call, [pairs[:half], pairs[half:]])))


def compare(pairs: list[Pair], rounds: int) -> Iterator[str]:
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
            for _ in range(rounds):
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
    yield from ["", curve(pairs)]


def curve(pairs: list[Pair]) -> str:
    """Return a line on our pairs a second, on one core, of 1, 4 and 16 times the pairs."""
    counts = [len(pairs) // times for times in (16, 4, 1)]
    rates = [count / min(seconds(partial(with_ours, pairs[:count]))[0] for _ in range(3)) for count in counts]
    message = [", ".join(f"{value:,.0f}" for value in values) for values in (rates, counts)]
    return (
        f"{len(pairs):,} pairs, equal scores. Ours on one core: {message[0]} pairs/s at {message[1]} pairs."
    )


def main() -> None:
    arguments = benchmark(__doc__, "python -m benchmarks.rouge --rounds 1", rounds=5)
    chosen = arguments.parse_args()
    if chosen.write:
        check_parts(["rouge"])
    rows = list(articles(NUM_PAIRS, 9_003))
    pairs = [
        (prediction, row["summary"]) for prediction, row in zip(summaries(rows, 1)[0], rows, strict=True)
    ]
    tell("rouge", compare(pairs, chosen.rounds), torch.device("cpu"), chosen.rounds, chosen.write)


if __name__ == "__main__":
    run(main)
