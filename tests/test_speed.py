"""The benchmarks: rows of MLSUM's lengths, ratios taken round by round, errors and bounds."""

from statistics import median

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import T5Config, T5ForConditionalGeneration

from benchmarks import course, quality
from benchmarks.speed import measured, table
from benchmarks.workload import NUM_PIECES, NUM_ROWS, SHAPES, SOURCE_TOKENS, TARGET_TOKENS, operations, rows
from stages.shared.cli import InputError


def test_rows_have_the_lengths_of_mlsum():
    made = rows(3_000, seed=1)
    sources, targets = ([len(row[name]) for row in made] for name in ("input_ids", "labels"))
    full = sum(length == SOURCE_TOKENS for length in sources) / len(made)
    assert (max(sources), round(full, 2)) == (SOURCE_TOKENS, 0.96)
    assert median(targets) in range(49, 54)
    assert sorted(targets)[int(0.95 * len(made))] in range(83, 92)
    assert max(targets) <= TARGET_TOKENS
    assert {row[name][-1] for row in made for name in row} == {1}  # </s>
    assert max(max(row["input_ids"]) for row in made) < NUM_PIECES


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


def test_ratios_are_taken_in_each_round():
    ours, theirs = iter([4.0, 1.0, 9.0]), iter([2.0, 1.0, 3.0])  # the machine is slow in the second round
    rates = measured({"ours": lambda: next(ours), "peer": lambda: next(theirs)}, rounds=3)
    lines = list(table("greedy", rates))
    assert lines[2:] == ["| ours | 4.00 | 1.00 × | 1.00 to 1.00 |", "| peer | 2.00 | 2.00 × | 1.00 to 3.00 |"]


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
