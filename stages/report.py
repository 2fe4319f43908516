"""Report: put the answer, the scores, the curve and the probes on one page.

Reads   metrics/, data/predictions/, data/answers/, data/scores.parquet, data/raw/test.parquet
        stages/templates.yaml   if format.templates names a set of it
Writes  reports/report.html     one file, opens from disk without a network
        reports/model_card.md   what travels with the fine-tuned model
Params  profile, weights, checkpoints, systems, and the other sections to print them

    python -m stages.report
    python -m stages.report --show      print the table of systems
    python -m stages.report --readme    bring the table in README.md up to date
"""

import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from stages.shared.answers import NEWS, read_answers
from stages.shared.charts import curve, intervals
from stages.shared.cli import InputError, parser, run
from stages.shared.conversation import HEADER, MARKS
from stages.shared.explorer import MEASURES, as_script, explorer
from stages.shared.files import read_json, read_jsonl, read_table, write_text
from stages.shared.params import profile_of, read_params, section_of
from stages.shared.prompts import fields_of
from stages.shared.spanish import Both, both, group_of, question_of, verdict_of
from stages.shared.systems import (
    EXTRACTIVE,
    FINETUNED,
    PRETRAINED,
    SystemParams,
    is_miniature,
    system_names,
    system_params,
)
from stages.shared.templates import chosen_set

log = logging.getLogger("report")

RAW_TEST = Path("data/raw/test.parquet")
PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics")
REPORTS = Path("reports")
README = Path("README.md")
SCORES = Path("data/scores.parquet")
SCRIPT = Path("stages/report.js")
SECTIONS = ("data", "format", "tokenize", "finetune", "generate", "probe", "extract", "evaluate")

BASELINES = {
    "lead-1": "the first sentence",
    "lead-3": "the first three sentences",
    "oracle": "the three sentences nearest to the reference: a ceiling, no system",
    "random-3": "three sentences at random",
}
# The differences that answer the question, and what each is about.
ANSWERS = {
    "instruction tuning": Both("instruction tuning", "el ajuste por instrucciones"),
    "fine-tuning": Both("fine-tuning", "el ajuste fino"),
}
LANGUAGES = {"de": "German", "es": "Spanish", "fr": "French", "ru": "Russian", "tr": "Turkish"}
VERSIONED = ("numpy", "rapidfuzz", "sacrebleu", "snowballstemmer", "torch", "transformers")
AS_TRAINED = {"from": FINETUNED.as_posix()}  # the fine-tuned model, in our template
RESULTS = ("<!-- results: made by `make readme` -->", "<!-- /results -->")


def played_by(params: dict[str, Any], checkpoint: str) -> Both:
    """Return what stands behind a checkpoint, in words."""
    entry = params["checkpoints"][checkpoint]
    if "folder" in entry:
        return both("a local folder")
    if section_of(params, "weights") == "embedded":
        repo = entry["repo"]
        return Both(f"miniature, standing in for {repo}", f"miniatura, en lugar de {repo}")
    return Both(*(f"{entry['repo']} {at} {entry['revision']}" for at in ("at", "en")))


def what_is(params: dict[str, Any], name: str) -> Both:
    """Return a system in words: its checkpoint, its own template, its own decoding."""
    system = system_params(params, name)
    if system.is_foreign:
        return both("foreign: predictions made elsewhere")
    if system.path == FINETUNED:
        base, small = params["finetune"]["base"], is_miniature(params, name)
        said = Both(
            f"{base}, fine-tuned{': a miniature' if small else ''}",
            f"{base}, con ajuste fino{': una miniatura' if small else ''}",
        )
    elif system.path.parent == PRETRAINED:
        said = played_by(params, system.path.name)
    else:
        said = both("a local model folder")
    decoding = "".join(f"; {key} {value}" for key, value in system.decoding().items())
    asked = Both("", "")
    if system.template is not None:
        asked = Both(f"; prompt “{system.template}”", f"; instrucción “{system.template}”")
    return Both(said.en + asked.en + decoding, said.es + asked.es + decoding)


def marks_of(params: dict[str, Any]) -> dict[str, str]:
    """Return the word that follows the name of a system wherever the page has it, if one does."""
    marks = {}
    for name in system_names(params):
        if system_params(params, name).is_foreign:
            marks[name] = "foreign"
        elif is_miniature(params, name):
            marks[name] = "miniature"
    return marks


def named(name: str, marks: dict[str, str]) -> Both:
    """Return a system's name with its mark, as `gpt (foreign)`."""
    return Both(*(f"{name} ({mark})" for mark in both(marks[name]))) if name in marks else Both(name, name)


