"""A queue: two workers at once, one that fails poisons nothing, and the cache is whole afterwards."""

from tests.helpers.sweep import RATES, sweep


def test_an_experiment_and_one_that_fails_by_two_workers(clone):
    sweep(clone, RATES[:1])
