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
    "pytest-xdist": "pytest's -n",
}


def normal(name: str) -> str:
    """Return a distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lines(file: str = "requirements.txt") -> dict[str, str]:
    """Return each pin with its reason, the comment beside it; without one, the reason is empty."""
    text = (ROOT / file).read_text(encoding="utf-8")
    split = (re.split(r"(?:^|\s+)#", line, maxsplit=1) for line in text.splitlines())
    return {pin.strip(): "".join(reason).strip() for pin, *reason in split if pin.strip()}


def required(file: str = "requirements.txt") -> dict[str, str]:
    return dict(pin.split("==") for pin in lines(file))


def imported() -> set[str]:
    """Return the distributions that our modules import, without the standard library and `make try`'s."""
    modules = set()
    ours = ("stages", "resumen", "miniatures", "benchmarks", "tests")
    for path in (path for folder in (*ours, ".ci") for path in ROOT.glob(f"{folder}/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(node.module.split(".")[0])
    foreign = modules - sys.stdlib_module_names - set(ours) - set(required("requirements-try.txt"))
    distributions = packages_distributions()  # reads every installed package
    return {normal(name) for module in foreign for name in distributions[module]}  # of ruamel two


def test_every_requirement_is_pinned_exactly():
    pins = required()
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", pin) for pin in pins.values()), pins


def test_requirements_are_what_is_imported():
    assert {normal(name) for name in required()} == imported() | set(NOT_IMPORTED)


def test_the_page_of_the_playground_alone_imports_what_make_try_installs():
    names = "|".join(required("requirements-try.txt"))
    importing = re.compile(rf"^ *(import|from) ({names})\b", re.MULTILINE)
    files = [
        path for folder in ("stages", "resumen", "miniatures") for path in ROOT.glob(f"{folder}/**/*.py")
    ]
    found = [path.name for path in files if importing.search(path.read_text(encoding="utf-8"))]
    assert found == ["playground_page.py"]


def test_every_pin_has_its_reason_beside_it():
    missing = [pin for pin, reason in lines().items() if not reason]
    assert not missing, f"requirements.txt lacks the reason for {missing}"
