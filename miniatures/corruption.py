"""Span corruption: T5's own pre-training task, on token ids."""

import random
from collections.abc import Sequence


def random_segments(rng: random.Random, total: int, parts: int) -> list[int]:
    """Return `parts` lengths, each at least 1, that add up to `total`."""
    cuts = sorted(rng.sample(range(1, total), parts - 1))
    return [stop - start for start, stop in zip([0, *cuts], [*cuts, total], strict=True)]


def corrupt(
    ids: Sequence[int], kept: Sequence[int], noise: Sequence[int], first_sentinel: int
) -> tuple[list[int], list[int]]:
    """Return source and target of span corruption: `kept[0]` ids stay, `noise[0]` go, and so on.

    Sentinels descend, as in T5: the first has the highest id. No `</s>`.

    >>> corrupt([5, 6, 7, 8, 9], kept=[1, 1], noise=[2, 1], first_sentinel=99)
    ([5, 99, 8, 98], [99, 6, 7, 98, 9])
    """
    source, target, start = [], [], 0
    for index, (num_kept, num_noise) in enumerate(zip(kept, noise, strict=True)):
        sentinel = first_sentinel - index
        noise_start = start + num_kept
        source += [*ids[start:noise_start], sentinel]
        target += [sentinel, *ids[noise_start : noise_start + num_noise]]
        start = noise_start + num_noise
    return source, target


def span_corruption(
    rng: random.Random,
    ids: Sequence[int],
    first_sentinel: int,
    density: float = 0.15,
    mean_span: float = 3.0,
) -> tuple[list[int], list[int]]:
    """Return source and target, with as many and as long spans as T5's `random_spans_noise_mask`.

    Source: https://github.com/google-research/text-to-text-transfer-transformer (t5/data/preprocessors.py).
    """
    num_noise = min(max(round(len(ids) * density), 1), len(ids) - 1)
    num_spans = min(max(round(num_noise / mean_span), 1), len(ids) - num_noise)
    noise = random_segments(rng, num_noise, num_spans)
    kept = random_segments(rng, len(ids) - num_noise, num_spans)
    return corrupt(ids, kept, noise, first_sentinel)
