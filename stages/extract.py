"""Extract: the baselines that copy sentences; what a model has to beat, and what copying can reach.

Reads   data/raw/test.parquet
Writes  data/predictions/{lead-1,lead-3,oracle,random-3}.jsonl   as `generate` writes them
Params  extract

    python -m stages.extract
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from pydantic import NonNegativeInt

from stages.shared.cli import parser, run
from stages.shared.files import read_table, write_jsonl
from stages.shared.params import Block, load_params
from stages.shared.progress import track
from stages.shared.sentences import sentences
from stages.shared.systems import EXTRACTIVE
from stages.shared.words import words

log = logging.getLogger("extract")

RAW_TEST = Path("data/raw/test.parquet")
PREDICTIONS = Path("data/predictions")

Choose = Callable[[list[str], str], list[int]]  # an article's sentences, its reference -> places


class ExtractParams(Block):
    seed: NonNegativeInt  # of random-3


def lead(count: int) -> Choose:
    """Return the choice of the first `count` sentences."""
    return lambda article, _: list(range(min(count, len(article))))


def random_three(seed: int) -> Choose:
    """Return the choice of three sentences at random, in the article's order."""
    draw = Random(seed)
    return lambda article, _: sorted(draw.sample(range(len(article)), min(3, len(article))))


def bigrams(text: str) -> Counter[tuple[str, str]]:
    """Return the pairs of neighbouring words of `text`, counted."""
    found = words(text)
    return Counter(pairwise(found))


def oracle(article: list[str], reference: str) -> list[int]:
    """Return at most three sentences that greedily raise ROUGE-2 recall against the reference.

    What extraction can reach at best, more or less; it reads the answer, so it is no system. A
    reference that shares no bigram with the article gets its first sentence.

    After Nallapati et al. 2017, https://arxiv.org/abs/1611.04230
    """
    wanted = bigrams(reference)
    found = [bigrams(sentence) for sentence in article]
    chosen: list[int] = []
    while len(chosen) < 3:
        covered = sum((found[place] for place in chosen), Counter())
        gains = [
            -1 if place in chosen else ((covered + found[place]) & wanted).total()
            for place in range(len(article))
        ]
        best = max(range(len(article)), key=lambda place: gains[place], default=0)
        if not gains or gains[best] <= (covered & wanted).total():
            break
        chosen.append(best)
    return sorted(chosen) or lead(1)(article, reference)


def extract(rows: Iterable[dict[str, str]], choose: Choose) -> list[dict[str, Any]]:
    """Return the chosen sentences of each article, joined by a space, as predictions."""
    predictions = []
    for row in rows:
        article = sentences(row["text"])
        predictions.append(
            {
                "id": row["id"],
                "prediction": " ".join(article[place] for place in choose(article, row["summary"])),
                "source_tokens": None,
                "truncated": False,
                "spelled_reference": row["summary"],
            }
        )
    return predictions


def main() -> None:
    parser(__doc__, "python -m stages.extract").parse_args()
    params = load_params(ExtractParams, "extract")
    rows = list(read_table(RAW_TEST, ["id", "text", "summary"]))
    choices = (lead(1), lead(3), oracle, random_three(params.seed))
    for name, choose in zip(EXTRACTIVE, choices, strict=True):
        predictions = extract(track(rows, f"extract {name}", len(rows)), choose)
        write_jsonl(PREDICTIONS / f"{name}.jsonl", predictions)
        log.info("%-10s %6d predictions", name, len(predictions))
    log.info("wrote %d baselines to %s", len(EXTRACTIVE), PREDICTIONS)


if __name__ == "__main__":
    run(main)
