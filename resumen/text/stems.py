"""Stems and stop words, for the languages that have them."""

from functools import cache
from typing import Any

from stop_words import LANGUAGE_MAPPING, get_stop_words

from resumen.text.language import LANGUAGE_NAMES
from resumen.text.words import words

STOP_LISTS = {"no": "nb"}  # the code that stop-words has, where it is another than that of LANGUAGES
# Of a list that was once read in another character set than it was written in: Latin 1 for Latin 5.
MISREAD = {"tr": str.maketrans("ýþð", "ışğ")}
WITHOUT = "none"  # for a language: no words are passed over


@cache
def has_stemmer(language: str) -> bool:
    """Return whether Snowball has a stemmer of a language (ISO 639-1).

    >>> has_stemmer("es"), has_stemmer("uk"), has_stemmer("any")
    (True, False, False)
    """
    import snowballstemmer  # 50 ms, which reading params.yaml does not need

    return language in LANGUAGE_NAMES and algorithm_of(language) in snowballstemmer.algorithms()


def algorithm_of(language: str) -> str:
    """Return what Snowball calls its stemmer of a language."""
    return LANGUAGE_NAMES[language][0].lower()


@cache
def stem(word: str, language: str) -> str:
    """Return the stem of a word by the Snowball algorithm of its language (https://snowballstem.org)."""
    result: str = stemmer(language).stemWord(word)
    return result


@cache
def stemmer(language: str) -> Any:
    """Return Snowball's stemmer of a language."""
    import snowballstemmer

    return snowballstemmer.stemmer(algorithm_of(language))


def stems(text: str, language: str) -> list[str]:
    """Return the stems of `words`.

    >>> stems("Los niños cantaban", "es")
    ['los', 'niñ', 'cant']
    """
    return [stem(word, language) for word in words(text)]


@cache
def stop_words(language: str) -> frozenset[str]:
    """Return the words that say little in a language; none of one that has no list, or of WITHOUT.

    >>> "el" in stop_words("es"), "şey" in stop_words("tr"), stop_words("any")
    (True, True, frozenset())
    """
    code = STOP_LISTS.get(language, language)
    given = [words(entry.translate(MISREAD.get(code, {}))) for entry in known_list(code)]
    return frozenset(entry[0] for entry in given if len(entry) == 1)  # "won" is none for the sake of "won't"


def known_list(code: str) -> list[str]:
    """Return the entries of stop-words for a language, none where it has no list."""
    return get_stop_words(code) if code in LANGUAGE_MAPPING else []


def has_content_stems(language: str) -> bool:
    """Return whether a language has both a stemmer and a stop list."""
    return has_stemmer(language) and bool(stop_words(language))


def content_stems(given: list[str], language: str) -> list[str]:
    """Return the stems of words, the stop words left out.

    >>> content_stems(words("Los niños cantaban en el patio"), "es")
    ['niñ', 'cant', 'pati']
    """
    stop = stop_words(language)
    return [stem(word, language) for word in given if word not in stop]
