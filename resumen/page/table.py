"""The table of systems: what each is, its scores, the interval of ROUGE-L."""

from collections.abc import Iterable
from functools import partial as bound
from textwrap import wrap
from typing import Any

from resumen.page.languages import Bilingual, bilingual, decimal, in_both_languages
from resumen.runtime.errors import InputError
from resumen.runtime.paths import EVALUATION_FILE
from resumen.schema.finetunings import finetuning_names, finetuning_params
from resumen.schema.params import section_of
from resumen.schema.systems import EXTRACTIVE, system_names, system_params
from resumen.scoring.registry import PRIMARY, measures_in, metric_of, system_label

BASELINES = {
    "lead-1": "the first sentence",
    "lead-3": "the first three sentences",
    "textrank": "the three sentences that share most words with the others (TextRank)",
    "random-3": "three sentences at random",
    "oracle": "the three sentences nearest to the reference: a ceiling, no system",
}
SYSTEM_KINDS = {  # of systems, in the order of the page
    "copies": Bilingual("copied sentences", "frases copiadas"),
    "published": Bilingual("as published", "modelos publicados"),
    "fine-tuned": Bilingual("fine-tuned here", "con ajuste fino"),
    "other": Bilingual("made elsewhere", "hechos en otro lugar"),
}
TRAINED_SYSTEM = "finetuned"
TABLE_HEADS = {
    "en": ("system", "interval", "probes, exact %"),
    "es": ("sistema", "intervalo", "preguntas acertadas (%)"),
}
HEAD_WIDTH = 8  # letters of a line of a head in the terminal


def is_miniature(params: dict[str, Any], name: str) -> bool:
    """Return whether a shipped miniature stands in for the checkpoint behind system `name`.

    A fine-tuned miniature is one, too; a local folder and somebody else's predictions are not.

    Raises:
        InputError: a section is missing.
    """
    system = system_params(params, name)
    if system.finetuning in finetuning_names(params):
        return is_base_miniature(params, str(system.finetuning))
    return system.checkpoint is not None and is_played_by_miniature(params, system.checkpoint)


def is_base_miniature(params: dict[str, Any], finetuning: str) -> bool:
    """Return whether a shipped miniature stands in for the base of a fine-tuning."""
    return is_played_by_miniature(params, finetuning_params(params, finetuning).base)


def is_played_by_miniature(params: dict[str, Any], checkpoint: str) -> bool:
    """Return whether a shipped miniature stands in for a key of `checkpoints`."""
    entry = section_of(params, "checkpoints").get(checkpoint, {})
    return section_of(params, "weights") == "embedded" and "folder" not in entry


def played_by(params: dict[str, Any], checkpoint: str) -> Bilingual:
    """Return what stands behind a checkpoint, in words."""
    entry = params["checkpoints"][checkpoint]
    if "folder" in entry:
        return bilingual("a local folder")
    if section_of(params, "weights") == "embedded":
        repo = entry["repo"]
        return Bilingual(f"stand-in for {repo}", f"sustituto de {repo}")
    return Bilingual(*(f"{entry['repo']}{at} {entry['revision']}" for at in (" at", ", revisión")))


def what_is(params: dict[str, Any], name: str) -> Bilingual:
    """Return a system in words: its checkpoint, its own template, its own decoding."""
    system = system_params(params, name)
    if system.is_foreign:
        return bilingual("foreign: predictions made elsewhere")
    if system.finetuning:
        what = recipe_in_words(params, system.finetuning)
    elif system.checkpoint:
        what = played_by(params, system.checkpoint)
    else:
        what = bilingual("a local model folder")
    decoding = "".join(f"; {key} {value}" for key, value in system.decoding().items())
    asked = Bilingual("", "")
    if system.template is not None:
        asked = Bilingual(f"; prompt “{system.template}”", f"; instrucción «{system.template}»")
    return Bilingual(what.en + asked.en + decoding, what.es + asked.es + decoding)


def recipe_in_words(params: dict[str, Any], finetuning: str) -> Bilingual:
    """Return a fine-tuning in words: its base, and what of its recipe is its own."""
    entry = finetuning_params(params, finetuning)
    own = "".join(
        f"; {key} {'true' if value is True else 'false' if value is False else value}"
        for key, value in entry.model_dump(exclude={"base"}, exclude_none=True).items()
    )
    return Bilingual(
        f"{entry.base}, fine-tuned{own}",
        f"{entry.base}, con ajuste fino{own}",
    )


