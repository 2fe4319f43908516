"""Words and sentences of Spanish."""

import pytest

from resumen.text.characters import normalize, unusual
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


PARTIES = [
    ("Ganó el PP. El PSOE perdió.", ["Ganó el PP.", "El PSOE perdió."]),
    ("Viajó a EE. UU. Hoy ha vuelto.", ["Viajó a EE. UU.", "Hoy ha vuelto."]),
    ("Las FF. AA. Desfilan.", ["Las FF. AA.", "Desfilan."]),
    ("El Sr. Ruiz y J. A. Núñez, pp. 3 y ss.", ["El Sr. Ruiz y J. A. Núñez, pp. 3 y ss."]),
    ("Véase pág. 3. Fin.", ["Véase pág. 3.", "Fin."]),
]


@pytest.mark.parametrize(("text", "expected"), PARTIES)
def test_a_full_stop_after_capitals_ends_a_sentence_unless_its_letters_are_doubled(text, expected):
    assert sentences(text) == expected


WRITTEN = [
    ("el arti\u0301culo de Nin\u0303o", ["el", "artículo", "de", "niño"]),  # as macOS names files
    ("la ma\u00addru\u200bga\u2060da", ["la", "madrugada"]),
    ("10\u00a0000\u202feuros", ["10", "000", "euros"]),
    ("\ufeffMadrid", ["madrid"]),
]


@pytest.mark.parametrize(("text", "expected"), WRITTEN)
def test_text_however_it_is_written_has_the_same_words(text, expected):
    assert words(normalize(text)) == expected
    assert normalize(normalize(text)) == normalize(text)
    assert unusual(normalize(text)) == []
    assert unusual(text)


WHOLE = ["हिन्दी", "می‌خواهم", "الْعَرَبِيَّة", "ภาษาไทย", "தமிழ்", "ελληνικά", "ñandú"]


@pytest.mark.parametrize("word", WHOLE)
def test_a_word_with_marks_and_joiners_stays_whole(word):
    assert words(normalize(f"¿{word}?")) == [word]
    assert words(normalize(f"{word} {word}")) == [word, word]


def test_an_emoji_is_no_word_and_keeps_its_joiners():
    family = "👩\u200d👩\u200d👧"
    assert words(f"Vino la {family} ayer") == ["vino", "la", "ayer"]
    assert normalize(family) == family
