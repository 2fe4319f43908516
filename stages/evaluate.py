"""Evaluate: score every system's predictions and answers, with intervals.

Reads   data/predictions/{system}.jsonl, data/answers/{system}.jsonl, data/raw/test.parquet
Writes  data/scores.parquet             system, id, rouge1, rouge2, rougeL, rougeLsum and counts
        metrics/systems/{system}.json   what `dvc metrics show` prints, a row a system
        metrics/evaluation.json         intervals, probes by kind, the signature of the scores, articles
        metrics/plots/scores.json       ROUGE with its interval, a row a system
Params  evaluate, and the keys of systems

    python -m stages.evaluate
"""

import logging
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import Field, NonNegativeInt, PositiveInt

from stages.shared.answers import ANSWERS, Answer, read_answers
from stages.shared.cli import InputError, parser, run
from stages.shared.files import read_jsonl, read_table, remove_orphans, whole, write_json, write_table
from stages.shared.params import Block, load_params, read_params
from stages.shared.progress import track
from stages.shared.rouge import ROUGE_TYPES, SpanishRouge
from stages.shared.systems import EXTRACTIVE, system_names
from stages.shared.words import words

log = logging.getLogger("evaluate")
log.setLevel(logging.INFO)  # the library of that name has set it to warnings

RAW_TEST = Path("data/raw/test.parquet")
PREDICTIONS = Path("data/predictions")
SCORES = Path("data/scores.parquet")
SYSTEMS = Path("metrics/systems")
EVALUATION = Path("metrics/evaluation.json")
PLOT = Path("metrics/plots/scores.json")

DRAWS_AT_ONCE = 500  # bounds the memory at that many × articles
COUNTS = ("prediction_words", "reference_words", "lost_words")
SCHEMA = pa.schema(
    [("system", pa.string()), ("id", pa.string())]
    + [(name, pa.float64()) for name in ROUGE_TYPES]
    + [(name, pa.int32()) for name in COUNTS]
)


class EvaluateParams(Block):
    bootstrap_samples: PositiveInt
    confidence: float = Field(gt=0, lt=1)  # of the intervals
    seed: NonNegativeInt


def read_predictions(path: Path, ids: list[str]) -> list[dict[str, Any]]:
    """Return the predictions of a system, in the order of `ids`.

    Raises:
        InputError: there is no file, or its ids are not exactly `ids`.
    """
    by_id = {}
    for number, row in enumerate(read_jsonl(path, ("id", "prediction", "spelled_reference")), 1):
        if row["id"] in by_id:
            raise InputError(f"{path}:{number}: id {row['id']!r} occurs twice")
        if not isinstance(row["prediction"], str):
            raise InputError(f"{path}:{number}: prediction: expected text, got {row['prediction']!r}")
        by_id[row["id"]] = row
    if by_id.keys() != set(ids):
        example = min(by_id.keys() ^ set(ids))
        raise InputError(f"{path}: its ids are not those of {RAW_TEST}, such as {example!r}")
    return [by_id[name] for name in ids]


def lost_words(reference: str, spelled_reference: str) -> int:
    """Return how many words of the reference its system's vocabulary cannot write.

    >>> lost_words("El niño de Málaga", "El nio de Málaga")
    1
    """
    return (Counter(words(reference)) - Counter(words(spelled_reference))).total()


