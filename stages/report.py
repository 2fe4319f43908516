"""Report: put the answer, the scores, the curve and the probes on one page.

Reads   metrics/, data/predictions/, data/answers/, data/scores.parquet, data/raw/test.parquet
        prompts/templates.yaml   if format.templates names a set of it
Writes  reports/report.html     one file, opens from disk without a network
        reports/model_card.md   what travels with the fine-tuned model
Params  profile, weights, checkpoints, systems, and the other sections to print them

    python -m stages.report
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial as bound
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from resumen.page.charts import curve_chart, interval_chart
from resumen.page.explorer import as_script, explorer, measures_shown
from resumen.page.languages import Bilingual, bilingual, group_of, question_of, verdict_of
from resumen.page.table import (
    AS_TRAINED,
    is_finetuned_miniature,
    marks_of,
    named,
    one_line,
    played_by,
    system_rows,
    two_places,
)
from resumen.prompts.templates import chosen_set
from resumen.runtime.cli import parser, run
from resumen.runtime.files import write_text
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import (
    CURVE,
    DATA_METRICS,
    EVALUATION_FILE,
    FINETUNE_METRICS,
    FINETUNED_DIR,
    MODEL_CARD,
    PAGE_DIR,
    PAGE_SCRIPT,
    PREDICTIONS_DIR,
    RAW_TEST,
    REPORT,
    REPORTS_DIR,
    SCORES_FILE,
    TOKENIZE_METRICS,
)
from resumen.schema.answers import NEWS, read_answers
from resumen.schema.checkpoints import why_left_out
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import checked_params, profile_of, section_of
from resumen.schema.rows import read_table
from resumen.schema.systems import EXTRACTIVE, SystemParams, system_names, system_params
from resumen.scoring.registry import metric_of, system_label
from resumen.text.conversation import HEADER, MARKS
from resumen.text.prompts import fields_of

log = logging.getLogger("report")

SECTIONS = ("data", "format", "tokenize", "finetune", "generate", "probe", "extract", "evaluate")
# The entries of `comparisons` that answer the question, and what each is about.
ANSWERED = {
    "instruction-tuning": Bilingual("instruction tuning", "el ajuste por instrucciones"),
    "fine-tuning": Bilingual("fine-tuning", "el ajuste fino"),
}
LANGUAGES = {"de": "German", "es": "Spanish", "fr": "French", "ru": "Russian", "tr": "Turkish"}
VERSIONED = ("numpy", "rapidfuzz", "sacrebleu", "snowballstemmer", "torch", "transformers")


def answer_of(
    rows: list[dict[str, Any]], evaluation: dict[str, Any], marks: dict[str, str]
) -> list[Bilingual]:
    """Return the answer: a sentence on instruction tuning, one on fine-tuning, with numbers and verdicts."""
    scores = {row["name"]: row["rougeL"] for row in rows}
    return [
        sentence(ANSWERED[row["name"]], row, scores, marks, evaluation["confidence"])
        for row in evaluation["differences"]
        if row["name"] in ANSWERED
    ]


def sentence(
    what: Bilingual, row: dict[str, Any], scores: dict[str, float], marks: dict[str, str], confidence: float
) -> Bilingual:
    """Return a difference as a sentence on `what` makes it."""
    verdict = verdict_of(row["verdict"])
    one, other = named(row["system"], marks), named(row["against"], marks)
    after, before = f"{scores[row['system']]:.2f}", f"{scores[row['against']]:.2f}"
    difference, lower, upper = (f"{row[key]:+.2f}" for key in ("difference", "lower", "upper"))
    interval = f"{100 * confidence:g} %"
    if row["verdict"] in ("better", "worse"):
        lead = Bilingual(
            f"{what.en.capitalize()} makes the summaries {verdict.en}",
            f"{what.es.capitalize()} hace {verdict.es}es los resúmenes",
        )
    else:
        lead = Bilingual(f"What {what.en} buys, one {verdict.en}", f"Lo que aporta {what.es} {verdict.es}")
    return Bilingual(
        f"{lead.en}: ROUGE-L goes from {before} points, of {other.en}, to {after}, of {one.en}, "
        f"a difference of {difference} ({interval} interval {lower} to {upper}).",
        f"{lead.es}: ROUGE-L pasa de {before} puntos, de {other.es}, a {after}, de {one.es}, "
        f"una diferencia de {difference} (intervalo del {interval}, de {lower} a {upper}).",
    )


def explored(systems: list[str]) -> dict[str, Any]:
    """Return what the explorer of the test articles holds."""
    rows = list(read_table(RAW_TEST, ["id", "text", "summary", "topic", "references"]))
    row_number = {row["id"]: number for number, row in enumerate(rows)}
    predictions, scores, measures = {}, {}, list(measures_shown())
    for system in systems:
        output = read_jsonl(PREDICTIONS_DIR / f"{system}.jsonl", ("id", "prediction", "spelled_reference"))
        predictions[system] = sorted(output, key=lambda row: row_number[row["id"]])
        scores[system] = {measure: [0.0] * len(rows) for measure in measures}
    for row in read_table(SCORES_FILE, ["system", "id", *measures]):
        for measure in measures:
            scores[row["system"]][measure][row_number[row["id"]]] = row[measure]
    return explorer(rows, predictions, scores)


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


def in_both_languages(draw: Callable[[str], str]) -> Bilingual:
    """Return what `draw` makes of each language of the page."""
    return Bilingual(*map(draw, Bilingual._fields))


def charts_of(
    systems: list[dict[str, Any]], differences: list[dict[str, Any]], marks: dict[str, str]
) -> dict[str, Bilingual]:
    """Return the charts of the page."""
    points, epoch = Bilingual("ROUGE-L, points", "ROUGE-L, puntos"), Bilingual("epoch", "época")
    training = read_json(CURVE)

    def scores(language: str) -> Markup:
        rows = [{**row, "name": getattr(named(row["name"], marks), language)} for row in systems]
        return interval_chart(rows, "name", "rougeL", getattr(points, language))

    def pairs(language: str) -> Markup:
        rows = []
        for row in differences:
            names = (getattr(named(row[side], marks), language) for side in ("system", "against"))
            rows.append({**row, "pair": " − ".join(names)})
        return interval_chart(rows, "pair", "difference", getattr(points, language))

    return {
        "systems": in_both_languages(scores),
        "differences": in_both_languages(pairs),
        "curve": in_both_languages(lambda language: curve_chart(training, getattr(epoch, language))),
    }


def asked_how(params: dict[str, Any]) -> dict[str, Any]:
    """Return how the fine-tuned model is asked for a summary, as `generate` and `summarize` ask it."""
    ours, names = params["format"], sorted(system_names(params), key=lambda name: name != "finetuned")
    # What `summarize` takes by default comes first.
    systems = [system_params(params, name) for name in names]
    default = SystemParams.model_validate(AS_TRAINED)
    system = next((one for one in systems if one.path == FINETUNED_DIR), default)
    template, style = system.template, "instruction"
    if template is None:
        template = chosen_set(ours["templates"])[0].prompt if ours["templates"] else ours["template"]
        style = ours["style"]
    options = {**section_of(params, "generate"), **system.decoding()}
    wanted = ["max_new_tokens", "num_beams"]
    wanted += ["length_penalty"] * (options["num_beams"] > 1)
    wanted += ["no_repeat_ngram_size"] * (options["no_repeat_ngram_size"] > 0)
    return {
        "template": template,
        "fields": sorted(set(fields_of(template))),
        "style": style,
        "header": f"{HEADER}\n{MARKS['user']} ",
        "mark": f"\n{MARKS['assistant']}",
        "options": ", ".join(f"{name}={options[name]}" for name in wanted),
        "source_tokens": section_of(params, "tokenize")["source_tokens"],
    }


def news_of(provenance: dict[str, Any]) -> str:
    """Return what the model was trained on, in words, from the provenance in metrics/data.json."""
    source = provenance["source"]
    news = {
        "embedded": "made-up news",
        "files": f"the file {provenance.get('file')}",
        "hub": f"{provenance.get('repo')} at {provenance.get('commit')}",
    }
    return news.get(source, f"the source {source}")


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
    shown = explored(names)
    news, base = section_of(params, "data"), params["finetune"]["base"]
    language = news["language"]
    speech = {"marks": marks, "language": "" if language == "any" else language}
    differences = [
        {**row, "asks": question_of(row["question"]), "said": verdict_of(row["verdict"])}
        for row in evaluation["differences"]
    ]
    return {
        **speech,
        "answer": answer_of(systems, evaluation, marks),
        "base": base,
        "breakdown": groups_of(evaluation),
        "charts": charts_of(systems, differences, marks),
        "checkpoints": {
            name: bilingual("left out: no miniature is shipped")
            if why_left_out(params, name)
            else played_by(params, name)
            for name in params["checkpoints"]
        },
        "columns": columns_of(measures_shown()),
        "confidence_pct": 100 * evaluation["confidence"],
        "curve": read_json(CURVE),
        "data": audit,
        "differences": differences,
        "evaluation": evaluation,
        "every": shown["every"],
        "exact": exact_table(evaluation["probes"]),
        "explorer": as_script(shown | speech),
        "finetune": read_json(FINETUNE_METRICS),
        "how": asked_how(params),
        "is_miniature": is_finetuned_miniature(params),
        "metadata": metadata(params, systems, evaluation, audit["provenance"][0]),
        "news": news_of(audit["provenance"][0]),
        "parameters": parameters(params),
        "probes": shown_probes([name for name in names if name not in EXTRACTIVE]),
        "profile": profile_of(params),
        "script": Markup(PAGE_SCRIPT.read_text(encoding="utf-8")),  # noqa: S704  ours
        "similarity_pct": 100 * news["near_duplicate_similarity"],
        "systems": systems,
        "tokenize": read_json(TOKENIZE_METRICS),
        "tongue": "any language"
        if language == "any"
        else LANGUAGES.get(language, f"the language {language}"),
        "versions": versions_of(evaluation),
    }


def columns_of(measures: Iterable[str]) -> dict[str, Bilingual]:
    """Return the heads of the table of systems, by the name in metrics/systems."""
    return {metric_of(name): in_both_languages(bound(system_label, name)) for name in measures}


def parameters(params: dict[str, Any]) -> str:
    """Return the sections that were in force, the profile merged in, as YAML."""
    merged = {name: section_of(params, name) for name in SECTIONS}
    text: str = yaml.safe_dump(merged, allow_unicode=True, sort_keys=False)
    return text


def licence_of(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return what the card's header says of the licence: that of the dataset, as its own card has it.

    MLSUM's, which its card calls `other`, is for research alone; of one that names none nothing is said.

    >>> licence_of({"source": "hub", "repo": "me/noticias", "licence": "cc-by-4.0"})["license"]
    'cc-by-4.0'
    """
    if provenance["source"] == "embedded":
        return {"license": "apache-2.0"}
    licence, names = provenance.get("licence", ""), re.compile(r"[a-z0-9.+-]+(, [a-z0-9.+-]+)*")
    if licence.startswith("non-commercial research"):
        stated = {"license": "other", "license_name": "non-commercial-research"}
    elif names.fullmatch(licence):
        all_of_them = licence.split(", ")
        stated = {"license": all_of_them if len(all_of_them) > 1 else licence}
    else:
        return {}
    return stated | {"license_link": f"https://huggingface.co/datasets/{provenance['repo']}"}


