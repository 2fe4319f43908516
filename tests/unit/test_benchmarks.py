"""The benchmarks: rows of MLSUM's lengths, the same work for all, ratios of medians, errors and bounds."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import T5Config, T5ForConditionalGeneration

from benchmarks import course, explorer, quality, speed
from benchmarks.peers import Counted, Trained, padded
from benchmarks.scoring import check_scores
from benchmarks.speed import (
    check_lengths,
    check_trained,
    check_written,
    compiling,
    gap_of,
    measured,
    table,
)
from benchmarks.workload import NUM_PIECES, NUM_ROWS, SHAPES, SOURCE_TOKENS, TARGET_TOKENS, operations, rows
from resumen.runtime.errors import InputError
from resumen.schema.params import read_params
from tests.helpers.reference import transformers_model


def test_rows_have_the_lengths_of_mlsum():
    output = rows(3_000, seed=1)
    sources, targets = ([len(row[name]) for row in output] for name in ("input_ids", "labels"))
    full = sum(length == SOURCE_TOKENS for length in sources) / len(output)
    assert (max(sources), round(full, 2)) == (SOURCE_TOKENS, 0.96)
    assert median(targets) in range(49, 54)
    assert sorted(targets)[int(0.95 * len(output))] in range(83, 92)
    assert max(targets) <= TARGET_TOKENS
    assert {row[name][-1] for row in output for name in row} == {1}  # </s>
    assert max(max(row["input_ids"]) for row in output) < NUM_PIECES


@pytest.mark.parametrize(("name", "kind"), [("flan-small", "gated-gelu"), ("t5-small", "relu")])
def test_operations_are_those_that_torch_counts(name, kind):
    config = T5Config(**SHAPES[name], vocab_size=NUM_ROWS, feed_forward_proj=kind, decoder_start_token_id=0)
    with torch.device("meta"):
        model = T5ForConditionalGeneration._from_config(config, attn_implementation="eager")
        ids, labels = torch.zeros(1, 100, dtype=torch.long), torch.zeros(1, 30, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=labels)
    assert counter.get_total_flops() == operations(100, 30, name)


def test_equal_seeds_give_equal_rows():
    assert rows(3, seed=1) == rows(3, seed=1) != rows(3, seed=2)


def test_ratios_are_those_of_the_medians():
    rates = {"ours": [4.0, 1.0, 9.0], "peer": [2.0, 1.0, 3.0]}  # the machine is slow in the second round
    assert list(table("greedy", rates))[2:] == [
        "| ours | 4.00 |  |  |",
        "| peer | 2.00 | 2.00 × | 1.00 to 3.00 |",
    ]


def test_each_round_begins_with_another():
    order = []
    who = {name: partial(order.append, name) for name in "abc"}
    measured(who, rounds=4)
    assert order == [*"abc", *"bca", *"cab", *"abc"]


def test_trainings_that_differ_are_no_comparison():
    same = Trained([(8, 1.0), (8, 2.0)], targets=500, loss=10.0)
    message = check_trained({"ours": same, "peer": replace(same, loss=10.1)})
    assert (
        message == "Each saw the same 16 articles and 500 target tokens; their mean losses are within 1.0%."
    )
    for other in (replace(same, targets=499), replace(same, steps=[(8, 1.0)]), replace(same, loss=10.3)):
        with pytest.raises(SystemExit, match="not the same work"):
            check_trained({"ours": same, "peer": other})


def test_a_batch_counts_its_articles_and_targets():
    counted = Counted(padded)
    for batch in (rows(3, seed=1), rows(2, seed=2)):
        counted(batch)
    assert counted.articles == [3, 2]
    assert counted.targets == sum(len(row["labels"]) for seed in (1, 2) for row in rows(4 - seed, seed))


def test_summaries_must_be_as_long_as_they_are_to_be():
    check_lengths([[5, 6, 7], [5, 6, 7, 1]], 3)
    for short in ([5, 6], [5, 1, 6]):
        with pytest.raises(SystemExit, match="1 of 2 summaries are short"):
            check_lengths([[5, 6, 7], short], 3)


@pytest.mark.parametrize(("gap", "is_fault"), [(1e-6, False), (0.1, True)])
def test_other_summaries_than_transformers_must_be_ties(gap, is_fault, monkeypatch):
    monkeypatch.setattr(speed, "gap_of", lambda *_: gap)
    theirs = [[5, 6]] * 32
    who = {"ours": [[5, 7]] * 32, "ours, fp32": [[5, 7], *theirs[1:]], "transformers": theirs}
    if is_fault:
        with pytest.raises(SystemExit, match="article 0 came out"):
            check_written("beams", who, Path())
    else:
        message = check_written("beams", who, Path())
        assert message.startswith("In float32 31 of 32 are token for token")
        assert message.endswith("the same came out: ours 0.")


def test_a_gap_is_that_of_the_token_where_two_part(tiny):
    source = [5, 6, 7, 1]
    with torch.inference_mode():
        logits = transformers_model(tiny["untied"])(
            input_ids=torch.tensor([source]), labels=torch.tensor([[9, 8]])
        ).logits
    shares = logits[0].log_softmax(-1)
    assert gap_of(tiny["untied"], source, [9, 8], [9, 4], True) == pytest.approx(
        float(shares[1, 4] - shares[1, 8]), abs=1e-5
    )
    assert gap_of(tiny["untied"], source, [9, 8], [9, 4], False) == pytest.approx(
        float(shares[1, 4] - shares[1, 8]) / 2, abs=1e-5
    )


def test_compiling_pays_once_it_is_made_up_for():
    assert compiling(40.0, {"ours": 4.0, "ours, compiled": 5.0}) == (
        "Compiling takes 40 s, which pays from 800 articles on."
    )
    assert compiling(40.0, {"ours": 4.0, "ours, compiled": 3.9}).endswith("no later step makes up for it.")


def test_a_score_that_is_not_that_of_rouge_score_ends_the_comparison():
    check_scores([(50.0, 1.0)], [(50.0, 1.0)])
    with pytest.raises(SystemExit, match=r"scores differ by 1\.0e-03"):
        check_scores([(50.0, 1.0)], [(50.0, 1.001)])


def test_a_job_is_what_params_yaml_says():
    jobs = {name: course.job_of(name, read_params()) for name in course.SHARES}
    small, whole = jobs["course"], jobs["mlsum"]
    assert (small.articles, small.epochs, small.validation, small.test, small.compile) == (
        2 * 1_500, 4, 2 * 500, 200, False,  # two fine-tunings
    )  # fmt: skip
    assert (whole.articles, whole.validation, whole.test, whole.compile) == (
        2 * 266_367, 2 * 1_000, 13_920, True,
    )  # fmt: skip
    assert small.systems == {"flan-base": 2, "flan-large": 1, "flan-small": 2, "t5-base": 2, "t5-small": 2}
    assert set(small.systems) <= SHAPES.keys()


def test_a_part_is_extrapolated_with_its_error():
    what, seconds, error = course.whole("all", [1.0, 2.0, 3.0, 2.0], 40)
    assert (what, seconds) == ("all", 80.0)
    assert error == pytest.approx(40 * 0.4082 * 3.182, abs=0.05)  # Student's t of three degrees


def test_a_bound_is_of_the_pairs_of_seeds():
    def runs(name, *scores):
        return [{"run": name, "seed": seed, "rougeL": score} for seed, score in enumerate(scores)]

    lines = quality.table([*runs("plain", 70.0, 71.0, 69.0), *runs("ours", 70.5, 70.5, 69.0, 60.0)])
    assert lines[2:] == [
        "| plain | 0: 70.00, 1: 71.00, 2: 69.00 | 70.00 | | |",
        "| ours | 0: 70.50, 1: 70.50, 2: 69.00 | 70.00 | +0.00 | -0.84 |",  # seed 3 has no pair
    ]
    with pytest.raises(InputError, match="plain, seed 0: stands there twice"):
        quality.table(runs("plain", 70.0) * 2)


def test_the_page_of_the_benchmark_holds_all_articles_and_systems(small_run):
    page = explorer.page_of(30)
    data = json.loads(page.split('id="explorer-data">')[1].split("</script>")[0])
    assert (len(data["articles"]), len(data["systems"])) == (30, explorer.NUM_SYSTEMS)
