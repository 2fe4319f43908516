"""Bootstrap: intervals hold what they say, none is found where none is, and words say what numbers do."""

import math

import numpy as np
import pytest

from stages.shared.bootstrap import Difference, compare, difference, drawn_means, holm, pairs, verdict


def found_in(scores: np.ndarray, seed: int, samples: int = 500) -> Difference:
    return difference(scores, drawn_means(scores[:, None], samples, seed)[:, 0], 0.95)


@pytest.fixture(scope="module")
def trials() -> list[Difference]:
    """Differences of 200 articles each, drawn where the true one is 0 and the deviation 8 points."""
    draw = np.random.default_rng(11)
    return [found_in(draw.normal(0, 8, 200), seed) for seed in range(400)]


def test_the_interval_holds_the_truth_as_often_as_it_says(trials):
    held = np.mean([row.lower <= 0 <= row.upper for row in trials])
    assert 0.92 <= held <= 0.98  # 0.95 and three deviations of 400 trials


def test_no_difference_is_found_where_none_is(trials):
    assert np.mean([row.p < 0.05 for row in trials]) <= 0.08


def test_what_is_called_detectable_is_found_four_times_in_five(trials):
    draw, least = np.random.default_rng(12), np.mean([row.detectable for row in trials])
    found = [found_in(draw.normal(least, 8, 200), seed).p < 0.05 for seed in range(400)]
    assert 0.74 <= np.mean(found) <= 0.86


def test_a_shift_moves_the_interval_and_mirrors_the_p_value():
    scores = np.random.default_rng(3).normal(1, 8, 100)
    one, other = found_in(scores, 1), found_in(-scores, 1)
    assert one.lower == pytest.approx(-other.upper)
    assert one.p == other.p
    assert found_in(scores + 50, 1).p == pytest.approx(2 / 501)


def test_equal_systems_differ_by_nothing():
    row = found_in(np.zeros(50), 1)
    assert (row.mean, row.lower, row.upper, row.p, row.needed) == (0, 0, 0, 1, math.inf)
    assert verdict(row, 1.0, 50, 0.95) == "cannot tell at n = 50"


def test_one_article_says_nothing():
    assert verdict(found_in(np.array([30.0]), 1), 0.001, 1, 0.95) == "cannot tell from one article"


HOLM = [
    ([], []),
    ([0.02], [0.02]),
    ([0.01, 0.02, 0.03], [0.03, 0.04, 0.04]),
    ([0.5, 0.001, 0.6], [1.0, 0.003, 1.0]),
]


@pytest.mark.parametrize(("given", "expected"), HOLM)
def test_holm_is_worked_by_hand(given, expected):
    assert holm(given) == pytest.approx(expected)


def test_the_pairs_share_one_error_rate():
    draw = np.random.default_rng(5)
    values = {name: draw.normal(40, 10, 200) for name in ("flan-small", "t5-small", "finetuned", "lead-3")}
    values["finetuned"] = values["flan-small"] + draw.normal(9, 5, 200)
    drawn = drawn_means(np.stack(list(values.values()), axis=1), 1_000, 1)
    rows = compare(pairs("flan-small"), values, dict(zip(values, drawn.T, strict=True)), 0.95)
    assert [(row["system"], row["against"]) for row in rows] == [
        ("flan-small", "t5-small"),
        ("finetuned", "flan-small"),
        ("finetuned", "lead-3"),
    ]
    assert all(row["p_holm"] >= row["p"] for row in rows)
    assert rows[1]["verdict"] == "better"
    assert rows[0]["verdict"].startswith("cannot tell at n = 200; about ")
