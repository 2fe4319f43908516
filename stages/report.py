"""Report: put the answer, the scores, the curve and the probes on one page.

Reads   metrics/, data/predictions/, data/answers/, data/scores.parquet, data/raw/test.parquet
        prompts/templates.yaml   if format.templates names a set of it
Writes  reports/report.html     one file, opens from disk without a network
        reports/model_card.md   what travels with the fine-tuned model, that of system `finetuned`
Params  profile, weights, checkpoints, systems, and the other sections to print them

    python -m stages.report
"""

import logging
import re
import sys
from collections.abc import Iterable
from typing import Any

import yaml
from markupsafe import Markup

from resumen.page.answer import answer_of, caveat_of, content_rows, grids_of, with_content
from resumen.page.card import card_of
from resumen.page.charts import cost_chart, curve_chart, interaction_chart, interval_chart
from resumen.page.curve import curve_values, made_with_of
from resumen.page.explorer import as_script, explorer, measures_shown
from resumen.page.languages import (
    Bilingual,
    bilingual,
    group_of,
    in_both_languages,
    question_of,
    subject_of,
    tongue_of,
    verdict_of,
)
from resumen.page.table import (
    main_finetuning,
    marks_of,
    measure_heads,
    named,
    played_by,
    recipe_in_words,
    system_rows,
)
from resumen.page.templates import filled_in
from resumen.runtime.cli import parser, run
from resumen.runtime.files import write_text
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import (
    CURVES_PLOT,
    DATA_CURVE,
    DATA_METRICS,
    EVALUATION_FILE,
    FINETUNE_METRICS,
    MODEL_CARD,
    PAGE_SCRIPT,
    PREDICTIONS_DIR,
    RAW_TEST,
    REPORT,
    SCORES_FILE,
    TOKENIZE_METRICS,
)
from resumen.schema.answers import NEWS, read_answers
from resumen.schema.checkpoints import LEFT_OUT, why_left_out
from resumen.schema.finetunings import finetuning_names
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import checked_params, profile_of, section_of
from resumen.schema.rows import read_table
from resumen.schema.systems import EXTRACTIVE
from resumen.scoring.registry import FAITHFULNESS, PRIMARY, head_measures

log = logging.getLogger("report")

SECTIONS = (
    "data",
    "format",
    "tokenize",
    "finetune",
    "finetunings",
    "generate",
    "probe",
    "extract",
    "evaluate",
)
NUM_WORST = 5  # articles of a system that are linked
VERSIONED = ("numpy", "rapidfuzz", "sacrebleu", "snowballstemmer", "stop-words", "torch", "transformers")


def explored(systems: list[str], language: str, linked: Iterable[int]) -> dict[str, Any]:
    """Return what the explorer of the test articles holds, the texts of those at the `linked` places too."""
    rows = list(read_table(RAW_TEST, ["id", "text", "summary", "topic", "references"]))
    row_number = {row["id"]: number for number, row in enumerate(rows)}
    predictions, scores, measures = {}, {}, list(measures_shown(language))
    for system in systems:
        output = read_jsonl(PREDICTIONS_DIR / f"{system}.jsonl", ("id", "prediction", "spelled_reference"))
        predictions[system] = sorted(output, key=lambda row: row_number[row["id"]])
        scores[system] = {measure: [0.0] * len(rows) for measure in measures}
    for row in read_table(SCORES_FILE, ["system", "id", *measures]):
        for measure in measures:
            scores[row["system"]][measure][row_number[row["id"]]] = row[measure]
    return explorer(rows, predictions, scores, language, linked)


def probe_rows(systems: list[str]) -> list[dict[str, Any]]:
    """Return each probe with every system's answer, in the order in which they were asked."""
    rows: dict[str, dict[str, Any]] = {}
    for system in systems:
        for answer in read_answers(system):
            row = rows.setdefault(answer.id, {**answer._asdict(), "answers": {}})
            row["answers"][system] = {"text": answer.answer, "is_exact": answer.is_exact}
    return list(rows.values())


def shown_probes(systems: list[str]) -> dict[str, Any]:
    """Return the table of probes: all prompts of ours, and of each kind about news the first, by kind."""
    rows = probe_rows(systems)
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        group = kinds.setdefault(row["kind"], [])
        if not group or not row["kind"].startswith(NEWS):
            group.append(row)
    return {
        "kinds": kinds,
        "num_news": sum(row["kind"].startswith(NEWS) for row in rows),
        "systems": [name for name in systems if any(name in row["answers"] for row in rows)],
    }


