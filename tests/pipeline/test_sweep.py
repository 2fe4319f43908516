"""A sweep: two workers at once, none lost, a failed one poisons nothing, the cache whole."""

from tests.helpers.sweep import RATES, sweep


def test_an_experiment_and_one_that_fails_by_two_workers(clone):
    sweep(clone, RATES[:1])
