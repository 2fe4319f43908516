"""Report: put the answer, the scores, the curve and the probes on one page.

Reads   metrics/, data/predictions/, data/answers/, data/raw/test.parquet
Writes  reports/report.html     one file, opens from disk without a network
        reports/model_card.md   what travels with the fine-tuned model
Params  profile, weights, checkpoints, systems, finetune.base

    python -m stages.report
    python -m stages.report --show      print the table of systems
    python -m stages.report --readme    bring the table in README.md up to date
"""

import logging
import re
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from stages.shared.answers import NEWS, read_answers
from stages.shared.cli import InputError, parser, run
from stages.shared.files import read_json, read_jsonl, read_table, write_text
from stages.shared.params import profile_of, read_params, section_of
from stages.shared.systems import EXTRACTIVE, system_names, system_params

log = logging.getLogger("report")

RAW_TEST = Path("data/raw/test.parquet")
PREDICTIONS = Path("data/predictions")
METRICS = Path("metrics")
PRETRAINED = Path("models/pretrained")
REPORTS = Path("reports")
README = Path("README.md")
NUM_EXAMPLES = 3  # articles, and questions about generated news

BASELINES = {
    "lead-1": "the first sentence",
    "lead-3": "the first three sentences",
    "oracle": "the three sentences nearest to the reference: a ceiling, no system",
    "random-3": "three sentences at random",
}
# The differences that answer the question, and what each is called there.
ANSWERS = {
    "instruction tuning": "Instruction tuning",
    "instruction tuning, the course's comparison": "Instruction tuning, the course's comparison",
    "fine-tuning": "Fine-tuning",
    "use": "Fine-tuning against copying",
}
MARKS = ("<!-- results: made by `make readme` -->", "<!-- /results -->")


def played_by(params: dict[str, Any]) -> dict[str, str]:
    """Return what stands behind each checkpoint, in words."""
    embedded = section_of(params, "weights") == "embedded"
    said = {}
    for name, entry in params["checkpoints"].items():
        if "folder" in entry:
            said[name] = "a local folder"
        elif embedded:
            said[name] = f"miniature, standing in for {entry['repo']}"
        else:
            said[name] = f"{entry['repo']} at {entry['revision']}"
    return said


