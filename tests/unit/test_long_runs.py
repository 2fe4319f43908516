"""Long runs: a text of one character or one word 20,000 times over stops nothing that reads foreign text."""

import time
from contextlib import suppress

import pytest

from resumen.page.explorer import lost_letters
from resumen.runtime.errors import printable
from resumen.runtime.guards import fault_of, summary_fault
from resumen.scoring.measures import ArticleIndex, Summary
from resumen.scoring.registry import MEASURES
from resumen.sources.audit import Fingerprint, RowWords, own_defects, without_edition_note
from resumen.sources.damage import is_damaged
from resumen.text.characters import collapse_white_space, is_visible, normalize, unusual
from resumen.text.conversation import check_messages, mark_in
from resumen.text.language import is_another_language
from resumen.text.sentences import sentences
from resumen.text.words import words
from resumen.tools.show import marked, printable_lines, shortened
from resumen.tools.summarizer import windows
from resumen.vocabulary.tokenizer import encode, load_tokenizer, round_trip
from tests.unit.test_audit import params

COUNT = 20_000
LIMIT = 3.0  # seconds of processor; they take 0.05, the measures 0.7, and what is quadratic 5 and more
CHARACTERS = {
    "blank": " ",
    "no-break space": "\u00a0",
    "tab": "\t",
    "line end": "\n",
    "letter": "a",
    "capital": "Á",
    "digit": "7",
    "full stop": ".",
    "question mark": "¿",
    "combining mark": "\u0301",
    "emoji": "👩",
    "quote": '"',
    "bracket": "(",
    "hyphen": "-",
    "word": "gol ",
    "abbreviation": "Sr. ",
    "name": "Ana ",
    "sentence": "Llueve. ",
    "two words": "si no ",
    "less than": "<",
    "ampersand": "&",
    "tag": "<a b=",
    "comparison": "a < b ",
    "mojibake": "Ã±",
    "replacement character": "\ufffd",
}


def scored(text):
    """Score `text` by every measure, as a summary and as a reference, of an article that is it too."""
    article = ArticleIndex.of(text)
    for pair in ((text, "Llueve en Ávila."), ("Llueve en Ávila.", text)):
        summary = Summary(pair[0], [pair[1]], article, pair[1])
        for name, measure in MEASURES.items():
            if name != "length_ratio" or summary.reference_words:  # `evaluate` refuses such a reference
                measure.of(summary)


def audited(text):
    row = {"text": text, "summary": text, "title": text}
    read = RowWords.of(row)
    own_defects(row, read, params())
    Fingerprint.of(read, 50)


def note_after(text):
    without_edition_note(f"Llueve.{text}* Este artículo apareció en la edición impresa del lunes{text}x")


def as_turn(text):
    with suppress(ValueError):  # nothing visible, or too many marks
        check_messages([{"role": "user", "content": text}, {"role": "assistant", "content": text}])


READERS = {
    "words": words,
    "sentences": sentences,
    "sentences between words": lambda text: sentences(f"Uno. {text} Dos. {text}"),
    "edition note": without_edition_note,
    "edition note, around": note_after,
    "language": lambda text: is_another_language(text, "es", 10, 0),
    "damage": lambda text: is_damaged(text, words(text)),
    "damage, after a tag": lambda text: is_damaged(f"<a b{text}", []),
    "white space": collapse_white_space,
    "visible": is_visible,
    "normalization": lambda text: [normalize(text), unusual(text)],
    "combining marks": fault_of,
    "summary made elsewhere": summary_fault,
    "turns": as_turn,
    "marks of turns": mark_in,
    "audit": audited,
    "measures": scored,
    "windows": lambda text: windows(text, lambda part: len(part) < 400),
    "message": printable,
    "show": lambda text: shortened(marked(printable_lines(text), {"gol"}), "words"),
    "lost letters": lambda text: lost_letters(
        [{"summary": text}], {"s": [{"spelled_reference": text, "prediction": text}]}
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_a_long_run_is_read_in_time(name):
    spent = {}
    READERS[name]("Llueve.")  # what is loaded once
    for kind, part in CHARACTERS.items():
        start = time.process_time()
        READERS[name](part * COUNT)
        spent[kind] = time.process_time() - start
    assert {kind: round(seconds, 2) for kind, seconds in spent.items() if seconds > LIMIT} == {}


def test_a_long_run_is_encoded_in_time(vocabulary):
    tokenizer, spent = load_tokenizer(vocabulary), {}
    for kind, part in CHARACTERS.items():
        start = time.process_time()
        encode(tokenizer, [part * COUNT])
        round_trip(tokenizer, [part * COUNT])
        spent[kind] = time.process_time() - start
    assert {kind: round(seconds, 2) for kind, seconds in spent.items() if seconds > LIMIT} == {}
