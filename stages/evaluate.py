"""Evaluate: score every system's predictions and answers, with intervals and paired differences.

Reads   data/predictions/{system}.jsonl and {system}.meta.json, data/answers/{system}.jsonl,
        data/raw/test.parquet, metrics/curves/
Writes  data/scores.parquet             system, id, and every measure of resumen/scoring/registry.py
        metrics/systems/{system}.json   what `dvc metrics show` prints, a row a system: eight headline values
        metrics/evaluation.json         all values, intervals, differences with verdicts, breakdown, probes,
                                        signature
        metrics/plots/scores.json       ROUGE with its interval, a row a system
        metrics/plots/lengths.json      words of the summaries, a row a system
        metrics/plots/training.json     the curves of all fine-tunings
Params  evaluate, comparisons, finetunings, systems, data.language

What is left of systems and fine-tunings that are no entry any more is removed: a fresh clone has none of it.

    python -m stages.evaluate
"""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial as bound
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from resumen.rouge.score import CONTENT_TYPES, ROUGE_TYPES, Splitter, rouge_multi
from resumen.runtime.cli import parser, run
from resumen.runtime.cpu import num_threads
from resumen.runtime.errors import InputError
from resumen.runtime.files import atomic_write, remove, remove_orphans
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.runtime.paths import (
    ANSWERS_DIR,
    CURVES_DIR,
    CURVES_PLOT,
    EVALUATION_FILE,
    FINETUNE_METRICS,
    FINETUNED_DIR,
    LENGTHS_PLOT,
    PREDICTIONS_DIR,
    RAW_TEST,
    SCORES_FILE,
    SCORES_PLOT,
    SYSTEMS_DIR,
    TOKENIZE_METRICS,
    TOKENIZED_DIR,
)
from resumen.runtime.progress import track
from resumen.schema.answers import Answer, read_answers
from resumen.schema.checkpoints import LEFT_OUT
from resumen.schema.data import LanguageParams
from resumen.schema.finetunings import finetuning_names
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import checked_params, parse_key, parse_section
from resumen.schema.predictions import COST, read_meta
from resumen.schema.rows import read_table, references_of, write_table
from resumen.schema.sections import EvaluateParams
from resumen.schema.systems import EXTRACTIVE, system_names
from resumen.scoring.bootstrap import bootstrap_means, percentile_interval
from resumen.scoring.comparisons import Tested, compare_all, comparisons_of
from resumen.scoring.measures import ArticleIndex, Summary
from resumen.scoring.registry import (
    CONTENT,
    FAITHFULNESS,
    HEADLINES,
    PRIMARY,
    measures_in,
    measures_of,
    metric_of,
    system_value,
)
from resumen.text.stems import has_content_stems, stems
from resumen.text.words import words

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("evaluate")

log.setLevel(logging.INFO)  # the library of that name has set it to warnings

BASE = "that runs the base as it was published"
ARTICLES_CHUNK = 50  # that a worker is given
MIN_FOR_WORKERS = 20_000  # summaries; below, starting processes costs more than it saves
Predictions = dict[str, dict[str, Any]]  # of one article, by system


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
            raise InputError(
                f"{path}:{number}: id {row['id']!r}: prediction: expected text, got {row['prediction']!r}"
            )
        by_id[row["id"]] = row
    if by_id.keys() != set(ids):
        example = min(by_id.keys() ^ set(ids))
        raise InputError(f"{path}: its ids are not those of {RAW_TEST}, such as {example!r}")
    return [by_id[name] for name in ids]


def splitter_of(stemming: str, language: str) -> Splitter:
    """Return what finds the words of ROUGE, as `evaluate.stemming` says."""
    return words if stemming == "none" else bound(stems, language=language)


def score_article(
    row: dict[str, str], predictions: Predictions, stemming: str, language: str
) -> Iterator[dict[str, Any]]:
    """Yield a row of scores for each system's summary of one article, written in `language`."""
    article, split = ArticleIndex.of(row["text"], language), splitter_of(stemming, language)
    for system, output in predictions.items():
        summary = Summary(
            output["prediction"], references_of(row), article, output["spelled_reference"], split, language
        )
        scores = {name: measure.of(summary) for name, measure in measures_of(language).items()}
        yield {"system": system, "id": row["id"], **scores}


