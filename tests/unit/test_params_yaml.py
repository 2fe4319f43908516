"""params.yaml is in the spelling in which DVC writes it: `-S` changes a line, and experiments merge."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides

from resumen.schema.params import read_yaml
from tests.helpers.paths import ROOT

COMMITTED = ROOT / "params.yaml"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a mapping with its key, a.b.c."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, f"{path}.{key}" if path else key)
    else:
        yield path, value


def spelled(value: Any) -> str:
    """Return a value as `-S` takes it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return "'{}'".format(value.replace("'", "\\'"))
    return repr(value)


@pytest.fixture
def overridden(tmp_path):
    """A function that returns the file after `dvc exp run -S` with some overrides."""

    def override(*overrides: str) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
        shutil.copyfile(COMMITTED, path)
        apply_overrides(path, list(overrides))
        return path

    return override


def test_an_override_with_the_value_that_is_there_leaves_the_bytes_equal(overridden):
    same = [f"{key}={spelled(value)}" for key, value in leaves(read_yaml(COMMITTED))]
    assert len(same) > 150
    assert overridden(*same).read_bytes() == COMMITTED.read_bytes()


@pytest.mark.parametrize(
    "override",
    [
        "profile=course",
        "finetune.learning_rate=1e-4",
        "data.train=200",
        "generate.num_beams=4",
        "weights=hub",
    ],
)
def test_an_override_changes_its_line_alone_and_keeps_the_comment(overridden, override):
    before, after = (
        path.read_text(encoding="utf-8").split("\n") for path in (COMMITTED, overridden(override))
    )
    ((old, new),) = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    assert old.partition("#")[1:] == new.partition("#")[1:]


def test_two_experiments_merge(overridden, tmp_path):
    ours, theirs = overridden("finetune.seed=14"), overridden("generate.num_beams=4")
    command = ["git", "merge-file", "--stdout", ours, COMMITTED, theirs]
    merged = subprocess.run(command, capture_output=True, check=True).stdout
    both = overridden("finetune.seed=14", "generate.num_beams=4")
    assert merged == both.read_bytes()