def score_system(
    system: str, rows: list[dict[str, str]], predictions: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return one row of scores an article, in the order of `rows`."""
    references = [row["summary"] for row in rows]
    texts = [row["prediction"] for row in predictions]
    rouge = SpanishRouge(keep_in_memory=True).compute(
        predictions=texts, references=references, use_aggregator=False
    )
    return [
        {
            "system": system,
            "id": row["id"],
            **{name: rouge[name][place] for name in ROUGE_TYPES},
            "prediction_words": len(words(texts[place])),
            "reference_words": len(words(references[place])),
            "lost_words": lost_words(references[place], predictions[place]["spelled_reference"]),
        }
        for place, row in enumerate(rows)
    ]


def summary_of(scores: pd.DataFrame) -> dict[str, float]:
    """Return a system's row of the table: means over articles; points, %, and a ratio of words."""
    reference_words = scores["reference_words"].sum()
    return {
        **{name: round(float(scores[name].mean()), 2) for name in ROUGE_TYPES},
        "lost_words_pct": round(100 * float(scores["lost_words"].sum() / reference_words), 2),
        "empty_pct": round(100 * float((scores["prediction_words"] == 0).mean()), 2),
        "length_ratio": round(float(scores["prediction_words"].sum() / reference_words), 2),
    }


def with_reference(answers: list[Answer]) -> list[Answer]:
    """Return the answers to probes with just one right answer."""
    return [answer for answer in answers if answer.reference is not None]


def exact_pct(answers: list[Answer]) -> float:
    """Return the % of `answers`, at least one and each with a reference, that are right."""
    return round(100 * sum(answer.is_exact for answer in answers) / len(answers), 2)


def probe_summary(system: str, answers: list[Answer], params: EvaluateParams) -> dict[str, Any]:
    """Return how many probes with one right answer a system was asked, and the % answered exactly.

    `answers`, at least one, all have a reference. Probes are drawn with replacement for the interval.
    """
    right = np.array([[100.0 * answer.is_exact] for answer in answers])
    (lower,), (upper,) = bootstrap(right, params)
    by_kind: dict[str, list[Answer]] = {}
    for answer in answers:
        by_kind.setdefault(answer.kind, []).append(answer)
    return {
        "system": system,
        "num_asked": len(answers),
        "exact_pct": exact_pct(answers),
        "lower": round(float(lower), 2),
        "upper": round(float(upper), 2),
        "kinds": [
            {"kind": kind, "num_asked": len(group), "exact_pct": exact_pct(group)}
            for kind, group in by_kind.items()
        ],
    }


def bootstrap(scores: np.ndarray, params: EvaluateParams) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper bound of each column's mean, articles drawn with replacement.

    `scores` is (articles, columns). The same articles are drawn for every column, so columns may be
    compared. Percentile interval; Koehn 2004, https://aclanthology.org/W04-3250
    """
    draw = np.random.default_rng(params.seed)
    num_articles = len(scores)
    means = np.empty((params.bootstrap_samples, scores.shape[1]))
    for start in range(0, params.bootstrap_samples, DRAWS_AT_ONCE):
        count = min(DRAWS_AT_ONCE, params.bootstrap_samples - start)
        weights = draw.multinomial(num_articles, np.full(num_articles, 1 / num_articles), size=count)
        means[start : start + count] = weights @ scores / num_articles
    tail = (1 - params.confidence) / 2
    lower, upper = np.quantile(means, [tail, 1 - tail], axis=0)
    return lower, upper


def intervals(by_system: dict[str, pd.DataFrame], params: EvaluateParams) -> list[dict[str, Any]]:
    """Return, for each system, the mean and its bounds of each ROUGE type, in points."""
    values = np.hstack([scores[list(ROUGE_TYPES)].to_numpy() for scores in by_system.values()])
    lower, upper = bootstrap(values, params)
    three = np.stack([values.mean(axis=0), lower, upper], axis=1).round(2).tolist()
    named = iter(dict(zip(("mean", "lower", "upper"), numbers, strict=True)) for numbers in three)
    return [{"system": system, **{name: next(named) for name in ROUGE_TYPES}} for system in by_system]


def signature(num_articles: int, params: EvaluateParams) -> list[str]:
    """Return how the scores were made; two scores compare only if their signatures are equal."""
    return [
        "rouge",
        f"rows:{num_articles}",
        "words:unicode",
        "stem:no",
        "sentences:own",
        f"bs:{params.bootstrap_samples}",
        f"confidence:{params.confidence}",
        f"seed:{params.seed}",
        f"rouge_score:{version('rouge_score')}",
    ]


def main() -> None:
    parser(__doc__, "python -m stages.evaluate").parse_args()
    params = load_params(EvaluateParams, "evaluate")
    names = system_names(read_params())
    systems = [*EXTRACTIVE, *names]
    rows = list(read_table(RAW_TEST, ["id", "summary"]))
    ids = [row["id"] for row in rows]
    scores: list[dict[str, Any]] = []
    for system in track(systems, "evaluate systems", len(systems), unit="system"):
        path = PREDICTIONS / f"{system}.jsonl"
        scores += score_system(system, rows, read_predictions(path, ids))
    asked = {system: with_reference(read_answers(system)) for system in names}
    probes = [probe_summary(system, answers, params) for system, answers in asked.items() if answers]
    if orphans := [*remove_orphans(PREDICTIONS, systems), *remove_orphans(ANSWERS, names)]:
        log.info("removed %s, of systems that are gone", ", ".join(orphans))

    table = pd.DataFrame(scores)
    by_system = {system: table[table["system"] == system] for system in systems}
    answered = {row["system"]: {"probe_exact_pct": row["exact_pct"]} for row in probes}
    with whole(SYSTEMS) as partial:
        for system, group in by_system.items():
            write_json(partial / f"{system}.json", {**summary_of(group), **answered.get(system, {})})
    systems_with_intervals = intervals(by_system, params)
    evaluation = {  # lists, which `dvc metrics show` leaves out of its table
        "num_articles": len(rows),
        "confidence": params.confidence,
        "signature": signature(len(rows), params),
        "systems": systems_with_intervals,
        "probes": probes,
    }
    points = [
        {
            "system": row["system"],
            **{name: row[name]["mean"] for name in ROUGE_TYPES},
            **{f"rougeL_{bound}": row["rougeL"][bound] for bound in ("lower", "upper")},
        }
        for row in systems_with_intervals
    ]
    write_json(EVALUATION, evaluation)
    write_json(PLOT, points)
    write_table(SCORES, scores, SCHEMA)
    log.info("scored %d systems on %d articles", len(systems), len(rows))


if __name__ == "__main__":
    run(main)