def system_rows(params: dict[str, Any], evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the table of systems: what each is, its scores, the interval of ROUGE-L."""
    checkpoints, rows = played_by(params), []
    intervals = {row["system"]: row["rougeL"] for row in evaluation["systems"]}
    for name in [*EXTRACTIVE, *system_names(params)]:
        if name in BASELINES:
            what = BASELINES[name]
        else:
            what = what_is(system_params(params, name), checkpoints, params)
        scores = read_json(METRICS / f"systems/{name}.json")
        bounds = {bound: intervals[name][bound] for bound in ("lower", "upper")}
        rows.append({"name": name, "what": what, **scores, **bounds})
    return rows


def what_is(system: Any, checkpoints: dict[str, str], params: dict[str, Any]) -> str:
    """Return a system in words: its checkpoint, its own template, its own decoding."""
    if system.is_foreign:
        return "predictions made elsewhere"
    if system.path == Path("models/finetuned"):
        said = f"{params['finetune']['base']}, fine-tuned"
    else:
        ours = system.path.parent == PRETRAINED
        said = checkpoints[system.path.name] if ours else "a local model folder"
    if system.template is not None:
        said += f"; prompt “{system.template}”"
    return "; ".join([said, *(f"{key} {value}" for key, value in system.decoding().items())])


def answer_of(rows: list[dict[str, Any]], evaluation: dict[str, Any]) -> list[str]:
    """Return the answer in plain sentences, each with the numbers behind it and a verdict."""
    scores = {row["name"]: row["rougeL"] for row in rows}
    said = []
    for row in evaluation["differences"]:
        if row["question"] in ANSWERS:
            one, other = (f"{row[side]} {scores[row[side]]:.2f}" for side in ("system", "against"))
            interval = f"{row['difference']:+.2f} ({row['lower']:+.2f} to {row['upper']:+.2f})"
            said.append(
                f"{ANSWERS[row['question']]}: {one} against {other} ROUGE-L, {interval}: {row['verdict']}."
            )
    return said


def examples(systems: list[str]) -> list[dict[str, Any]]:
    """Return the first test articles with every system's summary."""
    rows = islice(read_table(RAW_TEST, ["id", "text", "summary"]), NUM_EXAMPLES)
    shown = {row["id"]: {**row, "reference": row["summary"], "predictions": {}} for row in rows}
    for system in systems:
        for row in read_jsonl(PREDICTIONS / f"{system}.jsonl", ("id", "prediction")):
            if row["id"] in shown:
                shown[row["id"]]["predictions"][system] = row["prediction"]
    return list(shown.values())


def probe_rows(systems: list[str]) -> list[dict[str, Any]]:
    """Return each probe with every system's answer, in the order in which they were asked."""
    rows: dict[str, dict[str, Any]] = {}
    for system in systems:
        for answer in read_answers(system):
            row = rows.setdefault(answer.id, {**answer._asdict(), "answers": {}})
            row["answers"][system] = {"text": answer.answer, "is_exact": answer.is_exact}
    return list(rows.values())


def shown_probes(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return by kind what the page shows of `rows`: our own prompts, and a few questions about news."""
    own = [row for row in rows if not row["kind"].startswith(NEWS)]
    news = [row for row in rows if row["kind"].startswith(NEWS)]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in [*own, *news[:NUM_EXAMPLES]]:
        kinds.setdefault(row["kind"], []).append(row)
    return kinds


def exact_table(probes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the table of exact answers: each kind with how many were asked, and each system's % by kind.

    `probes` is that of metrics/evaluation.json.
    """
    asked = {kind["kind"]: kind["num_asked"] for row in probes for kind in row["kinds"]}
    rows = [{**row, "kinds": {kind["kind"]: kind["exact_pct"] for kind in row["kinds"]}} for row in probes]
    return {"kinds": asked, "rows": rows}


def page_values(params: dict[str, Any]) -> dict[str, Any]:
    """Return all that the templates show."""
    evaluation = read_json(METRICS / "evaluation.json")
    systems, names = system_rows(params, evaluation), system_names(params)
    return {
        "answer": answer_of(systems, evaluation),
        "base": params["finetune"]["base"],
        "checkpoints": played_by(params),
        "confidence_pct": 100 * evaluation["confidence"],
        "curve": read_json(METRICS / "plots/training.json"),
        "data": read_json(METRICS / "data.json"),
        "evaluation": evaluation,
        "exact": exact_table(evaluation["probes"]),
        "examples": examples([*EXTRACTIVE, *names]),
        "finetune": read_json(METRICS / "finetune.json"),
        "metadata": metadata(params, systems),
        "miniature": section_of(params, "weights") == "embedded",
        "probes": shown_probes(probe_rows(names)),
        "profile": profile_of(params),
        "systems": systems,
        "tokenize": read_json(METRICS / "tokenize.json"),
    }


def metadata(params: dict[str, Any], systems: list[dict[str, Any]]) -> str:
    """Return the model card's YAML header, as the Hub reads it."""
    base = params["checkpoints"][params["finetune"]["base"]]
    scores = next((row for row in systems if row["name"] == "finetuned"), {})
    header: dict[str, Any] = {"language": "es", "library_name": "transformers"}
    if "repo" in base and section_of(params, "weights") == "hub":
        header["base_model"] = base["repo"]
    header["pipeline_tag"] = "summarization"
    header["tags"] = ["summarization", "t5"]
    if scores:
        task = {"type": "summarization", "name": "Summarization"}
        data = {"type": params["profile"], "name": f"test split, profile {params['profile']}"}
        values = [
            {"type": name.lower(), "name": name, "value": scores[name]}
            for name in ("rouge1", "rouge2", "rougeL")
        ]
        results = [{"task": task, "dataset": data, "metrics": values}]
        header["model-index"] = [{"name": "resumen", "results": results}]
    return yaml.safe_dump(header, allow_unicode=True, sort_keys=False)


def render(values: dict[str, Any]) -> dict[str, str]:
    """Return the text of each file; the page escapes all that it shows."""
    environment = Environment(
        loader=FileSystemLoader("stages"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    environment.filters["two_places"] = two_places
    names = {"report.html": "report.html.j2", "model_card.md": "model_card.md.j2"}
    return {name: environment.get_template(file).render(values) for name, file in names.items()}


def two_places(value: float | None) -> str:
    """Return a number as text; "" for a system without it, such as an extractive one's answers."""
    return "" if value is None else f"{value:.2f}"


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Return the systems' scores as a Markdown table."""
    lines = [
        "| system | what it is | ROUGE-1 | ROUGE-2 | ROUGE-L | interval | lost words % | probes, exact % |",
        "|---|---|---:|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        what = " ".join(row["what"].split()).replace("|", "\\|")
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
    pattern = re.compile(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise InputError(f"{README}: expected the marks {MARKS[0]} and {MARKS[1]} once")
    evaluation = read_json(METRICS / "evaluation.json")
    embedded = section_of(params, "weights") == "embedded"
    title = "Miniature" if embedded else f"Profile {params['profile']}"
    body = (
        f"**{title}**, {evaluation['num_articles']} test articles, F1 in points, ROUGE-L with its "
        f"{100 * evaluation['confidence']:g} % interval:\n\n"
        f"{markdown_table(system_rows(params, evaluation))}"
    )
    return pattern.sub(lambda _: f"{MARKS[0]}\n{body}\n{MARKS[1]}", readme)


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
