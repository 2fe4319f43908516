import ast
import re
from collections import defaultdict

import pytest

from resumen.runtime import paths
from tests.helpers.imports import imported_by, modules, reached_from, room_of
from tests.helpers.paths import ROOT

# From the ground up: a room may import those before it, and no other.
ROOMS = (
    *("runtime", "text", "schema", "formats", "checkpoint", "news", "sources", "vocabulary", "prompts"),
    *("model", "generation", "rouge", "training", "scoring", "page", "tools"),
)
LONGEST = 60  # lines of a function
EVERYWHERE = {"main", "log"}  # names that each stage and tool has for itself
NO_CODE = {
    "news": (".yaml",),
    "page": (".css", ".j2", ".js"),
    "sections": (".j2",),
}  # what the news are, and what the page is made with


def level(module: str) -> int:
    """Return how high a module stands: rooms by ROOMS, above them the command, the recipes and the stages."""
    package, *rest = room_of(module).split("/")
    return ROOMS.index(rest[0]) if rest else len(ROOMS) + (package != "resumen")


def top_level_names(module: str) -> list[str]:
    """Return the names that a module defines at its top level, imports left out."""
    names = []
    for node in ast.parse(modules()[module].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [name.id for one in targets for name in ast.walk(one) if isinstance(name, ast.Name)]
    return names


def test_the_rooms_are_those_in_this_list():
    folders = {path.parent.name for path in (ROOT / "resumen").glob("*/__init__.py")}
    assert folders == set(ROOMS)


@pytest.mark.parametrize("module", modules())
def test_arrows_between_rooms_run_downwards(module):
    for other in imported_by(module):
        assert room_of(other) != "stages", f"{module} imports a stage, {other}"
        if room_of(other) != room_of(module):
            assert level(other) < level(module), f"{module} imports {other}, which stands above it"
            assert room_of(other) != "resumen/tools" or module == "resumen.__main__"


@pytest.mark.parametrize("module", modules())
def test_modules_import_one_another_in_no_circle(module):
    assert all(module not in reached_from(other) for other in imported_by(module))


@pytest.mark.parametrize("module", modules())
def test_no_function_is_too_long_to_see_at_once(module):
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < LONGEST, f"{module}.{node.name}"


def test_a_name_has_one_meaning():
    defined = defaultdict(list)
    for module in modules():
        if module.startswith("resumen."):
            for name in set(top_level_names(module)) - EVERYWHERE:
                defined[name].append(module)
    assert {name: several for name, several in defined.items() if len(several) > 1} == {}


@pytest.mark.parametrize(
    "package", ["stages", "resumen", "miniatures", *(f"resumen/{room}" for room in ROOMS)]
)
def test_a_package_says_its_idea_and_holds_nothing_else(package):
    body = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert isinstance(body[0].value.value, str)


def is_path(node: ast.AST) -> bool:
    """Return whether code spells a path: `Path("data/raw")`, `RAW_DIR / "test.parquet"`."""
    outputs = re.compile("(data|models|metrics|reports|prompts|miniatures)/")
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Path" and node.args:
        return isinstance(node.args[0], ast.Constant) and bool(outputs.match(str(node.args[0].value)))
    is_joined = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    named = is_joined and isinstance(node.left, ast.Name) and node.left.id in vars(paths)
    return named and isinstance(node.right, ast.Constant)


def test_paths_stand_in_one_module():
    for module, path in modules().items():
        if module.startswith(("resumen.", "stages.")) and module != paths.__name__:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                assert not is_path(node), f"{module}:{node.lineno}: a path"


def test_rooms_hold_code_the_news_and_what_the_page_is_made_with():
    for path in (ROOT / "resumen").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.suffix == ".py" or path.suffix in NO_CODE.get(path.parent.name, ()), path


def test_stages_holds_the_ten_stages_alone():
    names = {path.name for path in (ROOT / "stages").iterdir()} - {"__pycache__", "__init__.py"}
    assert len(names) == 10
    assert all(name.endswith(".py") for name in names)


# Functions that write, move or remove: in `all` or `any` the first answer would leave out the rest.
WRITING = re.compile(r"\b(call|removes?|move|repair_\w+|write_\w+|copy_folder|copyfile)\(")


@pytest.mark.parametrize("module", modules())
def test_nothing_is_done_inside_all_or_any(module):
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("all", "any"):
            code = ast.unparse(node)
            assert not WRITING.search(code), f"{module}:{node.lineno}: {code}"


DOCUMENTED = {"_replace", "_asdict", "_fields", "_exit"}  # of named tuples, and of os
PRIVATE = {"resumen.model.private", "resumen.tools.private"}  # of PyTorch, and of DVC


@pytest.mark.parametrize("module", modules())
def test_private_parts_of_a_library_stand_in_one_module(module):
    if module in PRIVATE:
        return
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            assert node.attr in DOCUMENTED, f"{module}:{node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            )
            for name in names:  # DVC documents its commands and dvc.api
                assert "._" not in name, f"{module}:{node.lineno}: {name}"
                assert name == "dvc.api" or name.split(".")[0] not in ("dvc", "dvc_data", "dvc_objects")
