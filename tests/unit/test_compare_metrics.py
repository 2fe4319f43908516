"""CI's comparison of metrics: a model's may differ by what was measured, all others not at all."""

import importlib.util
import json
import re

import pytest

from tests.helpers.clone import run
from tests.helpers.paths import ROOT

TOLERANCES = """# In points.
finetuned: 1.12
other_models: 0.11
probes: 0.41
"""
COPIED = {"rouge1": 40.0, "rouge2": 20.0, "rougeL": 30.0, "lost_words_pct": 1.5}
SCORES = {**COPIED, "probe_exact_pct": 60.0}  # an extractive system answers no probes
BESIDE = {"rougeLsum": 35.0, "novel_bigrams_pct": 50.0}  # what metrics/evaluation.json has more
SYSTEMS = {"lead-3": COPIED, "flan-small": SCORES, "finetuned": SCORES}


def evaluation(**changed):
    """Return metrics/evaluation.json; `changed` are values of systems."""
    values = {name: {**scores, **BESIDE} for name, scores in SYSTEMS.items()} | changed
    return {"num_articles": 200, "systems": [{"system": name, "values": one} for name, one in values.items()]}


METRICS = {
    "data.json": {"splits": [{"split": "train", "kept": 1500}]},
    "tokenize/flan-small.json": {"letters_added": "ñ"},
    "finetune/flan-small.json": {"validation_rougeL": 30.0, "train_loss": 1.0},
    "evaluation.json": evaluation(),
    "plots/training.json": [{"epoch": 0}],
    **{f"systems/{name}.json": scores for name, scores in SYSTEMS.items()},
}


