import ast
import re
import sys
from importlib.metadata import packages_distributions

from tests.helpers.paths import ROOT

# What is needed without an import: commands, and what another package loads by itself.
NOT_IMPORTED = {
    "dvc": "the command",
    "mypy": "the command",
    "ruff": "the command",
    "accelerate": "transformers' Trainer needs it",
    "pytest-xdist": "pytest's -n",
}


def normal(name: str) -> str:
    """Return a distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line)


def imported() -> set[str]:
    """Return the distributions that our modules import, the standard library left out."""
    modules = set()
    ours = ("stages", "benchmarks", "tests")
    for path in (path for folder in (*ours, ".ci") for path in ROOT.glob(f"{folder}/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.split(".")[0])
    foreign = modules - sys.stdlib_module_names - set(ours)
    distributions = packages_distributions()  # reads every installed package
    return {normal(distributions[module][0]) for module in foreign}


def test_every_requirement_is_pinned_exactly():
    pins = required()
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", pin) for pin in pins.values()), pins


def test_requirements_are_what_is_imported():
    assert {normal(name) for name in required()} == imported() | set(NOT_IMPORTED)


def test_log_says_why_each_requirement_was_chosen():
    log = (ROOT / "LOG.md").read_text(encoding="utf-8")
    missing = [name for name in required() if f"`{name}`" not in log]
    assert not missing, f"LOG.md lacks a line on {missing}"
