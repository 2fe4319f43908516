"""Resumen: what people run beside the pipeline, which `dvc repro` runs.

resumen check
resumen compare HEAD
python -m resumen compare HEAD      the same, of a clone that is not installed
"""

import ast
import logging
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from resumen.runtime.cli import run
from resumen.runtime.errors import InputError, nearest

log = logging.getLogger("resumen")

TOOLS = Path(__file__).with_name("tools")
GROUPS = {
    "Before and after a run": ("check", "doctor"),
    "Read the results": ("results", "compare", "seeds", "curve", "show"),
    "Use the models": ("summarize", "playground", "publish"),
}


def summary_of(name: str) -> str:
    """Return the first line of a tool's docstring without its name; the tool is not imported."""
    code = ast.parse((TOOLS / f"{name}.py").read_text(encoding="utf-8"))
    first = (ast.get_docstring(code) or "").split("\n")[0]
    return first.removeprefix(f"{name.capitalize()}: ")


def help_text() -> str:
    """Return what `resumen --help` prints: the commands, grouped by task."""
    lines = ["usage: resumen COMMAND ...", "", "What people run beside the pipeline (`dvc repro`).", ""]
    for title, names in GROUPS.items():
        lines += [f"{title}:", *(f"  {name:<12} {summary_of(name)}" for name in names), ""]
    lines += ["`resumen COMMAND --help` says what a command reads and writes.", "", "example:"]
    return "\n".join([*lines, "    resumen compare HEAD", ""])


def installed_version() -> str:
    """Return the version that is installed."""
    try:
        return version("resumen")
    except PackageNotFoundError:
        return "not installed; `make repro` or `pip install -e .` installs it"


def warn_of_another_clone() -> None:
    """Say so where the command of one clone is run in another: it would be the first one's code."""
    here = Path("resumen/__main__.py")
    if here.is_file() and not here.samefile(__file__):
        log.warning("this is the command of %s; that of this clone is `python -m resumen`", TOOLS.parents[1])


def main() -> None:
    """Run the command that the first argument names.

    Raises:
        InputError: there is no such command.
    """
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        sys.stdout.write(help_text())
        return
    if name == "--version":
        sys.stdout.write(f"resumen {installed_version()}\n")
        return
    names = [tool for group in GROUPS.values() for tool in group]
    if name not in names:
        raise InputError(f"resumen: no such command, got {name!r}{nearest(name, names)}")
    warn_of_another_clone()
    sys.argv = [f"resumen {name}", *rest]
    import_module(f"resumen.tools.{name}").main()


def entry() -> None:
    """Run `main`; what the installed command calls."""
    run(main)


if __name__ == "__main__":
    entry()
