"""Measures of one summary besides ROUGE: what it copies, what it adds, what it repeats.

All counts are over lower-cased Unicode words. Nothing is downloaded.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sacrebleu.metrics import CHRF

from resumen.text.words import WORD, words

CHRF_SCORER = CHRF()  # Popović 2015, https://aclanthology.org/W15-3049: 6 letters, no words, beta 2
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# A capitalised word that is not the first of its sentence.
NAME_PATTERN = re.compile(
    r"(?<![.!?…:«\"“¿¡(\-—–] )(?<![.!?…:«\"“¿¡(\-—–])(?<!^)\b[^\W\d_a-záéíóúüñ][^\W\d_]+"
)


Ngram = tuple[str, ...]
Ngrams = frozenset[Ngram]


class ArticleIndex(NamedTuple):
    """What is looked up in an article, once for all systems."""

    words: list[str]
    positions: dict[str, list[int]]  # of each word, ascending
    ngrams: tuple[Ngrams, Ngrams, Ngrams]  # of 1, 2 and 3 words
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "ArticleIndex":
        tokens = words(text)
        indices: dict[str, list[int]] = {}
        for index, word in enumerate(tokens):
            indices.setdefault(word, []).append(index)
        one, two, three = (frozenset(ngrams(tokens, size)) for size in (1, 2, 3))
        return cls(tokens, indices, (one, two, three), frozenset(NUMBER.findall(text)))


class Measures(NamedTuple):
    """The measures of one summary; shares of 0 to 1, counts, and chrF in points."""

    chrf: float
    prediction_words: int
    reference_words: int
    novel_unigrams: float  # share of the summary's n-grams that the article does not have
    novel_bigrams: float
    novel_trigrams: float
    repeated_trigrams: float  # share of its trigrams that came before in it
    coverage: float  # share of its words inside fragments copied from the article
    density: float  # mean length of the fragment that a word of it stands in, in words
    compression: float  # words of the article to one of it
    foreign_numbers: int  # numbers in it that the article does not have
    foreign_names: int  # capitalised words in it that the article does not have


def measure(prediction: str, reference: str, article: ArticleIndex) -> Measures:
    """Return the measures of `prediction`; of an empty one, all but the reference's words are 0."""
    given = words(prediction)
    count = len(given)
    lengths = fragments(given, article)
    return Measures(
        chrf=CHRF_SCORER.sentence_score(prediction, [reference]).score,
        prediction_words=count,
        reference_words=len(words(reference)),
        novel_unigrams=share_outside(ngrams(given, 1), article.ngrams[0]),
        novel_bigrams=share_outside(ngrams(given, 2), article.ngrams[1]),
        novel_trigrams=share_outside(ngrams(given, 3), article.ngrams[2]),
        repeated_trigrams=repeated(ngrams(given, 3)),
        coverage=sum(lengths) / count if count else 0.0,
        density=sum(length**2 for length in lengths) / count if count else 0.0,
        compression=len(article.words) / count if count else 0.0,
        foreign_numbers=sum(number not in article.numbers for number in NUMBER.findall(prediction)),
        foreign_names=sum(name not in article.positions for name in names(prediction)),
    )


def ngrams(tokens: Sequence[str], size: int) -> list[Ngram]:
    """Return the runs of `size` words, in order.

    >>> ngrams(["a", "b", "c"], 2)
    [('a', 'b'), ('b', 'c')]
    """
    return list(zip(*(tokens[start:] for start in range(size)), strict=False))


def share_outside(given: Sequence[Ngram], known: Ngrams) -> float:
    """Return the share of `given` that `known` does not have; 0 of none."""
    return sum(ngram not in known for ngram in given) / len(given) if given else 0.0


def repeated(given: Sequence[Ngram]) -> float:
    """Return the share of `given` that came before.

    >>> repeated([("a",), ("b",), ("a",), ("a",)])
    0.5
    """
    return 1 - len(set(given)) / len(given) if given else 0.0


def fragments(given: Sequence[str], article: ArticleIndex) -> list[int]:
    """Return the lengths, in words, of the fragments that `given` shares with the article, greedily.

    Grusky et al. 2018, Newsroom, figure 3, https://aclanthology.org/N18-1065

    >>> fragments("llueve mucho en León hoy".split(), ArticleIndex.of("Hoy llueve mucho en León."))
    [3, 1]
    """
    lengths, start = [], 0
    while start < len(given):
        longest = 0
        for index in article.positions.get(given[start], ()):
            length = 1
            while (
                start + length < len(given)
                and index + length < len(article.words)
                and given[start + length] == article.words[index + length]
            ):
                length += 1
            longest = max(longest, length)
        if longest:
            lengths.append(longest)
        start += max(longest, 1)
    return lengths


def names(text: str) -> list[str]:
    """Return the capitalised words that do not begin a sentence, in lower case.

    >>> names("Ayer Ana Núñez llegó. Hoy llueve en Ávila.")
    ['ana', 'núñez', 'ávila']
    """
    return [name.lower() for name in NAME_PATTERN.findall(text) if WORD.fullmatch(name)]
