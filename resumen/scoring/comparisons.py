"""The pairs of systems that are tested, and what their difference says."""

from typing import Any

import numpy as np

from resumen.runtime.paths import PRETRAINED_DIR
from resumen.schema.comparisons import comparison_params
from resumen.scoring.bootstrap import comparisons_left, difference, holm, minimum_detectable_effect, verdict


def base_system(params: dict[str, Any]) -> str | None:
    """Return the system that runs the base of the fine-tuning with our template, if there is one."""
    base = {"from": (PRETRAINED_DIR / params["finetune"]["base"]).as_posix()}
    return next((name for name, entry in params["systems"].items() if entry == base), None)


def pairs(params: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the pairs of `comparisons`: the question, the system that is to be better, the other.

    A pair against the base of the fine-tuning is left out where no system runs it as it was published.

    Raises:
        InputError: a fault in the section.
    """
    asked = [
        (entry.question, entry.system, base_system(params) if entry.against is None else entry.against)
        for entry in comparison_params(params).values()
    ]
    return [(question, system, other) for question, system, other in asked if other is not None]


def compare_pairs(
    asked: list[tuple[str, str, str]],
    values: dict[str, np.ndarray],
    means: dict[str, np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """Return those of `asked` whose systems are both there: difference, interval, p, corrected p, verdict.

    `values` has each system's scores (articles,), `means` its drawn means (samples,).
    """
    there = [pair for pair in asked if pair[1] in values and pair[2] in values]
    result = [
        difference(values[one] - values[other], means[one] - means[other], confidence)
        for _, one, other in there
    ]
    p_values = [row.p for row in result]
    return [
        {
            "question": question,
            "system": one,
            "against": other,
            "difference": round(row.mean, 2),
            "lower": round(row.lower, 2),
            "upper": round(row.upper, 2),
            "p": round(row.p, 4),
            "p_holm": round(p, 4),
            "detectable": round(minimum_detectable_effect(row, confidence, tests), 2),
            "verdict": verdict(row, p, confidence, tests),
        }
        for (question, one, other), row, p, tests in zip(
            there, result, holm(p_values), comparisons_left(p_values), strict=True
        )
    ]