def load():
    """Return the script as a module; its folder is no package."""
    spec = importlib.util.spec_from_file_location("compare_metrics", ROOT / ".ci/compare_metrics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def metrics(tmp_path, monkeypatch):
    """The folder of metrics of a repository that has them committed, as the working directory."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci/tolerances.yaml").write_text(TOLERANCES, encoding="utf-8")
    systems = {"systems": {"finetuned": {"from": "models/finetuned/flan-small"}, "flan-small": {"from": "x"}}}
    (tmp_path / "params.yaml").write_text(json.dumps(systems), encoding="utf-8")
    for name, value in METRICS.items():
        put(tmp_path / "metrics" / name, value)
    run(tmp_path, "git", "init", "--quiet")
    run(tmp_path, "git", "add", "--all")
    run(tmp_path, "git", "commit", "--quiet", "--message=metrics")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "metrics"


@pytest.fixture
def faults(metrics, capsys):
    """A function that compares, and returns the lines about what is wrong; the exit code says so too."""

    def compare():
        with pytest.raises(SystemExit) as ended:
            load().main()
        lines = capsys.readouterr().out.splitlines()
        if not ended.value.code:
            assert len(lines) == 1
            assert lines[0].startswith("metrics agree")
            return []
        return lines

    return compare


def test_the_committed_tolerances_are_read():
    script = load()
    assert script.read_tolerances(ROOT / script.TOLERANCES).keys() == set(script.KINDS)


def test_the_tolerance_is_that_of_the_file(metrics, faults):
    put(metrics / "systems/finetuned.json", {**SCORES, "rougeL": 32.5})
    assert len(faults()) == 1
    raised = TOLERANCES.replace("finetuned: 1.12", "finetuned: 2.5")
    (metrics.parent / ".ci/tolerances.yaml").write_text(raised, encoding="utf-8")
    assert faults() == []


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "probes: 0.41\n",
            "",
            ".ci/tolerances.yaml: probes: missing key, has ['finetuned', 'other_models']",
        ),
        ("probes: 0.41", "probes: 0.41\nprobs: 1", ".ci/tolerances.yaml: probs: unknown key, expected "),
        ("0.41", "", ".ci/tolerances.yaml: probes: expected a number of 0 or more, got None"),
        ("0.41", "-1", ".ci/tolerances.yaml: probes: expected a number of 0 or more, got -1"),
        ("0.41", ".nan", ".ci/tolerances.yaml: probes: expected a number of 0 or more, got nan"),
        (TOLERANCES, "[1.12]", ".ci/tolerances.yaml: expected a mapping, got [1.12]"),
    ],
)
def test_a_fault_of_the_tolerances_names_file_and_key(metrics, before, after, message):
    path = metrics.parent / ".ci/tolerances.yaml"
    path.write_text(TOLERANCES.replace(before, after), encoding="utf-8")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        load().main()


def test_a_metric_that_is_gone_is_a_fault(metrics, faults):
    put(metrics / "systems/flan-small.json", COPIED)
    (line,) = faults()
    assert "probe_exact_pct" in line


def test_equal_metrics_agree(faults):
    assert faults() == []


# A metric of a system, by how many points it is off, and whether that is too much.
OFF = [
    ("finetuned", "rougeL", 1.12, False),
    ("finetuned", "rougeL", -1.12, False),
    ("finetuned", "rouge1", 1.13, True),
    ("finetuned", "rouge2", -1.13, True),
    ("finetuned", "lost_words_pct", 0.01, True),
    ("flan-small", "rougeL", 0.11, False),
    ("flan-small", "rouge1", -0.12, True),
    ("flan-small", "lost_words_pct", -0.01, True),
    ("flan-small", "probe_exact_pct", -0.41, False),
    ("flan-small", "probe_exact_pct", 0.42, True),
    ("finetuned", "probe_exact_pct", 0.42, True),
    ("lead-3", "rougeL", 0.01, True),
    ("lead-3", "lost_words_pct", 0.01, True),
]


def now(system, name, points):
    """Return the metrics of a system with one of them `points` off."""
    before = METRICS[f"systems/{system}.json"]
    return {**before, name: round(before[name] + points, 2)}


@pytest.mark.parametrize(("system", "name", "points", "too_much"), OFF)
def test_a_system_may_be_off_by_its_own_tolerance(metrics, faults, system, name, points, too_much):
    put(metrics / f"systems/{system}.json", now(system, name, points))
    result = faults()
    assert len(result) == too_much
    assert all(line.startswith(f"metrics/systems/{system}.json: ") and name in line for line in result)


OFF_BESIDE = [
    ("finetuned", "rougeLsum", 1.12, False),
    ("finetuned", "rougeLsum", 1.13, True),
    ("flan-small", "rougeLsum", 0.12, True),
    ("flan-small", "novel_bigrams_pct", 9.0, False),  # what a model wrote decides it
    ("lead-3", "novel_bigrams_pct", 0.01, True),
]


@pytest.mark.parametrize(("system", "name", "points", "too_much"), OFF_BESIDE)
def test_what_metrics_systems_leaves_out_is_held_too(metrics, faults, system, name, points, too_much):
    values = {**SYSTEMS[system], **BESIDE}
    put(metrics / "evaluation.json", evaluation(**{system: {**values, name: values[name] + points}}))
    result = faults()
    assert len(result) == too_much
    assert all(line.startswith(f"metrics/evaluation.json: {system}: ") and name in line for line in result)


@pytest.mark.parametrize(("points", "too_much"), [(0.0, False), (1.12, False), (1.13, True), (-1.13, True)])
def test_the_validation_score_may_be_off_as_the_test_score_may(metrics, faults, points, too_much):
    now = {"validation_rougeL": round(30.0 + points, 2), "train_loss": 9.0}
    put(metrics / "finetune/flan-small.json", now)
    assert len(faults()) == too_much


def test_what_a_training_reads_is_equal(metrics, faults):
    put(metrics / "finetune/flan-small.json", {"validation_rougeL": 30.0, "articles_read": 7, "steps": 3})
    assert faults() == ["metrics/finetune/flan-small.json: articles_read, steps: not as committed"]


@pytest.mark.parametrize("name", ["data.json", "tokenize/flan-small.json"])
def test_what_no_model_decides_is_equal(metrics, faults, name):
    put(metrics / name, {**METRICS[name], "num_rows": 1})
    (line,) = faults()
    assert line.startswith(f"metrics/{name}: expected ")


@pytest.mark.parametrize("name", METRICS)
def test_a_file_that_is_gone_is_a_fault(metrics, faults, name):
    (metrics / name).unlink()
    assert faults() == [f"metrics/{name}: gone"]


@pytest.mark.parametrize("name", ["systems/own.json", "more.json"])
def test_a_file_that_appeared_is_a_fault(metrics, faults, name):
    put(metrics / name, SCORES)
    assert faults() == [f"metrics/{name}: appeared"]


def test_all_faults_are_said_at_once(metrics, faults):
    (metrics / "data.json").unlink()
    put(metrics / "systems/lead-3.json", {**COPIED, "rouge1": 41.0})
    put(metrics / "systems/finetuned.json", {**SCORES, "rouge1": 42.0, "rouge2": 22.0})
    assert len(faults()) == 4
