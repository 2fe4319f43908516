"""ROUGE of one summary: the formulas of rouge_score, over the words that a splitter finds, faster.

Paper: Lin 2004, https://aclanthology.org/W04-1013
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from rapidfuzz.distance import LCSseq

from resumen.text.sentences import sentences
from resumen.text.stems import content_stems
from resumen.text.words import words

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")
CONTENT_TYPES = ("rouge1_content", "rougeL_content")  # over content_stems

Counted = TypeVar("Counted")

Splitter = Callable[[str], list[str]]  # a text -> its words

ASCII_WORD = re.compile(r"[a-z0-9]+")


def ascii_words(text: str) -> list[str]:
    """Return the words as rouge_score splits them, and as published scores have them: accents are borders.

    >>> ascii_words("El artículo")
    ['el', 'art', 'culo']
    """
    return ASCII_WORD.findall(text.lower())


def rouge(prediction: str, reference: str, split: Splitter = words) -> tuple[float, float, float, float]:
    """Return the F1 of ROUGE_TYPES, in points (0-100); the words are those of `split`.

    Equal to rouge_score's with the same words and the texts' sentences on lines of their own.
    """
    given = [split(sentence) for sentence in sentences(prediction)]
    wanted = [split(sentence) for sentence in sentences(reference)]
    ours, theirs = [word for line in given for word in line], [word for line in wanted for word in line]
    longest = LCSseq.similarity(ours, theirs)
    # One sentence against one: the union of one subsequence is that subsequence.
    union = longest if len(given) == len(wanted) == 1 else union_hits(given, wanted)
    return (
        f1(ours, theirs),
        f1([*pairwise(ours)], [*pairwise(theirs)]),
        points(longest, len(ours), len(theirs)),
        points(union, len(ours), len(theirs)),
    )


def rouge_multi(
    prediction: str, references: Sequence[str], split: Splitter = words
) -> tuple[float, float, float, float]:
    """Return the best F1 of each of ROUGE_TYPES among the `references`, at least one, in points.

    As `score_multi` of rouge_score does; each type may find another reference best.
    """
    one, two, longest, union = zip(
        *(rouge(prediction, reference, split) for reference in references), strict=True
    )
    return max(one), max(two), max(longest), max(union)


def rouge_content(prediction: str, references: Sequence[str], language: str) -> tuple[float, float]:
    """Return the best F1 of each of CONTENT_TYPES among the `references`, at least one, in points.

    ROUGE-1 and ROUGE-L over `content_stems`; 0 where either side has none.
    """
    given = content_stems(words(prediction), language)
    scores = [of_words(given, content_stems(words(reference), language)) for reference in references]
    one, longest = zip(*scores, strict=True)
    return max(one), max(longest)


def of_words(given: list[str], wanted: list[str]) -> tuple[float, float]:
    """Return the F1 of ROUGE-1 and of ROUGE-L, in points."""
    longest = LCSseq.similarity(given, wanted)
    return f1(given, wanted), points(longest, len(given), len(wanted))


def points(hits: int, num_given: int, num_wanted: int) -> float:
    """Return the F1, in points, of `hits` among `num_given` and `num_wanted`.

    >>> points(1, 2, 1), points(0, 0, 0)
    (66.66666666666666, 0.0)
    """
    if not hits:
        return 0.0
    precision, recall = hits / num_given, hits / num_wanted
    return 100.0 * (2 * precision * recall / (precision + recall))


def f1(given: Sequence[Counted], wanted: Sequence[Counted]) -> float:
    """Return the F1, in points, of what two bags have in common.

    >>> f1(["a", "a", "b"], ["a", "c"])
    40.0
    """
    left, hits = dict[Counted, int](), 0
    for one in wanted:  # a third faster than Counter, which the intersection of two needs twice
        left[one] = left.get(one, 0) + 1
    for one in given:
        if count := left.get(one):
            left[one] = count - 1
            hits += 1
    return points(hits, len(given), len(wanted))


def union_hits(given: Sequence[list[str]], wanted: Sequence[list[str]]) -> int:
    """Return the words of the wanted sentences that ROUGE-Lsum counts as found.

    Of each, those that are in its longest common subsequence with any given sentence (Lin 2004, 3.2); no
    word counts oftener than the given sentences have it.
    """
    left_given = Counter(word for line in given for word in line)
    left_wanted = Counter(word for line in wanted for word in line)
    hits, indices = 0, [(len(line), word_positions(line)) for line in given]
    for line in wanted:
        result = {index for length, at in indices for index in lcs_positions(line, at, length)}
        for index in sorted(result):
            word = line[index]
            if left_given[word] > 0 and left_wanted[word] > 0:
                hits += 1
                left_given[word] -= 1
                left_wanted[word] -= 1
    return hits


def word_positions(given: list[str]) -> dict[str, int]:
    """Return the positions of each word, as the bits of an integer.

    >>> word_positions(["a", "b", "a"])
    {'a': 5, 'b': 2}
    """
    at: dict[str, int] = {}
    for index, word in enumerate(given):
        at[word] = at.get(word, 0) | 1 << index
    return at


def lcs_positions(wanted: list[str], at: dict[str, int], length: int) -> list[int]:
    """Return the positions in `wanted` of one longest common subsequence, the one that rouge_score reads out.

    `at` has the positions of the `length` given words. Rows of the table are held as bits: the zeros among
    the first j of a row are the length of the longest common subsequence of the words so far and the first j
    given ones (Hyyrö 2004, Bit-parallel LCS-length computation revisited). A word that is not given leaves
    the row as it is, and is passed over.

    >>> lcs_positions(["a", "b", "c"], word_positions(["b", "a", "c"]), 3)
    [0, 2]
    """
    shared = [(index, at[word]) for index, word in enumerate(wanted) if word in at]
    if len(shared) < 2:
        return [index for index, _ in shared]
    everything = (1 << length) - 1
    row, rows = everything, [everything]
    for _, same in shared:
        hit = row & same
        row = ((row + hit) | (row - hit)) & everything
        rows.append(row)
    i, j, indices = len(shared), length, []
    while i and j:
        index, same = shared[i - 1]
        if same >> j - 1 & 1:
            indices.append(index)
            i, j = i - 1, j - 1
            continue
        below = (1 << j - 1) - 1
        # the table's value to the left, against that above: zeros are what is not a one
        if j - 1 - (rows[i] & below).bit_count() > j - (rows[i - 1] & (below << 1 | 1)).bit_count():
            j -= 1
        else:
            i -= 1
    return indices[::-1]
