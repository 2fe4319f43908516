"""The speed benchmarks: rows of MLSUM's lengths, ratios taken round by round."""

from statistics import median

from benchmarks.speed import measured, table
from benchmarks.workload import NUM_PIECES, SOURCE_TOKENS, TARGET_TOKENS, rows


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


def test_equal_seeds_give_equal_rows():
    assert rows(3, seed=1) == rows(3, seed=1) != rows(3, seed=2)


def test_ratios_are_taken_in_each_round():
    ours, theirs = iter([4.0, 1.0, 9.0]), iter([2.0, 1.0, 3.0])  # the machine is slow in the second round
    rates = measured({"ours": lambda: next(ours), "peer": lambda: next(theirs)}, rounds=3)
    lines = list(table("greedy", rates))
    assert lines[2:] == ["| ours | 4.00 | 1.00 × | 1.00 to 1.00 |", "| peer | 2.00 | 2.00 × | 1.00 to 3.00 |"]
