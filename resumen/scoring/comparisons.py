"""The comparisons that answer the question: which pairs, and what their difference says."""

from typing import Any

import numpy as np

from resumen.runtime.paths import PRETRAINED_DIR
from resumen.scoring.bootstrap import comparisons_left, difference, holm, minimum_detectable_effect, verdict


def base_system(params: dict[str, Any]) -> str | None:
    """Return the system that runs the base of the fine-tuning with our template, if there is one."""
    base = {"from": (PRETRAINED_DIR / params["finetune"]["base"]).as_posix()}
    return next((name for name, entry in params["systems"].items() if entry == base), None)


def pairs(base: str | None) -> list[tuple[str, str, str]]:
    """Return what the question is about: a name, the system that is to be better, the one it is held against.

    `base` is the system that runs the base of the fine-tuning, if there is one.
    """
    return [
        ("instruction tuning, the course's comparison", "flan-base", "t5-base"),
        ("instruction tuning", "flan-small", "t5-small"),
        ("the prompt", "t5-base-prefix", "t5-base"),
        ("size", "flan-large", "flan-base"),
        ("size", "flan-base", "flan-small"),
        *([("fine-tuning", "finetuned", base)] if base else []),
        ("use", "finetuned", "lead-3"),
    ]


def compare_pairs(
    asked: list[tuple[str, str, str]],
    values: dict[str, np.ndarray],
    means: dict[str, np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """Return those of `pairs` whose systems are both there: difference, interval, p, corrected p, verdict.

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