def score_articles(
    work: list[tuple[dict[str, str], Predictions]], stemming: str, language: str
) -> list[dict[str, Any]]:
    """Return the scores of several articles: what a worker does."""
    return [score for row, output in work for score in score_article(row, output, stemming, language)]


def score_all(
    rows: list[dict[str, str]], output: dict[str, list[dict[str, Any]]], stemming: str, language: str
) -> Iterable[dict[str, Any]]:
    """Yield the scores of every article and system, article by article, on all cores where it pays."""
    work = [
        (row, {system: rows_made[index] for system, rows_made in output.items()})
        for index, row in enumerate(rows)
    ]
    parts = [work[start : start + ARTICLES_CHUNK] for start in range(0, len(work), ARTICLES_CHUNK)]
    score, what = bound(score_articles, stemming=stemming, language=language), "evaluate articles"
    unit = f"{ARTICLES_CHUNK} articles"
    if len(rows) * len(output) < MIN_FOR_WORKERS:
        for part in track(parts, what, len(parts), unit=unit):
            yield from score(part)
        return
    with ProcessPoolExecutor(num_threads()) as pool:
        for scored in track(pool.map(score, parts), what, len(parts), unit=unit):
            yield from scored


def summary_of(scores: "pd.DataFrame", language: str) -> dict[str, float]:
    """Return what is measured of a system, by the names in the metrics."""
    return {metric_of(name): system_value(scores, name) for name in measures_in("evaluation", language)}


def headlines(values: dict[str, float]) -> dict[str, float]:
    """Return a system's entry in metrics/systems.

    >>> headlines({"rougeL": 12.5, "rougeLsum": 12.6, "probe_exact_pct": 79.3})
    {'rougeL': 12.5, 'probe_exact_pct': 79.3}
    """
    names = (*map(metric_of, HEADLINES), "probe_exact_pct")
    return {name: values[name] for name in names if name in values}


def cost_of(meta: dict[str, Any]) -> dict[str, float]:
    """Return what a model costs as the metrics have it; nothing of one that is not ours to count.

    >>> cost_of({"cost": {"parameters": 699008, "operations": 281473920}})
    {'parameters': 699008, 'gflops_per_article': 0.2815}
    >>> cost_of({"cost": {"parameters": 699008}})
    {'parameters': 699008}
    """
    cost = meta.get(COST, {})
    counted = {"gflops_per_article": round(cost["operations"] / 1e9, 4)} if "operations" in cost else {}
    return {**({"parameters": cost["parameters"]} if cost else {}), **counted}


def scores_schema(language: str) -> pa.Schema:
    """Return the columns of data/scores.parquet."""
    kinds = [
        (name, pa.int32() if measure.unit == "count" else pa.float64())
        for name, measure in measures_of(language).items()
    ]
    return pa.schema([("system", pa.string()), ("id", pa.string()), *kinds])


def lengths(by_system: "dict[str, pd.DataFrame]") -> list[dict[str, Any]]:
    """Return the words of the summaries, of the references first: median, 5th and 95th percentile."""
    counts = {system: scores["prediction_words"] for system, scores in by_system.items()}
    reference = next(iter(by_system.values()))["reference_words"]
    return [
        {
            "system": name,
            **dict(zip(("lower", "words", "upper"), counted.quantile([0.05, 0.5, 0.95]), strict=True)),
        }
        for name, counted in {"reference": reference, **counts}.items()
    ]


def with_reference(answers: list[Answer]) -> list[Answer]:
    """Return the answers to probes with just one right answer."""
    return [answer for answer in answers if answer.reference is not None]


def exact_pct(answers: list[Answer]) -> float:
    """Return the % of `answers`, at least one and each with a reference, that are right."""
    return round(100 * sum(bool(answer.is_exact) for answer in answers) / len(answers), 2)


