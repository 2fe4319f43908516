"""Fine-tunings: an entry's own recipe over that of `finetune`, fewer articles, a base that is left out."""

import json
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from transformers import AutoModelForSeq2SeqLM

from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import (
    CURVES_DIR,
    FINETUNE_METRICS,
    FINETUNED_DIR,
    PREDICTIONS_DIR,
    RAW_TEST,
    TOKENIZE_METRICS,
    TOKENIZED_DIR,
)
from resumen.schema.finetunings import STEP, FinetuningParams, recipe_key, recipe_of, vocabulary_of
from resumen.schema.params import parse_section, read_params
from resumen.schema.rows import load_table, num_rows
from resumen.schema.sections import FinetuneParams
from resumen.training.loop import EpochSampler, chosen_rows
from stages.evaluate import main as evaluate
from stages.finetune import main as finetune
from stages.generate import main as generate
from stages.tokenize import main as tokenize
from stages.weights import main as weights

IDS = [f"train-{number}" for number in range(40)]
LENGTHS = [100, 60, *[20 + number % 30 for number in range(38)]]


def test_an_empty_value_is_that_of_finetune_and_another_wins(set_params):
    set_params({"finetunings.t5-small": {"base": "t5-small", "epochs": 2, "learning_rate": 0.5}})
    params = read_params()
    general = parse_section(FinetuneParams, params, "finetune")
    assert recipe_of(params, "flan-small") == general
    assert recipe_of(params, "t5-small") == general.model_copy(update={"epochs": 2, "learning_rate": 0.5})


def test_what_is_set_for_all_moves_those_that_are_silent(set_params):
    set_params({"finetune.epochs": 3, "finetunings.t5-small.epochs": 2})
    assert [recipe_of(read_params(), name).epochs for name in ("flan-small", "t5-small")] == [3, 2]


def test_an_entry_takes_every_key_of_finetune_but_the_seed():
    of_an_entry = {*FinetuningParams.model_fields} - {"base", "rows", "spell_spanish"}
    assert of_an_entry == {*FinetuneParams.model_fields} - {"seed"}


def test_a_key_that_an_entry_did_not_have_wins_too(set_params):
    set_params({"finetunings.t5-small.dropout": 0.25})
    found = [recipe_of(read_params(), name).dropout for name in ("flan-small", "t5-small")]
    assert found == [0.0, 0.25]


def test_a_seed_of_an_entrys_own_is_refused(set_params):
    set_params({"finetunings.t5-small.seed": 1})
    with pytest.raises(InputError, match=r"finetunings\.t5-small\.seed: belongs in finetune\.seed, got 1"):
        recipe_of(read_params(), "t5-small")


@pytest.mark.parametrize(
    ("own", "where"),
    [({}, "finetune"), ({"batch_size": 4}, "finetunings.f"), ({STEP[1]: 4}, "finetunings.f")],
)
def test_the_pair_that_is_proposed_is_an_entrys_own_where_it_has_either(own, where):
    entry = FinetuningParams(base="t5-small", **own)
    assert [recipe_key("f", entry, key) for key in STEP] == [f"{where}.{key}" for key in STEP]


@pytest.mark.parametrize(("own", "expected"), [(None, True), (False, False), (True, True)])
def test_a_fine_tuning_may_do_without_the_repair_of_the_vocabulary(set_params, own, expected):
    set_params({"finetunings.t5-small.spell_spanish": own})
    assert vocabulary_of(read_params(), "t5-small").spell_spanish == expected


def test_without_the_repair_nothing_is_added_and_the_letters_are_lost(tokenized, set_params, runs):
    with_letters = read_json(TOKENIZE_METRICS / "flan-small.json")
    set_params({"finetunings.plain": {"base": "flan-small", "spell_spanish": False}})
    runs(tokenize, "plain")
    plain = read_json(TOKENIZE_METRICS / "plain.json")
    assert plain["letters_added"] == "" != with_letters["letters_added"]
    assert (
        plain["spelling"][1]["exact_round_trip_pct"]
        < 100
        == with_letters["spelling"][1]["exact_round_trip_pct"]
    )


@pytest.mark.parametrize("kind", ["mt5", "umt5"])
def test_a_relative_of_t5_is_fine_tuned_and_summarizes_by_params_alone(quick, tiny, set_params, runs, kind):
    quick(epochs=1)
    shutil.copytree(tiny[kind], "own")
    set_params(
        {
            "checkpoints.own": {"folder": "own"},
            "finetunings.own": {"base": "own"},
            "systems.own": {"from": "models/finetuned/own"},
        }
    )
    for stage, name in ((weights, "own"), (tokenize, "own"), (finetune, "own"), (generate, "own")):
        runs(stage, name)
    curve = read_json(CURVES_DIR / "own.json")
    assert curve[-1]["validation_loss"] < curve[0]["validation_loss"]
    model = AutoModelForSeq2SeqLM.from_pretrained(FINETUNED_DIR / "own")
    assert model.config.model_type == kind
    assert (PREDICTIONS_DIR / "own.jsonl").read_text().count("\n") == num_rows(RAW_TEST)


def test_fewer_articles_are_among_more_and_another_seed_draws_others():
    fifteen, thirty = (chosen_rows(IDS, count, seed=13) for count in (15, 30))
    assert set(fifteen) < set(thirty)
    assert len(fifteen) == 15
    assert chosen_rows(IDS, 15, seed=14) != fifteen != list(range(15))
    assert chosen_rows(IDS, None, seed=13) == chosen_rows(IDS, 40, seed=14) == list(range(40))


