"""Reference: write the pages of docs/reference from the code and from what configures it.

Reads   dvc.yaml, params.yaml and its comments, Makefile, the docstrings and --help of stages and tools, the
        registry of measures, the table of environment variables
Writes  docs/reference/{stages,parameters,commands,measures,environment}.md

    python -m resumen.tools.reference
"""

import inspect
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, get_args
from unittest.mock import patch

from resumen.runtime.cli import parser, run
from resumen.runtime.environment import ENVIRONMENT
from resumen.runtime.files import read_bytes, write_text
from resumen.runtime.paths import MAKEFILE, PARAMS, PIPELINE, REFERENCE_DIR
from resumen.schema.checkpoints import CheckpointParams
from resumen.schema.comparisons import ComparisonParams
from resumen.schema.finetunings import FinetuningParams
from resumen.schema.params import Block, is_block, read_yaml
from resumen.schema.systems import SystemParams
from resumen.scoring.registry import HEADLINES, MEASURES, Measure, metric_of

log = logging.getLogger("reference")

MADE = "<!-- made by `make reference`; change what it is made of -->"
ENTRIES: dict[str, type[Block]] = {  # sections of entries, and what an entry may say
    "checkpoints": CheckpointParams,
    "finetunings": FinetuningParams,
    "systems": SystemParams,
    "comparisons": ComparisonParams,
}
LETTERS = {"checkpoints": "C", "finetunings": "F", "systems": "S"}  # as the stages' docstrings call a key
OWN_KEYS = {"finetunings": "finetune", "systems": "generate"}  # sections whose keys an entry may have
UNITS = {"points": "points, 0 to 100", "share": "share, shown in %", "ratio": "ratio", "count": "number"}
WHERE_SHOWN = {
    "scores": "scores",
    "evaluation": "scores, evaluation",
    "page": "scores, evaluation, page",
    "tables": "scores, evaluation, page, tables",
}
MEANINGS = {  # of the measures whose function has no docstring, or one of several measures
    "rouge1": "words in common with the reference (F1)",
    "rouge2": "pairs of words in common with the reference (F1)",
    "rougeL": "words in common, in the same order (F1 of the longest common subsequence)",
    "rougeLsum": "the same, sentence by sentence",
    "rouge1_content": "content words in common: stop words left out, the others stemmed",
    "rougeL_content": "content words in common, in the same order",
    "rouge1_ascii": "ROUGE-1 as published scores have it: `í` and `ñ` are borders of words",
    "rouge2_ascii": "ROUGE-2 in the same way",
    "rougeL_ascii": "ROUGE-L in the same way",
    "rougeLsum_ascii": "ROUGE-Lsum in the same way",
    "chrf": "runs of one to six letters in common (F2)",
    "novel_unigrams": "the share of the summary's words that the article does not have",
    "empty": "whether the summary has no word",
    "prediction_words": "words of the summary",
    "reference_words": "words of the reference",
    "invented_numbers": "numbers, by their value, that the article does not have",
    "invented_names": "names, by their stem, that the article does not have",
}


def cell(text: object) -> str:
    """Return `text` as a cell of a table."""
    return str(text).replace("|", "\\|")


def code(text: str) -> str:
    """Return `text` in the type of code, nothing as nothing."""
    return f"`{text}`" if text else ""


