"""The documentation: its links lead somewhere, its commands exist, its reference is that of the code."""

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path
from unicodedata import normalize

import pytest

from resumen.page.languages import decimal
from resumen.rouge.score import ascii_words, rouge
from resumen.runtime.environment import ENVIRONMENT
from resumen.schema.params import read_params
from resumen.scoring.registry import MEASURES, PRIMARY
from resumen.tools import reference
from resumen.tools.reference import REFERENCE_PAGES, meaning_of, params_lines
from tests.helpers.docs import (
    READMES,
    blocks,
    command_fault,
    commands,
    commands_of,
    link_fault,
    links,
    pages,
    paragraphs,
    prose,
    text_of_page,
)
from tests.helpers.paths import ROOT

LINKS = [
    pytest.param(page, target, id=f"{page}:{line}")
    for page in pages()
    for line, target in links(text_of_page(page))
]
COMMANDS = [
    pytest.param(command.words, found[:index], id=f"{page}:{command.line}")
    for page in pages()
    for found in [commands_of(page)]
    for index, command in enumerate(found)
]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


# The READMEs alone: they are short, read at a glance, and their code needs no scroll bar.


@pytest.mark.parametrize("page", READMES)
def test_a_readme_has_150_lines_at_most(page):
    assert len(text_of_page(page).splitlines()) <= 150


@pytest.mark.parametrize("page", READMES)
def test_a_readme_has_no_code_over_80_columns(page):
    wide = [
        f"{page}:{number}: {len(line)}"
        for block in blocks(text_of_page(page))
        for number, line in enumerate(block.lines, start=block.line)
        if len(line) > 80
    ]
    assert wide == []


@pytest.mark.parametrize("page", READMES)
def test_a_readme_has_no_paragraph_over_60_words(page):
    found = paragraphs(text_of_page(page))
    counts = {f"{page}:{line}": len(text.split()) for line, text in found}
    assert {where: count for where, count in counts.items() if count > 60} == {}


# Every page.


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_a_link_leads_to_a_file_and_a_heading(page, target):
    assert link_fault(page, target) == ""


@pytest.mark.parametrize(("words", "earlier"), COMMANDS)
def test_a_command_exists_with_its_options_keys_and_targets(words, earlier):
    assert command_fault(words, earlier) == ""


@pytest.mark.parametrize("page", pages())
def test_blocks_of_shell_are_named_sh_and_parse(page):
    shell = [block for block in blocks(text_of_page(page)) if block.language == "sh"]
    others = [block for block in blocks(text_of_page(page)) if block.language in ("bash", "shell", "console")]
    assert [f"{page}:{block.line}: {block.language}" for block in others] == []
    if shutil.which("bash"):
        for block in shell:
            code = "\n".join(block.lines)
            done = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{page}:{block.line}: {done.stderr}"


def test_the_navigation_names_every_page_and_no_other():
    named = re.findall(r"\S+\.md$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(page.removeprefix("docs/") for page in pages() if page.startswith("docs/"))


def test_the_class_installs_offline_with_what_builds_the_package():
    (needed,) = re.findall(r"^requires = \[\"(\S+)\"\]", text_of_page("pyproject.toml"), re.MULTILINE)
    assert f"-r requirements.txt {needed}\n" in text_of_page("docs/es/guia-docente.md")


def test_the_class_shows_the_committed_scores():
    """Of the last commit, as tests/unit/test_report.py holds those of the READMEs."""
    shown = ["git", "show", "HEAD:metrics/evaluation.json"]
    done = subprocess.run(shown, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    means = {row["system"]: decimal(row[PRIMARY]["mean"]).es for row in json.loads(done.stdout)["systems"]}
    text = text_of_page("docs/es/ejercicios.md")
    assert f"| `t5-small` | {means['t5-small']} | {means['t5-small-finetuned']} | |" in text
    assert f"| `flan-small` | {means['flan-small']} | {means['finetuned']} | |" in text


def test_the_class_scores_its_sentences_right():
    reference, one, other = (
        "El alcalde abre la escuela de música",
        "La escuela de música abre hoy",
        "El alcalde no abre la escuela de música",
    )
    scores = [
        rouge(one, reference),
        rouge(other, reference),
        rouge("El currículo", "El artículo"),
        rouge("El currículo", "El artículo", ascii_words),
    ]
    said = "\n".join(str([round(value, 2) for value in values]) for values in scores)
    assert f"```text\n{said}\n```" in text_of_page("docs/es/guia-docente.md")


ENTRY = re.compile(r"^- \*\*(.+?)\*\* \(\*(.+?)\*\):", re.MULTILINE)


def entries(page):
    """Return the entries of a glossary, lower-cased, each with its word in the other language."""
    return [(one.lower(), other.lower()) for one, other in ENTRY.findall(text_of_page(page))]


def test_both_glossaries_have_the_same_words():
    english, spanish = entries("docs/glossary.md"), dict(entries("docs/es/glosario.md"))
    assert [(one, other) for one, other in english if spanish.get(other) != one] == []


@pytest.mark.parametrize("page", ["docs/glossary.md", "docs/es/glosario.md"])
def test_a_glossary_is_in_alphabetical_order(page):
    words = [normalize("NFD", one).encode("ascii", "ignore").decode() for one, _ in entries(page)]
    assert len(words) > 35
    assert text_of_page(page).count("\n- ") == len(words)
    assert words == sorted(words, key=lambda word: word.replace("-", ""))


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("resumen chek", "resumen chek: no such command"),
        ("resumen compare HEAD --messure chrf", "unrecognized arguments: --messure chrf"),
        ("resumen curve", "the following arguments are required: --rows"),
        ("RESUMEN_THREADS=1 dvc repo", "invalid choice: 'repo'"),
        ("cd x && dvc repro tokenise", "tokenise: dvc.yaml has no such stage"),
        ("dvc repro finetune@flan", "finetune@flan: params.yaml has no finetunings.flan"),
        ("dvc exp run -S finetune.epoch=1", "finetune.epoch=1: params.yaml has no such key"),
        ("dvc exp run -S '+finetune.seed=1'", "+finetune.seed=1: is there already"),
        ("dvc exp run -S finetune.seed=1,2", "finetune.seed=1,2: several values want --queue"),
        ("dvc exp show --olny-changed", "unrecognized arguments: --olny-changed"),
        ("dvc exp run -S '~systems.none'", "~systems.none: params.yaml has no such key"),
        ("dvc exp run -S generate.num_beams=four", "generate.num_beams: expected a valid integer"),
        ("dvc exp run -S '+systems.x={form: a}'", "systems.x.form: unknown key"),
        ("nohup python -m stages.finetune flan", "finetune@flan: params.yaml has no finetunings.flan"),
        ("python -m stages.tokenise", "python -m stages.tokenise: no such module"),
        ("make tests", "make tests: no such target"),
    ],
)
def test_a_command_that_is_wrong_is_told(command, fault):
    (block,) = blocks(f"```sh\n{command}   # as an example's\n```\n")
    assert fault in command_fault([*commands(block)][-1].words)


