"""Words and sentences of Spanish."""

import pytest

from resumen.text.sentences import sentences
from resumen.text.words import words

WORDS = [
    ("¿El artículo_2 de Íñigo?", ["el", "artículo", "2", "de", "íñigo"]),
    ("ÁRBOL, ñu; «pingüino»", ["árbol", "ñu", "pingüino"]),
    ("3.5 km/h", ["3", "5", "km", "h"]),
    ("", []),
    ("… — ¡!", []),
]


@pytest.mark.parametrize(("text", "expected"), WORDS)
def test_words_are_runs_of_letters_and_digits_accents_included(text, expected):
    assert words(text) == expected


SENTENCES = [
    ("Llueve. Nieva.", ["Llueve.", "Nieva."]),
    ("¿Y mañana? ¡Sí! Quizá… Depende.", ["¿Y mañana?", "¡Sí!", "Quizá…", "Depende."]),
    ("Llovió 3.5 litros. Después paró.", ["Llovió 3.5 litros.", "Después paró."]),
    ("El Sr. Íñiguez y la Dra. Núñez dudan.", ["El Sr. Íñiguez y la Dra. Núñez dudan."]),
    ("Lo dijo J. Ruiz. Nadie más.", ["Lo dijo J. Ruiz.", "Nadie más."]),
    ("«No sé.» Íñigo calló.", ["«No sé.»", "Íñigo calló."]),
    ("Fue ayer. ¿Dónde? En León.", ["Fue ayer.", "¿Dónde?", "En León."]),
    ("Uno\ndos\n\ntres", ["Uno", "dos", "tres"]),
    ("etc. y más", ["etc. y más"]),
    ("Ganó. 12 puntos.", ["Ganó.", "12 puntos."]),
    ("Ganó. —Perdió —dijo.", ["Ganó.", "—Perdió —dijo."]),
    ("sin final", ["sin final"]),
    ("", []),
    (" \n ", []),
]


@pytest.mark.parametrize(("text", "expected"), SENTENCES)
def test_sentences_end_where_spanish_ends_them(text, expected):
    assert sentences(text) == expected


@pytest.mark.parametrize(("text", "_"), SENTENCES)
def test_sentences_lose_no_word(text, _):
    assert [word for sentence in sentences(text) for word in words(sentence)] == words(text)
