"""Bootstrap: intervals hold what they say, none is found where none is, and words say what numbers do."""

import math

import numpy as np
import pytest

from resumen.runtime.errors import InputError
from resumen.schema.params import read_params
from resumen.scoring.bootstrap import (
    Difference,
    bootstrap_means,
    comparisons_left,
    difference,
    holm,
    minimum_detectable_effect,
    percentile_interval,
    required_articles,
    verdict,
)
from resumen.scoring.comparisons import compare_all, comparisons_of
from tests.helpers.paths import ROOT

TESTED = comparisons_of(read_params(ROOT / "params.yaml"))


def found_in(scores: np.ndarray, seed: int, samples: int = 500) -> Difference:
    return found_in_each([scores], seed, samples)[0]


def found_in_each(trials: list[np.ndarray], seed: int, samples: int = 500) -> list[Difference]:
    """Return what each of some trials shows; they share the draws of their articles, which take the time."""
    means = bootstrap_means(np.stack(trials, axis=1), samples, seed)
    return [difference(scores, drawn, 0.95) for scores, drawn in zip(trials, means.T, strict=True)]


def normal(draw: np.random.Generator, count: int) -> np.ndarray:
    return draw.normal(0, 8, count)


def skewed(draw: np.random.Generator, count: int) -> np.ndarray:
    """Return differences of mean 0 and deviation 8, most of them small, some large."""
    return 8 * (draw.exponential(1, count) - 1)


# 5 % and three standard errors of 1,000 trials, 2.1 points (25 of them share the draws of their articles, not
# their scores); of 5 articles the rate itself is 5.8 % (4,000
# trials), of 50 skewed ones 7.0 %.
NOTHING_THERE = [
    (normal, 5, 8.0),
    (normal, 20, 7.1),
    (normal, 200, 7.1),
    (skewed, 200, 7.1),
    (skewed, 50, 9.1),
]


@pytest.mark.parametrize(("drawn", "count", "maximum"), NOTHING_THERE)
def test_the_interval_holds_the_truth_and_no_difference_is_found_where_none_is(drawn, count, maximum):
    draw = np.random.default_rng(11)
    trials = [
        row for seed in range(40) for row in found_in_each([drawn(draw, count) for _ in range(25)], seed)
    ]
    assert 100 * np.mean([row.p < 0.05 for row in trials]) <= maximum
    assert 100 - maximum - 1 <= 100 * np.mean([row.lower <= 0 <= row.upper for row in trials]) <= 98


def four_systems(draw, shape):
    """Return ROUGE-L of the cells of a 2 × 2 on the same articles, in points, skewed and correlated, by name.

    The easier an article is, the more all of them score. The means are those of their Beta distributions.
    """
    ease = draw.normal(0, 4, shape)
    parameters = {
        "t5-small": (2, 16),
        "flan-small": (1, 5),
        "t5-small-finetuned": (6, 8),
        "finetuned": (1.6, 0.5),
    }
    scores = {name: 100 * draw.beta(*beta, shape) + ease for name, beta in parameters.items()}
    means = {name: 100 * a / (a + b) for name, (a, b) in parameters.items()}
    return scores, means


def test_the_interval_of_an_interaction_holds_the_truth_95_times_in_100():
    (interaction,) = [one for one in TESTED if one.name == "interaction"]
    scores, means = four_systems(np.random.default_rng(21), (200, 1_500))  # articles, trials
    drawn = bootstrap_means(interaction.of(scores), 1_000, seed=1)
    lower, upper = percentile_interval(drawn, 200, 0.95)
    truth = interaction.of(means)
    assert 93 <= 100 * np.mean((lower <= truth) & (truth <= upper)) <= 97


def test_an_interaction_is_the_difference_of_two_differences_by_article():
    (interaction,) = [one for one in TESTED if one.name == "interaction"]
    scores, _ = four_systems(np.random.default_rng(22), 200)
    means = bootstrap_means(np.stack(list(scores.values()), axis=1), 2_000, seed=1)
    rows = compare_all(TESTED, scores, dict(zip(scores, means.T, strict=True)), 0.95)
    by_name = {row["name"]: row for row in rows}
    row = by_name["interaction"]
    after, before = by_name["instruction-tuning-finetuned"], by_name["instruction-tuning"]
    assert row["difference"] == pytest.approx(after["difference"] - before["difference"], abs=0.011)
    other = by_name["fine-tuning"]["difference"] - by_name["fine-tuning-t5"]["difference"]
    assert row["difference"] == pytest.approx(other, abs=0.011)  # whichever way it is taken
    alone = found_in(interaction.of(scores), 1)
    assert (row["lower"], row["upper"]) == pytest.approx((alone.lower, alone.upper), abs=1.0)
    assert row["verdict"] == "larger"
    assert "system" not in row
    assert row["systems"] == ["finetuned", "t5-small-finetuned", "flan-small", "t5-small"]


