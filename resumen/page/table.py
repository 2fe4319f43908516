"""The table of systems: what each is, its scores, the interval of ROUGE-L."""

import re
from typing import Any

from resumen.page.languages import Bilingual, bilingual
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import EVALUATION_FILE, FINETUNED_DIR, PRETRAINED_DIR, README, SYSTEMS_DIR
from resumen.schema.params import section_of
from resumen.schema.systems import system_names, system_params
from resumen.scoring.registry import PRIMARY, measures_in, metric_of, system_label

BASELINES = {
    "lead-1": "the first sentence",
    "lead-3": "the first three sentences",
    "textrank": "the three sentences that share most words with the others (TextRank)",
    "random-3": "three sentences at random",
    "oracle": "the three sentences nearest to the reference: a ceiling, no system",
}
AS_TRAINED = {"from": FINETUNED_DIR.as_posix()}  # the fine-tuned model, in our template
RESULT_MARKS = ("<!-- results: made by `make readme` -->", "<!-- /results -->")


def is_miniature(params: dict[str, Any], name: str) -> bool:
    """Return whether a shipped miniature stands in for the checkpoint behind system `name`.

    A fine-tuned miniature is one, too; a local folder and somebody else's predictions are not.

    Raises:
        InputError: a section is missing.
    """
    source = system_params(params, name).path
    if source == FINETUNED_DIR:
        checkpoint = section_of(params, "finetune").get("base")
    elif source.parent == PRETRAINED_DIR:
        checkpoint = source.name
    else:
        return False
    entry = section_of(params, "checkpoints").get(checkpoint, {})
    return section_of(params, "weights") == "embedded" and "folder" not in entry


def played_by(params: dict[str, Any], checkpoint: str) -> Bilingual:
    """Return what stands behind a checkpoint, in words."""
    entry = params["checkpoints"][checkpoint]
    if "folder" in entry:
        return bilingual("a local folder")
    if section_of(params, "weights") == "embedded":
        repo = entry["repo"]
        return Bilingual(f"miniature, standing in for {repo}", f"miniatura, en lugar de {repo}")
    return Bilingual(*(f"{entry['repo']} {at} {entry['revision']}" for at in ("at", "en")))


def what_is(params: dict[str, Any], name: str) -> Bilingual:
    """Return a system in words: its checkpoint, its own template, its own decoding."""
    system = system_params(params, name)
    if system.is_foreign:
        return bilingual("foreign: predictions made elsewhere")
    if system.path == FINETUNED_DIR:
        base, small = params["finetune"]["base"], is_miniature(params, name)
        what = Bilingual(
            f"{base}, fine-tuned{': a miniature' if small else ''}",
            f"{base}, con ajuste fino{': una miniatura' if small else ''}",
        )
    elif system.path.parent == PRETRAINED_DIR:
        what = played_by(params, system.path.name)
    else:
        what = bilingual("a local model folder")
    decoding = "".join(f"; {key} {value}" for key, value in system.decoding().items())
    asked = Bilingual("", "")
    if system.template is not None:
        asked = Bilingual(f"; prompt “{system.template}”", f"; instrucción “{system.template}”")
    return Bilingual(what.en + asked.en + decoding, what.es + asked.es + decoding)


def marks_of(params: dict[str, Any]) -> dict[str, str]:
    """Return the word that follows the name of a system wherever the page has it, if one does."""
    marks = {}
    for name in system_names(params):
        if system_params(params, name).is_foreign:
            marks[name] = "foreign"
        elif is_miniature(params, name):
            marks[name] = "miniature"
    return marks


def named(name: str, marks: dict[str, str]) -> Bilingual:
    """Return a system's name with its mark, as `gpt (foreign)`."""
    return (
        Bilingual(*(f"{name} ({mark})" for mark in bilingual(marks[name])))
        if name in marks
        else Bilingual(name, name)
    )


def system_rows(params: dict[str, Any], evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the table of systems: what each is, its scores, the interval of ROUGE-L."""
    rows = []
    intervals = {row["system"]: row[PRIMARY] for row in evaluation["systems"]}
    for name in intervals:
        what = bilingual(BASELINES[name]) if name in BASELINES else what_is(params, name)
        scores = read_json(SYSTEMS_DIR / f"{name}.json")
        if missing := [key for key in map(metric_of, measures_in("page")) if key not in scores]:
            raise InputError(f"{SYSTEMS_DIR}/{name}.json: lacks {missing[0]}; run `dvc repro evaluate`")
        bounds = {bound: intervals[name][bound] for bound in ("lower", "upper")}
        rows.append({"name": name, "what": what, **scores, **bounds})
    return rows


def is_finetuned_miniature(params: dict[str, Any]) -> bool:
    """Return whether the fine-tuned model is a miniature."""
    return is_miniature(params | {"systems": {"finetuned": AS_TRAINED}}, "finetuned")


def two_places(value: float | None) -> str:
    """Return a number as text; "" for a system without it, such as an extractive one's answers."""
    return "" if value is None else f"{value:.2f}"


def one_line(text: str) -> str:
    """Return `text` as it may stand in the cell of a Markdown table.

    >>> one_line("a | b\\n c")
    'a \\\\| b c'
    """
    return " ".join(text.split()).replace("|", "\\|")


def cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return the table of README and the terminal: the heads, then the cells of each system."""
    shown = measures_in("tables")
    heads = [system_label(name, "en") for name in shown]
    after = list(shown).index(PRIMARY) + 1  # where its interval stands
    table = [["system", *heads[:after], "interval", *heads[after:], "probes, exact %"]]
    for row in rows:
        scores = [two_places(row[metric_of(name)]) for name in shown]
        interval = f"{two_places(row['lower'])}–{two_places(row['upper'])}"
        exact = two_places(row.get("probe_exact_pct"))
        table.append([row["name"], *scores[:after], interval, *scores[after:], exact])
    return table


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Return the systems' scores as a Markdown table, with what each is."""
    (head, *heads), *lines = cells(rows)
    table = [[head, "what it is", *heads], ["---", "---", *(["---:"] * len(heads))]]
    for row, (name, *scores) in zip(rows, lines, strict=True):
        table.append([f"`{name}`", one_line(row["what"].en), *scores])
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def text_table(rows: list[dict[str, Any]]) -> str:
    """Return the systems' scores as a table for the terminal."""
    table = cells(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ([name.ljust(widths[0]), *map(str.rjust, line, widths[1:])] for name, *line in table)
    return "\n".join("  ".join(line) for line in lines)


def with_results(readme: str, params: dict[str, Any]) -> str:
    """Return README's text with the results between its marks those of `metrics/`.

    Raises:
        InputError: the marks are gone.
    """
    pattern = re.compile(f"{re.escape(RESULT_MARKS[0])}.*?{re.escape(RESULT_MARKS[1])}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise InputError(f"{README}: expected the marks {RESULT_MARKS[0]} and {RESULT_MARKS[1]} once")
    evaluation = read_json(EVALUATION_FILE)
    title = "Miniature" if is_finetuned_miniature(params) else f"Profile {params['profile']}"
    body = (
        f"**{title}**, {evaluation['num_articles']} test articles, F1 in points, ROUGE-L with its "
        f"{100 * evaluation['confidence']:g} % interval:\n\n"
        f"{markdown_table(system_rows(params, evaluation))}"
    )
    return pattern.sub(lambda _: f"{RESULT_MARKS[0]}\n{body}\n{RESULT_MARKS[1]}", readme)
