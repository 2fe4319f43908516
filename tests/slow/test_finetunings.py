"""Fine-tunings come and go through DVC: exactly what is theirs runs, and nothing of them is left."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.helpers.clone import copied, ran, run

ADD = "+finetunings.t5-base={base: t5-base, rows: null, epochs: null}"
ADD_SYSTEM = "+systems.t5-base-finetuned={from: models/finetuned/t5-base}"
REMOVE = ("-S", "~finetunings.t5-base", "-S", "~systems.t5-base-finetuned")
OWN = {
    *("tokenize@t5-base", "finetune@t5-base", "generate@t5-base-finetuned", "probe@t5-base-finetuned"),
    *("evaluate", "report"),
}


def files_of(folder: Path) -> list[str]:
    """Return the files of fine-tuning t5-base and its system, DVC's own and its cache apart."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in found if path.parts[0] in ("data", "models", "metrics", "reports")]
    return [str(path) for path in kept if "t5-base-finetuned" in path.name or is_own(path)]


def is_own(path: Path) -> bool:
    where = path.as_posix()
    folders = (
        "data/tokenized/",
        "models/finetuned/",
        "metrics/tokenize/",
        "metrics/finetune/",
        "metrics/curves/",
    )
    return any(where.startswith(f"{folder}t5-base") for folder in folders)


@pytest.fixture(scope="module")
def two(finished_run, tmp_path_factory):
    """A clone with a second fine-tuning, added by -S, run and committed."""
    clone = copied(finished_run, tmp_path_factory.mktemp("two") / "clone")
    assert ran(run(clone, "dvc", "exp", "run", "-S", ADD, "-S", ADD_SYSTEM)) == OWN
    run(clone, "git", "add", "--all")
    run(clone, "git", "commit", "--quiet", "--message=two")
    return clone


@pytest.fixture
def clone(two, tmp_path):
    return copied(two, tmp_path / "clone")


def tokens_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data/tokenized/t5-base").glob("*.parquet")}


def test_a_changed_recipe_runs_what_stands_on_it_and_no_other_training(clone):
    before = tokens_of(clone)
    assert ran(run(clone, "dvc", "exp", "run", "-S", "finetunings.t5-base.epochs=2")) == OWN
    assert tokens_of(clone) == before


def test_what_is_added_by_hand_is_what_s_adds(two, finished_run, tmp_path):
    by_hand = copied(finished_run, tmp_path / "by_hand")
    yaml, path = YAML(), by_hand / "params.yaml"
    params = yaml.load(path)
    params["finetunings"]["t5-base"] = {"base": "t5-base", "rows": None, "epochs": None}
    params["systems"]["t5-base-finetuned"] = {"from": "models/finetuned/t5-base"}
    yaml.dump(params, path)
    assert ran(run(by_hand, "dvc", "repro")) == OWN
    assert files_of(by_hand) == files_of(two)
    for name in files_of(two):
        assert (by_hand / name).read_bytes() == (two / name).read_bytes()


def test_what_is_set_for_all_trains_those_that_are_silent(clone):
    done = ran(run(clone, "dvc", "exp", "run", "-S", "finetune.label_smoothing=0.1"))
    assert {"finetune@flan-small", "finetune@t5-base"} <= done
    assert not {"tokenize@flan-small", "tokenize@t5-base"} & done


@pytest.mark.parametrize("way", ["-S", "by hand"])
def test_what_is_taken_out_leaves_no_file_and_a_fresh_clone_runs_nothing(clone, tmp_path, way):
    assert len(files_of(clone)) >= 15
    if way == "-S":
        done = ran(run(clone, "dvc", "exp", "run", *REMOVE))
    else:
        yaml, path = YAML(), clone / "params.yaml"
        params = yaml.load(path)
        del params["finetunings"]["t5-base"], params["systems"]["t5-base-finetuned"]
        yaml.dump(params, path)
        done = ran(run(clone, "dvc", "repro"))
    assert {"evaluate"} <= done <= {"evaluate", "report"}  # the page without it is in the run cache
    assert files_of(clone) == []
    run(clone, "git", "add", "--all")
    run(clone, "git", "commit", "--quiet", "--message=one again")
    run(clone, "dvc", "remote", "add", "--default", "--force", "storage", str(tmp_path / "storage"))
    run(clone, "dvc", "push")
    run(clone, "git", "commit", "--quiet", "--all", "--message=remote")
    fresh = tmp_path / "fresh"
    run(tmp_path, "git", "clone", "--quiet", str(clone), str(fresh))
    run(fresh, "dvc", "pull")
    assert ran(run(fresh, "dvc", "repro")) == set()
    assert run(fresh, "git", "status", "--porcelain") == ""


def test_the_data_curve_is_run_by_the_queue_and_shown(clone):
    """Two numbers of articles of one fine-tuning, then of both: a run with other articles is not reused."""
    command = ("python", "-m", "resumen", "curve", "--rows", "10,40")
    message = run(clone, *command, "--finetunings", "flan-small", "--name", "one")
    assert re.search("^flan-small +40 ", message, re.MULTILINE)
    found = json.loads((clone / "metrics/curve.json").read_text(encoding="utf-8"))
    assert [row["rows"] for row in found["points"]] == [0, 10, 40]
    assert (clone / "reports/curve.html").is_file()
    assert ran(run(clone, "dvc", "repro")) == {"report"}
    assert 'id="curve"' in (clone / "reports/report.html").read_text(encoding="utf-8")
    message = run(clone, *command, "--name", "one", fails=True)  # t5-base had all of its articles
    assert "experiment one-10-13 was run with other params than params.yaml with" in message