def metadata(
    params: dict[str, Any],
    systems: list[dict[str, Any]],
    evaluation: dict[str, Any],
    provenance: dict[str, Any],
) -> str:
    """Return the model card's YAML header, as the Hub reads it; each score has its interval in `args`.

    `provenance` is that of metrics/data.json.
    """
    base, data = params["checkpoints"][params["finetune"]["base"]], section_of(params, "data")
    header: dict[str, Any] = {} if data["language"] == "any" else {"language": data["language"]}
    header["library_name"], small = "transformers", is_finetuned_miniature(params)
    if "repo" in base and section_of(params, "weights") == "hub":
        header["base_model"] = base["repo"]
    header |= licence_of(provenance)
    if data["source"] == "hub":
        header["datasets"] = [data["repo"]]
    tags = ["summarization", "t5", *(["miniature"] if small else [])]
    header |= {"pipeline_tag": "summarization", "tags": tags, "metrics": ["rouge"]}
    scores = next((row for row in systems if row["name"] == "finetuned"), None)
    if scores:
        result = next(row for row in evaluation["systems"] if row["system"] == "finetuned")
        task = {"type": "summarization", "name": "Summarization"}
        where = {"type": data.get("repo", params["profile"]), "split": "test"}
        where["name"] = f"test split, profile {params['profile']}, {evaluation['num_articles']} articles"
        values = [
            {
                **{"type": name.lower(), "name": name, "value": result[name]["mean"]},
                "args": {bound: result[name][bound] for bound in ("lower", "upper")}
                | {"confidence": evaluation["confidence"]},
            }
            for name in ("rouge1", "rouge2", "rougeL")
        ]
        results = [{"task": task, "dataset": where, "metrics": values}]
        header["model-index"] = [{"name": "resumen-miniature" if small else "resumen", "results": results}]
    text: str = yaml.safe_dump(header, allow_unicode=True, sort_keys=False)
    return text


def render(values: dict[str, Any]) -> dict[str, str]:
    """Return the text of each file; the page escapes all that it shows."""
    environment = Environment(
        loader=FileSystemLoader(PAGE_DIR),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    environment.filters |= {
        "two_places": two_places,
        "one_line": one_line,
        "bilingual": bilingual,
        "literal": repr,
    }
    names = {"report.html": "report.html.j2", "model_card.md": "model_card.md.j2"}
    return {name: environment.get_template(file).render(values) for name, file in names.items()}


def main() -> None:
    parser(__doc__, "python -m stages.report").parse_args()
    params = checked_params()
    for name, text in render(page_values(params)).items():
        write_text(REPORTS_DIR / name, text)
    log.info("wrote %s and %s", REPORT, MODEL_CARD)


if __name__ == "__main__":
    run(main)
