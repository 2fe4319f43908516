"""The command line: a user's fault is one line and exit code 1, ours a traceback."""

import os
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from resumen.__main__ import GROUPS
from resumen.runtime.cli import parser, run
from resumen.runtime.errors import InputError
from tests.helpers.paths import ROOT


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize("error", [InputError("x.csv:3: wrong, got 1"), PermissionError(13, "no", "x.csv")])
def test_a_users_fault_is_one_line(error, monkeypatch):
    monkeypatch.delenv("RESUMEN_DEBUG", raising=False)
    with pytest.raises(SystemExit) as stopped:
        run(raising(error))
    assert stopped.value.code == f"error: {error}"


def test_a_fault_of_ours_keeps_its_traceback():
    with pytest.raises(KeyError):
        run(raising(KeyError("x")))


def test_debug_keeps_every_traceback(monkeypatch):
    monkeypatch.setenv("RESUMEN_DEBUG", "1")
    with pytest.raises(InputError):
        run(raising(InputError("x")))


def test_help_is_the_modules_docstring_and_an_example():
    text = parser("Fetch: bring the news.\n\nReads   a\n", "python -m stages.fetch").format_help()
    assert "Fetch: bring the news." in text
    assert text.endswith("example:\n    python -m stages.fetch\n")


def shell(folder, *argv):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *argv]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_process_exits_with_1_and_one_line_on_stderr(project, set_params):
    set_params({"profile": "minni"})
    done = shell(project, "stages.fetch")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: params.yaml: profile: unknown value 'minni'; did you mean mini?"
    ]


@pytest.mark.parametrize("stage", ["generate", "weights", "probe"])
def test_a_missing_argument_says_what_is_expected(project, monkeypatch, capsys, stage):
    module = import_module(f"stages.{stage}")
    monkeypatch.setattr(sys, "argv", [stage])
    with pytest.raises(SystemExit) as stopped:
        run(module.main)
    assert stopped.value.code == 2
    assert "the following arguments are required" in capsys.readouterr().err


HELP_OF_EACH = """
import importlib, sys
for name in sys.argv[1:]:
    sys.argv = [name, "--help"]
    try:
        importlib.import_module(name).main()
    except SystemExit as stopped:
        assert not stopped.code, name
    slow = {"torch", "transformers", "datasets", "evaluate", "pandas", "scipy.stats", "gradio", "dvc"}
    assert not slow & sys.modules.keys(), (name, slow & sys.modules.keys())
"""
HAVE_HELP = (
    *(f"stages.{path.stem}" for path in sorted((ROOT / "stages").glob("[a-z]*.py"))),
    *(f"resumen.tools.{name}" for names in GROUPS.values() for name in names),
    *("resumen.__main__", "miniatures.__main__"),
)


def test_help_is_there_before_what_takes_seconds_to_import():
    command = [sys.executable, "-c", HELP_OF_EACH, *HAVE_HELP]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("example:") == len(HAVE_HELP)


def test_what_trains_and_writes_imports_no_library_that_it_does_not_use():
    code = "import resumen.generation.summaries, resumen.generation.ours, resumen.training.finetuning, sys"
    slow = '{"transformers", "datasets", "evaluate", "pandas", "scipy", "sympy", "torch._dynamo"}'
    command = [sys.executable, "-c", f"{code}; print(*{slow} & sys.modules.keys())"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("error", [InputError("x.csv:3: wrong"), KeyError("x")])
def test_a_failed_experiment_says_the_way_back(error, monkeypatch, tmp_path):
    def told():
        with pytest.raises((SystemExit, KeyError)) as stopped:
            run(raising(type(error)(*error.args)))
        return "\n".join([str(stopped.value), *getattr(stopped.value, "__notes__", [])])

    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert "back to the last" not in told()
    monkeypatch.setenv("DVC_EXP_NAME", "silly-name")
    way = "touch params.yaml; git checkout HEAD params.yaml dvc.lock metrics && dvc checkout --force && "
    way += "dvc repro"
    assert f"`{way}`" in told()
    queued = tmp_path / ".dvc/tmp/exps/tmpabc"
    queued.mkdir(parents=True)
    monkeypatch.chdir(queued)
    assert "back to the last" not in told()


def printing(text, environment=(), then=""):
    """Run a command that prints `text`, a piece of Python, in bash."""
    code = f"from resumen.runtime.cli import run; run(lambda: print({text}))"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -c {shlex.quote(code)} {then}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **dict(environment)},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "? ?o a"), ("cp1252", "? ño a"), ("utf-8", "→ ño a")]
)
def test_standard_output_takes_what_its_encoding_has(encoding, shown):
    done = printing(repr("→ ño a"), {"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stdout.decode(encoding), done.stderr) == (0, f"{shown}\n", b"")


@pytest.mark.parametrize("text", ["'a'", "'a' * 10_000_000"])
def test_a_reader_that_goes_away_ends_it_in_silence(text):
    done = printing(text, then="| true")
    assert done.returncode in (0, 141)
    assert done.stderr == b""


def test_another_broken_pipe_than_that_of_standard_output_is_told():
    done = printing("(_ for _ in ()).throw(BrokenPipeError('upload'))")
    assert (done.returncode, done.stderr) == (1, b"error: upload\n")


def test_ctrl_c_ends_it_without_a_traceback():
    done = printing("(_ for _ in ()).throw(KeyboardInterrupt)")
    assert (done.returncode, done.stderr) == (130, b"")


def test_standard_output_may_be_closed():
    done = printing("'a'", then=">&-")
    assert (done.returncode, done.stderr) == (0, b"")
