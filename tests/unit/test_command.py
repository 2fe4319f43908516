import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resumen import __main__ as command
from tests.helpers.paths import ROOT

TOOLS = [name for group in command.GROUPS.values() for name in group]
# Of doctor, of seeds, of summarize and playground; and what `make reference` runs.
HELPERS = {"private", "articles", "queue", "summarizer", "reference"} | {
    "examples",
    "playground_page",
    "playground_texts",
}


@pytest.fixture
def call(monkeypatch, capsys):
    """A function that runs the command with some arguments, and returns what it prints."""

    def run(*argv: str) -> str:
        monkeypatch.setattr(sys, "argv", ["resumen", *argv])
        command.main()
        return capsys.readouterr().out

    return run


def test_every_tool_is_a_subcommand():
    assert {path.stem for path in (ROOT / "resumen/tools").glob("[a-z]*.py")} == {*TOOLS, *HELPERS}


def test_help_lists_the_tools_by_task_with_what_each_does(call):
    text = call("--help")
    assert call() == text
    for title, names in command.GROUPS.items():
        assert f"\n{title}:\n" in text
        assert all(f"\n  {name:<12} {command.summary_of(name)}\n" in text for name in names)
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("name", TOOLS)
def test_a_tools_docstring_is_its_help_with_an_example(call, capsys, name):
    with pytest.raises(SystemExit) as stopped:
        call(name, "--help")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    docstring = ast.get_docstring(ast.parse((ROOT / f"resumen/tools/{name}.py").read_text(encoding="utf-8")))
    assert text.startswith(f"usage: resumen {name} ")
    assert docstring.startswith(f"{name.capitalize()}: ")
    assert f"    resumen {name}" in docstring or name == "playground"
    assert docstring.split("\n")[0] in text


def test_an_unknown_command_is_refused_with_the_nearest(fails, monkeypatch):
    assert fails(command.main, "compere") == "resumen: no such command, got 'compere'; did you mean compare?"


def test_the_version_is_that_of_pyproject(call):
    assert f'version = "{call("--version").split()[1]}"' in (ROOT / "pyproject.toml").read_text(
        encoding="utf-8"
    )


CLONE = ("resumen", "stages", "params.yaml", "prompts")
WHERE = """
import sys, stages.fetch
print({module.__file__ for name, module in sys.modules.items() if name.startswith(("stages", "resumen"))})
"""


@pytest.fixture
def second_clone(tmp_path) -> Path:
    """The code of another clone, under which this one's environment is used."""
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *CLONE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in files.stdout.split():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


@pytest.mark.parametrize("first", ["installed", "on the path"])
def test_a_stage_in_a_second_clone_uses_the_second_ones_modules(second_clone, first):
    """This clone is installed in the environment (`pip install --editable`), or stands on PYTHONPATH."""
    environment = {**os.environ, **({"PYTHONPATH": str(ROOT)} if first == "on the path" else {})}
    done = subprocess.run(
        [sys.executable, "-c", WHERE],
        cwd=second_clone,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {Path(name).resolve() for name in ast.literal_eval(done.stdout)}
    assert len(files) > 20
    assert all(file.is_relative_to(second_clone.resolve()) for file in files)


def test_the_command_of_one_clone_says_so_in_another(second_clone, monkeypatch, caplog, call):
    monkeypatch.chdir(second_clone)
    with pytest.raises(SystemExit):
        call("check", "--help")
    assert caplog.messages == [f"this is the command of {ROOT}; that of this clone is `python -m resumen`"]
