"""Extract: the baselines that copy sentences; what a model has to beat, and what copying can reach.

Reads   data/raw/test.parquet
Writes  data/predictions/{lead-1,lead-3,textrank,random-3,oracle}.jsonl   as `generate` writes them
Params  extract, data.language

    python -m stages.extract
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np

from resumen.rouge.score import ROUGE_TYPES, rouge_multi
from resumen.runtime.cli import parser, run
from resumen.runtime.paths import PREDICTIONS_DIR, RAW_TEST
from resumen.runtime.progress import track
from resumen.schema.data import LanguageParams
from resumen.schema.jsonl import write_jsonl
from resumen.schema.params import checked_params, parse_key, parse_section
from resumen.schema.rows import read_table, references_of
from resumen.schema.sections import ExtractParams
from resumen.schema.systems import EXTRACTIVE
from resumen.text.sentences import sentences
from resumen.text.stems import WITHOUT, stop_words
from resumen.text.words import words

log = logging.getLogger("extract")

MAX_RANKED = 300  # sentences of an article that TextRank ranks, its first; the time is their square

Choose = Callable[[list[str], list[str]], list[int]]  # an article's sentences, its references -> indices


def lead(count: int) -> Choose:
    """Return the choice of the first `count` sentences."""
    return lambda article, _: list(range(min(count, len(article))))


def random_three(seed: int) -> Choose:
    """Return the choice of three sentences at random, in the article's order."""
    draw = Random(seed)
    return lambda article, _: sorted(draw.sample(range(len(article)), min(3, len(article))))


def textrank(language: str) -> Choose:
    """Return the choice of three sentences by TextRank, the stop words of `language` left out."""
    stop = stop_words(language)
    return lambda article, _: ranked(
        [[word for word in words(sentence) if word not in stop] for sentence in article[:MAX_RANKED]]
    )


def ranked(tokens: list[list[str]]) -> list[int]:
    """Return which three sentences have most words in common with others, and with those that do, in order.

    The PageRank of sentences between which an edge weighs their common words over the logarithms of both
    lengths (Mihalcea and Tarau 2004, https://aclanthology.org/W04-3252). Nothing is drawn; of sentences that
    rank alike the first is chosen.
    """
    import networkx  # 0.3 s

    known = {word: index for index, word in enumerate(dict.fromkeys(word for one in tokens for word in one))}
    holds = np.zeros((len(tokens), len(known)), dtype=np.float32)
    for row, sentence in zip(holds, tokens, strict=True):
        row[[known[word] for word in sentence]] = 1
    common = holds @ holds.T  # words, (sentences, sentences)
    np.fill_diagonal(common, 0)
    lengths = np.log([max(len(sentence), 1) for sentence in tokens])
    both = lengths[:, None] + lengths
    edges = np.divide(common, both, out=np.zeros_like(both), where=both > 0)  # none between single words
    rank = networkx.pagerank(networkx.from_numpy_array(edges))
    order = sorted(rank, key=lambda index: (-round(rank[index], 9), index))
    return sorted(order[:3])


def bigrams(text: str) -> Counter[tuple[str, str]]:
    """Return the pairs of neighbouring words of `text`, counted."""
    tokens = words(text)
    return Counter(pairwise(tokens))


def oracle(article: list[str], references: list[str]) -> list[int]:
    """Return the indices that `greedy_oracle` chooses for one of the references, the best by ROUGE-2."""

    def rouge2(indices: list[int]) -> float:
        text = " ".join(article[index] for index in indices)
        return rouge_multi(text, references)[ROUGE_TYPES.index("rouge2")]

    return max((greedy_oracle(article, reference) for reference in references), key=rouge2)


def greedy_oracle(article: list[str], reference: str) -> list[int]:
    """Return at most three sentences that greedily raise ROUGE-2 recall against the reference.

    What extraction can reach at best, more or less; it reads the answer, so it is no system. A
    reference that shares no bigram with the article gets its first sentence.

    After Nallapati et al. 2017, https://arxiv.org/abs/1611.04230
    """
    wanted = bigrams(reference)
    sentence_bigrams = [bigrams(sentence) for sentence in article]
    chosen: list[int] = []
    while len(chosen) < 3:
        covered = sum((sentence_bigrams[index] for index in chosen), Counter())
        gains = [
            -1 if index in chosen else ((covered + sentence_bigrams[index]) & wanted).total()
            for index in range(len(article))
        ]
        best = max(range(len(article)), key=lambda index: gains[index], default=0)
        if not gains or gains[best] <= (covered & wanted).total():
            break
        chosen.append(best)
    return sorted(chosen) or lead(1)(article, [reference])


def extract(rows: Iterable[dict[str, str]], choose: Choose) -> list[dict[str, Any]]:
    """Return the chosen sentences of each article, joined by a space, as predictions."""
    predictions = []
    for row in rows:
        article = sentences(row["text"])
        predictions.append(
            {
                "id": row["id"],
                "prediction": " ".join(article[index] for index in choose(article, references_of(row))),
                "source_tokens": None,
                "summary_tokens": None,
                "truncated": False,
                "spelled_reference": row["summary"],
            }
        )
    return predictions


def main() -> None:
    parser(__doc__, "python -m stages.extract").parse_args()
    all_params = checked_params()
    params = parse_section(ExtractParams, all_params, "extract")
    language = params.stop_words or parse_key(LanguageParams, all_params, "data", "language").language
    if language != WITHOUT and not stop_words(language):
        log.warning("textrank: no stop words are known of data.language, %s: none are passed over", language)
    rows = list(read_table(RAW_TEST, ["id", "text", "summary", "references"]))
    choices = (lead(1), lead(3), textrank(language), random_three(params.seed), oracle)
    for name, choose in zip(EXTRACTIVE, choices, strict=True):
        predictions = extract(track(rows, f"extract {name}", len(rows)), choose)
        write_jsonl(PREDICTIONS_DIR / f"{name}.jsonl", predictions)
        log.info("%-10s %6d predictions", name, len(predictions))
    log.info("wrote %d baselines to %s", len(EXTRACTIVE), PREDICTIONS_DIR)


if __name__ == "__main__":
    run(main)
