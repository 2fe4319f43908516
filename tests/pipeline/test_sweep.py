"""A sweep: two workers at once, none lost, a failed one poisons nothing, the cache whole."""

from tests.helpers.sweep import RATES, sweep


def test_two_experiments_by_two_workers_and_one_that_fails(clone):
    sweep(clone, RATES[:2])