def test_which_articles_are_drawn_is_a_matter_of_their_ids_not_of_their_order():
    drawn = {IDS[index] for index in chosen_rows(IDS, 15, seed=13)}
    assert {IDS[::-1][index] for index in chosen_rows(IDS[::-1], 15, seed=13)} == drawn


@pytest.mark.parametrize("count", [1, 7, 39])
def test_fewer_articles_take_as_many_batches_and_each_about_as_often(count):
    chosen = chosen_rows(IDS, count, seed=13)
    whole, few = EpochSampler(LENGTHS, 4, 1), EpochSampler(LENGTHS, 4, 1, chosen)
    batches = list(few)
    assert len(batches) == len(few) == len(whole)
    read = [index for batch in batches for index in batch]
    assert set(read) <= set(chosen)
    if count < 39:  # gone through more than once
        times = [read.count(index) for index in chosen]
        assert max(times) - min(times) <= 1


@pytest.mark.parametrize("count", [3, 10, 20])
def test_batches_of_few_articles_are_as_full_as_those_of_all(count):
    """They are planned over all passes: a pass does not end in a part of a batch."""
    same = [30] * 40
    few = EpochSampler(same, 7, 1, chosen_rows(IDS, count, seed=13))
    assert sum(map(len, few)) >= sum(map(len, EpochSampler(same, 7, 1)))


def test_all_articles_by_number_are_the_batches_of_all():
    assert list(EpochSampler(LENGTHS, 4, 1, list(range(40)))) == list(EpochSampler(LENGTHS, 4, 1))


def test_a_fine_tuning_on_few_articles_reads_those_alone(quick, set_params, runs):
    quick(epochs=1)
    num_train = len(load_table(TOKENIZED_DIR / "flan-small/train.parquet"))
    runs(finetune, "flan-small")
    whole = read_json(FINETUNE_METRICS / "flan-small.json")
    set_params({"finetunings.flan-small.rows": 3})
    runs(finetune, "flan-small")
    few = read_json(FINETUNE_METRICS / "flan-small.json")
    assert (whole["rows"], few["rows"]) == (num_train, 3)
    assert whole["steps"] == few["steps"]
    assert whole["articles_read"] == num_train
    assert few["validation_rougeL"] is not None


def test_more_articles_than_there_are_are_refused(quick, set_params, fails):
    quick()
    num_train = len(load_table(TOKENIZED_DIR / "flan-small/train.parquet"))
    set_params({"finetunings.flan-small.rows": num_train + 1})
    assert fails(finetune, "flan-small").startswith(
        f"params.yaml: finetunings.flan-small.rows: the training split has {num_train} articles, got "
    )


@pytest.mark.parametrize("stage", ["tokenize", "finetune"])
def test_a_fine_tuning_that_is_not_there_is_refused_with_the_nearest(project, fails, stage):
    message = fails(import_module(f"stages.{stage}").main, "flan-smal")
    assert message == "params.yaml: finetunings.flan-smal: no such fine-tuning; did you mean flan-small?"
    assert "it is a system, from models/finetuned/flan-small" in fails(
        import_module(f"stages.{stage}").main, "finetuned"
    )


def test_a_fine_tuning_whose_base_the_profile_cannot_serve_is_left_out_with_what_is_on_it(
    small_run, set_params, runs, caplog
):
    """It breaks nothing: every stage runs, and says so."""
    params = read_params()
    set_params(
        {
            "checkpoints.mt5": {"repo": "google/mt5-small", "revision": "main"},
            "finetunings": {**params["finetunings"], "mt5": {"base": "mt5"}},
            "systems.mt5-finetuned": {"from": "models/finetuned/mt5"},
        }
    )
    for stage, name in (
        *(("weights", "mt5"), ("tokenize", "mt5"), ("finetune", "mt5")),
        *(("generate", "mt5-finetuned"), ("probe", "mt5-finetuned")),
    ):
        caplog.clear()
        runs(import_module(f"stages.{stage}").main, name)
        said = f"{name}: left out: weights is embedded, and no miniature of that name" in caplog.text
        assert said or stage == "probe"  # which says nothing twice
    runs(evaluate)
    runs(import_module("stages.report").main)
    (left_out,) = read_json(Path("metrics/evaluation.json"))["left_out"]
    assert left_out["system"] == "mt5-finetuned"
    assert "mt5-finetuned" in Path("reports/report.html").read_text(encoding="utf-8")
    assert not list((FINETUNED_DIR / "mt5").glob("*.safetensors"))


def test_a_fine_tuning_that_is_gone_leaves_no_file_and_a_folder_of_the_users_stays(small_run, write, runs):
    left = [
        *(f"data/tokenized/gone/{name}" for name in ("train.parquet", "tokenizer/tokenizer.json")),
        *(f"metrics/{kind}/gone.json" for kind in ("tokenize", "finetune", "curves")),
    ]
    for path in left:
        write(path, "{}")
    write("models/finetuned/gone/provenance.json", json.dumps({"source": "finetune", "base": "x"}))
    write("models/finetuned/mine.v2/config.json", "{}")
    runs(evaluate)
    assert not [path for path in left if Path(path).exists()]
    assert sorted(path.name for path in FINETUNED_DIR.iterdir()) == ["flan-small", "mine.v2"]
    for folder in (TOKENIZED_DIR, TOKENIZE_METRICS, FINETUNE_METRICS, CURVES_DIR):
        assert [path.stem for path in folder.iterdir()] == ["flan-small"]


def test_the_curves_of_all_are_one_plot(small_run):
    curve = read_json(CURVES_DIR / "flan-small.json")
    assert read_json(Path("metrics/plots/training.json")) == [
        {"finetuning": "flan-small", **row} for row in curve
    ]
