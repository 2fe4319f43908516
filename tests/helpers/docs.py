"""The pages that people read: their blocks, links and paragraphs, and what is wrong with their commands."""

import argparse
import copy
import io
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from dvc.cli.parser import DvcParser, get_main_parser
from dvc.utils.hydra import to_hydra_overrides

from resumen.__main__ import GROUPS
from resumen.runtime.errors import InputError
from resumen.schema.params import read_yaml
from resumen.schema.whole import check_whole
from tests.helpers.paths import ROOT

READMES = ("README.md", "README.es.md")  # in English, in Spanish
OPERATORS = {"|", "||", "&", "&&", ";", "(", ")"}
REDIRECTIONS = {"<", ">", ">>", "<<", ">&"}
STAGES = {
    name: stage.get("foreach", "").strip("${}")
    for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items()
}
PARAMS = read_yaml(ROOT / "params.yaml")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def pages() -> list[str]:
    """Return the pages that people read, those of READMES first, by their path."""
    inside = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return [*READMES, "CONTRIBUTING.md", *inside]


def text_of_page(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


class Block(NamedTuple):
    """A fenced block of code."""

    line: int  # of its first line of code, from 1
    language: str
    lines: list[str]


def blocks(text: str) -> list[Block]:
    r"""Return the fenced blocks of a page, their indentation taken off.

    >>> blocks("Run\n\n```sh\ndvc repro\n```\n")
    [Block(line=4, language='sh', lines=['dvc repro'])]
    """
    result, opened, indent = [], None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.match(r"( *)```(\S*)", line)
        if match and opened is None:
            indent, opened = len(match[1]), Block(number + 1, match[2], [])
        elif match and opened is not None:
            result.append(opened)
            opened = None
        elif opened is not None:
            opened.lines.append(line[indent:])
    return result


def prose(text: str) -> list[str]:
    """Return the lines of a page, those of fenced blocks and of comments empty, in their places."""
    result, is_code = [], False
    for line in text.splitlines():
        is_border = line.lstrip().startswith("```")
        is_code ^= is_border
        result.append("" if is_code or is_border else line)
    comment = re.compile("<!--.*?-->", re.DOTALL)
    return comment.sub(lambda match: "\n" * match[0].count("\n"), "\n".join(result)).split("\n")


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    r"""Yield the paragraphs and items of lists of a page with their first line; no headings, no tables.

    >>> list(paragraphs("# A\n\nOne\ntwo.\n\n- Three\n- four\n"))
    [(3, 'One two.'), (6, '- Three'), (7, '- four')]
    """
    begun, words = 0, ""
    for number, line in enumerate([*prose(text), ""], start=1):
        is_item = re.match(r"\s*([-*]|\d+\.) ", line)
        is_other = not line.strip() or line.lstrip().startswith(("|", "#"))
        if words and (is_item or is_other):
            yield begun, words
            words = ""
        if not is_other:
            begun, words = begun if words else number, f"{words} {line.strip()}".strip()


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and mkdocs.yml make it.

    >>> anchor("En español: `resumen check`"), anchor("The 2 × 2")
    ('en-español-resumen-check', 'the-2--2')
    """
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.replace("*", "")).strip().lower().replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page, each of several equal ones once."""
    return {anchor(line.lstrip("#")) for line in prose(text) if re.match("#{1,6} ", line)}


def links(text: str) -> Iterator[tuple[int, str]]:
    """Yield the targets of links and images of a page with their line; those that have a scheme too."""
    for number, line in enumerate(prose(text), start=1):
        plain = re.sub(r"`[^`]*`", "", line)
        for match in re.finditer(r"\]\(<?([^)>\s]+)|\b(?:href|src)=\"([^\"]+)|^\[[^\]]+\]: +(\S+)", plain):
            yield number, match[1] or match[2] or match[3]


def link_fault(page: str, target: str) -> str:
    """Return what is wrong with a link of a page to somewhere in the repository, or "".

    Pages of docs/ link to nothing outside it, where the pages that `make docs` builds would lead nowhere.
    """
    if re.match(r"[a-z]+:|\.\./\.\./issues\b", target):  # elsewhere; what stands beside the files on GitHub
        return ""
    path, _, fragment = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    if not file.exists():
        return f"{target}: no such file"
    inside = file.resolve().relative_to(ROOT).as_posix()
    if page.startswith("docs/") and not inside.startswith("docs/"):
        return f"{target}: outside docs/, where `make docs` does not reach; name it without a link"
    if fragment and fragment not in anchors(file.read_text(encoding="utf-8")):
        return f"{target}: {inside} has no such heading"
    return ""


class Command(NamedTuple):
    """A command of a block."""

    line: int  # where it begins, from 1
    words: list[str]  # without variables before it, redirections and comments


def logical_lines(block: Block) -> Iterator[tuple[int, str]]:
    """Yield the lines of a block with their numbers, those that end in a backslash joined with the next."""
    begun, text = 0, ""
    for number, line in enumerate(block.lines, start=block.line):
        begun, text = (begun, f"{text} {line}") if text else (number, line)
        if text.endswith("\\"):
            text = text[:-1]
            continue
        if text.strip():
            yield begun, text
        text = ""


def requoted(match: re.Match[str]) -> str:
    """Return what `$'…'` of bash says, in quotes that shlex knows."""
    return shlex.quote(match[1].replace("\\n", "\n").replace("\\'", "'"))


def words_of(line: str) -> list[str]:
    """Return the words and operators of a line of shell."""
    plain = re.sub(r"\$'((?:[^'\\]|\\.)*)'", requoted, line).replace("2>&1", "")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    return list(lexer)


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a block of shell.

    >>> list(commands(Block(1, "sh", ["A=1 dvc repro | head -1 > x  # all"])))
    [Command(line=1, words=['dvc', 'repro']), Command(line=1, words=['head', '-1'])]
    """
    for number, line in logical_lines(block):
        words: list[str] = []
        skip = False
        for word in [*words_of(line), ";"]:
            if word in OPERATORS:
                if words:
                    yield Command(number, words)
                words = []
            elif word in REDIRECTIONS:
                skip = True
            elif skip:
                skip = False
            elif words or not re.match(r"\w+=", word):
                words.append(word)


def spans(text: str) -> Iterator[Block]:
    """Yield the commands with a value that stand in a sentence, and make's targets, each as a block.

    Left out are those cut short by "…", and such as name a command alone.

    >>> list(spans("Run `dvc exp run -S data.seed=1`.\\nNot `dvc exp run -S …`, `resumen compare`."))
    [Block(line=1, language='sh', lines=['dvc exp run -S data.seed=1'])]
    """
    for number, line in enumerate(prose(text), start=1):
        for found in re.findall(r"`((?:dvc|resumen|python -m) [^`…]*=[^`…]*|make [^`…]*)`", line):
            yield Block(number, "sh", [found])


def commands_of(page: str) -> list[Command]:
    """Return the commands of the ```sh blocks of a page, and of its sentences."""
    text = text_of_page(page)
    shell = [block for block in blocks(text) if block.language == "sh"]
    return sorted(one for block in (*shell, *spans(text)) for one in commands(block))


class ParserBuilt(Exception):  # noqa: N818  no error
    """Carries a parser out of the `main` that has built it."""


@cache
def parser_of(module: str) -> argparse.ArgumentParser:
    """Return the parser of `python -m module`, which parses and does nothing."""

    def stop(self: argparse.ArgumentParser, *_: object) -> None:
        raise ParserBuilt(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        try:
            import_module(module).main()
        except ParserBuilt as built:
            return built.args[0]
    raise AssertionError(f"{module}: parses no arguments")


class RefusedError(Exception):
    """A parser refuses the arguments."""


def parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace | str:
    """Return the arguments of a command, or what the parser says is wrong with them."""

    def refuse(self: argparse.ArgumentParser, message: str, *_: object) -> None:
        raise RefusedError(message)

    try:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()):
            for kind in (argparse.ArgumentParser, DvcParser):
                patch.setattr(kind, "error", refuse)
            return parser.parse_args(words)
    except SystemExit:  # of --help
        return argparse.Namespace(targets=[])
    except (RefusedError, InputError) as error:
        return str(error)


def arguments_fault(module: str, words: list[str]) -> str:
    """Return what the parser of a module says is wrong with its arguments, or ""."""
    result = parsed(parser_of(module), words)
    return result if isinstance(result, str) else ""


def change(params: dict[str, Any], override: Any) -> str:
    """Make the change that `-S` asks for, and return why that is not possible, or "".

    As Hydra has it: a key that is there is changed, `+` adds one, `++` does either, `~` removes one.
    """
    *sections, key = override.key_or_group.split(".")
    may_be_new = override.is_add() or override.is_force_add()
    section: Any = params
    for name in sections:
        if may_be_new and section is not params:
            section.setdefault(name, {})
        if not isinstance(section.get(name), dict):
            return f"{override.input_line}: params.yaml has no {name} with keys"
        section = section[name]
    if override.is_add() and section.get(key) is not None:
        return f"{override.input_line}: is there already; without the +"
    if key not in section and not may_be_new:
        return f"{override.input_line}: params.yaml has no such key"
    if override.is_delete():
        del section[key]
    elif override.is_sweep_override():
        section[key] = next(iter(override.sweep_iterator()))
    else:
        section[key] = override.value()
    return ""


def overrides_in(words: list[str]) -> list[str]:
    """Return what the options -S and --set-param of a command say."""
    return [value for option, value in pairwise(words) if option in ("-S", "--set-param")]


def overrides_fault(params: dict[str, Any], words: list[str]) -> str:
    """Make the changes of a command to `params`, and return what is wrong with them, or ""."""
    for override in to_hydra_overrides(overrides_in(words)):
        if override.is_sweep_override() and "--queue" not in words:
            return f"{override.input_line}: several values want --queue"
        if fault := change(params, override):
            return fault
    try:
        check_whole(params)
    except InputError as error:
        return "; ".join(error.messages)
    return ""


def params_after(earlier: Iterable[Command]) -> dict[str, Any]:
    """Return params.yaml as the commands before one on its page leave it."""
    params = copy.deepcopy(PARAMS)
    for command in earlier:
        overrides_fault(params, command.words)
    return params


def target_fault(params: dict[str, Any], target: str) -> str:
    """Return what is wrong with a target of `dvc repro`, or ""."""
    name, _, key = target.partition("@")
    if name not in STAGES:
        return f"{target}: dvc.yaml has no such stage"
    if key and key not in params.get(STAGES[name], {}):
        return f"{target}: params.yaml has no {STAGES[name]}.{key}"
    return ""


def module_fault(params: dict[str, Any], words: list[str]) -> str:
    """Return what is wrong with the module and the arguments behind `python -m`, or ""."""
    module, *rest = words
    if module == "resumen":
        return resumen_fault(rest)
    if not find_spec(module.split(".")[0]) or not find_spec(module):
        return f"python -m {module}: no such module"
    if module.startswith(("stages.", "resumen.tools.")) or module == "miniatures":
        fault = arguments_fault(f"{module}.__main__" if module == "miniatures" else module, rest)
        name = module.partition(".")[2]
        if not fault and STAGES.get(name) and not rest[0].startswith("-"):
            return target_fault(params, f"{name}@{rest[0]}")
        return fault
    return ""


def resumen_fault(words: list[str]) -> str:
    """Return what is wrong with the arguments of `resumen`, or ""."""
    name, *rest = words or ["--help"]
    if name in ("-h", "--help", "help", "--version"):
        return ""
    if name not in [tool for group in GROUPS.values() for tool in group]:
        return f"resumen {name}: no such command"
    return arguments_fault(f"resumen.tools.{name}", rest)


def command_fault(words: list[str], earlier: Iterable[Command] = ()) -> str:
    """Return what is wrong with a command of a page, or "".

    It is to do on params.yaml as it stands, or as the commands before it on the page leave it. Known are
    `resumen`, `dvc`, `make` and `python -m`; of any other nothing is asked.
    """
    fault = fault_with(copy.deepcopy(PARAMS), words)
    return fault and fault_with(params_after(earlier), words)


def fault_with(params: dict[str, Any], words: list[str]) -> str:
    """Return what is wrong with a command on these params, or ""."""
    program, rest = Path(words[0]).name, words[1:]
    if program == "nohup":
        return fault_with(params, rest)
    if program == "make":
        unknown = [word for word in rest if "=" not in word and word not in TARGETS]
        return f"make {unknown[0]}: no such target" if unknown else ""
    if program == "resumen":
        return resumen_fault(rest) or overrides_fault(params, rest)
    if program in ("python", "python3") and rest[:1] == ["-m"]:
        return module_fault(params, rest[1:])
    if program != "dvc":
        return ""
    options = parsed(get_main_parser(), rest)
    if isinstance(options, str):
        return options
    fault = overrides_fault(params, rest)
    targets = options.targets if rest[:1] == ["repro"] or rest[:2] == ["exp", "run"] else []
    return fault or next(filter(None, (target_fault(params, target) for target in targets)), "")
