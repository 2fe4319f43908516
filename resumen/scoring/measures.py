"""How a summary is measured: against its reference, and by what it copies, adds and repeats.

All counts are over lower-cased Unicode words. Nothing is downloaded.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from sacrebleu.metrics import CHRF

from resumen.rouge.score import CONTENT_TYPES, ROUGE_TYPES, Splitter, ascii_words, rouge_content, rouge_multi
from resumen.scoring.faithfulness import Facts
from resumen.text.words import words

CHRF_SCORER = CHRF()  # Popović 2015, https://aclanthology.org/W15-3049: 6 letters, no words, beta 2


Ngram = tuple[str, ...]
Ngrams = frozenset[Ngram]


class ArticleIndex(NamedTuple):
    """What is looked up in an article, once for all systems."""

    words: list[str]
    positions: dict[str, list[int]]  # of each word, ascending
    ngrams: tuple[Ngrams, Ngrams, Ngrams]  # of 1, 2 and 3 words
    facts: Facts

    @classmethod
    def of(cls, text: str, language: str = "es") -> "ArticleIndex":
        tokens = words(text)
        indices: dict[str, list[int]] = {}
        for index, word in enumerate(tokens):
            indices.setdefault(word, []).append(index)
        one, two, three = (frozenset(ngrams(tokens, size)) for size in (1, 2, 3))
        return cls(tokens, indices, (one, two, three), Facts.of(text, language))


@dataclass
class Summary:
    """A summary beside its references and its article; what several measures ask of it is found once.

    ROUGE and chrF are those against the best of the references; their words are counted in the first.
    """

    text: str
    references: Sequence[str]
    article: ArticleIndex
    spelled_reference: str  # the first once written with the vocabulary of who wrote the summary
    split: Splitter = words  # of ROUGE: what `evaluate.stemming` asks for
    language: str = "es"  # of the article

    @cached_property
    def words(self) -> list[str]:
        return words(self.text)

    @cached_property
    def reference_words(self) -> list[str]:
        return words(self.references[0])

    @cached_property
    def rouge(self) -> dict[str, float]:
        """The F1 of ROUGE_TYPES, in points, over the words of `split`."""
        return dict(zip(ROUGE_TYPES, rouge_multi(self.text, self.references, self.split), strict=True))

    @cached_property
    def rouge_ascii(self) -> dict[str, float]:
        """The same over ASCII words, as published scores have them."""
        return dict(zip(ROUGE_TYPES, rouge_multi(self.text, self.references, ascii_words), strict=True))

    @cached_property
    def rouge_content(self) -> dict[str, float]:
        """The F1 of CONTENT_TYPES, in points; only of a language that has content stems."""
        scores = rouge_content(self.text, self.references, self.language)
        return dict(zip(CONTENT_TYPES, scores, strict=True))

    @cached_property
    def fragments(self) -> list[int]:
        return fragments(self.words, self.article)


def chrf(summary: Summary) -> float:
    """Return chrF, in points."""
    return float(CHRF_SCORER.sentence_score(summary.text, summary.references).score)


def lost_words(summary: Summary) -> int:
    """Return how many words of the reference its writer's vocabulary cannot write."""
    return (Counter(summary.reference_words) - Counter(words(summary.spelled_reference))).total()


def novel(summary: Summary, size: int) -> float:
    """Return the share of the summary's n-grams, of `size` words, that the article does not have."""
    return share_outside(ngrams(summary.words, size), summary.article.ngrams[size - 1])


def repeated_trigrams(summary: Summary) -> float:
    """Return the share of the summary's trigrams that came before in it."""
    return repeated(ngrams(summary.words, 3))


def length_ratio(summary: Summary) -> float:
    """Return the words of the summary to one of the reference."""
    return len(summary.words) / len(summary.reference_words)


# Grusky et al. 2018, Newsroom, https://aclanthology.org/N18-1065; all three are 0 of an empty summary.


def coverage(summary: Summary) -> float:
    """Return the share of the summary's words inside fragments copied from the article."""
    return sum(summary.fragments) / max(len(summary.words), 1)


def density(summary: Summary) -> float:
    """Return the mean length, in words, of the copied fragment that a word of the summary stands in."""
    return sum(length**2 for length in summary.fragments) / max(len(summary.words), 1)


def compression(summary: Summary) -> float:
    """Return the words of the article to one of the summary."""
    return len(summary.article.words) / len(summary.words) if summary.words else 0.0


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
            end, other = start + longest, index + longest
            if end == len(given):
                break
            # Not longer where the next word differs. Without this look, one word 20,000 times takes hours.
            if other >= len(article.words) or given[end] != article.words[other]:
                continue
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
