"""What contributors go by: workflows, hooks, forms, the version, and recipes that name what is there."""

import os
import re
import subprocess
import sys
import tomllib

import pytest

from resumen.schema.params import read_yaml
from tests.helpers.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted(
    set((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) - {ROOT / ".github/ISSUE_TEMPLATE/config.yml"}
)
JOBS = [(path, name) for path in WORKFLOWS for name in read_yaml(path)["jobs"]]
RECIPES = (
    *("a data source", "a measure", "a stage", "a device", "a tool", "a kind of model"),
    *("a language of the page", "a page of documentation"),
)


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def commands() -> str:
    """Return all that the workflows run."""
    jobs = [read_yaml(path)["jobs"][name] for path, name in JOBS]
    return "\n".join(step["run"] for job in jobs for step in job["steps"] if "run" in step)


def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))


def pin_of(name: str) -> str:
    """Return the version that requirements.txt pins."""
    (version,) = re.findall(rf"^{name}==(\S+)", text_of("requirements.txt"), re.MULTILINE)
    return version


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_reads_and_ends_what_is_older(path):
    workflow = read_yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert "github.ref" in workflow["concurrency"]["group"]
    assert "pull_request" in workflow["on"]
    assert "pull_request_target" not in workflow["on"]  # it would give a fork's code our token


@pytest.mark.parametrize(("path", "name"), JOBS, ids=lambda part: getattr(part, "name", part))
def test_a_job_has_an_end_pinned_actions_and_no_more_rights_than_a_comment_takes(path, name):
    job = read_yaml(path)["jobs"][name]
    assert job["timeout-minutes"] <= 60
    assert set(job.get("permissions", {}).items()) <= {("contents", "read"), ("pull-requests", "write")}
    for action in [step["uses"] for step in job["steps"] if "uses" in step]:
        assert re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", action)


def test_linux_runs_what_every_submission_has_to_pass():
    steps = read_yaml(ROOT / ".github/workflows/ci.yml")["jobs"]["linux"]["steps"]
    assert steps[-1] == {"run": ".ci/run"}
    assert "continue-on-error" not in read_yaml(ROOT / ".github/workflows/ci.yml")["jobs"]["linux"]


def test_the_workflows_run_scripts_and_targets_that_exist():
    scripts = set(re.findall(r"(?<!\S)\.ci/\w+", commands()))
    assert scripts == {".ci/run", ".ci/metrics_report"}
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)
    called = set(re.findall(r"\bmake ([a-z-]+)", commands()))
    assert called
    assert called <= targets()


def test_the_workflows_find_the_pins_that_they_look_for():
    looked_for = re.findall(r"grep -o '\^(\w+)==", commands())
    assert set(looked_for) == {"dvc"}
    assert all(pin_of(name) for name in looked_for)


def test_windows_runs_the_unit_tests_as_make_does():
    pattern = r"pytest -q -n 2 --dist worksteal --durations=10 (stages .*)"
    (made,) = re.findall(pattern, text_of("Makefile"))
    assert re.findall(pattern, commands()) == [made]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_each_thing_once(path):
    form = read_yaml(path)
    assert form["name"]
    assert form["description"]
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0


def test_the_hooks_check_with_the_ruff_that_make_checks_with():
    repos = {
        repo["repo"].split("/")[-1]: repo for repo in read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    }
    assert repos["ruff-pre-commit"]["rev"] == f"v{pin_of('ruff')}"
    hooks = {hook["id"]: hook for repo in repos.values() for hook in repo["hooks"]}
    assert {"ruff-check", "ruff-format", "codespell", "check-added-large-files"} <= hooks.keys()


def test_no_hook_changes_what_stands_in_a_hash():
    """The files of dvc.lock, the shipped data and weights."""
    repos = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = {hook["id"]: hook for repo in repos for hook in repo["hooks"]}
    for name in ("end-of-file-fixer", "trailing-whitespace"):
        for path in (
            "dvc.lock",
            "data/example.csv",
            "metrics/data.json",
            "miniatures/weights/tokenizer.json",
        ):
            assert re.search(hooks[name]["exclude"], path)


