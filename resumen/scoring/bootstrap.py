"""Bootstrap: intervals of means, and of differences between systems on the same articles.

The articles are drawn with replacement, the same ones for every system (Koehn 2004,
https://aclanthology.org/W04-3250). Several comparisons share one error rate by Holm's correction (1979).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import ndtri, stdtrit  # Student's and the normal quantiles; scipy.stats takes a second

from resumen.runtime.errors import InputError

DRAWS_CHUNK = 500  # bounds the memory at that many × articles
POWER = 0.8  # with which a difference that is there is to be seen


def bootstrap_means(scores: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return the columns' means in each draw of the articles: (samples, columns).

    `scores` is (articles, columns). The same articles are drawn for every column.
    """
    draw, count = np.random.default_rng(seed), len(scores)
    means = np.empty((samples, scores.shape[1]))
    for start in range(0, samples, DRAWS_CHUNK):
        size = min(DRAWS_CHUNK, samples - start)
        weights = draw.multinomial(count, np.full(count, 1 / count), size=size)
        means[start : start + size] = weights @ scores / count
    return means


def percentile_interval(means: np.ndarray, count: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile bounds of each column of `bootstrap_means`, of `count` articles.

    The percentile interval of few articles is too narrow: it is expanded as Student's is wider than the
    normal one (Hesterberg 2015, https://doi.org/10.1080/00031305.2015.1089789); by 0.9 % at 200 articles.
    """
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(expanded_for_few(means, count, confidence), [tail, 1 - tail], axis=0)
    return lower, upper


def expanded_for_few(means: np.ndarray, count: int, confidence: float) -> np.ndarray:
    """Return drawn means, further from their centre by as much as `count` articles ask for, at least two."""
    tail = (1 - confidence) / 2
    factor = stdtrit(count - 1, 1 - tail) / ndtri(1 - tail) * math.sqrt(count / (count - 1))
    centre = means.mean(axis=0)
    moved: np.ndarray = centre + float(factor) * (means - centre)
    return moved


@dataclass(frozen=True)
class Difference:
    """A mean difference between two systems, in points, on the same articles."""

    mean: float
    lower: float
    upper: float
    p: float  # two-sided: how often the draws fall on the other side of zero
    deviation: float  # of the articles' differences
    count: int  # articles


def difference(scores: np.ndarray, means: np.ndarray, confidence: float) -> Difference:
    """Return what the articles' differences `scores` (articles,) and their drawn means (samples,) say.

    The p-value counts the draws on the far side of zero and one more, so it is never 0 (Davison and Hinkley
    1997, 4.2).

    Raises:
        InputError: there is one article, which has no interval.
    """
    count = len(scores)
    if count < 2:
        raise InputError("one article: neither an interval nor a difference can be told; score two at least")
    drawn = expanded_for_few(means, count, confidence)
    lower, upper = percentile_interval(means[:, None], count, confidence)
    fewer = min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, 2 * (int(fewer) + 1) / (len(means) + 1))
    deviation = float(scores.std(ddof=1))
    return Difference(float(scores.mean()), float(lower[0]), float(upper[0]), p, deviation, count)


def minimum_detectable_effect(effect: Difference, confidence: float, tests: int = 1) -> float:
    """Return the minimum detectable effect of so many articles at 80 % power (POWER).

    By the normal approximation, at the level that `tests` comparisons leave to each.
    """
    return power_factor(confidence, tests) * effect.deviation / math.sqrt(effect.count)


def required_articles(effect: Difference, confidence: float, tests: int = 1) -> float:
    """Return how many articles would show the difference that was found at 80 % power; or infinity."""
    if not effect.mean:
        return math.inf
    return (power_factor(confidence, tests) * effect.deviation / effect.mean) ** 2


def power_factor(confidence: float, tests: int) -> float:
    """Return the standard errors between nothing and a difference that is seen with POWER."""
    normal = NormalDist()
    return normal.inv_cdf(1 - (1 - confidence) / tests / 2) + normal.inv_cdf(POWER)


def comparisons_left(p_values: list[float]) -> list[int]:
    """Return how many tests Holm's correction still counts at each p-value: all at the smallest, then fewer.

    >>> comparisons_left([0.01, 0.04, 0.03])
    [3, 1, 2]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    return [len(p_values) - order.index(index) for index in range(len(p_values))]


def holm(p_values: list[float]) -> list[float]:
    """Return the p-values corrected for their number (Holm 1979), in their order.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def verdict(effect: Difference, p: float, confidence: float, tests: int = 1) -> str:
    """Return the difference in words; `p` is the corrected one of `comparisons_left`.

    >>> verdict(Difference(2.0, 1.0, 3.0, 0.001, 6.1, 200), 0.002, 0.95)
    'better'
    >>> verdict(Difference(0.5, -0.5, 1.5, 0.3, 6.06, 200), 0.6, 0.95)
    'cannot tell at n = 200; about 1,200 articles would be needed'
    """
    if p < 1 - confidence:
        return "better" if effect.mean > 0 else "worse"
    text, wanted = f"cannot tell at n = {effect.count:,}", required_articles(effect, confidence, tests)
    if not math.isfinite(wanted) or wanted > 10**7:
        return text
    at_least = max(wanted, effect.count + 1)  # as many as there are do not do
    step = 10 ** max(0, len(str(math.ceil(at_least))) - 2)
    return f"{text}; about {math.ceil(at_least / step) * step:,} articles would be needed"