def probe_summaries(answers: dict[str, list[Answer]], params: EvaluateParams) -> list[dict[str, Any]]:
    """Return how many probes with one right answer each system was asked, and the % answered exactly.

    The `answers` of a system all have a reference; one without any is left out. Probes are drawn with
    replacement for the intervals, the same ones for all systems that were asked as many.
    """
    bounds: dict[str, tuple[float, float]] = {}
    for count in {len(given) for given in answers.values() if given}:
        names = [system for system, given in answers.items() if len(given) == count]
        right = [[100.0 * bool(answer.is_exact) for answer in answers[system]] for system in names]
        bounds |= dict(zip(names, zip(*bootstrap(np.array(right).T, params), strict=True), strict=True))
    return [probe_summary(system, answers[system], *bounds[system]) for system in answers if system in bounds]


def probe_summary(system: str, answers: list[Answer], lower: float, upper: float) -> dict[str, Any]:
    """Return a system's entry; `lower` and `upper` are the bounds of its %."""
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
    """Return the lower and upper bound of each column's mean, points or % of 0 to 100.

    `scores` is (articles, columns). Of one article nothing is known: 0 and 100.
    """
    if len(scores) < 2:
        return np.zeros(scores.shape[1]), np.full(scores.shape[1], 100.0)
    drawn = bootstrap_means(scores, params.bootstrap_samples, params.seed)
    lower, upper = percentile_interval(drawn, len(scores), params.confidence)
    return lower.clip(0, 100), upper.clip(0, 100)


def intervals(by_system: "dict[str, pd.DataFrame]", params: EvaluateParams) -> list[dict[str, Any]]:
    """Return, for each system, the mean and its bounds: ROUGE in points, what is invented an article."""
    first = next(iter(by_system.values()))
    measured = [name for name in (*ROUGE_TYPES, *CONTENT_TYPES, *FAITHFULNESS) if name in first]
    values = np.hstack([scores[measured].to_numpy(dtype=float) for scores in by_system.values()])
    lower, upper = bootstrap(values, params)
    three = np.stack([values.mean(axis=0), lower, upper], axis=1).tolist()
    named = iter(
        {bound: round(value, 2) for bound, value in zip(("mean", "lower", "upper"), numbers, strict=True)}
        for numbers in three
    )
    return [{"system": system, **{name: next(named) for name in measured}} for system in by_system]


def differences(
    by_system: "dict[str, pd.DataFrame]", asked: list[Tested], params: EvaluateParams, measure: str
) -> dict[str, list[dict[str, Any]]]:
    """Return the paired differences in a measure that are `asked`, with verdicts: one family of tests."""
    values = {system: scores[measure].to_numpy() for system, scores in by_system.items()}
    drawn = bootstrap_means(np.stack(list(values.values()), axis=1), params.bootstrap_samples, params.seed)
    rows = compare_all(asked, values, dict(zip(values, drawn.T, strict=True)), params.confidence)
    return {
        "differences": [row for row in rows if "system" in row],
        "interactions": [row for row in rows if "comparison" in row],
    }


def ceilings(
    rows: list[dict[str, str]], output: dict[str, list[dict[str, Any]]], split: Splitter
) -> list[dict[str, Any]]:
    """Return the ROUGE of the references themselves once written with each vocabulary, and who has it.

    About what a system with this vocabulary can reach; one that leaves a word out rather than misspell it can
    have a little more.
    """
    who: dict[tuple[str, ...], list[str]] = {}
    for system, predictions in output.items():
        if system not in EXTRACTIVE:
            who.setdefault(tuple(row["spelled_reference"] for row in predictions), []).append(system)
    result = []
    for spelled, systems in who.items():
        scores = [
            rouge_multi(text, references_of(row), split) for text, row in zip(spelled, rows, strict=True)
        ]
        means = np.mean(scores, axis=0).round(2).tolist()
        result.append({"systems": systems, **dict(zip(ROUGE_TYPES, means, strict=True))})
    return result


