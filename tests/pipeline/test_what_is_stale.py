"""What a change makes stale, as `dvc status` says it of a clone in which everything has run."""

import pytest
from dvc.repo import Repo

from tests.helpers.clone import run, set_params

SYSTEMS = ("t5-base-prefix", "flan-small", "finetuned")
SCHEMA_USERS = {
    *("fetch", "format", "tokenize@flan-small", "finetune@flan-small", "extract", "evaluate", "report"),
    *("weights@t5-base", "weights@flan-small"),
    *(f"{stage}@{name}" for stage in ("generate", "probe") for name in SYSTEMS),
}
# What is added at the end of a file, and the stages that are stale then.
CHANGES = {
    "resumen/runtime/cli.py": ("# a comment\n", set()),
    "resumen/runtime/progress.py": ("# a comment\n", set()),
    "resumen/tools/compare.py": ("# a comment\n", set()),
    "resumen/__main__.py": ("# a comment\n", set()),
    "resumen/text/notes.md": ("A note.\n", set()),
    "resumen/text/__pycache__/words.pyc": ("left behind\n", set()),
    "miniatures/recipes.py": ("# a comment\n", set()),
    "README.md": ("More.\n", set()),
    "resumen/page/report.js": ("// a comment\n", {"report"}),
    "resumen/scoring/bootstrap.py": ("# a comment\n", {"evaluate", "report"}),
    "resumen/training/loop.py": ("# a comment\n", {"finetune@flan-small"}),
    "stages/extract.py": ("# a comment\n", {"extract"}),
    "resumen/schema/sections.py": ("# a comment\n", SCHEMA_USERS),
}


def stale() -> set[str]:
    """Return the stages of which `dvc status` says that something they depend on has changed."""
    with Repo() as repo:
        return set(repo.status())


@pytest.fixture(autouse=True)
def back(clone, monkeypatch):
    """Work in the clone; afterwards, return to the committed state."""
    monkeypatch.chdir(clone)  # DVC names stages as they are seen from there
    yield
    run(clone, "git", "checkout", "--quiet", ".")
    run(clone, "git", "clean", "--quiet", "--force", "-d", "resumen")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_makes_stale_the_stages_that_use_its_room(clone, name):
    addition, expected = CHANGES[name]
    path = clone / name
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(addition)
    assert stale() == expected


def test_a_recipe_of_ones_own_makes_stale_what_is_trained_by_it(clone):
    set_params(clone, {"finetunings.flan-small.epochs": 2})
    assert stale() == {"tokenize@flan-small", "finetune@flan-small", "evaluate", "report"}


def test_a_changed_default_of_the_schema_makes_its_stages_stale(clone):
    path = clone / "resumen/schema/sections.py"
    text = path.read_text(encoding="utf-8")
    field = "    seed: NonNegativeInt  # of random-3\n"
    assert field in text
    path.write_text(text.replace(field, field.replace("  #", " = 6  #")), encoding="utf-8")
    assert stale() == SCHEMA_USERS


def test_a_test_split_of_another_size_makes_no_training_stale(clone):
    set_params(clone, {"data.test": 11})
    assert stale() == {"fetch", "report"}  # the others once what they read differs: tests/slow