def test_a_key_that_an_earlier_command_adds_is_there():
    (block,) = blocks(
        "```sh\ndvc exp run -S '+systems.x={from: models/pretrained/t5-base}'\n"
        "dvc exp run -S \\\n  'systems.x.from=a'\n```\n"
    )
    first, second = commands(block)
    assert (first.line, second.line) == (2, 3)
    assert "params.yaml has no x" in command_fault(second.words)
    assert command_fault(second.words, [first]) == ""


def test_a_link_that_is_wrong_is_told():
    assert "no such file" in link_fault("README.md", "docs/none.md")
    assert "no such heading" in link_fault("README.md", "CONTRIBUTING.md#none")
    assert "outside docs/" in link_fault("docs/index.md", "../README.md")
    assert link_fault("docs/index.md", "https://example.org/none") == ""


# The reference.


@pytest.mark.parametrize("name", REFERENCE_PAGES)
def test_a_page_of_the_reference_is_up_to_date(name):
    page = f"docs/reference/{name}.md"
    assert text_of_page(page) == REFERENCE_PAGES[name](), f"{page}: `make reference` brings it up to date"


def test_the_reference_is_written_where_it_is_read(project, runs, monkeypatch):
    for name in ("dvc.yaml", "Makefile"):
        shutil.copyfile(ROOT / name, project / name)
    monkeypatch.chdir(project)
    runs(reference.main)
    for name in REFERENCE_PAGES:
        page = f"docs/reference/{name}.md"
        assert Path(page).read_bytes() == (ROOT / page).read_bytes()


def test_the_comments_of_params_yaml_are_those_of_its_keys():
    def keys(value, path=""):
        for key, child in value.items():
            yield f"{path}{key}"
            if isinstance(child, dict):
                yield from keys(child, f"{path}{key}.")

    lines = params_lines((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert [line.key for line in lines] == [*keys(read_params())]
    assert {line.key: line.comment for line in lines}["generate.num_beams"] == "1 is greedy"


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_a_meaning(name):
    meaning = meaning_of(name, MEASURES[name])
    assert meaning
    assert not re.match("(partial|Create) ", meaning), "the docstring of a class, not of the measure"


# Environment variables.

OURS = re.compile(r"RESUMEN_[A-Z_]*[A-Z]")
VARIABLES = {name for group in ENVIRONMENT.values() for name in group}
FOLDERS = ("stages", "resumen", "miniatures")
THE_TABLE = ROOT / "resumen/runtime/environment.py"


def code_files(*folders):
    files = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in files if path not in (THE_TABLE, Path(__file__))]


def read_through_environ(path):
    """Yield the names that a module asks `os.environ` for: in a call, in brackets, or with `in`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        asked = []
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("os.environ."):
            asked = node.args[:1]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            asked = [node.slice]
        elif isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]) == "os.environ":
            asked = [node.left]
        yield from (one.value for one in asked if isinstance(one, ast.Constant))


def test_every_variable_of_ours_that_the_code_reads_is_in_the_table():
    files = [*code_files(*FOLDERS, "benchmarks", "tests"), ROOT / "Makefile", ROOT / ".ci/run"]
    used = {name for path in files for name in OURS.findall(path.read_text(encoding="utf-8"))}
    assert used == {name for name in VARIABLES if OURS.fullmatch(name)}


def test_every_other_variable_that_the_code_reads_is_in_the_table():
    read = {name for path in code_files(*FOLDERS) for name in read_through_environ(path)}
    assert len(read) > 15
    assert read - {"PATH"} <= VARIABLES


def test_every_variable_of_the_pages_is_in_the_table():
    used = {
        f"{page}:{number}: {name}"
        for page in pages()
        for number, line in enumerate(text_of_page(page).splitlines(), start=1)
        for name in OURS.findall(line)
        if name not in VARIABLES
    }
    assert used == set()


def test_prose_keeps_the_numbers_of_lines():
    text = "a\n```sh\nb\n```\n<!-- c\nd -->\ne\n"
    assert prose(text) == ["a", "", "", "", "", "", "e"]