def markdown_grid(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table in Markdown."""
    names = [*head]
    lines: list[Iterable[object]] = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def fence(text: str, language: str = "text") -> str:
    """Return `text` in a block of code."""
    return f"```{language}\n{text.strip()}\n```"


def page_of(title: str, *parts: str) -> str:
    """Return a page in Markdown."""
    return "\n\n".join([f"# {title}", MADE, *filter(None, parts)]) + "\n"


def file_text(path: Path) -> str:
    """Return the text of a file."""
    return read_bytes(path).decode("utf-8")


def spelled_out(text: str, letter: str) -> str:
    """Return what dvc.yaml says of a stage, its variables as the docstrings name them.

    >>> spelled_out("models/pretrained/${item.base} ${key}", "F")
    'models/pretrained/<base> F'
    """
    known = {"key": letter, "item.base": "<base>", "item.from": f"systems.{letter}.from"}
    return re.sub(r"\$\{([\w.]+)\}", lambda match: known.get(match[1], f"<{match[1]}>"), text)


def paths_in(items: Iterable[Any]) -> list[str]:
    """Return the paths of a list of dvc.yaml, whose items may have options."""
    return [next(iter(item)) if isinstance(item, dict) else item for item in items]


def outputs_of(stage: dict[str, Any]) -> list[str]:
    """Return all that a stage writes, as dvc.yaml has it."""
    return [path for kind in ("outs", "metrics", "plots") for path in paths_in(stage.get(kind, []))]


def sources_of_stage(stage: dict[str, Any], stages: dict[str, dict[str, Any]]) -> list[str]:
    """Return the stages whose outputs a stage reads; what a system is from may be a model of either kind."""
    models = ["models/pretrained/*", "models/finetuned/*"]

    def paths(items: Iterable[str]) -> list[str]:
        expanded = [path for item in items for path in (models if item == "${item.from}" else [item])]
        return [re.sub(r"\$\{[^}]*\}", "*", path) for path in expanded]

    def lies_in(path: str, folder: str) -> bool:
        return path == folder or path.startswith(f"{folder}/")

    read = paths(stage["deps"])
    return [
        name
        for name, other in stages.items()
        if any(lies_in(a, b) or lies_in(b, a) for a in read for b in paths(outputs_of(other)))
    ]


def stage_part(name: str, stage: dict[str, Any], each: str) -> str:
    """Return what the page says of one stage; `each` is the section that it runs once for each entry of."""
    letter = LETTERS.get(each, "")

    def listed(items: list[str]) -> str:
        return ", ".join(code(spelled_out(item, letter)) for item in items)

    once = f"Once for each entry of `{each}`: `{name}@{letter}`." if each else ""
    rows = [
        ("command", code(spelled_out(stage["cmd"], letter))),
        ("depends on", listed(paths_in(stage["deps"]))),
        ("params", listed(stage["params"])),
        ("writes", listed(paths_in(stage["outs"]))),
        ("metrics and plots, kept by git", listed(outputs_of({**stage, "outs": []}))),
    ]
    table = markdown_grid(["in `dvc.yaml`", ""], [row for row in rows if row[1]])
    docstring = import_module(f"stages.{name}").__doc__ or ""
    return "\n\n".join(filter(None, [f"## {name}", stage["desc"], once, fence(docstring), table]))


def stages_page() -> str:
    """Return the page of the stages, from dvc.yaml and their docstrings."""
    pipeline = read_yaml(PIPELINE)["stages"]
    stages = {name: stage.get("do", stage) for name, stage in pipeline.items()}
    each = {
        name: stage["foreach"].strip("${}") if "foreach" in stage else "" for name, stage in pipeline.items()
    }
    rows = [
        (
            f"[{name}](#{name})",
            stage["desc"],
            code(each[name]),
            ", ".join(sources_of_stage(stage, stages)),
        )
        for name, stage in stages.items()
    ]
    return page_of(
        "Stages",
        "`dvc repro` runs what has changed, and `dvc repro NAME` one stage with what it needs. C is a key of "
        "`checkpoints`, F of `finetunings`, S of `systems` in `params.yaml`.",
        markdown_grid(["stage", "what it does", "once for each of", "reads what these write"], rows),
        *(stage_part(name, stage, each[name]) for name, stage in stages.items()),
    )


class ParamsLine(NamedTuple):
    """A key of params.yaml as it stands in the file."""

    key: str  # a.b.c
    value: str  # as it is spelled there; "" is empty, or a key with others below it
    comment: str  # beside it, or in the line above it


LINE = re.compile(
    r"""(?P<indent>\ *)(?P<key>[\w-]+):
        (?:\ (?P<value>'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s#'"][^#]*?))?
        (?:\s+\#\ (?P<comment>.*))?\s*""",
    re.VERBOSE,
)


def params_lines(text: str) -> list[ParamsLine]:
    """Return the keys of params.yaml in their order.

    >>> params_lines("generate:\\n  num_beams: 1   # 1 is greedy\\n")[1]
    ParamsLine(key='generate.num_beams', value='1', comment='1 is greedy')
    """
    result, path, above = [], [""] * 9, ""
    for line in text.splitlines():
        if match := LINE.fullmatch(line):
            depth = len(match["indent"]) // 2
            path[depth] = match["key"]
            comment = match["comment"] or (above if depth else "")
            result.append(ParamsLine(".".join(path[: depth + 1]), match["value"] or "", comment))
        above = line.strip().removeprefix("# ") if line.strip().startswith("#") else ""
    return result


def comment_above(text: str, key: str) -> str:
    """Return the comment before a section of params.yaml, as a paragraph."""
    match = re.search(rf"((?:^#.*\n)+){key}:", text, re.MULTILINE)
    return " ".join(line.removeprefix("#").strip() for line in match[1].splitlines()) if match else ""


def section_text(text: str, key: str) -> str:
    """Return a section of params.yaml as it stands there, its comments too."""
    match = re.search(rf"^{key}:.*\n(?:(?: .*)?\n)*", text, re.MULTILINE)
    return match[0] if match else ""


def field_comments(kind: type[Block]) -> dict[str, str]:
    """Return the comment beside each key of a block, those of a block in it too."""
    pairs = re.findall(r"^    (\w+): [^#\n]*?(?:# (.*))?$", inspect.getsource(kind), re.MULTILINE)
    comments = {name: text.replace("None", "empty") for name, text in pairs}
    result = {}
    for name, field in kind.model_fields.items():
        key = field.alias or name
        result[key] = comments[name]
        for inner in filter(is_block, get_args(field.annotation)):
            result |= {f"{key}.{other}": text for other, text in field_comments(inner).items()}
    return result


def entries_part(name: str, text: str, known: dict[str, ParamsLine]) -> str:
    """Return what the page says of a section of entries: those that are there, and the keys of one."""
    rows = []
    for key, comment in field_comments(ENTRIES[name]).items():
        same = f"{OWN_KEYS.get(name)}.{key}"
        rows.append((code(key), comment or (f"as `{same}`" if same in known else "")))
    keys = markdown_grid(["key of an entry", "meaning"], rows)
    return "\n\n".join(
        [f"## {name}", comment_above(text, name), keys, fence(section_text(text, name), "yaml")]
    )


def profile_table(name: str, lines: list[ParamsLine], profiles: list[str]) -> str:
    """Return what the profiles say where a section is empty, and the keys that they alone have."""
    values: dict[str, dict[str, str]] = {}
    comments: dict[str, str] = {}
    for profile in profiles:
        for line in lines:
            where, _, key = line.key.partition(f"profiles.{profile}.")
            if not where and (key.startswith(f"{name}.") or (key == name and line.value)):
                values.setdefault(key, {})[profile] = line.value
                comments.setdefault(key, line.comment)
                comments[key] = comments[key] or line.comment
    if not values:
        return ""
    head = ["by profile", *map(code, profiles), *(["meaning"] if any(comments.values()) else [])]
    rows = [
        [code(key), *(code(given.get(profile, "")) for profile in profiles), comments[key]][: len(head)]
        for key, given in values.items()
    ]
    return markdown_grid(head, rows)


def section_part(name: str, lines: list[ParamsLine], profiles: list[str]) -> str:
    """Return what the page says of a section of keys and values."""
    in_profiles = {".".join(line.key.split(".")[2:]) for line in lines if line.key.startswith("profiles.")}
    own = [line for line in lines if line.key == name or line.key.startswith(f"{name}.")]
    has_keys = len(own) > 1
    rows = []
    for line in own[has_keys:]:
        default = code(line.value)
        if not line.value and not any(one.key.startswith(f"{line.key}.") for one in own):
            default = "by profile" if line.key in in_profiles else "empty"
        rows.append((code(line.key), default, line.comment))
    parts = [
        f"## {name}",
        markdown_grid(["key", "default", "meaning"], rows),
        profile_table(name, lines, profiles),
    ]
    return "\n\n".join(filter(None, parts))


def parameters_page() -> str:
    """Return the page of params.yaml, from its comments and those beside the fields of its entries."""
    text = file_text(PARAMS)
    lines = params_lines(text)
    known = {line.key: line for line in lines}
    profiles = [line.key.split(".")[1] for line in lines if re.fullmatch(r"profiles\.[^.]+", line.key)]
    sections = [line.key for line in lines if "." not in line.key and line.key != "profiles"]
    return page_of(
        "Parameters",
        "`params.yaml` holds every value that can change a result. A value that is empty there is the "
        "profile's; one that is set wins. `dvc exp run -S generate.num_beams=4` sets one, and "
        "`resumen check` says what is wrong with any.",
        markdown_grid(
            ["profile", "for"],
            [(code(name), known[f"profiles.{name}"].comment) for name in profiles],
        ),
        *(
            entries_part(name, text, known) if name in ENTRIES else section_part(name, lines, profiles)
            for name in sections
        ),
    )


def help_of(module: str) -> str:
    """Return what `python -m` of a module prints with --help, on a terminal of 80 columns."""
    output = io.StringIO()
    with (
        patch.dict(os.environ, COLUMNS="80"),
        patch.object(sys, "argv", [module, "--help"]),
        redirect_stdout(output),
        suppress(SystemExit),
    ):
        import_module(module).main()
    # Python 3.13 writes the value of an option with two names once.
    return re.sub(r"(-\w) [A-Z=]+, (--[\w-]+ [A-Z=]+)", r"\1, \2", output.getvalue())


def commands_page() -> str:
    """Return the page of the commands: make's targets, and what --help says of the others."""
    resumen = import_module("resumen.__main__")  # by its name: it stands above the tools
    targets = re.findall(r"^([a-z-]+):.*?## (.*)$", file_text(MAKEFILE), re.MULTILINE)
    stages = read_yaml(PIPELINE)["stages"]
    names = [name for group in resumen.GROUPS.values() for name in group]
    return page_of(
        "Commands",
        "## make",
        markdown_grid(["command", "what it does"], [(code(f"make {name}"), text) for name, text in targets]),
        "## resumen",
        "What people run beside the pipeline. In a clone that is not installed, `python -m resumen` is the "
        "same.",
        fence(resumen.help_text()),
        *(f"### resumen {name}\n\n{fence(help_of(f'resumen.tools.{name}'))}" for name in names),
        "## Stages",
        "`dvc repro` runs them. By hand, a stage writes what DVC then takes for changed.",
        *(f"### python -m stages.{name}\n\n{fence(help_of(f'stages.{name}'))}" for name in stages),
        f"## Miniatures\n\n### python -m miniatures\n\n{fence(help_of('miniatures.__main__'))}",
    )


def meaning_of(name: str, measure: Measure) -> str:
    """Return what a measure is, in a line."""
    if name in MEANINGS:
        return MEANINGS[name]
    function: Callable[..., float] = measure.of
    if isinstance(measure.of, partial):
        function = measure.of.func
    first = (function.__doc__ or "").split("\n")[0].removeprefix("Return ").removesuffix(".")
    return first.replace("`size`", str(getattr(measure.of, "keywords", {}).get("size")))


def measures_page() -> str:
    """Return the page of the measures, from their registry."""
    rows = [
        (
            f"**{code(name)}**" if name in HEADLINES else code(name),
            measure.en,
            meaning_of(name, measure),
            UNITS[measure.unit],
            "" if measure.better == "neither" else measure.better,
            WHERE_SHOWN[measure.shown_in],
            code(metric_of(name)),
        )
        for name, measure in MEASURES.items()
    ]
    return page_of(
        "Measures",
        "What each says, and which agrees with people: [What the measures say](../explanation/measures.md). "
        "`resumen compare HEAD --measure chrf` tests any of them.",
        markdown_grid(
            ["column", "label", "what it is", "unit", "better", "shown in", "in the metrics"],
            rows,
        ),
        "*scores* is `data/scores.parquet`, a row for each system and article. *evaluation* is "
        "`values` of each system in `metrics/evaluation.json`: the mean over articles, in % where the name "
        "ends in `_pct`. *page* is `reports/report.html`, and *tables* are those of README and of "
        "`resumen results`. In bold: what `dvc metrics show metrics/systems` prints. "
        "Where a language has no stemmer or no stop words, content words are not scored.",
    )


def environment_page() -> str:
    """Return the page of the environment variables, from their table."""
    parts = []
    for title, group in ENVIRONMENT.items():
        rows = [(code(name), text) for name, text in group.items()]
        parts += [f"## {title}", markdown_grid(["variable", "meaning"], rows)]
    lead = "No stage depends on one: DVC re-runs nothing for them."
    return page_of("Environment variables", lead, *parts)


REFERENCE_PAGES: dict[str, Callable[[], str]] = {
    "stages": stages_page,
    "parameters": parameters_page,
    "commands": commands_page,
    "measures": measures_page,
    "environment": environment_page,
}


def main() -> None:
    parser(__doc__, "python -m resumen.tools.reference").parse_args()
    for name, page in REFERENCE_PAGES.items():
        write_text(REFERENCE_DIR / f"{name}.md", page())
    log.info("wrote %s", REFERENCE_DIR)


if __name__ == "__main__":
    run(main)
