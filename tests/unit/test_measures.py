"""Measures: what a summary copies, adds, repeats, worked by hand."""

from types import SimpleNamespace

import pytest

from resumen.scoring.faithfulness import Facts, invented_names, invented_numbers, names, numbers
from resumen.scoring.measures import (
    ArticleIndex,
    Summary,
    fragments,
    lost_words,
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
    assert (row.invented_numbers, row.invented_names) == (0, 0)


def test_what_the_article_does_not_have_is_counted():
    row = measured("Ayer Ana Pérez llegó a Lugo con 1.300 euros y 1.200 más.", "Llueve.")
    assert row.invented_names == 2  # Pérez and Lugo
    assert row.invented_numbers == 1  # 1.300
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
    ("Ayer Ana llegó.", ["Ana"]),
    ("Llueve. Hoy no. ¿Viene Íñigo?", ["Íñigo"]),
    ("«Ganamos», dice Óscar Yáñez.", ["Óscar", "Yáñez"]),
    ("EN CAPITALES", ["CAPITALES"]),
    ("", []),
]


@pytest.mark.parametrize(("text", "expected"), NAMES)
def test_names_are_capitalised_words_that_begin_no_sentence(text, expected):
    assert names(text) == expected


NUMBERS = [  # what the article says, what the summary says, the values that are invented
    ("1.200 euros", "1200, 1 200 y 1,200 euros", []),  # one value, however it is written
    ("1200 euros", "mil doscientos euros", []),  # digits only
    ("12 300 personas", "12.300, o 12 y 300", []),  # with a blank either reading
    ("en 2023 400 personas", "2023, 400", []),
    ("en 2023 400 personas", "2.023.400", ["2023400"]),
    ("un 3,5 %", "3.5 y 3,50", []),
    ("un 3,5 %", "35, 3,05 y 3", ["35", "3.05", "3"]),
    ("un 0,500 %", "0,5 %", []),
    ("un 0,500 %", "500", ["500"]),
    ("1.234.567,80", "1,234,567.8", []),
    ("el 2.4.2023", "el 2.4.2023", []),
    ("el 007", "el 7", []),
    ("nada", "9 de 10", ["9", "10"]),
    ("", "", []),
]


@pytest.mark.parametrize(("article", "summary", "expected"), NUMBERS)
def test_numbers_are_compared_by_value(article, summary, expected):
    assert invented_numbers(summary, Facts.of(article, "es")) == expected


def test_a_number_of_any_length_is_read():
    digits = "9" * 10_000
    assert numbers(f"{digits},50") == [[f"{digits}.5"]]


FOUND = [  # what the article says, what the summary says, the names that are invented
    ("Ganan los españoles de Ana.", "Dice la Ana de España", ["España"]),  # España is no española
    ("Llegó Pérez.", "Ayer llegó Pérez", []),
    ("Los Pérez llegaron a Soria.", "Ayer llegó un Pérez de Sorias", []),  # by its stem
    ("Una rosa es una rosa.", "Ayer llegó Rosa", ["Rosa"]),  # by its case
    ("ROSA LLEGA A LUGO", "Ayer Rosa llegó a Lugo", []),
    ("Rosa llegó.", "Ayer llegó Rosa", []),  # where the article's sentence begins
    ("nin\u0303o", "", []),
]


@pytest.mark.parametrize(("article", "summary", "expected"), FOUND)
def test_names_are_compared_by_stem_and_case(article, summary, expected):
    assert invented_names(summary, Facts.of(article, "es"), "es") == expected


def test_without_a_stemmer_names_are_compared_whole():
    article = Facts.of("Вчора Оксана приїхала до Львова.", "uk")
    assert invented_names("Вчора Оксана", article, "uk") == []
    assert invented_names("Вчора Оксани", article, "uk") == ["Оксани"]


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
