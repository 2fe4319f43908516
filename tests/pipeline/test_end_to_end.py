"""The pipeline scaled down, from fetch to report, as its users run it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from resumen.schema.params import read_yaml
from resumen.schema.systems import EXTRACTIVE
from tests.helpers.clone import KEPT_SYSTEMS, ran, repro, run, set_params
from tests.helpers.processes import ended, start


@pytest.fixture(autouse=True)
def _as_it_was(clone):
    """Afterwards, have the clone as it was committed, whatever the test has left."""
    yield
    if run(clone, "git", "status", "--porcelain"):
        run(clone, "git", "checkout", "--quiet", ".")
        run(clone, "git", "clean", "--quiet", "--force", "-d")
        run(clone, "dvc", "checkout", "--force")


def lock_of(folder: Path) -> dict:
    return read_yaml(folder / "dvc.lock")["stages"]


def test_every_output_is_there(clone):
    for stage in lock_of(clone).values():
        for out in stage["outs"]:
            assert (clone / out["path"]).exists(), out["path"]


def test_a_second_repro_runs_nothing(clone):
    assert repro(clone) == set()
    assert "up to date" in run(clone, "dvc", "status")


def test_a_speed_variable_runs_nothing(clone, monkeypatch):
    monkeypatch.setenv("RESUMEN_THREADS", "1")
    monkeypatch.setenv("RESUMEN_DEVICE", "cpu")
    assert repro(clone) == set()


def test_the_finetuned_folder_loads_and_writes_spanish(clone):
    folder = clone / "models/finetuned/flan-small"
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("El niño llegó según lo previsto.", return_tensors="pt").input_ids
    assert tokenizer.decode(ids[0], skip_special_tokens=True) == "El niño llegó según lo previsto."
    assert model.generate(ids, max_new_tokens=5).shape[0] == 1


def test_no_reference_loses_a_letter_after_the_repair(clone):
    metrics = json.loads((clone / "metrics/tokenize/flan-small.json").read_text(encoding="utf-8"))
    before, after = metrics["spelling"]
    assert before["exact_round_trip_pct"] < 50
    assert after["exact_round_trip_pct"] == 100


def test_scores_hold_every_system_and_article_once(clone):
    scores = pd.read_parquet(clone / "data/scores.parquet")
    assert len(scores) == (len(EXTRACTIVE) + 3) * 12
    assert not scores.duplicated(["system", "id"]).any()


def test_outputs_hold_no_path_of_this_machine(clone):
    folders = ("data", "metrics", "models", "reports")
    for out in [path for folder in folders for path in (clone / folder).rglob("*")]:
        if out.is_file():
            assert str(clone).encode() not in out.read_bytes(), out


@pytest.mark.parametrize(
    "name",
    "fetch format weights@flan-small tokenize@flan-small finetune@flan-small extract "
    "generate@t5-base-prefix generate@finetuned probe@flan-small evaluate report".split(),
)
def test_a_stage_makes_the_same_bytes_with_its_deps_alone(clone, tmp_path, name):
    stage = lock_of(clone)[name]
    for dep in stage["deps"]:
        source, target = clone / dep["path"], tmp_path / dep["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
    shutil.copyfile(clone / "params.yaml", tmp_path / "params.yaml")
    ended(start(*stage["cmd"].split()[2:], folder=tmp_path, PYTHONPATH=""))
    for out in stage["outs"]:
        files = [clone / out["path"]]
        if files[0].is_dir():
            files = sorted(path for path in files[0].rglob("*") if path.is_file())
        assert files
        for file in files:
            assert (tmp_path / file.relative_to(clone)).read_bytes() == file.read_bytes(), file.name


def test_a_clone_with_line_ends_of_windows_finds_nothing_stale(clone, tmp_path):
    other = tmp_path / "other"
    run(tmp_path, "git", "clone", "--quiet", "--config", "core.autocrlf=true", str(clone), str(other))
    run(other, "dvc", "cache", "dir", "--local", str(clone / ".dvc/cache"))
    run(other, "dvc", "checkout")
    assert "up to date" in run(other, "dvc", "status")
    assert run(other, "git", "status", "--porcelain") == ""


def test_an_experiment_is_compared_with_the_committed_run(clone):
    message = run(clone, "dvc", "exp", "run", "-S", "finetune.learning_rate=1e-5")
    assert ran(message) == {
        "finetune@flan-small",
        "generate@finetuned",
        "probe@finetuned",
        "evaluate",
        "report",
    }
    params = json.loads(run(clone, "dvc", "params", "diff", "--json"))["params.yaml"]
    assert params["finetune.learning_rate"] == {"old": None, "new": 1e-05}
    metrics = json.loads(run(clone, "dvc", "metrics", "diff", "--json"))
    assert "metrics/finetune/flan-small.json" in metrics
    message = run(clone, sys.executable, "-m", "resumen", "compare", "HEAD")
    assert re.search(r"^finetuned .*, p = ", message, re.MULTILINE)
    assert re.search(r"^equal in both, article by article: flan-small, lead-1", message, re.MULTILINE)
    set_params(clone, {"evaluate.seed": 8})
    run(clone, "dvc", "repro")
    message = run(clone, sys.executable, "-m", "resumen", "compare", "HEAD", fails=True)
    assert "scored in different ways (seed:7, seed:8)" in message
    run(clone, "git", "checkout", "--quiet", ".")
    assert ran(run(clone, "dvc", "repro")) == set()


def test_conversations_of_ones_own_run_as_the_readme_says(clone):
    rivers = ("Ebro", "Duero", "Tajo", "Miño", "Júcar", "Segura", "Turia", "Sil", "Nervión", "Esla")
    with (clone / "data/mine.jsonl").open("w", encoding="utf-8") as file:
        for number in range(40):
            river = f"{rivers[number % len(rivers)]} número {number}"
            turns = [
                {"role": "user", "content": "¿Qué río pasa por aquí?"},
                {"role": "assistant", "content": f"Por aquí pasa el {river}."},
                {"role": "user", "content": "¿Y en qué mar desemboca?"},
                {"role": "assistant", "content": f"El {river} desemboca en el mar del sur."},
            ]
            file.write(json.dumps({"turnos": turns}, ensure_ascii=False) + "\n")
    set_params(clone, {"data.train": 0.8, "data.validation": 0.1, "data.test": 0.1})  # the clone has rows
    systems = {"flan-small": "models/pretrained/flan-small", "finetuned": "models/finetuned/flan-small"}
    set_params(clone, {"systems": {name: {"from": source} for name, source in systems.items()}})
    command = re.search(
        r"^dvc exp run -S profile=files -S profiles\.files\.data\.path=data/mine\.jsonl[^`]*",
        (clone / "docs/how-to/prompts.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )[0]
    message = run(clone, *shlex.split(command.replace("\\\n", " ")))
    prompts = pd.read_parquet(clone / "data/formatted/test.parquet")["prompt"]
    predictions = (clone / "data/predictions/finetuned.jsonl").read_text(encoding="utf-8")
    run(clone, "git", "checkout", "--quiet", ".")
    run(clone, "dvc", "checkout")
    (clone / "data/mine.jsonl").unlink()
    assert {
        "fetch",
        "format",
        "tokenize@flan-small",
        "finetune@flan-small",
        "generate@finetuned",
        "report",
    } <= ran(message)
    assert len(prompts) == len(predictions.splitlines()) == 4
    assert all(re.match(r"Conversación:\n\[Usuario\] .*\n\[Asistente\] Por aquí .*\n", p) for p in prompts)
    assert all(prompt.endswith("[Usuario] ¿Y en qué mar desemboca?\n[Asistente]") for prompt in prompts)


def test_a_set_of_templates_runs_what_formats_reach(clone):
    set_params(clone, {"format.templates": "flan"})
    assert ran(run(clone, "dvc", "repro", "tokenize")) == {"format", "tokenize@flan-small"}
    prompts = pd.read_parquet(clone / "data/formatted/train.parquet")["prompt"]
    stale = json.loads(run(clone, "dvc", "status", "--json"))
    run(clone, "git", "checkout", "--quiet", ".")
    run(clone, "dvc", "checkout")
    assert stale.keys() == {"finetune@flan-small", "report", *(f"generate@{name}" for name in KEPT_SYSTEMS)}
    assert len({prompt[:12] for prompt in prompts}) >= 5


def test_plots_and_tables_are_shown(clone):
    run(clone, "dvc", "plots", "show")
    plots = (clone / "dvc_plots/index.html").read_text(encoding="utf-8")
    curves = len(list((clone / "metrics/curves").iterdir()))  # one a fine-tuning
    assert plots.count("vegaEmbed(") == curves + len(["loss", "scores", "lengths", "training"])
    assert "<script src" not in plots  # DVC's own page loads Vega from the network
    message = run(clone, "dvc", "metrics", "show")
    assert "metrics/systems/finetuned.json" in message.replace(os.sep, "/")
    assert "lead-3" in run(clone, sys.executable, "-m", "resumen", "results")


def test_params_are_checked_before_any_work(clone):
    set_params(clone, {"finetune.epochs": 0})
    message = run(clone, sys.executable, "-m", "resumen", "check", fails=True)
    run(clone, "git", "checkout", "--quiet", "params.yaml")
    assert "finetune.epochs" in message
    assert "Traceback" not in message


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
@pytest.mark.parametrize("stage", ["finetune@flan-small", "generate@flan-small"])
def test_a_stage_whose_dvc_is_killed_keeps_its_work_and_stops(clone, stage):
    set_params(clone, {"finetune.epochs": 15, "generate.batch_size": 1, "generate.max_new_tokens": 90})
    shutil.rmtree(clone / ".resumen", ignore_errors=True)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_"))},
        **{"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        **{"RESUMEN_CHECKPOINT_SECONDS": "0"},
    }
    command = ["dvc", "repro", "--force", "--single-item", stage]
    dvc = subprocess.Popen(
        command, cwd=clone, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    kept = "finetune-*/*/checkpoint-*/manifest.json" if "finetune" in stage else "generate-*/*/batches.jsonl"
    while not list((clone / ".resumen").glob(kept)):
        assert dvc.poll() is None
        time.sleep(0.02)
    (worker,) = [one for one in psutil.Process(dvc.pid).children(recursive=True) if "python" in one.name()]
    dvc.kill()
    dvc.wait()
    assert worker in psutil.wait_procs([worker], timeout=60)[0]
    output = clone / (
        "models/finetuned/flan-small" if "finetune" in stage else "data/predictions/flan-small.jsonl"
    )
    assert not output.exists()  # DVC removed it before it started the stage
    assert list((clone / ".resumen").glob(kept))
    said = run(clone, *command)
    assert ("resuming from step" if "finetune" in stage else "are there from an earlier run") in said
    assert output.exists()