def test_the_version_is_one_in_all_places_and_the_newest_of_the_changelog():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    citation = read_yaml(ROOT / "CITATION.cff")
    version, date = re.findall(r"^## (\d\S*) - (\S+)$", text_of("CHANGELOG.md"), re.MULTILINE)[0]
    assert project == citation["version"] == version
    assert str(citation["date-released"]) == date


def test_a_release_says_what_is_new_under_the_headings_of_keep_a_changelog():
    headings = re.findall(r"^### (.+)$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert {"Added", "Changed"} <= set(headings)
    assert set(headings) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_there_is_a_recipe_for_what_is_often_added():
    headings = re.findall(r"^### Add (.+)$", text_of("CONTRIBUTING.md"), re.MULTILINE)
    assert headings == list(RECIPES)


FOLDERS = "stages|resumen|tests|prompts|docs|benchmarks|miniatures|\\.ci|\\.github"
PATH = rf"`((?:{FOLDERS})(?:/[\w.-]+)+|[\w-]+\.(?:md|ya?ml|txt|toml))[` ]"
NEW = re.compile(r"/(test_)?mine\.py$")  # what the recipes make


def test_recipes_name_files_and_targets_that_exist():
    text = text_of("CONTRIBUTING.md")
    named = {path for path in re.findall(PATH, text) if not NEW.search(path)}
    assert len(named) > 40
    assert {path for path in named if not (ROOT / path).exists()} == set()
    links = set(re.findall(r"\]\(([\w./-]+)[#)]", text + text_of("CHANGELOG.md")))
    assert {link for link in links if not (ROOT / link).exists()} == set()
    called = " ".join(re.findall(r"(?:`|^)make ([a-z -]+?)(?:`| {2,}|$)", text, re.MULTILINE)).split()
    assert {"reference", "docs", "readme", "check"} <= set(called) <= targets()


def test_a_name_that_a_recipe_gives_stands_in_the_file_that_it_gives_for_it():
    text = text_of("CONTRIBUTING.md")
    text = text[text.index("## Recipes") : text.index("## Tests")]
    pairs = [
        (path, name) for name, path in re.findall(r"`(\w+)`\s+(?:of|in)\s+`([\w/]+\.(?:py|yaml))`", text)
    ]
    pairs += re.findall(r"`([\w/]+\.\w+)`: (?:an entry|a row|a field|the names) (?:in|of) `(\w+)`", text)
    assert len(pairs) > 12
    assert [pair for pair in pairs if not re.search(rf"\b{pair[1]}\b", text_of(pair[0]))] == []


HEAD = "| Path | Metric | main | workspace | Change |\n|------|--------|------|-----------|--------|\n"
ROW = "| metrics/systems/lead-3.json | rougeL | 31.01 | 30.0 | -1.01 |\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")
@pytest.mark.parametrize(
    ("num_rows", "num_shown", "message"),
    [
        (0, 0, "none moves against `main`"),
        (2, 2, "at `main`: 2."),
        (2_000, (59_999 - len(HEAD)) // len(ROW), " more: "),
    ],
)
def test_the_report_of_a_pull_request_tells_what_moved_and_fits_into_a_comment(
    tmp_path, num_rows, num_shown, message
):
    """Beside a `dvc` that prints such a table."""
    (tmp_path / "table").write_text(HEAD + num_rows * ROW, encoding="utf-8")
    scripts = {
        ".ci/metrics_report": text_of(".ci/metrics_report"),
        ".venv/bin/dvc": f"#!/bin/sh\ncat '{tmp_path}/table'\n",
    }
    for name, content in scripts.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    report = [tmp_path / ".ci/metrics_report", "main"]
    printed = subprocess.run(report, capture_output=True, text=True, check=True).stdout
    assert message in printed
    assert printed.count(ROW) == num_shown
    assert len(printed) < 65_536
