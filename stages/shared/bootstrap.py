"""Bootstrap: intervals of means, and of differences between systems on the same articles.

The articles are drawn with replacement, the same ones for every system (Koehn 2004,
https://aclanthology.org/W04-3250). Several comparisons share one error rate by Holm's correction (1979).
"""

import math
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

DRAWS_AT_ONCE = 500  # bounds the memory at that many × articles
POWER = 0.8  # with which a difference that is there is to be seen


def drawn_means(scores: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return the columns' means in each draw of the articles: (samples, columns).

    `scores` is (articles, columns). The same articles are drawn for every column.
    """
    draw, count = np.random.default_rng(seed), len(scores)
    means = np.empty((samples, scores.shape[1]))
    for start in range(0, samples, DRAWS_AT_ONCE):
        size = min(DRAWS_AT_ONCE, samples - start)
        weights = draw.multinomial(count, np.full(count, 1 / count), size=size)
        means[start : start + size] = weights @ scores / count
    return means


def bounds(means: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile bounds of each column of `drawn_means`."""
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(means, [tail, 1 - tail], axis=0)
    return lower, upper


class Difference(NamedTuple):
    """A mean difference between two systems, in points, on the same articles."""

    mean: float
    lower: float
    upper: float
    p: float  # two-sided: how often the draws fall on the other side of zero
    detectable: float  # the smallest difference that this many articles show, with POWER
    needed: float  # articles to show the one that was found; infinite where there is none


def difference(scores: np.ndarray, means: np.ndarray, confidence: float) -> Difference:
    """Return what the articles' differences `scores` (articles,) and their drawn means (samples,) say.

    The p-value counts the draws on the far side of zero and one more, so it is never 0 (Davison and Hinkley
    1997, 4.2). What can be detected goes by the normal approximation.
    """
    lower, upper = bounds(means[:, None], confidence)
    least = min((means <= 0).sum(), (means >= 0).sum())
    p = min(1.0, 2 * (int(least) + 1) / (len(means) + 1))
    deviation, count = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0, len(scores)
    normal = NormalDist()
    factor = normal.inv_cdf(1 - (1 - confidence) / 2) + normal.inv_cdf(POWER)
    mean = float(scores.mean())
    needed = (factor * deviation / mean) ** 2 if mean else math.inf
    return Difference(
        mean, float(lower[0]), float(upper[0]), p, factor * deviation / math.sqrt(count), needed
    )


def holm(p_values: list[float]) -> list[float]:
    """Return the p-values corrected for their number (Holm 1979), in their order.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def verdict(found: Difference, p: float, count: int, confidence: float) -> str:
    """Return the difference in words; `p` is the corrected one.

    >>> verdict(Difference(2.0, 1.0, 3.0, 0.001, 1.2, 60.0), 0.002, 200, 0.95)
    'better'
    >>> verdict(Difference(0.5, -0.5, 1.5, 0.3, 1.2, 1153.6), 0.6, 200, 0.95)
    'cannot tell at n = 200; about 1,200 articles would be needed'
    """
    if count < 2:
        return "cannot tell from one article"
    if p < 1 - confidence:
        return "better" if found.mean > 0 else "worse"
    said = f"cannot tell at n = {count:,}"
    if not math.isfinite(found.needed) or found.needed > 10**7:
        return said
    least = max(found.needed, count + 1)  # corrected for several comparisons, as many as there are do not do
    step = 10 ** max(0, len(str(math.ceil(least))) - 2)
    return f"{said}; about {math.ceil(least / step) * step:,} articles would be needed"


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


def compare(
    asked: list[tuple[str, str, str]],
    values: dict[str, np.ndarray],
    means: dict[str, np.ndarray],
    confidence: float,
) -> list[dict[str, Any]]:
    """Return those of `pairs` whose systems are both there: difference, interval, p, corrected p, verdict.

    `values` has each system's scores (articles,), `means` its drawn means (samples,).
    """
    there = [pair for pair in asked if pair[1] in values and pair[2] in values]
    found = [
        difference(values[one] - values[other], means[one] - means[other], confidence)
        for _, one, other in there
    ]
    corrected = holm([row.p for row in found])
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
            "detectable": round(row.detectable, 2),
            "verdict": verdict(row, p, len(values[one]), confidence),
        }
        for (question, one, other), row, p in zip(there, found, corrected, strict=True)
    ]
