"""Report: one page that escapes what it shows, the answer in sentences, a card that the Hub reads."""

import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from stages.evaluate import main as evaluate
from stages.extract import main as extract
from stages.fetch import main as fetch
from stages.finetune import main as finetune
from stages.format import main as format_
from stages.generate import main as generate
from stages.probe import main as probe
from stages.report import (
    MARKS,
    answer_of,
    base_system,
    main,
    markdown_table,
    metadata,
    played_by,
    text_table,
    what_is,
    with_results,
)
from stages.shared.files import RAW, read_json, read_table, write_json
from stages.shared.params import read_params
from stages.shared.systems import SystemParams
from stages.tokenize import main as tokenize

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "<script>alert('hola')</script>"
SMALL = {
    "data.train": 8,
    "data.validation": 4,
    "data.test": 4,
    "tokenize.source_tokens": 40,
    "tokenize.target_tokens": 20,
    "finetune.epochs": 1,
    "finetune.max_new_tokens": 3,
    "generate.max_new_tokens": 3,
    "evaluate.bootstrap_samples": 50,
    "systems": {
        "flan-small": {"from": "models/pretrained/flan-small"},
        "finetuned": {"from": "models/finetuned", "num_beams": 2},
        "gpt": {"from": "others/gpt.jsonl"},
    },
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Where a whole small run is kept, once it was made."""
    return tmp_path_factory.mktemp("finished") / "run"


@pytest.fixture
def run(project, finished, base, write, set_params, runs):
    """The project after every stage but report; a system made elsewhere writes a script."""
    set_params(SMALL)
    if finished.exists():
        for folder in ("data", "metrics", "models", "others"):
            shutil.copytree(finished / folder, project / folder, dirs_exist_ok=True)
        return project
    for stage in (fetch, format_, tokenize, finetune, extract):
        runs(stage)
    ids = [row["id"] for row in read_table(Path("data/raw/test.parquet"), RAW.names)]
    write("others/gpt.jsonl", "".join(json.dumps({"id": name, "prediction": SCRIPT}) + "\n" for name in ids))
    for system in SMALL["systems"]:
        runs(generate, system)
        runs(probe, system)
    runs(evaluate)
    for folder in ("data", "metrics", "models", "others"):
        shutil.copytree(project / folder, finished / folder)
    return project


def report():
    return Path("reports/report.html").read_text(encoding="utf-8")


def test_the_page_escapes_what_a_system_wrote(run, runs):
    runs(main)
    assert "<script" not in report()
    assert "&lt;script&gt;alert(&#39;hola&#39;)&lt;/script&gt;" in report()


def test_the_page_shows_every_system_its_scores_and_the_signature(run, runs):
    runs(main)
    for path in Path("metrics/systems").iterdir():
        assert path.stem in report()
        assert f"{read_json(path)['rougeL']:.2f}" in report()
    assert "words:unicode" in report()


def test_the_page_needs_no_network(run, runs):
    runs(main)
    assert "http" not in report()
    assert "src=" not in report()


def test_the_card_is_read_by_the_hub(run, runs):
    runs(main)
    data = ModelCard.load("reports/model_card.md").data
    assert (data.language, data.base_model) == ("es", None)  # the weights are a miniature's
    scores = read_json(Path("metrics/systems/finetuned.json"))
    assert {result.metric_type: result.metric_value for result in data.eval_results} == {
        name.lower(): scores[name] for name in ("rouge1", "rouge2", "rougeL")
    }


@pytest.mark.parametrize(
    ("changes", "base_model"),
    [
        ({"weights": "hub"}, "google/flan-t5-small"),
        ({"profile": "mlsum", "finetune.base": "t5-base"}, "google-t5/t5-base"),
        ({"weights": "embedded"}, None),
        ({"weights": "hub", "checkpoints.flan-small": {"folder": "own"}}, None),
    ],
)
def test_the_card_names_a_base_only_where_its_weights_are_the_hubs(set_params, changes, base_model):
    set_params(changes)
    assert yaml.safe_load(metadata(read_params(), [])).get("base_model") == base_model


@pytest.mark.parametrize("source", ["embedded", "files", "hub"])
def test_the_card_speaks_of_mlsums_licence_only_where_that_was_read(run, runs, source):
    audit = read_json(Path("metrics/data.json"))
    origin = {
        "source": source,
        "repo": "reciTAL/mlsum",
        "commit": "0" * 40,
        "data_dir": "es",
        "file": "a.csv",
    }
    write_json(Path("metrics/data.json"), {**audit, "provenance": [origin | audit["provenance"][0] | origin]})
    runs(main)
    card = Path("reports/model_card.md").read_text(encoding="utf-8")
    assert ("MLSUM is licensed" in card) == (source == "hub")
    assert "Summaries can be wrong" in card


def test_a_miniature_is_never_shown_under_a_real_models_name_alone(run, runs):
    runs(main)
    assert "miniature, standing in for google/flan-t5-small" in report()
    assert "**Miniature.**" in Path("reports/model_card.md").read_text(encoding="utf-8")


def test_equal_runs_give_equal_bytes(run, runs):
    made = []
    for _ in range(2):
        runs(main)
        made.append([path.read_bytes() for path in sorted(Path("reports").iterdir())])
    assert made[0] == made[1]


def test_answers_of_a_system_that_is_gone_are_removed(run, write, runs):
    write("data/answers/gone.jsonl", "")
    runs(main)
    assert not Path("data/answers/gone.jsonl").exists()


def test_show_prints_the_table_and_writes_nothing(run, runs, capsys):
    runs(main, "--show")
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("lead-3", "flan-small", "finetuned", "gpt"))
    assert not Path("reports").exists()


def test_readme_gets_the_results_between_its_marks_only(run, write, runs):
    write("README.md", f"# Antes\n\n{MARKS[0]}\nviejo\n{MARKS[1]}\n\nDespués \\1 \\g<0>\n")
    runs(main, "--readme")
    text = Path("README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# Antes\n\n{MARKS[0]}\n")
    assert text.endswith(f"{MARKS[1]}\n\nDespués \\1 \\g<0>\n")
    assert "viejo" not in text
    assert "iniature" in text
    assert "| `finetuned` |" in text
    assert "ROUGE-L with its 95 % interval" in text
    before = text
    runs(main, "--readme")
    assert Path("README.md").read_text(encoding="utf-8") == before


def test_readme_says_the_confidence_of_the_intervals(run, write, runs):
    evaluation = read_json(Path("metrics/evaluation.json"))
    write_json(Path("metrics/evaluation.json"), {**evaluation, "confidence": 0.995})
    write("README.md", f"{MARKS[0]}\n{MARKS[1]}\n")
    runs(main, "--readme")
    assert "ROUGE-L with its 99.5 % interval" in Path("README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["# Nada\n", f"{MARKS[0]}\n", f"{MARKS[1]}\n{MARKS[0]}\n"])
def test_a_readme_without_the_marks_is_left_alone(run, write, fails, text):
    write("README.md", text)
    assert fails(main, "--readme").startswith("README.md: expected the marks ")
    assert Path("README.md").read_text(encoding="utf-8") == text


def test_a_missing_metric_is_named(run, fails):
    Path("metrics/finetune.json").unlink()
    assert fails(main) == "metrics/finetune.json: not found; `dvc repro` makes what is missing"


def row(name, score):
    scores = {"rouge1": 30.0, "rouge2": 10.0, "rougeL": score, "lost_words_pct": 1.5}
    return {"name": name, "what": "x | y\nz", **scores, "lower": score - 1, "upper": score + 1}


def test_the_answer_says_both_numbers_of_each_difference():
    rows = [row("t5-small", 10.0), row("flan-small", 15.5), row("finetuned", 40.25), row("lead-3", 30.0)]
    assert answer_of(rows, "t5-small") == [
        "Instruction tuning: flan-small 15.50 against t5-small 10.00 ROUGE-L.",
        "Fine-tuning: finetuned 40.25 against t5-small 10.00 ROUGE-L.",
        "Fine-tuning against copying: finetuned 40.25 against lead-3 30.00 ROUGE-L.",
    ]


def test_the_answer_leaves_fine_tuning_out_where_its_base_does_not_run():
    rows = [row("flan-small", 15.5), row("finetuned", 40.25)]
    assert answer_of(rows, None) == []
    assert answer_of(rows, "own") == []


def test_the_answer_is_empty_without_the_systems_it_compares():
    assert answer_of([row("own", 10.0)], "own") == []


BASES = [
    ({}, "flan-small"),
    ({"finetune.base": "t5-base"}, "t5-base"),  # not t5-base-prefix, which has another prompt
    ({"systems.flan-small.num_beams": 4}, None),
    ({"systems.flan-small": {"from": "models/finetuned"}, "finetune.base": "flan-small"}, None),
    (
        {
            "systems.flan-small.template": "{text}",
            "systems.own": {"from": "models/pretrained/flan-small"},
        },
        "own",
    ),
]


@pytest.mark.parametrize(("changes", "name"), BASES)
def test_the_base_is_the_system_that_runs_it_as_it_was_trained(set_params, changes, name):
    set_params(changes)
    assert base_system(read_params()) == name


SYSTEMS = [
    ({"from": "models/finetuned"}, "flan-small, fine-tuned"),
    ({"from": "models/pretrained/t5-base"}, "miniature, standing in for google-t5/t5-base"),
    ({"from": "own/t5-base"}, "a local model folder"),  # the name of a checkpoint, not its weights
    ({"from": "own/model", "num_beams": 4}, "a local model folder; num_beams 4"),
    ({"from": "others/gpt.jsonl"}, "predictions made elsewhere"),
]


@pytest.mark.parametrize(("entry", "said"), SYSTEMS)
def test_a_system_is_said_in_words(project, entry, said):
    params = read_params()
    assert what_is(SystemParams.model_validate(entry), played_by(params), params) == said


def test_a_markdown_row_stays_one_row():
    lines = markdown_table([row("flan-small", 15.5)]).splitlines()
    assert len(lines) == 3
    assert lines[2] == "| `flan-small` | x \\| y z | 30.00 | 10.00 | 15.50 | 14.50–16.50 | 1.50 |"


def test_a_terminals_rows_are_equally_wide():
    lines = text_table([row("lead-3", 9.0), row("flan-base-english", 100.0)]).splitlines()
    assert len({len(line) for line in lines[1:]}) == 1


def test_the_readme_shows_the_committed_metrics(tmp_path, monkeypatch):
    """Of the last commit: a run since then may have changed metrics/ in the working tree."""
    archive = ["git", "archive", "HEAD", "metrics", "params.yaml", "README.md"]
    made = subprocess.run(archive, cwd=ROOT, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("not a git checkout")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as files:
        files.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    readme = Path("README.md").read_text(encoding="utf-8")
    assert with_results(readme, read_params()) == readme, "run `make readme`"