def system_rows(params: dict[str, Any], evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the table of systems: what each is, its scores, the interval of ROUGE-L."""
    rows = []
    intervals = {row["system"]: row["rougeL"] for row in evaluation["systems"]}
    for name in [*EXTRACTIVE, *system_names(params)]:
        what = both(BASELINES[name]) if name in BASELINES else what_is(params, name)
        scores = read_json(METRICS / f"systems/{name}.json")
        bounds = {bound: intervals[name][bound] for bound in ("lower", "upper")}
        rows.append({"name": name, "what": what, **scores, **bounds})
    return rows


def answer_of(rows: list[dict[str, Any]], evaluation: dict[str, Any], marks: dict[str, str]) -> list[Both]:
    """Return the answer: a sentence on instruction tuning, one on fine-tuning, with numbers and verdicts."""
    scores = {row["name"]: row["rougeL"] for row in rows}
    return [
        sentence(ANSWERS[row["question"]], row, scores, marks, evaluation["confidence"])
        for row in evaluation["differences"]
        if row["question"] in ANSWERS
    ]


def sentence(
    what: Both, row: dict[str, Any], scores: dict[str, float], marks: dict[str, str], confidence: float
) -> Both:
    """Return a difference as a sentence on `what` makes it."""
    verdict = verdict_of(row["verdict"])
    one, other = named(row["system"], marks), named(row["against"], marks)
    after, before = f"{scores[row['system']]:.2f}", f"{scores[row['against']]:.2f}"
    difference, lower, upper = (f"{row[key]:+.2f}" for key in ("difference", "lower", "upper"))
    interval = f"{100 * confidence:g} %"
    if row["verdict"] in ("better", "worse"):
        lead = Both(
            f"{what.en.capitalize()} makes the summaries {verdict.en}",
            f"{what.es.capitalize()} hace {verdict.es}es los resúmenes",
        )
    else:
        lead = Both(f"What {what.en} buys, one {verdict.en}", f"Lo que aporta {what.es} {verdict.es}")
    return Both(
        f"{lead.en}: ROUGE-L goes from {before} points, of {other.en}, to {after}, of {one.en}, "
        f"a difference of {difference} ({interval} interval {lower} to {upper}).",
        f"{lead.es}: ROUGE-L pasa de {before} puntos, de {other.es}, a {after}, de {one.es}, "
        f"una diferencia de {difference} (intervalo del {interval}, de {lower} a {upper}).",
    )


def explored(systems: list[str]) -> dict[str, Any]:
    """Return what the explorer of the test articles holds."""
    rows = list(read_table(RAW_TEST, ["id", "text", "summary", "topic"]))
    place = {row["id"]: number for number, row in enumerate(rows)}
    predictions, scores = {}, {}
    for system in systems:
        made = read_jsonl(PREDICTIONS / f"{system}.jsonl", ("id", "prediction", "spelled_reference"))
        predictions[system] = sorted(made, key=lambda row: place[row["id"]])
        scores[system] = {measure: [0.0] * len(rows) for measure in MEASURES}
    for row in read_table(SCORES, ["system", "id", *MEASURES]):
        for measure in MEASURES:
            scores[row["system"]][measure][place[row["id"]]] = row[measure]
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


def in_both(draw: Callable[[str], Markup]) -> Both:
    """Return what `draw` makes of each language of the page."""
    return Both(*map(draw, Both._fields))


def charts_of(
    systems: list[dict[str, Any]], differences: list[dict[str, Any]], marks: dict[str, str]
) -> dict[str, Both]:
    """Return the charts of the page."""
    points, epoch = Both("ROUGE-L, points", "ROUGE-L, puntos"), Both("epoch", "época")
    training = read_json(METRICS / "plots/training.json")

    def scores(language: str) -> Markup:
        rows = [{**row, "name": getattr(named(row["name"], marks), language)} for row in systems]
        return intervals(rows, "name", "rougeL", getattr(points, language))

    def pairs(language: str) -> Markup:
        rows = []
        for row in differences:
            names = (getattr(named(row[side], marks), language) for side in ("system", "against"))
            rows.append({**row, "pair": " − ".join(names)})
        return intervals(rows, "pair", "difference", getattr(points, language))

    return {
        "systems": in_both(scores),
        "differences": in_both(pairs),
        "curve": in_both(lambda language: curve(training, getattr(epoch, language))),
    }


def asked_how(params: dict[str, Any]) -> dict[str, Any]:
    """Return how the fine-tuned model is asked for a summary, as `generate` and `summarize` ask it."""
    ours, names = params["format"], sorted(system_names(params), key=lambda name: name != "finetuned")
    every = (system_params(params, name) for name in names)  # what `summarize` takes by default comes first
    system = next((one for one in every if one.path == FINETUNED), SystemParams.model_validate(AS_TRAINED))
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
    return {
        "embedded": "made-up news",
        "files": f"the file {provenance.get('file')}",
        "hub": f"{provenance.get('repo')} at {provenance.get('commit')}",
    }[provenance["source"]]


def groups_of(evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the breakdown with its groups in both languages, short articles before long ones."""

    def order(row: dict[str, Any]) -> tuple[str, int]:
        number = re.search(r"\d+", row["value"]) if row["by"] == "length" else None
        return row["by"], int(number[0]) if number else sys.maxsize

    rows = sorted(evaluation["breakdown"], key=order)
    return [{**row, "group": group_of(row["by"], row["value"])} for row in rows]


def versions_of(evaluation: dict[str, Any]) -> list[str]:
    """Return the libraries that made the scores and the summaries, each with its version."""
    said = [
        *evaluation["signature"],
        *(entry for row in evaluation["systems"] for entry in row["decoding"].split("|")),
    ]
    return sorted({" ".join(entry.split(":")) for entry in said if entry.split(":")[0] in VERSIONED})


def page_values(params: dict[str, Any]) -> dict[str, Any]:
    """Return all that the templates show."""
    evaluation, audit = read_json(METRICS / "evaluation.json"), read_json(METRICS / "data.json")
    systems, names, marks = system_rows(params, evaluation), system_names(params), marks_of(params)
    shown = explored([*EXTRACTIVE, *names])
    language, base = section_of(params, "data")["language"], params["finetune"]["base"]
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
        "checkpoints": {name: played_by(params, name) for name in params["checkpoints"]},
        "confidence_pct": 100 * evaluation["confidence"],
        "curve": read_json(METRICS / "plots/training.json"),
        "data": audit,
        "differences": differences,
        "evaluation": evaluation,
        "every": shown["every"],
        "exact": exact_table(evaluation["probes"]),
        "explorer": as_script(shown | speech),
        "finetune": read_json(METRICS / "finetune.json"),
        "how": asked_how(params),
        "is_miniature": is_small(params),
        "metadata": metadata(params, systems, evaluation),
        "news": news_of(audit["provenance"][0]),
        "parameters": parameters(params),
        "probes": shown_probes(names),
        "profile": profile_of(params),
        "script": Markup(SCRIPT.read_text(encoding="utf-8")),  # noqa: S704  ours
        "systems": systems,
        "tokenize": read_json(METRICS / "tokenize.json"),
        "tongue": "any language"
        if language == "any"
        else LANGUAGES.get(language, f"the language {language}"),
        "versions": versions_of(evaluation),
    }