def breakdown(
    rows: list[dict[str, str]], cut: set[str], by_system: "dict[str, pd.DataFrame]"
) -> list[dict[str, Any]]:
    """Return mean ROUGE-L and number of articles by topic, by thirds of length, and by whether they were cut.

    `cut` are the ids of the articles that some system read only the beginning of.
    """
    lengths = np.array([len(words(row["text"])) for row in rows])
    first, second = np.quantile(lengths, [1 / 3, 2 / 3]).astype(int)
    thirds = (f"up to {first} words", f"up to {second} words", "longer")
    groups: dict[tuple[str, str], list[str]] = {}
    for row, length in zip(rows, lengths, strict=True):
        third = thirds[0 if length <= first else 1 if length <= second else 2]
        for key in (
            ("topic", row["topic"] or "none"),
            ("length", third),
            ("truncated", "yes" if row["id"] in cut else "no"),
        ):
            groups.setdefault(key, []).append(row["id"])
    by_id = {system: scores.set_index("id")[PRIMARY] for system, scores in by_system.items()}
    return [
        {
            "by": by,
            "value": value,
            "articles": len(ids),
            PRIMARY: {system: round(float(scores[ids].mean()), 2) for system, scores in by_id.items()},
        }
        for (by, value), ids in sorted(groups.items())
    ]


def decoding_of(system: str, meta: dict[str, Any]) -> str:
    """Return how a system's summaries were decoded, as the signature has it.

    >>> decoding_of("flan-small", {"num_beams": 1, "precision": "fp32"})
    'num_beams:1|precision:fp32'
    """
    if system in EXTRACTIVE:
        return "none"
    made_with = {name: value for name, value in meta.items() if name != COST}
    return meta.get("source") or "|".join(
        f"{name}:{value}".replace("|", "") for name, value in made_with.items()
    )


def hash_of(rows: list[dict[str, str]]) -> str:
    """Return 12 digits that tell this test split from any other."""
    digest = blake2b(digest_size=6)
    for row in rows:
        for text in (row["id"], row["text"], *references_of(row)):
            digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def signature(rows: list[dict[str, str]], params: EvaluateParams, language: str) -> list[str]:
    """Return how the scores were made; two scores compare only if their signatures are equal."""
    libraries = ["numpy", "rapidfuzz", "sacrebleu", "snowballstemmer"]
    stems_of = "none" if params.stemming == "none" else f"{params.stemming}-{language}"
    content = "none"
    if has_content_stems(language):
        content, libraries = f"snowball-{language}", [*libraries, "stop-words"]
    return [
        "rouge",
        f"rows:{len(rows)}",
        f"test:{hash_of(rows)}",
        "words:unicode",
        f"stem:{stems_of}",
        f"content:{content}",
        "sentences:own",
        f"bs:{params.bootstrap_samples}",
        f"confidence:{params.confidence}",
        f"seed:{params.seed}",
        *(f"{name}:{version(name)}" for name in libraries),
    ]


def read_test() -> list[dict[str, str]]:
    """Return the test split.

    Raises:
        InputError: it has one article, or a reference without words.
    """
    rows = list(read_table(RAW_TEST, ["id", "text", "summary", "topic", "references"]))
    if len(rows) < 2:
        raise InputError(
            f"{RAW_TEST}: one article: no interval is possible; give data.test two rows at least"
        )
    if empty := [row["id"] for row in rows if not words(row["summary"])]:
        raise InputError(f"{RAW_TEST}: id {empty[0]!r}: a reference without words; run `dvc repro`")
    return rows