def test_rows_and_columns_exchanged_are_the_same_interaction():
    params = read_params(ROOT / "params.yaml")
    again = {"question": "?", "comparison": "fine-tuning", "against": "fine-tuning-t5"}
    params["comparisons"]["again"] = again
    with pytest.raises(InputError, match=r"comparisons\.again: the difference of comparisons\.interaction"):
        comparisons_of(params)


def test_an_interaction_without_one_of_its_cells_is_left_out():
    scores, _ = four_systems(np.random.default_rng(22), 20)
    del scores["t5-small"]
    means = {name: np.zeros(50) for name in scores}
    assert "interaction" not in [row["name"] for row in compare_all(TESTED, scores, means, 0.95)]


@pytest.mark.parametrize("tests", [1, 7])
def test_what_is_called_detectable_is_found_four_times_in_five(tests):
    draw = np.random.default_rng(12)
    nothing = found_in_each([normal(draw, 200) for _ in range(50)], seed=0)
    minimum = np.mean([minimum_detectable_effect(row, 0.95, tests) for row in nothing])
    result = [
        row.p * tests < 0.05
        for seed in range(16)
        for row in found_in_each([normal(draw, 200) + minimum for _ in range(25)], seed, 1_000)
    ]
    assert 0.73 <= np.mean(result) <= 0.87


def test_a_shift_moves_the_interval_and_mirrors_the_p_value():
    scores = np.random.default_rng(3).normal(1, 8, 100)
    one, other = found_in(scores, 1), found_in(-scores, 1)
    assert one.lower == pytest.approx(-other.upper)
    assert one.p == other.p
    assert found_in(scores + 50, 1).p == pytest.approx(2 / 501)


def test_equal_systems_differ_by_nothing():
    row = found_in(np.zeros(50), 1)
    assert (row.mean, row.lower, row.upper, row.p, required_articles(row, 0.95)) == (0, 0, 0, 1, math.inf)
    assert verdict(row, 1.0, 0.95) == "cannot tell at n = 50"


def test_one_article_has_no_interval():
    with pytest.raises(InputError, match="one article: neither an interval nor a difference can be told"):
        found_in(np.array([30.0]), 1)


def test_two_articles_alike_are_not_yet_a_difference():
    row = found_in(np.array([3.0, 1.0]), 1)
    assert verdict(row, row.p, 0.95).startswith("cannot tell at n = 2; about ")


def test_more_comparisons_ask_for_larger_differences_and_more_articles():
    row = found_in(normal(np.random.default_rng(1), 200) + 1, 1)
    assert minimum_detectable_effect(row, 0.95, 7) / minimum_detectable_effect(row, 0.95) == pytest.approx(
        (2.690 + 0.842) / (1.960 + 0.842), abs=1e-3
    )
    assert required_articles(row, 0.95, 7) > 1.5 * required_articles(row, 0.95)
    assert comparisons_left([0.01, 0.02, 0.03]) == [3, 2, 1]


HOLM = [
    ([], []),
    ([0.02], [0.02]),
    ([0.01, 0.02, 0.03], [0.03, 0.04, 0.04]),
    ([0.5, 0.001, 0.6], [1.0, 0.003, 1.0]),
]


@pytest.mark.parametrize(("given", "expected"), HOLM)
def test_holm_is_worked_by_hand(given, expected):
    assert holm(given) == pytest.approx(expected)


def test_of_all_that_is_tested_where_nothing_differs_one_is_seldom_found():
    draw, asked, wrong = np.random.default_rng(6), TESTED, 0
    names = sorted({name for one in asked for name in one.systems})
    for seed in range(20):
        scores = draw.normal(40, 8, (100, 10, len(names)))  # articles, trials, systems
        means = bootstrap_means(scores.reshape(100, -1), 500, seed).reshape(500, 10, len(names))
        for trial in range(10):
            values, drawn = (dict(zip(names, array[:, trial].T, strict=True)) for array in (scores, means))
            rows = compare_all(asked, values, drawn, 0.95)
            wrong += any(not row["verdict"].startswith("cannot tell") for row in rows)
    assert wrong / 200 <= 0.10  # 5 % and three standard errors


def test_the_pairs_share_one_error_rate():
    draw = np.random.default_rng(5)
    values = {name: draw.normal(40, 10, 200) for name in ("flan-small", "t5-small", "finetuned", "lead-3")}
    values["finetuned"] = values["flan-small"] + draw.normal(9, 5, 200)
    drawn = bootstrap_means(np.stack(list(values.values()), axis=1), 1_000, 1)
    rows = compare_all(TESTED, values, dict(zip(values, drawn.T, strict=True)), 0.95)
    assert [(row["system"], row["against"]) for row in rows] == [
        ("flan-small", "t5-small"),
        ("finetuned", "flan-small"),
        ("finetuned", "t5-small"),
        ("finetuned", "lead-3"),
    ]
    assert all(row["p_holm"] >= row["p"] for row in rows)
    assert rows[1]["verdict"] == "better"
    assert rows[0]["verdict"].startswith("cannot tell at n = 200; about ")