def exact_table(probes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the table of exact answers: each kind with how many were asked, and each system's % by kind.

    `probes` is that of metrics/evaluation.json.
    """
    asked = {kind["kind"]: kind["num_asked"] for row in probes for kind in row["kinds"]}
    rows = [{**row, "kinds": {kind["kind"]: kind["exact_pct"] for kind in row["kinds"]}} for row in probes]
    return {"kinds": asked, "rows": rows}


def charts_of(
    systems: list[dict[str, Any]], differences: list[dict[str, Any]], marks: dict[str, str]
) -> dict[str, Bilingual]:
    """Return the charts of the page."""
    points, epoch = Bilingual("ROUGE-L, points", "ROUGE-L, puntos"), Bilingual("epoch", "época")
    operations = Bilingual("GFLOPs an article, log scale", "GFLOP por artículo, escala logarítmica")
    training = read_json(CURVES_PLOT)

    def scores(language: str) -> Markup:
        rows = [{**row, "name": getattr(named(row["name"], marks), language)} for row in systems]
        return interval_chart(rows, "name", "rougeL", getattr(points, language))

    def pairs(language: str) -> Markup:
        rows = []
        for row in differences:
            names = (getattr(named(row[side], marks), language) for side in ("system", "against"))
            rows.append({**row, "pair": " − ".join(names)})
        return interval_chart(rows, "pair", "difference", getattr(points, language))

    def cost(language: str) -> Markup:
        rows = [
            {**row, "name": getattr(named(row["name"], marks), language), "gflops": row["gflops_per_article"]}
            for row in systems
            if "gflops_per_article" in row
        ]
        return cost_chart(rows, getattr(operations, language), getattr(points, language))

    def curves(language: str) -> Markup:
        return curve_chart(training, getattr(epoch, language))

    return {
        "systems": in_both_languages(scores),
        "differences": in_both_languages(pairs),
        "curves": in_both_languages(curves),
        **({"cost": in_both_languages(cost)} if any("parameters" in row for row in systems) else {}),
    }


def drawn_grid(grid: dict[str, Any], marks: dict[str, str]) -> dict[str, Any]:
    """Return a 2 × 2 with what the page says and draws of it."""
    points = Bilingual("ROUGE-L, points", "ROUGE-L, puntos")

    def chart(language: str) -> Markup:
        lines = [
            {"line": getattr(named(row["cells"][0]["system"], marks), language), "column": number, **cell}
            for row in grid["rows"]
            for number, cell in enumerate(row["cells"])
        ]
        columns = [getattr(column, language) for column in grid["columns"]]
        return interaction_chart(lines, columns, getattr(points, language))

    said = {"asks": question_of(grid["question"]), "said": verdict_of(grid["verdict"])}
    return {**grid, **said, "chart": in_both_languages(chart)}


def data_curve_of(params: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Any] | None:
    """Return what `resumen curve` found last, if it was on these test articles."""
    found: dict[str, Any] = read_json(DATA_CURVE) if DATA_CURVE.exists() else {}
    if not found:
        return None
    if found["signature"] != evaluation["signature"]:
        log.warning(
            "%s: of other test articles or another way to score; left out; `resumen curve` makes it again",
            DATA_CURVE,
        )
        return None
    made_with = made_with_of(params, found["passes"])
    if changed := [key for key, value in found["made_with"].items() if made_with.get(key) != value]:
        log.warning(
            "%s: made with another %s; left out; `resumen curve` makes it again",
            DATA_CURVE,
            ", ".join(changed),
        )
        return None
    return curve_values(found)


def finetuning_rows(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each fine-tuning with its metrics, its curve, and what its vocabulary can spell."""
    training = read_json(CURVES_PLOT)
    rows = []
    for name in finetuning_names(params):
        metrics = read_json(FINETUNE_METRICS / f"{name}.json")
        if LEFT_OUT in metrics:
            continue
        curve = [row for row in training if row["finetuning"] == name]
        row = {"name": name, "what": recipe_in_words(params, name), "curve": curve, "metrics": metrics}
        rows.append({**row, "tokenize": read_json(TOKENIZE_METRICS / f"{name}.json")})
    return rows


def faithfulness_rows(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each system invents an article, with intervals, and the places of its worst articles.

    Those with most invented names and numbers, and of as many the ones with the lowest ROUGE-L.
    """
    ids = [row["id"] for row in read_table(RAW_TEST, ["id"])]
    places = {name: place for place, name in enumerate(ids)}
    invented: dict[str, list[tuple[int, float, int]]] = {}  # by system: how much, ROUGE-L, place
    for row in read_table(SCORES_FILE, ["system", "id", PRIMARY, *FAITHFULNESS]):
        count = sum(row[name] for name in FAITHFULNESS)
        invented.setdefault(row["system"], []).append((-count, row[PRIMARY], places[row["id"]]))
    return [
        {
            "system": row["system"],
            "counts": [row[name] for name in FAITHFULNESS],
            "worst": [
                {"place": place, "id": ids[place], "count": -count}
                for count, _, place in sorted(invented[row["system"]])[:NUM_WORST]
                if count
            ],
        }
        for row in evaluation["systems"]
    ]


def groups_of(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the breakdown with its groups in both languages, short articles before long ones."""

    def order(row: dict[str, Any]) -> tuple[str, int]:
        number = re.search(r"\d+", row["value"]) if row["by"] == "length" else None
        return row["by"], int(number[0]) if number else sys.maxsize

    rows = sorted(evaluation["breakdown"], key=order)
    return [{**row, "group": group_of(row["by"], row["value"])} for row in rows]


def versions_of(evaluation: dict[str, Any]) -> list[str]:
    """Return the libraries that made the scores and the summaries, each with its version."""
    entries = [
        *evaluation["signature"],
        *(entry for row in evaluation["systems"] for entry in row["decoding"].split("|")),
    ]
    return sorted({" ".join(entry.split(":")) for entry in entries if entry.split(":")[0] in VERSIONED})


def page_values(params: dict[str, Any]) -> dict[str, Any]:
    """Return all that the templates show."""
    evaluation, audit = read_json(EVALUATION_FILE), read_json(DATA_METRICS)
    systems = system_rows(params, evaluation)
    names = [row["name"] for row in systems]
    marks = {name: mark for name, mark in marks_of(params).items() if name in names}
    news = section_of(params, "data")
    language = news["language"]
    faithfulness = faithfulness_rows(evaluation)
    linked = {article["place"] for row in faithfulness for article in row["worst"]}
    shown = explored(names, language, linked)
    speech = {"marks": marks, "language": "" if language == "any" else language}
    contents = content_rows(evaluation)
    differences = [
        with_content(row, contents)
        | {"asks": question_of(row["question"]), "said": verdict_of(row["verdict"])}
        for row in evaluation["differences"]
    ]
    return {
        **speech,
        "answer": answer_of(params, evaluation, marks),
        "breakdown": groups_of(evaluation),
        "caveat": caveat_of(params, evaluation),
        "charts": charts_of(systems, differences, marks),
        "checkpoints": {
            name: bilingual("left out: no miniature is shipped")
            if why_left_out(params, name)
            else played_by(params, name)
            for name in params["checkpoints"]
        },
        "columns": measure_heads(head_measures(language)),
        "confidence_pct": 100 * evaluation["confidence"],
        "data": audit,
        "data_curve": data_curve_of(params, evaluation),
        "differences": differences,
        "evaluation": evaluation,
        "every": shown["every"],
        "exact": exact_table(evaluation["probes"]),
        "explorer": as_script(shown | speech),
        "finetunings": finetuning_rows(params),
        "faithfulness": faithfulness,
        "grids": [drawn_grid(with_content(grid, contents), marks) for grid in grids_of(params, evaluation)],
        "parameters": parameters(params),
        "probes": shown_probes([name for name in names if name not in EXTRACTIVE]),
        "profile": profile_of(params),
        "script": Markup(PAGE_SCRIPT.read_text(encoding="utf-8")),  # noqa: S704  ours
        "similarity_pct": 100 * news["near_duplicate_similarity"],
        "subject": subject_of(language),
        "systems": systems,
        "tongue": tongue_of(language),
        "versions": versions_of(evaluation),
    }


def parameters(params: dict[str, Any]) -> str:
    """Return the sections that were in force, the profile merged in, as YAML."""
    merged = {name: section_of(params, name) for name in SECTIONS}
    text: str = yaml.safe_dump(merged, allow_unicode=True, sort_keys=False)
    return text


def main() -> None:
    parser(__doc__, "python -m stages.report").parse_args()
    params = checked_params()
    write_text(REPORT, filled_in("report.html.j2", page_values(params)))
    write_text(MODEL_CARD, card_of(params, main_finetuning(params)))
    log.info("wrote %s and %s", REPORT, MODEL_CARD)


if __name__ == "__main__":
    run(main)