def marks_of(params: dict[str, Any]) -> dict[str, str]:
    """Return the word that follows the name of a system wherever the page has it, if one does.

    Where all models are miniatures, the page says so once, above, and none is marked.
    """
    names = system_names(params)
    foreign = {name: "foreign" for name in names if system_params(params, name).is_foreign}
    small = {name: "miniature" for name in names if name not in foreign and is_miniature(params, name)}
    return foreign if len(foreign) + len(small) == len(names) else foreign | small


def has_miniatures(params: dict[str, Any]) -> bool:
    """Return whether a miniature stands in for the model of a system."""
    return any(is_miniature(params, name) for name in system_names(params))


def system_kind(params: dict[str, Any], name: str) -> str:
    """Return which of SYSTEM_KINDS a system is; a model folder of one's own is made elsewhere too."""
    if name in EXTRACTIVE:
        return "copies"
    system = system_params(params, name)
    if system.finetuning:
        return "fine-tuned"
    return "published" if system.checkpoint else "other"


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
    shown = measures_in("page", section_of(params, "data")["language"])
    for row in evaluation["systems"]:
        name, values = row["system"], row.get("values", {})
        what = bilingual(BASELINES[name]) if name in BASELINES else what_is(params, name)
        if missing := [key for key in map(metric_of, shown) if key not in values]:
            raise InputError(f"{EVALUATION_FILE}: {name} lacks {missing[0]}; run `dvc repro evaluate`")
        bounds = {bound: row[PRIMARY][bound] for bound in ("lower", "upper")}
        rows.append({"name": name, "what": what, **values, **bounds})
    return rows


def main_finetuning(params: dict[str, Any]) -> str:
    """Return the fine-tuning that the model card tells of: that of system `finetuned`, or else the first."""
    names = finetuning_names(params)
    if TRAINED_SYSTEM in system_names(params):
        return system_params(params, TRAINED_SYSTEM).finetuning or names[0]
    return names[0]


def system_of(params: dict[str, Any], finetuning: str) -> str | None:
    """Return the system that runs a fine-tuning, with our template and decoding if there is such a one."""
    runs = [name for name in system_names(params) if system_params(params, name).finetuning == finetuning]
    return min(runs, key=lambda name: len(params["systems"][name]), default=None)


def measure_heads(measures: Iterable[str]) -> dict[str, Bilingual]:
    """Return the heads of the table of systems, by the name in the metrics."""
    return {metric_of(name): in_both_languages(bound(system_label, name)) for name in measures}


def one_line(text: str) -> str:
    """Return `text` as it may stand in the cell of a Markdown table.

    >>> one_line("a | b\\n c")
    'a \\\\| b c'
    """
    return " ".join(text.split()).replace("|", "\\|")


def cells(rows: list[dict[str, Any]], language: str) -> list[list[str]]:
    """Return the table of the READMEs and the terminal: the heads, then the cells of each system."""

    def number(value: float | None) -> str:
        return "" if value is None else str(getattr(decimal(value), language))

    shown = [name for name in measures_in("tables", "es") if all(metric_of(name) in row for row in rows)]
    heads = [system_label(name, language) for name in shown]
    after = shown.index(PRIMARY) + 1  # where its interval stands
    system, interval, probes = TABLE_HEADS[language]
    table = [[system, *heads[:after], interval, *heads[after:], probes]]
    for row in rows:
        scores = [number(row[metric_of(name)]) for name in shown]
        bounds = f"{number(row['lower'])}–{number(row['upper'])}"
        exact = number(row.get("probe_exact_pct"))
        table.append([row["name"], *scores[:after], bounds, *scores[after:], exact])
    return table


def markdown_table(rows: list[dict[str, Any]], language: str) -> str:
    """Return the systems' scores as a Markdown table, with what each is."""
    (head, *heads), *lines = cells(rows, language)
    what = {"en": "what it is", "es": "qué es"}[language]
    table = [[head, what, *heads], ["---", "---", *(["---:"] * len(heads))]]
    for row, (name, *scores) in zip(rows, lines, strict=True):
        table.append([f"`{name}`", one_line(getattr(row["what"], language)), *scores])
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def text_table(rows: list[dict[str, Any]], language: str) -> str:
    """Return the systems' scores as a table for the terminal."""
    heads, *table = cells(rows, language)
    wrapped = [wrap(head, HEAD_WIDTH, break_long_words=False) for head in heads]
    height = max(map(len, wrapped))
    padded = [[""] * (height - len(lines)) + lines for lines in wrapped]
    table = [*map(list, zip(*padded, strict=True)), *table]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ([name.ljust(widths[0]), *map(str.rjust, line, widths[1:])] for name, *line in table)
    return "\n".join("  ".join(line) for line in lines)
