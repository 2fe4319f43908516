"""Examples: test articles of the playground, chosen by what a system scored.

Reads   data/raw/test.parquet, data/scores.parquet, data/predictions/{system}.jsonl
"""

import logging
from typing import Any, NamedTuple

from resumen.page.card import median_of
from resumen.runtime.errors import InputError
from resumen.runtime.paths import PREDICTIONS_DIR, RAW_TEST, SCORES_FILE
from resumen.schema.jsonl import read_jsonl
from resumen.schema.rows import read_table, references_of
from resumen.scoring.registry import FAITHFULNESS, PRIMARY
from resumen.text.words import words

log = logging.getLogger("playground")


class Choice(NamedTuple):
    """An article, and why it is an example."""

    kind: str  # typical, invents, cut; longest where none is cut; first where nothing is scored
    id: str
    value: float = 0.0  # its ROUGE-L; the names and numbers that its summary invents; its words


class Example(NamedTuple):
    kind: str
    value: float
    system: str  # whose scores it was chosen by
    text: str
    references: list[str]


def choose(scores: dict[str, dict[str, Any]], lengths: dict[str, int], cut: set[str]) -> list[Choice]:
    """Return the article with the median ROUGE-L, the one with most inventions, and the longest that is cut.

    `scores` are a system's, by id, `lengths` the words of the articles. Of equal articles the first is taken;
    the median is that of the model card. Where nothing is invented, there is no example of it.

    >>> scores = {"a": {"rougeL": 9.0, "invented_names": 2, "invented_numbers": 1}}
    >>> choose(scores, {"a": 80}, set())
    [Choice(kind='typical', id='a', value=9.0), Choice(kind='invents', id='a', value=3), \
Choice(kind='longest', id='a', value=80)]
    """
    score, median = median_of((row[PRIMARY], name) for name, row in scores.items())
    invented = {name: sum(row[measure] for measure in FAITHFULNESS) for name, row in scores.items()}
    inventive = max(invented, key=invented.__getitem__)
    longest = max((name for name in lengths if name in cut or not cut), key=lengths.__getitem__)
    return [
        Choice("typical", median, score),
        *([Choice("invents", inventive, invented[inventive])] if invented[inventive] else ()),
        Choice("cut" if cut else "longest", longest, lengths[longest]),
    ]


def choose_by_scores(system: str, lengths: dict[str, int]) -> list[Choice]:
    """Return what `choose` takes by the scores and predictions on disk.

    Raises:
        InputError: they are missing, damaged, or not those of the test articles.
    """
    wanted = ("system", "id", PRIMARY, *FAITHFULNESS)
    scores = {row["id"]: row for row in read_table(SCORES_FILE, wanted) if row["system"] == system}
    if scores.keys() != lengths.keys():
        raise InputError(
            f"{SCORES_FILE}: expected scores of {system} for the {len(lengths)} articles of {RAW_TEST}, "
            f"got {len(scores)}; `dvc repro` makes them"
        )
    predictions = read_jsonl(PREDICTIONS_DIR / f"{system}.jsonl", ("id", "truncated"))
    return choose(scores, lengths, {row["id"] for row in predictions if row["truncated"]})


def read_examples(system: str) -> list[Example]:
    """Return the examples of `system`; without scores the first test article, without test articles none."""
    if not RAW_TEST.exists():
        return []
    lengths = {row["id"]: len(words(row["text"])) for row in read_table(RAW_TEST, ["id", "text"])}
    if not lengths:
        return []
    try:
        choices = choose_by_scores(system, lengths)
    except InputError as error:
        log.warning("%s; until then, the only example is the first test article", error)
        choices = [Choice("first", next(iter(lengths)))]
    chosen = {choice.id for choice in choices}
    rows = read_table(RAW_TEST, ["id", "text", "summary", "references"])
    by_id = {row["id"]: row for row in rows if row["id"] in chosen}
    return [
        Example(kind, value, system, by_id[name]["text"], references_of(by_id[name]))
        for kind, name, value in choices
    ]
