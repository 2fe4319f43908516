"""Finetune: the gradient is that of the whole step, validation is scored in its own order, runs are equal."""

import math
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from torch.nn.functional import log_softmax
from transformers.optimization import get_scheduler

from resumen.model.decoding import prefill
from resumen.model.prepare import prepare_torch
from resumen.rouge.score import ROUGE_TYPES
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import RAW_VALIDATION
from resumen.runtime.provenance import check_hashes
from resumen.schema.rows import RAW, load_table, write_table
from resumen.training.checkpoints import History
from resumen.training.finetuning import Validation, fine_tune
from resumen.training.loop import (
    EpochSampler,
    TokenizedRows,
    TrainedT5,
    collate,
    make_optimizer,
    make_schedule,
)
from resumen.training.pretrained import load_model
from resumen.vocabulary.tokenizer import IGNORE_INDEX, encode, load_tokenizer, round_trip
from stages.finetune import main
from stages.tokenize import IDS
from tests.helpers.batches import TOKENIZER, TRAIN, collator
from tests.helpers.reference import transformers_model
from tests.helpers.training import forget, outputs

VALIDATION = Path("data/tokenized/flan-small/validation.parquet")


def first_step(folder, params, work):
    """Return the gradients and the loss of the first step over eight rows, by the stage's own `fine_tune`."""
    gradients = {}
    device = prepare_torch(params.seed)
    model = load_model(folder)
    rows = TokenizedRows(load_table(TRAIN).slice(0, 8))
    assert len({len(row["labels"]) for row in rows}) > 1
    references = {key: ["x"] for key in rows.ids}
    validation = Validation(rows, references, load_tokenizer(TOKENIZER), params)

    def remember(step):
        gradients.update({name: parameter.grad.clone() for name, parameter in model.named_parameters()})

    history, steps = fine_tune(model, rows, validation, params, device, TOKENIZER, work, remember)
    assert steps == 1
    return gradients, history.curve[1]["train_loss"]


def plain_step(folder, label_smoothing):
    """Return the same by one backward pass over the eight rows, without the loop."""
    model = transformers_model(folder)
    batch = collator(model)([TokenizedRows(load_table(TRAIN))[index] for index in range(8)])
    labels = batch.pop("labels")
    logits = log_softmax(model(**batch).logits, dim=-1)
    kept = labels.ne(IGNORE_INDEX)
    nll = -logits.gather(2, labels.clamp(min=0).unsqueeze(2)).squeeze(2)
    loss = ((1 - label_smoothing) * nll - label_smoothing * logits.mean(dim=-1))[kept].mean()
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}, loss.item()


