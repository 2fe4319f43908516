"""The pairs of systems that are tested, and what their difference says."""

from typing import Any, NamedTuple

import numpy as np

from resumen.runtime.errors import InputError
from resumen.runtime.paths import PRETRAINED_DIR
from resumen.schema.comparisons import comparison_params
from resumen.scoring.bootstrap import comparisons_left, difference, holm, minimum_detectable_effect, verdict


def base_system(params: dict[str, Any]) -> str | None:
    """Return the system that runs the base of the fine-tuning with our template, if there is one."""
    base = {"from": (PRETRAINED_DIR / params["finetune"]["base"]).as_posix()}
    return next((name for name, entry in params["systems"].items() if entry == base), None)


class Comparison(NamedTuple):
    """Two systems that are tested, by the name of the entry in `comparisons`."""

    name: str
    question: str
    system: str  # the one that is to be better
    against: str | None  # None: no system runs the base of the fine-tuning as it was published


def pairs(params: dict[str, Any]) -> list[Comparison]:
    """Return the pairs of `comparisons`.

    Raises:
        InputError: a fault in the section, or a pair that stands there twice.
    """
    result: dict[tuple[str, str | None], Comparison] = {}
    for name, entry in comparison_params(params).items():
        against = base_system(params) if entry.against is None else entry.against
        first = result.setdefault(
            (entry.system, against), Comparison(name, entry.question, entry.system, against)
        )
        if first.name != name:
            raise InputError(
                f"params.yaml: comparisons.{name}: the pair of comparisons.{first.name}, {entry.system} − "
                f"{against}; leave one out, since each takes its share of the error rate"
            )
    return list(result.values())


def compare_pairs(
    asked: list[Comparison],
    values: dict[str, np.ndarray],
    means: dict[str, np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """Return those of `asked` whose systems are both there: difference, interval, p, corrected p, verdict.

    `values` has each system's scores (articles,), `means` its drawn means (samples,).
    """
    there = [(pair, pair.against) for pair in asked if pair.system in values and pair.against in values]
    result = [
        difference(values[pair.system] - values[other], means[pair.system] - means[other], confidence)
        for pair, other in there
    ]
    p_values = [row.p for row in result]
    return [
        {
            "name": pair.name,
            "question": pair.question,
            "system": pair.system,
            "against": other,
            "difference": round(row.mean, 2),
            "lower": round(row.lower, 2),
            "upper": round(row.upper, 2),
            "p": round(row.p, 4),
            "p_holm": round(p, 4),
            "detectable": round(minimum_detectable_effect(row, confidence, tests), 2),
            "verdict": verdict(row, p, confidence, tests),
        }
        for (pair, other), row, p, tests in zip(
            there, result, holm(p_values), comparisons_left(p_values), strict=True
        )
    ]
