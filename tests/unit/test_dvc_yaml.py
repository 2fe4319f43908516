import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from resumen.runtime import paths
from resumen.schema.params import read_yaml
from resumen.schema.rows import SPLITS
from stages.report import SECTIONS
from tests.helpers.docs import READMES, text_of_page
from tests.helpers.imports import modules, reached_from, room_of
from tests.helpers.paths import ROOT

DVC = read_yaml(ROOT / "dvc.yaml")
PARAMS = read_yaml(ROOT / "params.yaml")
STAGES = {name: stage.get("do", stage) for name, stage in DVC["stages"].items()}
FOREACH = {name for name, stage in DVC["stages"].items() if "foreach" in stage}

# The params of each stage: its own section, and the keys of others that it needs.
READS = {
    "fetch": {"data"},
    "format": {"format"},
    "weights": {"weights", "checkpoints.${key}"},
    "tokenize": {"tokenize", "finetunings.${key}", "format.style"},
    "finetune": {"finetune", "finetunings.${key}"},
    "extract": {"extract", "data.language"},
    "generate": {"systems.${key}", "generate", "tokenize.source_tokens", "format.style"},
    "probe": {"systems.${key}", "probe"},
    "evaluate": {"comparisons", "data.language", "evaluate", "finetunings", "systems"},
    "report": {"checkpoints", "comparisons", "profile", "systems", "weights", *SECTIONS},
}


@pytest.mark.parametrize("path", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.stem)
def test_params_yaml_is_read_once(path):
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    calls = [node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert calls.count("checked_params") <= 1 + (path.stem == "fetch")  # of --pin
    assert not {"load_params", "read_params"} & set(calls)


def profile_keys(stage: dict) -> set[str]:
    """Return the keys that a stage takes from the profile, as it would name them itself."""
    prefix = "profiles.${profile}."
    return {key.removeprefix(prefix) for key in stage["params"] if key.startswith(prefix)}


def test_the_stages_are_all_there():
    assert set(STAGES) == set(READS)
    assert {"weights", "tokenize", "finetune", "generate", "probe"} == FOREACH


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_module_and_the_rooms_that_it_uses_but_runtime(name):
    declared = {dep for dep in STAGES[name]["deps"] if dep.startswith(("stages", "resumen"))}
    rooms = {room_of(module) for module in reached_from(f"stages.{name}")} - {"stages", "resumen/runtime"}
    assert declared == {f"stages/{name}.py", *rooms}


@pytest.mark.parametrize("name", STAGES)
def test_every_file_beside_the_code_in_deps_is_one_that_it_reads(name):
    """The constant of paths.py stands in a module that the stage reaches."""
    reached = reached_from(f"stages.{name}") - {paths.__name__}
    code = "".join(modules()[module].read_text(encoding="utf-8") for module in reached)
    names = {str(value): name for name, value in vars(paths).items() if isinstance(value, Path)}
    for dep in STAGES[name]["deps"]:
        if dep.startswith(("prompts/", "miniatures/")):
            assert re.search(rf"\b{names[dep]}\b", code), f"{name} does not read {dep}"


def test_a_stage_depends_on_what_it_reads_and_not_on_the_folder_around_it():
    code = "".join(
        (ROOT / path).read_text(encoding="utf-8")
        for path in ("stages/finetune.py", "resumen/training/finetuning.py")
    )
    read = {name for name in ("tokenizer", *(f"{split}.parquet" for split in SPLITS)) if f'"{name}"' in code}
    assert read == {"tokenizer", "train.parquet", "validation.parquet"}
    tokenized = {dep for dep in STAGES["finetune"]["deps"] if dep.startswith("data/tokenized")}
    assert tokenized == {f"data/tokenized/${{key}}/{name}" for name in read}


@pytest.mark.parametrize("name", STAGES)
def test_params_are_those_that_the_stage_reads(name):
    own = {key for key in STAGES[name]["params"] if not key.startswith("profiles.")}
    assert own == READS[name]


@pytest.mark.parametrize("name", STAGES)
def test_a_section_with_nulls_is_read_with_its_profile(name):
    wanted = set()
    for key in READS[name]:
        section, _, rest = key.partition(".")
        value = PARAMS[section] if not rest else PARAMS[section].get(rest)
        holds_null = value is None or (isinstance(value, dict) and None in value.values())
        if holds_null and section in PARAMS["profiles"]["mini"]:
            wanted.add(key)
    assert profile_keys(STAGES[name]) == wanted


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_one_name_in_all_places(name):
    stage = STAGES[name]
    argument = " ${key}" if name in FOREACH else ""
    assert stage["cmd"] == f"python -m stages.{name}{argument}"
    assert (ROOT / f"tests/unit/test_{name}.py").exists()
    code = (modules()[module].read_text(encoding="utf-8") for module in reached_from(f"stages.{name}"))
    assert any(f'logging.getLogger("{name}")' in one for one in code)
    code = (ROOT / f"stages/{name}.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(code)).startswith(f"{name.capitalize()}: ")


@pytest.mark.parametrize("name", STAGES)
def test_readme_lists_the_stage_with_its_desc(name):
    desc = STAGES[name]["desc"]
    assert desc.endswith(".")
    assert len(desc) <= 80, "dvc stage list cuts longer ones"
    assert f"| `{name}` | {desc} |" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_both_readmes_list_the_stages_in_the_same_order():
    english, spanish = (
        [
            name
            for name in re.findall(r"^\| `(\w+)` \| .+\. \|$", text_of_page(page), re.MULTILINE)
            if name in STAGES
        ]
        for page in READMES
    )
    assert english == spanish
    assert set(english) == set(STAGES)


def test_every_profile_fills_the_same_nulls():
    sections = [
        {name: set(section) for name, section in profile.items() if isinstance(section, dict)}
        for profile in PARAMS["profiles"].values()
    ]
    for profile in sections:
        for name in ("tokenize", "finetune", "generate", "probe"):
            nulls = {key for key, value in PARAMS[name].items() if value is None}
            assert profile[name] == nulls


def test_metrics_are_kept_by_git_and_data_by_dvc():
    for stage in STAGES.values():
        for out in [*stage.get("metrics", []), *stage.get("plots", [])]:
            ((path, options),) = out.items()
            assert path.startswith("metrics/")
            assert options["cache"] is False
        assert all(out.split("/")[0] in ("data", "models", "reports") for out in stage["outs"])


def test_the_template_of_the_plots_draws_fields_that_they_have():
    plots = {path: options for plot in STAGES["evaluate"]["plots"] for path, options in plot.items()}
    assert {options["template"] for options in plots.values()} == {"intervals", "curves"}
    for path, options in plots.items():
        template = (ROOT / f".dvc/plots/{options['template']}.json").read_text(encoding="utf-8")
        drawn = {field for field in re.findall(r'"field": "(\w+)"', template) if field != "rev"}
        row = json.loads((ROOT / path).read_text(encoding="utf-8"))[0]
        assert drawn | {options["x"], options["y"]} <= row.keys()


@pytest.mark.parametrize("name", ["data/mine.csv", "models/teacher"])
def test_what_dvc_add_writes_beside_data_and_models_is_gits_and_they_are_not(name):
    def ignored(path):
        return subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0

    assert ignored(name)
    assert not ignored(f"{name}.dvc")
