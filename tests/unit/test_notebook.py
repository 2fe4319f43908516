"""The notebook: it parses, its commands exist, it holds no outputs, and a diff of it can be read."""

import ast
import json
import re

import pytest

from tests.helpers.docs import Block, command_fault, commands, link_fault, links, spans
from tests.helpers.paths import ROOT

NOTEBOOK = "docs/tutorials/resumen.ipynb"
TEXT = (ROOT / NOTEBOOK).read_text(encoding="utf-8")
CONTENT = json.loads(TEXT)
CELLS = {cell["id"]: "".join(cell["source"]) for cell in CONTENT["cells"]}
CODE = [cell["id"] for cell in CONTENT["cells"] if cell["cell_type"] == "code"]
PROSE = [cell["id"] for cell in CONTENT["cells"] if cell["cell_type"] == "markdown"]
SHELL = re.compile(r"^( *)!(.*)", re.MULTILINE)
COMMANDS = [
    command
    for name, source in CELLS.items()
    for block in (
        [Block(1, "sh", [line for _, line in SHELL.findall(source)])] if name in CODE else spans(source)
    )
    for command in commands(block)
]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_it_is_a_notebook_of_format_4_5_without_outputs():
    assert (CONTENT["nbformat"], CONTENT["nbformat_minor"]) == (4, 5)
    assert sorted(CONTENT["metadata"]) == ["kernelspec", "language_info"]
    assert len(CELLS) == len(CONTENT["cells"])  # no id twice
    for cell in CONTENT["cells"]:
        assert re.fullmatch(r"[a-z-]{1,64}", cell["id"])
        assert cell["metadata"] == {}
        if cell["id"] in CODE:
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
        else:
            assert cell["cell_type"] == "markdown"


def test_its_file_is_in_the_form_that_a_diff_can_show():
    assert json.dumps(CONTENT, indent=1, ensure_ascii=False) + "\n" == TEXT


@pytest.mark.parametrize("name", CODE)
def test_a_cell_parses_as_python(name):
    script = re.sub(r"\A%%script python\n", "", CELLS[name])
    ast.parse(SHELL.sub(r"\1pass", script))


@pytest.mark.parametrize("index", range(len(COMMANDS)), ids=lambda index: " ".join(COMMANDS[index].words))
def test_a_command_exists_with_its_options_keys_and_targets(index):
    assert command_fault(COMMANDS[index].words, COMMANDS[:index]) == ""


def test_the_commands_that_it_is_about_are_among_those_checked():
    assert {"check", "results", "show", "compare"} <= {
        command.words[1] for command in COMMANDS if command.words[0] == "resumen"
    }
    assert {"repro", "exp"} <= {command.words[1] for command in COMMANDS if command.words[0] == "dvc"}


@pytest.mark.parametrize("name", PROSE)
def test_links_and_files_that_a_cell_names_are_there(name):
    faults = [link_fault(NOTEBOOK, target) for _, target in links(CELLS[name])]
    assert [fault for fault in faults if fault] == []
    for path in re.findall(r"`(docs/[^`]+)`", CELLS[name]):
        assert (ROOT / path).is_file(), path


def test_torch_is_the_version_that_is_pinned():
    (pin,) = set(re.findall(r"\btorch==[\d.]+", "".join(CELLS.values())))
    assert f"\n{pin} " in (ROOT / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("parameter", ["RUN_COURSE", "SAVE_TO_DRIVE"])
def test_hours_and_the_drive_wait_to_be_asked_for(parameter):
    (source,) = [text for text in CELLS.values() if text.startswith(f"{parameter} = False")]
    (guarded,) = ast.parse(SHELL.sub(r"\1pass", source)).body[1:]
    assert isinstance(guarded, ast.If)
    assert ast.unparse(guarded.test) == parameter
