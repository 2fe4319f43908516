"""Publish: what goes out is whole, is what the metrics say, and holds nothing that runs."""

from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from stages.publish import main
from stages.report import main as report
from stages.shared.files import read_json, write_json


@pytest.fixture
def reported(small_run, runs):
    runs(report)
    return small_run


def test_a_folder_holds_the_model_and_its_card(reported, runs):
    runs(main, "--to", "./out/mine")
    assert {path.name for path in Path("out/mine").iterdir()} == {
        *(path.name for path in Path("models/finetuned").iterdir()),
        "README.md",
    }
    AutoModelForSeq2SeqLM.from_pretrained("out/mine")
    AutoTokenizer.from_pretrained("out/mine")
    card = ModelCard.load("out/mine/README.md")
    assert card.data.license == "apache-2.0"
    assert 'from_pretrained("mine")' in card.text
    scores = read_json(Path("metrics/systems/finetuned.json"))
    found = {result.metric_name: result for result in card.data.eval_results}
    assert {name: found[name].metric_value for name in found} == {name: scores[name] for name in found}
    (intervals,) = [
        row for row in read_json(Path("metrics/evaluation.json"))["systems"] if row["system"] == "finetuned"
    ]
    for name, result in found.items():
        assert result.metric_args == {
            "lower": intervals[name]["lower"],
            "upper": intervals[name]["upper"],
            "confidence": 0.95,
        }


def test_a_dry_run_says_what_would_go_and_sends_nothing(reported, runs, caplog):
    caplog.set_level("INFO")
    runs(main, "--to", "me/resumen", "--dry-run")
    assert "README.md would go to me/resumen" in caplog.text
    assert "this is a miniature" in caplog.text
    assert not Path("me").exists()


def test_a_repository_is_not_reached_offline(reported, fails):
    assert fails(main, "--to", "me/resumen").startswith("me/resumen: ")
    assert not list(Path(".cache").rglob("model.safetensors"))


def test_a_folder_that_is_there_is_left_alone(reported, fails):
    assert fails(main, "--to", "./models") == "--to: models is there already; name a new folder, or remove it"


def test_a_card_of_another_run_is_refused(reported, fails):
    path = Path("metrics/systems/finetuned.json")
    write_json(path, {**read_json(path), "rougeL": 99.0})
    assert fails(main, "--to", "./out").endswith("says 99.0; run `dvc repro` first")
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("training_args.bin", b"pickle", "models/finetuned: holds training_args.bin, which is not published"),
        ("model.safetensors", b"\x08" * 40, "models/finetuned/model.safetensors: damaged: "),
        ("config.json", None, "models/finetuned: lacks config.json; `dvc repro` makes them"),
    ],
)
def test_a_folder_that_is_not_as_it_was_made_is_refused(reported, fails, name, content, message):
    path = Path("models/finetuned") / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    assert fails(main, "--to", "./out").startswith(message)
