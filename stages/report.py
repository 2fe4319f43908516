"""Report: put the answer, the scores, the curve and the probes on one page.

Reads   metrics/, data/predictions/, data/answers/, data/scores.parquet, data/raw/test.parquet
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
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from stages.shared.answers import NEWS, read_answers
from stages.shared.charts import curve, intervals
from stages.shared.cli import InputError, parser, run
from stages.shared.explorer import MEASURES, as_script, explorer
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
SCORES = Path("data/scores.parquet")
SCRIPT = Path("stages/report.js")
NUM_EXAMPLES = 3  # questions about generated news
SECTIONS = ("data", "format", "tokenize", "finetune", "generate", "probe", "extract", "evaluate")

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
    shown = explored([*EXTRACTIVE, *names])
    return {
        "answer": answer_of(systems, evaluation),
        "base": params["finetune"]["base"],
        "charts": {
            "systems": intervals(systems, "name", "rougeL", "ROUGE-L, points"),
            "differences": intervals(
                labelled(evaluation["differences"]), "pair", "difference", "ROUGE-L, points"
            ),
            "curve": curve(read_json(METRICS / "plots/training.json")),
        },
        "checkpoints": played_by(params),
        "confidence_pct": 100 * evaluation["confidence"],
        "curve": read_json(METRICS / "plots/training.json"),
        "data": read_json(METRICS / "data.json"),
        "evaluation": evaluation,
        "exact": exact_table(evaluation["probes"]),
        "how": {
            "template": params["format"]["template"],
            "source_tokens": section_of(params, "tokenize")["source_tokens"],
            "generate": section_of(params, "generate"),
            "style": params["format"]["style"],
        },
        "every": shown["every"],
        "explorer": as_script(shown),
        "finetune": read_json(METRICS / "finetune.json"),
        "metadata": metadata(params, systems, evaluation),
        "parameters": parameters(params),
        "miniature": section_of(params, "weights") == "embedded",
        "probes": shown_probes(probe_rows(names)),
        "profile": profile_of(params),
        "script": Markup(SCRIPT.read_text(encoding="utf-8")),  # noqa: S704  ours
        "systems": systems,
        "tokenize": read_json(METRICS / "tokenize.json"),
    }


def labelled(differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the differences, each with its pair of systems as one label."""
    return [{**row, "pair": f"{row['system']} − {row['against']}"} for row in differences]


def parameters(params: dict[str, Any]) -> str:
    """Return the sections that were in force, the profile merged in, as YAML."""
    merged = {name: section_of(params, name) for name in SECTIONS}
    return yaml.safe_dump(merged, allow_unicode=True, sort_keys=False)


SPANISH = (
    (r"Instruction tuning, the course's comparison", "Ajuste por instrucciones, la comparación del curso"),
    (r"instruction tuning, the course's comparison", "ajuste por instrucciones, la comparación del curso"),
    (r"Instruction tuning", "Ajuste por instrucciones"),
    (r"instruction tuning", "ajuste por instrucciones"),
    (r"Fine-tuning against copying", "Ajuste fino frente a copiar"),
    (r"Fine-tuning", "Ajuste fino"),
    (r"fine-tuning", "ajuste fino"),
    (r"^the prompt$", "la instrucción"),
    (r"^size$", "el tamaño"),
    (r"^use$", "el uso"),
    (r"^the first sentence$", "la primera frase"),
    (r"^the first three sentences$", "las tres primeras frases"),
    (
        r"^the three sentences nearest to the reference: a ceiling, no system$",
        "las tres frases más cercanas a la referencia: un techo, no un sistema",
    ),
    (r"^three sentences at random$", "tres frases al azar"),
    (r"^predictions made elsewhere", "resúmenes hechos fuera de aquí"),
    (r"^miniature, standing in for ", "miniatura, en lugar de "),
    (r"^a local (model )?folder", "una carpeta local"),
    (r", fine-tuned", ", ajustado"),
    (r"; prompt “", "; instrucción “"),
    (r" against ", " frente a "),
    (r"\b(\S+) to (\S+)\b", r"\1 a \2"),
    (r"\bbetter\b", "mejor"),
    (r"\bworse\b", "peor"),
    (r"cannot tell from one article", "con un artículo no se puede decir"),
    (r"cannot tell at n", "no se puede decir con n"),
    (r"about ([\d,]+) articles would be needed", r"harían falta unos \1 artículos"),
)


def in_spanish(said: str) -> str:
    """Return an answer, a question's name, a verdict or what a system is in Spanish.

    >>> in_spanish("cannot tell at n = 200; about 930 articles would be needed")
    'no se puede decir con n = 200; harían falta unos 930 artículos'
    """
    for english, spanish in SPANISH:
        said = re.sub(english, spanish, said)
    return said


def metadata(params: dict[str, Any], systems: list[dict[str, Any]], evaluation: dict[str, Any]) -> str:
    """Return the model card's YAML header, as the Hub reads it; each score has its interval in `args`."""
    base, data = params["checkpoints"][params["finetune"]["base"]], section_of(params, "data")
    header: dict[str, Any] = {"language": "es", "library_name": "transformers"}
    if "repo" in base and section_of(params, "weights") == "hub":
        header["base_model"] = base["repo"]
    if data["source"] == "hub":
        header |= {"license": "other", "license_name": "non-commercial-research", "datasets": [data["repo"]]}
        header["license_link"] = f"https://huggingface.co/datasets/{data['repo']}"
    elif data["source"] == "embedded":
        header["license"] = "apache-2.0"
    header |= {"pipeline_tag": "summarization", "tags": ["summarization", "t5"], "metrics": ["rouge"]}
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
    environment.filters["in_spanish"] = in_spanish
    environment.filters["one_line"] = one_line
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
        what = one_line(row["what"])
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