def is_small(params: dict[str, Any]) -> bool:
    """Return whether the fine-tuned model is a miniature."""
    return is_miniature(params | {"systems": {"finetuned": AS_TRAINED}}, "finetuned")


def parameters(params: dict[str, Any]) -> str:
    """Return the sections that were in force, the profile merged in, as YAML."""
    merged = {name: section_of(params, name) for name in SECTIONS}
    text: str = yaml.safe_dump(merged, allow_unicode=True, sort_keys=False)
    return text


def metadata(params: dict[str, Any], systems: list[dict[str, Any]], evaluation: dict[str, Any]) -> str:
    """Return the model card's YAML header, as the Hub reads it; each score has its interval in `args`."""
    base, data = params["checkpoints"][params["finetune"]["base"]], section_of(params, "data")
    header: dict[str, Any] = {} if data["language"] == "any" else {"language": data["language"]}
    header["library_name"], small = "transformers", is_small(params)
    if "repo" in base and section_of(params, "weights") == "hub":
        header["base_model"] = base["repo"]
    if data["source"] == "hub":
        header |= {"license": "other", "license_name": "non-commercial-research", "datasets": [data["repo"]]}
        header["license_link"] = f"https://huggingface.co/datasets/{data['repo']}"
    elif data["source"] == "embedded":
        header["license"] = "apache-2.0"
    tags = ["summarization", "t5", *(["miniature"] if small else [])]
    header |= {"pipeline_tag": "summarization", "tags": tags, "metrics": ["rouge"]}
    scores = next((row for row in systems if row["name"] == "finetuned"), None)
    if scores:
        found = next(row for row in evaluation["systems"] if row["system"] == "finetuned")
        task = {"type": "summarization", "name": "Summarization"}
        where = {"type": data.get("repo", params["profile"]), "split": "test"}
        where["name"] = f"test split, profile {params['profile']}, {evaluation['num_articles']} articles"
        values = [
            {
                **{"type": name.lower(), "name": name, "value": found[name]["mean"]},
                "args": {bound: found[name][bound] for bound in ("lower", "upper")}
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
        loader=FileSystemLoader("stages"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    environment.filters |= {"two_places": two_places, "one_line": one_line, "both": both, "literal": repr}
    names = {"report.html": "report.html.j2", "model_card.md": "model_card.md.j2"}
    return {name: environment.get_template(file).render(values) for name, file in names.items()}


def two_places(value: float | None) -> str:
    """Return a number as text; "" for a system without it, such as an extractive one's answers."""
    return "" if value is None else f"{value:.2f}"


def one_line(text: str) -> str:
    """Return `text` as it may stand in the cell of a Markdown table.

    >>> one_line("a | b\\n c")
    'a \\\\| b c'
    """
    return " ".join(text.split()).replace("|", "\\|")


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Return the systems' scores as a Markdown table."""
    lines = [
        "| system | what it is | ROUGE-1 | ROUGE-2 | ROUGE-L | interval | lost words % | probes, exact % |",
        "|---|---|---:|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        what = one_line(row["what"].en)
        lines.append(
            f"| `{row['name']}` | {what} | {row['rouge1']:.2f} | {row['rouge2']:.2f} | "
            f"{row['rougeL']:.2f} | {row['lower']:.2f}–{row['upper']:.2f} | {row['lost_words_pct']:.2f} | "
            f"{two_places(row.get('probe_exact_pct'))} |"
        )
    return "\n".join(lines)


def text_table(rows: list[dict[str, Any]]) -> str:
    """Return the systems' scores as a table for the terminal."""
    lines = [
        f"{'system':<20}{'ROUGE-1':>9}{'ROUGE-2':>9}{'ROUGE-L':>9}   {'interval':<14}{'lost words':>11}"
        f"{'probes, exact':>16}"
    ]
    for row in rows:
        exact = f"{row['probe_exact_pct']:.2f} %" if "probe_exact_pct" in row else ""
        interval = f"{row['lower']:.2f}–{row['upper']:.2f}"
        lines.append(
            f"{row['name']:<20}{row['rouge1']:>9.2f}{row['rouge2']:>9.2f}{row['rougeL']:>9.2f}"
            f"   {interval:<14}{row['lost_words_pct']:>9.2f} %{exact:>16}"
        )
    return "\n".join(lines)


def with_results(readme: str, params: dict[str, Any]) -> str:
    """Return README's text with the results between its marks those of `metrics/`.

    Raises:
        InputError: the marks are gone.
    """
    pattern = re.compile(f"{re.escape(RESULTS[0])}.*?{re.escape(RESULTS[1])}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise InputError(f"{README}: expected the marks {RESULTS[0]} and {RESULTS[1]} once")
    evaluation = read_json(METRICS / "evaluation.json")
    title = "Miniature" if is_small(params) else f"Profile {params['profile']}"
    body = (
        f"**{title}**, {evaluation['num_articles']} test articles, F1 in points, ROUGE-L with its "
        f"{100 * evaluation['confidence']:g} % interval:\n\n"
        f"{markdown_table(system_rows(params, evaluation))}"
    )
    return pattern.sub(lambda _: f"{RESULTS[0]}\n{body}\n{RESULTS[1]}", readme)


def main() -> None:
    arguments = parser(__doc__, "python -m stages.report --show")
    arguments.add_argument("--show", action="store_true", help="print the table of systems, write nothing")
    arguments.add_argument("--readme", action="store_true", help="write the table into README.md only")
    asked = arguments.parse_args()
    params = read_params()
    if asked.show:
        rows = system_rows(params, read_json(METRICS / "evaluation.json"))
        title = f"profile {params['profile']}, F1 in points"
        sys.stdout.write(f"\n{title}\n{text_table(rows)}\n\nThe report: {REPORTS / 'report.html'}\n")
        return
    if asked.readme:
        write_text(README, with_results(README.read_text(encoding="utf-8"), params))
        return
    for name, text in render(page_values(params)).items():
        write_text(REPORTS / name, text)
    log.info("wrote %s and %s", REPORTS / "report.html", REPORTS / "model_card.md")


if __name__ == "__main__":
    run(main)