@pytest.mark.parametrize(("kind", "label_smoothing"), [("tied", 0.0), ("untied", 0.1)])
def test_accumulating_2_by_4_is_1_by_8_is_the_plain_gradient(tiny, quick, tmp_path, kind, label_smoothing):
    plain, plain_loss = plain_step(tiny[kind], label_smoothing)
    # not clipped, which would hide a wrong scale
    options = {"epochs": 1, "dropout": 0.0, "label_smoothing": label_smoothing, "max_grad_norm": 1e9}
    options |= {"max_new_tokens": 1}
    for batch_size, accumulation in ((8, 1), (2, 4), (3, 3)):
        params = quick(batch_size=batch_size, gradient_accumulation=accumulation, **options)
        work = tmp_path / f"{batch_size}-{accumulation}"
        work.mkdir()
        gradients, loss = first_step(tiny[kind], params, work)
        assert loss == pytest.approx(plain_loss, abs=1e-4)
        assert gradients.keys() == plain.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, plain[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_validation_loss_is_the_mean_over_all_tokens_whatever_the_batches(tiny, tokenized, quick, batch_size):
    model = load_model(tiny["untied"])
    rows = TokenizedRows(load_table(TRAIN).slice(0, 8))
    _, expected = plain_step(tiny["untied"], label_smoothing=0.0)
    params = quick(batch_size=batch_size, max_new_tokens=1)
    validation = Validation(rows, {key: ["x"] for key in rows.ids}, load_tokenizer(TOKENIZER), params)
    assert validation(TrainedT5(model, torch.float32).t5())["loss"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("validation_rows", ["all", 3])
def test_validation_holds_each_text_against_its_own_raw_reference(
    tiny, tokenized, quick, monkeypatch, validation_rows
):
    # the stand-in writes its prompt back, so a prompt that is its reference scores 100
    read = []

    def remember(t5, batch, decoding, pages):
        read.append(batch)
        return prefill(t5, batch, decoding, pages)

    monkeypatch.setattr("resumen.training.finetuning.prefill", remember)
    monkeypatch.setattr("resumen.training.finetuning.search", lambda t5, cache, decoding: read[-1])
    model, tokenizer = load_model(tiny["untied"]), load_tokenizer(TOKENIZER)
    texts = [
        " ".join(["Llueve en León."] * count + ["el", "día", str(count)])
        for count in (3, 1, 5, 2, 4, 6, 8, 7)
    ]
    assert round_trip(tokenizer, texts) == texts
    table = load_table(VALIDATION)
    index = table.column_names.index("input_ids")
    rows = TokenizedRows(table.set_column(index, "input_ids", pa.array(encode(tokenizer, texts), IDS)))
    references = dict(
        zip(rows.ids[::-1], ([text] for text in texts[::-1]), strict=True)
    )  # in another order than the rows
    params = quick(validation_rows=validation_rows, batch_size=1)
    validation = Validation(rows, references, tokenizer, params)
    t5 = TrainedT5(model, torch.float32).t5()
    scores = validation(t5)
    assert len(validation.references) == len(validation.rows) == (8 if validation_rows == "all" else 3)
    assert {name: round(scores[name], 9) for name in ROUGE_TYPES} == dict.fromkeys(ROUGE_TYPES, 100.0)
    swapped = dict(zip(rows.ids, ([text] for text in texts[::-1]), strict=True))
    assert Validation(rows, swapped, tokenizer, params)(t5)["rougeL"] < 100


def test_ids_are_apart_from_what_a_model_takes(tokenized):
    rows = TokenizedRows(load_table(TRAIN))
    assert rows.ids == [row["id"] for row in tokenized["train"]]
    assert all(set(rows[index]) == {"input_ids", "labels"} for index in range(len(rows)))


def test_shuffled_raw_rows_meet_their_own_id(tokenized, quick, fails, monkeypatch):
    quick()
    seen = {}

    def stop(model, rows, validation, *rest, **options):
        seen.update(zip(validation.rows.dataset.ids, validation.references, strict=True))
        raise InputError("enough")

    monkeypatch.setattr("resumen.training.finetuning.fine_tune", stop)
    write_table(RAW_VALIDATION, tokenized["validation"][::-1], RAW)
    assert fails(main, "flan-small") == "enough"
    assert seen == {row["id"]: [row["summary"]] for row in tokenized["validation"]}
    assert len({summary for (summary,) in seen.values()}) > 1


def test_a_validation_row_without_a_raw_reference_is_refused(tokenized, quick, fails):
    quick()
    write_table(RAW_VALIDATION, tokenized["validation"][1:], RAW)
    message = "lacks id 'validation-1' of data/tokenized; run `dvc repro`"
    assert fails(main, "flan-small") == f"{RAW_VALIDATION}: {message}"


def test_two_runs_give_equal_bytes_and_nothing_that_differs_between_runs(quick, runs):
    quick()
    runs(main, "flan-small")
    first = outputs()
    runs(main, "flan-small")
    assert outputs() == first
    assert sorted(path.name for path in Path("models/finetuned/flan-small").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "provenance.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    check_hashes(Path("models/finetuned/flan-small"))
    origin = read_json(Path("models/finetuned/flan-small/provenance.json"))
    said = {key: origin[key] for key in ("source", "finetuning", "base")}
    assert said == {"source": "finetune", "finetuning": "flan-small", "base": "flan-small"}
    assert len(origin["sha256"]) == 5


def test_another_seed_gives_another_model(quick, runs):
    models = []
    for seed in (1, 2):
        quick(seed=seed, epochs=1)
        runs(main, "flan-small")
        models.append(Path("models/finetuned/flan-small/model.safetensors").read_bytes())
    assert models[0] != models[1]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_curve_and_the_best_epoch_are_recorded(quick, runs, schedule):
    quick(schedule=schedule, validation_rows=4, gradient_accumulation=2, batch_size=4)
    runs(main, "flan-small")
    metrics, curve = (
        read_json(Path("metrics/finetune/flan-small.json")),
        read_json(Path("metrics/curves/flan-small.json")),
    )
    assert [(row["epoch"], row["step"]) for row in curve] == [(0, 0), (1, 3), (2, 6)]
    assert curve[0]["train_loss"] is None
    assert metrics["steps"] == 6
    best = max(curve[1:], key=lambda row: row["rougeL"])
    assert metrics["best_epoch"] == best["epoch"]
    assert metrics["validation_rougeL"] == best["rougeL"]
    assert metrics["precision"] == "float32"
    assert [metrics[key] for key in ("learning_rate", "epochs", "batch_size")] == [6e-3, 2, 4]


def scores(points):
    return {"loss": 1.0, **dict.fromkeys(ROUGE_TYPES, points)}


def test_the_first_epoch_of_the_best_score_is_the_best():
    history, best = History([{"epoch": 0, "rougeL": 99.0}]), []
    for epoch, points in enumerate((0.0, 30.0, 20.0, 30.0, 30.5), start=1):
        history.loss, history.steps = torch.tensor(6.0 / epoch), 3
        row = history.close_epoch(epoch, 3 * epoch, scores(points))
        best.append(history.best is row)
    assert best == [True, True, False, False, True]
    assert [(row["epoch"], row["step"], row["rougeL"]) for row in history.curve[1:3]] == [
        (1, 3, 0.0),
        (2, 6, 30.0),
    ]
    assert [row["train_loss"] for row in history.curve[1:3]] == [2.0, 1.0]
    assert history.values() == {"curve": history.curve, "loss": 0.0, "steps": 0}


def test_a_loss_that_is_no_number_is_named_with_what_to_do():
    history = History([], loss=torch.tensor(float("nan")), steps=2)
    with pytest.raises(
        InputError,
        match=r"finetune.learning_rate, or the fine-tuning.s own: the loss of epoch 1 is nan; lower it",
    ):
        history.close_epoch(1, 2, scores(0.0))


LENGTHS = [5, 16, 17, 30, 33, 90, 100, 100, 96, 12] * 7 + [65]


def test_an_epoch_has_every_row_once_in_batches_under_the_budget_as_many_in_each():
    epochs = EpochSampler(LENGTHS, batch_size=4, seed=1)
    for epoch in range(3):
        epochs.set_epoch(epoch)
        drawn = list(epochs)
        assert len(drawn) == len(epochs)
        assert sorted(index for indices in drawn for index in indices) == list(range(len(LENGTHS)))
        longest = [max(LENGTHS[index] for index in indices) for indices in drawn]
        assert all(len(indices) * maximum <= 4 * 100 for indices, maximum in zip(drawn, longest, strict=True))
        assert longest[0] == 100  # memory that does not suffice fails at once
        assert longest != sorted(longest, reverse=True)
        spreads = [max(LENGTHS[p] for p in b) - min(LENGTHS[p] for p in b) for b in drawn]
        assert sum(spread > 64 for spread in spreads) <= 1  # where the shorter ones begin


def test_batches_depend_on_seed_and_epoch_alone():
    def drawn(seed, epoch):
        epochs = EpochSampler(LENGTHS, batch_size=4, seed=seed)
        epochs.set_epoch(epoch)
        return list(epochs)

    assert drawn(1, 2) == drawn(1, 2)
    assert drawn(1, 2) != drawn(1, 3)
    assert drawn(1, 2) != drawn(2, 2)


def test_training_lowers_the_loss(quick, runs):
    quick(learning_rate=0.02, epochs=3, dropout=0.0)
    runs(main, "flan-small")
    curve = read_json(Path("metrics/curves/flan-small.json"))
    assert curve[-1]["train_loss"] < curve[1]["train_loss"]
    assert curve[-1]["validation_loss"] < curve[0]["validation_loss"]


def test_bf16_is_used_when_asked_for(quick, runs):
    quick(precision="bf16", epochs=1)
    runs(main, "flan-small")
    assert read_json(Path("metrics/finetune/flan-small.json"))["precision"] == "bfloat16"
    assert {p.dtype for p in load_model(Path("models/finetuned/flan-small")).parameters()} == {torch.float32}


def test_a_split_smaller_than_one_step_is_refused(quick, fails):
    quick(batch_size=10, gradient_accumulation=3)
    message = (
        "params.yaml: finetune.batch_size: a step takes 30 articles (batch_size × gradient_accumulation), "
    )
    assert fails(main, "flan-small") == f"{message}and the training split has 24; lower it"


def test_a_batch_of_its_own_that_is_too_large_is_named_as_its_own(quick, set_params, fails):
    quick()
    set_params({"finetunings.flan-small.batch_size": 30})
    assert fails(main, "flan-small").startswith(
        "params.yaml: finetunings.flan-small.batch_size: a step takes 30"
    )


def test_a_missing_base_is_refused(quick, set_params, fails):
    quick()
    set_params({"finetunings.flan-small.base": "flan-large"})
    assert fails(main, "flan-small").startswith(
        "models/pretrained/flan-large: not found; `dvc repro` makes what is missing"
    )


def test_missing_tokenized_rows_are_named(quick, fails):
    quick()
    TRAIN.unlink()
    assert fails(main, "flan-small") == f"{TRAIN}: not found; `dvc repro` makes what is missing"


def test_without_a_compiler_compile_is_refused(cut_alike, quick, fails, monkeypatch):
    quick(compile=True)
    message = "no C++ compiler here; install g++ or clang++, or set it to false"
    monkeypatch.setattr("resumen.training.finetuning.shutil.which", lambda name: None)
    key = "params.yaml: finetune.compile, or the fine-tuning's own"
    assert fails(main, "flan-small") == f"{key}: {message}"


@pytest.mark.parametrize("padding", ["dynamic", "longest"])
def test_rows_are_collated_as_by_transformers(tiny, cut_alike, padding):
    rows = [TokenizedRows(load_table(TRAIN))[index] for index in range(5)]
    if padding == "longest":
        longest = max(len(row["input_ids"]) for row in rows)
        for row in rows:
            blank = longest - len(row["input_ids"])
            row |= {"attention_mask": [1] * len(row["input_ids"]) + [0] * blank}
            row |= {"input_ids": row["input_ids"] + [0] * blank}
    expected = collator(transformers_model(tiny["tied"]))([dict(row) for row in rows])
    batch = collate(rows, pad=0)
    assert batch.keys() == expected.keys() - {"decoder_input_ids"}
    assert all(torch.equal(batch[name], expected[name]) for name in batch)


@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_weights_decay_but_for_norms_and_relative_positions(tiny, quick, kind):
    model = load_model(tiny[kind])
    optimizer = make_optimizer(model, quick(weight_decay=0.01))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decayed, exempt = ([names[id(one)] for one in group["params"]] for group in optimizer.param_groups)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
    assert len(decayed) + len(exempt) == len(names)
    assert all("layer_norm" in name or "relative_attention_bias" in name for name in exempt)
    assert not any("norm" in name or "bias" in name for name in decayed)


def transformers_schedule(optimizer, params, num_steps):
    name = "constant_with_warmup" if params.schedule == "constant" else params.schedule
    return get_scheduler(name, optimizer, math.ceil(num_steps * params.warmup_ratio), num_steps)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("num_steps", "warmup_ratio"), [(20, 0.1), (7, 0.0), (3, 0.9)])
def test_schedules_are_those_of_transformers(quick, schedule, num_steps, warmup_ratio):
    params = quick(schedule=schedule, warmup_ratio=warmup_ratio)
    rates = []
    for make in (make_schedule, transformers_schedule):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=params.learning_rate)
        moved = make(optimizer, params, num_steps)
        rates.append([])
        for _ in range(num_steps + 1):
            rates[-1] += moved.get_last_lr()
            optimizer.step()
            moved.step()
    assert rates[0] == rates[1]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("interrupted", [1, 6])
def test_a_training_that_resumes_computes_what_it_would_have_computed(
    training, set_params, runs, asked_at, schedule, interrupted
):
    """With all that moves a step: dropout, decay, accumulation, a schedule with a warm-up."""
    set_params(
        {f"finetune.{key}": value for key, value in {"weight_decay": 0.01, "schedule": schedule}.items()}
    )
    runs(main, "flan-small")
    whole = outputs()
    forget()
    asked_at(interrupted)
    with pytest.raises(SystemExit):
        runs(main, "flan-small")
    asked_at(None)
    runs(main, "flan-small")
    assert outputs() == whole
