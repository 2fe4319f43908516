"""The cores: how threads wait for one another is decided before PyTorch is loaded, by who else is busy."""

import ast
import logging
import os
import re
import sys

import pytest

from resumen.runtime.cpu import WAIT_POLICY, share_cores
from tests.helpers.imports import modules, reached_from

LOG = logging.getLogger("test")


@pytest.fixture
def beside(monkeypatch):
    """A function that calls `share_cores` while other processes use so many of four cores."""
    for name in WAIT_POLICY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)

    def call(busy):
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        monkeypatch.setattr("psutil.cpu_percent", lambda interval: 100 * busy / 4)
        share_cores(LOG)
        return os.environ.get("OMP_WAIT_POLICY")

    yield call
    os.environ.pop("OMP_WAIT_POLICY", None)  # monkeypatch did not set it


@pytest.mark.parametrize(("busy", "policy"), [(0.0, None), (0.2, None), (1.0, "PASSIVE"), (4.0, "PASSIVE")])
def test_threads_that_wait_give_up_their_core_where_other_processes_are_busy(beside, busy, policy):
    assert beside(busy) == policy


@pytest.mark.parametrize("name", WAIT_POLICY)
def test_the_user_has_the_last_word(beside, monkeypatch, name):
    monkeypatch.setenv(name, "ACTIVE")
    assert beside(4.0) == ("ACTIVE" if name == "OMP_WAIT_POLICY" else None)


def test_once_pytorch_is_loaded_it_is_too_late(beside, monkeypatch):
    monkeypatch.setattr("psutil.cpu_percent", None)
    monkeypatch.setitem(sys.modules, "torch", logging)
    share_cores(LOG)


def loads_torch(module):
    """Return whether a module of the project imports PyTorch, itself or by another."""
    code = [modules()[name].read_text(encoding="utf-8") for name in reached_from(module)]
    return any(re.search(r"^(?:import torch|from torch)", one, re.MULTILINE) for one in code)


def late_imports(module):
    """Yield the functions of a module that import one which loads PyTorch, and the line of that."""
    for function in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ImportFrom) and node.module in modules() and loads_torch(node.module):
                    yield function, node.lineno


COMMANDS = [name for name in modules() if name.startswith(("stages", "resumen.tools", "miniatures.__main__"))]


def test_whatever_loads_pytorch_asks_before():
    asked = {}
    for module in COMMANDS:
        for function, line in late_imports(module):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            names = {node.func.id for node in calls if isinstance(node.func, ast.Name) and node.lineno < line}
            asked[module] = asked.get(module, True) and "share_cores" in names
    assert asked == dict.fromkeys(
        ["miniatures.__main__", "resumen.tools.playground", "resumen.tools.summarize"]
        + [f"stages.{name}" for name in ("finetune", "generate", "probe")],
        True,
    )
