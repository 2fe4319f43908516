"""Report: put the answer, the scores, the curve and the probes on one page.

Reads   metrics/, data/predictions/, data/answers/, data/scores.parquet, data/raw/test.parquet
        prompts/templates.yaml   if format.templates names a set of it
Writes  reports/report.html     one file, opens from disk without a network
        reports/plots.html      the page that `dvc plots show` fills in, which needs no network either
        reports/model_card.md   what travels with the fine-tuned model, that of system `finetuned`
Params  profile, weights, checkpoints, systems, and the other sections to print them

    python -m stages.report
"""

import logging
import re
import sys
from typing import Any

import yaml

from resumen.page.answer import caveat_of, content_rows, grids_of, remarks_of, with_content
from resumen.page.card import card_of
from resumen.page.curve import curve_values, made_with_of
from resumen.page.explorer import as_script, explorer, measures_shown
from resumen.page.faults import fault_rows, linked_places
from resumen.page.figures import (
    cost_figure,
    curve_figure,
    differences_figure,
    grid_figure,
    lengths_figure,
    loss_figure,
    plots_page,
    systems_figure,
)
from resumen.page.languages import bilingual, group_of, question_of, subject_of, tongue_of, verdict_of
from resumen.page.probes import by_model, exact_table, shown_probes
from resumen.page.table import (
    has_miniatures,
    main_finetuning,
    marks_of,
    measure_heads,
    played_by,
    recipe_in_words,
    system_rows,
)
from resumen.page.templates import filled_in
from resumen.page.tiles import tiles_of
from resumen.runtime.cli import parser, run
from resumen.runtime.files import write_text
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import (
    CURVES_PLOT,
    DATA_CURVE,
    DATA_METRICS,
    EVALUATION_FILE,
    FINETUNE_METRICS,
    LENGTHS_PLOT,
    MODEL_CARD,
    PLOTS_PAGE,
    PREDICTIONS_DIR,
    RAW_TEST,
    REPORT,
    SCORES_FILE,
    TOKENIZE_METRICS,
)
from resumen.schema.checkpoints import LEFT_OUT, why_left_out
from resumen.schema.finetunings import finetuning_names
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import checked_params, profile_of, section_of
from resumen.schema.rows import read_table
from resumen.schema.systems import EXTRACTIVE
from resumen.scoring.registry import head_measures

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
VERSIONED = ("numpy", "rapidfuzz", "sacrebleu", "snowballstemmer", "stop-words", "torch", "transformers")


def tests_of(systems: list[str], language: str) -> dict[str, Any]:
    """Return the test articles, each system's predictions in their order, and its scores by measure."""
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
    return {"rows": rows, "predictions": predictions, "scores": scores}


def charts_of(
    params: dict[str, Any],
    systems: list[dict[str, Any]],
    differences: list[dict[str, Any]],
    marks: dict[str, str],
) -> dict[str, Any]:
    """Return the charts of the page."""
    training = read_json(CURVES_PLOT)
    return {
        "systems": systems_figure(params, systems, marks),
        "differences": differences_figure(differences, marks),
        "cost": cost_figure(params, systems, marks),
        "curves": curve_figure(training),
        "losses": loss_figure(training),
        "lengths": lengths_figure(params, read_json(LENGTHS_PLOT), marks),
    }


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


def groups_of(evaluation: dict[str, Any], language: str) -> list[dict[str, Any]]:
    """Return the breakdown with its groups in both languages, short articles before long ones."""

    def order(row: dict[str, Any]) -> tuple[str, int]:
        number = re.search(r"\d+", row["value"]) if row["by"] == "length" else None
        return row["by"], int(number[0]) if number else sys.maxsize

    rows = sorted(evaluation["breakdown"], key=order)
    return [{**row, "group": group_of(row["by"], row["value"], language)} for row in rows]


def versions_of(evaluation: dict[str, Any]) -> list[str]:
    """Return the libraries that made the scores and the summaries, each with its version."""
    entries = [
        *evaluation["signature"],
        *(entry for row in evaluation["systems"] for entry in row["decoding"].split("|")),
    ]
    return sorted({" ".join(entry.split(":")) for entry in entries if entry.split(":")[0] in VERSIONED})


def probe_values(params: dict[str, Any], evaluation: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return what the templates show of the probes; `exact` is by kind, `exact_all` by system."""
    exact = {row["system"]: row for row in evaluation["probes"]}
    probes = shown_probes([name for name in names if name not in EXTRACTIVE])
    return {
        "exact": exact_table(evaluation["probes"]),
        "exact_all": exact,
        "models": by_model(params, probes["systems"]),
        "num_asked": max((row["num_asked"] for row in exact.values()), default=0),
        "probes": probes,
    }


def page_values(params: dict[str, Any]) -> dict[str, Any]:
    """Return all that the templates show."""
    evaluation, audit = read_json(EVALUATION_FILE), read_json(DATA_METRICS)
    systems = system_rows(params, evaluation)
    names = [row["name"] for row in systems]
    marks = {name: mark for name, mark in marks_of(params).items() if name in names}
    news = section_of(params, "data")
    language = news["language"]
    tests = tests_of(names, language)
    texts = {system: [row["prediction"] for row in rows] for system, rows in tests["predictions"].items()}
    faults = fault_rows(evaluation, tests["rows"], texts, tests["scores"], language)
    shown = explorer(**tests, language=language, linked=linked_places(faults))
    speech = {"marks": marks, "language": "" if language == "any" else language}
    contents = content_rows(evaluation)
    differences = [
        with_content(row, contents)
        | {"asks": question_of(row["question"]), "said": verdict_of(row["verdict"])}
        for row in evaluation["differences"]
    ]
    grids = [
        {**with_content(grid, contents), "asks": question_of(grid["question"])}
        | {"said": verdict_of(grid["verdict"]), "chart": grid_figure(grid, marks)}
        for grid in grids_of(params, evaluation)
    ]
    caveat = caveat_of(params, evaluation)
    return {
        **speech,
        **probe_values(params, evaluation, names),
        "breakdown": groups_of(evaluation, language),
        "charts": charts_of(params, systems, differences, marks),
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
        "explorer": as_script(shown | speech),
        "faults": faults,
        "finetunings": finetuning_rows(params),
        "grids": grids,
        "has_miniatures": has_miniatures(params),
        "parameters": parameters(params),
        "profile": profile_of(params),
        "remarks": [*remarks_of(params, evaluation), *([caveat] if caveat else [])],
        "similarity_pct": 100 * news["near_duplicate_similarity"],
        "subject": subject_of(language),
        "systems": systems,
        "template": section_of(params, "format")["template"],
        "tiles": tiles_of(params, evaluation),
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
    write_text(PLOTS_PAGE, plots_page())
    write_text(MODEL_CARD, card_of(params, main_finetuning(params)))
    log.info("wrote %s, %s and %s", REPORT, PLOTS_PAGE, MODEL_CARD)


if __name__ == "__main__":
    run(main)
