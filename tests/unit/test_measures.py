"""Measures: what a summary copies, adds, repeats, worked by hand."""

from types import SimpleNamespace

import pytest

from resumen.scoring.measures import (
    ArticleIndex,
    Summary,
    fragments,
    lost_words,
    names,
    ngrams,
    repeated,
    share_outside,
)
from resumen.scoring.registry import MEASURES

TEXT = "Ayer Ana Núñez llegó a Vigo con 1.200 euros. Hoy llueve mucho en Vigo."
ARTICLE = ArticleIndex.of(TEXT)


def measured(prediction, reference):
    """Return every measure of a summary, by name, as an object's attributes."""
    summary = Summary(prediction, [reference], ARTICLE, reference)
    return SimpleNamespace(**{name: measure.of(summary) for name, measure in MEASURES.items()})


def test_a_copy_adds_nothing():
    row = measured(TEXT, "Llueve.")
    assert (row.novel_unigrams, row.novel_bigrams, row.novel_trigrams) == (0, 0, 0)
    assert (row.coverage, row.compression) == (1, 1)
    assert row.density == row.prediction_words  # one fragment, which every word stands in
    assert (row.foreign_numbers, row.foreign_names) == (0, 0)


def test_what_the_article_does_not_have_is_counted():
    row = measured("Ayer Ana Pérez llegó a Lugo con 1.300 euros y 1.200 más.", "Llueve.")
    assert row.foreign_names == 2  # Pérez and Lugo
    assert row.foreign_numbers == 1  # 1.300
    assert row.novel_unigrams == pytest.approx(5 / 14)  # pérez, lugo, 300, y, más


def test_an_empty_summary_has_nothing():
    row = measured("", "Llueve mucho.")
    assert row.reference_words == 2
    assert row.empty == 1
    assert {value for name, value in vars(row).items() if name not in ("reference_words", "empty")} == {0}


def test_chrf_is_100_for_the_reference_itself():
    assert measured("El niño canta.", "El niño canta.").chrf == pytest.approx(100)
    assert measured("xyz", "El niño canta.").chrf == pytest.approx(0)


FRAGMENTS = [
    ("llueve mucho en vigo", [4]),
    ("mucho llueve", [1, 1]),
    ("ana núñez llueve mucho", [2, 2]),
    ("nieva en lugo", [1]),
    ("", []),
]


@pytest.mark.parametrize(("given", "expected"), FRAGMENTS)
def test_fragments_are_the_longest_from_left_to_right(given, expected):
    assert fragments(given.split(), ARTICLE) == expected


def test_density_is_the_squares_of_the_fragments():
    row = measured("Ana Núñez llueve mucho sin parar", "Llueve.")
    assert row.coverage == pytest.approx(4 / 6)
    assert row.density == pytest.approx((4 + 4) / 6)


NAMES = [
    ("Ayer Ana llegó.", ["ana"]),
    ("Llueve. Hoy no. ¿Viene Íñigo?", ["íñigo"]),
    ("«Ganamos», dice Óscar Yáñez.", ["óscar", "yáñez"]),
    ("EN CAPITALES", ["capitales"]),
    ("", []),
]


@pytest.mark.parametrize(("text", "expected"), NAMES)
def test_names_are_capitalised_words_that_begin_no_sentence(text, expected):
    assert names(text) == expected


def test_repeated_trigrams_are_those_that_came_before():
    given = ngrams("a b c a b c".split(), 3)
    assert repeated(given) == pytest.approx(1 / 4)
    assert share_outside(given, frozenset({("a", "b", "c")})) == pytest.approx(1 / 2)


LOST = [
    ("El niño de Málaga", "El nio de Málaga", 1),
    ("El niño de Málaga", "El niño de Málaga", 0),
    ("Según Íñigo, según", "Segn igo, segn", 3),
    ("¿Qué?", "Qué?", 0),  # a sign is no word
    ("", "", 0),
]


@pytest.mark.parametrize(("reference", "spelled", "expected"), LOST)
def test_words_that_the_vocabulary_cannot_write_are_counted(reference, spelled, expected):
    assert lost_words(Summary("", [reference], ARTICLE, spelled)) == expected
