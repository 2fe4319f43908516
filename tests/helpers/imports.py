"""Which module imports which, read from the code: nothing is imported."""

import ast
from functools import cache
from pathlib import Path

from tests.helpers.paths import ROOT

PACKAGES = ("stages", "resumen", "miniatures")


def modules() -> dict[str, Path]:
    """Return the file of each of the project's modules, packages left out, by name."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in paths
        if path.name != "__init__.py"
    }


@cache
def imported_by(module: str) -> frozenset[str]:
    """Return the project's modules that `module` imports, at its top or inside a function."""
    known, result = modules(), set()
    for node in ast.walk(ast.parse(known[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            result |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            result |= {alias.name for alias in node.names}
    return frozenset(result & known.keys())


def reached_from(module: str) -> set[str]:
    """Return `module` and every module of the project that it imports, however deep."""
    result, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in result:
            result.add(name)
            todo += imported_by(name)
    return result


def room_of(module: str) -> str:
    """Return the folder that a module lies in, as dvc.yaml would name it.

    >>> room_of("resumen.text.words"), room_of("stages.fetch")
    ('resumen/text', 'stages')
    """
    return "/".join(module.split(".")[:-1])