def scores_plot(systems: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return ROUGE with the interval of ROUGE-L, a row a system; `systems` are those of `intervals`."""
    return [
        {
            "system": row["system"],
            **{name: row[name]["mean"] for name in ROUGE_TYPES},
            **{bound: row[PRIMARY][bound] for bound in ("lower", "upper")},
        }
        for row in systems
    ]


def log_left_out(metas: dict[str, dict[str, Any]], asked: list[Tested]) -> None:
    """Say which systems and which comparisons `asked` are left out, and why."""
    for name, meta in metas.items():
        if LEFT_OUT in meta:
            log.warning("%s: left out: %s", name, meta[LEFT_OUT])
    there = {*EXTRACTIVE, *(name for name, meta in metas.items() if LEFT_OUT not in meta)}
    for one in asked:
        missing = {system for system in one.systems if system is not None} - there
        if None in one.systems and not missing:
            missing = {BASE}
        if missing:
            log.warning("comparisons.%s: left out: no system %s", one.name, ", ".join(sorted(missing)))


def curves(names: list[str]) -> list[dict[str, Any]]:
    """Return the training curves of fine-tunings, each row with the name of its own.

    Raises:
        InputError: one is not there.
    """
    return [{"finetuning": name, **row} for name in names for row in read_json(CURVES_DIR / f"{name}.json")]


def remove_what_is_gone(systems: list[str], finetunings: list[str]) -> None:
    """Remove what earlier runs wrote of systems and fine-tunings that are no entry of params.yaml any more.

    A folder in models/finetuned of which there is nothing else is a user's own, and stays.
    """
    orphans = remove_orphans(PREDICTIONS_DIR, [*EXTRACTIVE, *systems]) + remove_orphans(ANSWERS_DIR, systems)
    ours = [path.stem for folder in (TOKENIZED_DIR, CURVES_DIR) for path in folder.glob("*")]
    for folder in (TOKENIZED_DIR, TOKENIZE_METRICS, FINETUNE_METRICS, CURVES_DIR):
        orphans += remove_orphans(folder, finetunings)
    for path in sorted({FINETUNED_DIR / name for name in ours if name not in finetunings}):
        if path.is_dir():
            remove(path)
            orphans.append(str(path))
    if orphans:
        log.info("removed %s, of entries that are gone", ", ".join(orphans))


def main() -> None:
    parser(__doc__, "python -m stages.evaluate").parse_args()
    all_params = checked_params()
    params, asked = parse_section(EvaluateParams, all_params, "evaluate"), comparisons_of(all_params)
    language = parse_key(LanguageParams, all_params, "data", "language").language
    if not has_content_stems(language):
        log.warning("data.language is %s: no content words of it are known, so none are scored", language)
    finetunings = finetuning_names(all_params)
    metas = {name: read_meta(name) for name in system_names(all_params)}
    log_left_out(metas, asked)
    names = [name for name, meta in metas.items() if LEFT_OUT not in meta]
    systems = [*EXTRACTIVE, *names]
    rows = read_test()
    ids = [row["id"] for row in rows]
    output = {system: read_predictions(PREDICTIONS_DIR / f"{system}.jsonl", ids) for system in systems}
    scores = sorted(
        score_all(rows, output, params.stemming, language), key=lambda score: systems.index(score["system"])
    )
    answers = {system: with_reference(read_answers(system)) for system in names}
    probes = probe_summaries(answers, params)
    training = curves(finetunings)
    remove_what_is_gone(list(metas), finetunings)

    import pandas as pd  # half a second

    table = pd.DataFrame(scores)
    by_system = {system: table[table["system"] == system] for system in systems}
    answered = {row["system"]: {"probe_exact_pct": row["exact_pct"]} for row in probes}

    def with_values(row: dict[str, Any]) -> dict[str, Any]:
        name, meta = row["system"], metas.get(row["system"], {})
        values = {**summary_of(by_system[name], language), **answered.get(name, {}), **cost_of(meta)}
        return {**row, "values": values, "decoding": decoding_of(name, meta)}

    with_intervals = [with_values(row) for row in intervals(by_system, params)]
    with atomic_write(SYSTEMS_DIR) as partial:
        for row in with_intervals:
            write_json(partial / f"{row['system']}.json", headlines(row["values"]))
    content = differences(by_system, asked, params, CONTENT) if has_content_stems(language) else {}
    cut = {row["id"] for rows_made in output.values() for row in rows_made if row.get("truncated")}
    evaluation = {  # lists, which `dvc metrics show` leaves out of its table
        "num_articles": len(rows),
        "confidence": params.confidence,
        "signature": signature(rows, params, language),
        "systems": with_intervals,
        "left_out": [
            {"system": name, "why": meta[LEFT_OUT]} for name, meta in metas.items() if LEFT_OUT in meta
        ],
        **differences(by_system, asked, params, PRIMARY),
        "content": content,
        "ceilings": ceilings(rows, output, splitter_of(params.stemming, language)),
        "breakdown": breakdown(rows, cut, by_system),
        "probes": probes,
    }
    write_json(EVALUATION_FILE, evaluation)
    write_json(SCORES_PLOT, scores_plot(with_intervals))
    write_json(LENGTHS_PLOT, lengths(by_system))
    write_json(CURVES_PLOT, training)
    write_table(SCORES_FILE, scores, scores_schema(language))
    log.info("scored %d systems on %d articles", len(systems), len(rows))


if __name__ == "__main__":
    run(main)
