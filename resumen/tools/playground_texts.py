"""The playground's texts, in both languages of the report, and the HTML that it shows."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from resumen.page.languages import Bilingual, decimal, grouped
from resumen.text.words import words
from resumen.tools.examples import Example

NUM_LAST = 5  # words before the cut that are shown

UI_TEXTS = {
    "intro": Bilingual(
        "An article, and the summary that each system writes of it.",
        "Un artículo y el resumen que escribe cada sistema.",
    ),
    "miniatures": Bilingual(
        "The models are miniatures: stand-ins for the published ones, which know only our made-up news. "
        "`dvc exp run -S profile=course` makes real models.",
        "Los modelos son miniaturas: sustitutos de los publicados que solo conocen nuestras noticias "
        "inventadas. Los modelos de verdad se obtienen con `dvc exp run -S profile=course`.",
    ),
    "miniature": Bilingual(
        "A miniature knows only our made-up news; `dvc exp run -S profile=course` makes real models.",
        "Una miniatura solo conoce nuestras noticias inventadas; los modelos de verdad se obtienen con "
        "`dvc exp run -S profile=course`.",
    ),
    "article": Bilingual("Article", "Artículo"),
    "keys": Bilingual("Shift + Enter summarizes it.", "Mayús + Intro: resumir."),
    "paste": Bilingual("Paste an article here.", "Pega aquí un artículo."),
    "examples": Bilingual("Examples from the test split:", "Ejemplos de la partición de prueba:"),
    "systems": Bilingual("Systems", "Sistemas"),
    "summarize": Bilingual("Summarize", "Resumir"),
    "clear": Bilingual("Clear", "Borrar"),
    "no text": Bilingual("Paste an article first.", "Pega primero un artículo."),
    "no system": Bilingual("Choose a system first.", "Elige primero un sistema."),
    "working": Bilingual("Summarizing…", "Resumiendo…"),
    "empty": Bilingual("(an empty summary)", "(un resumen vacío)"),
    "reference": Bilingual("Reference", "Referencia"),
    "what was read": Bilingual("What was read", "Lo que se ha leído"),
    "read by all": Bilingual("All of it.", "Todo."),
    "not read by all": Bilingual("not read by all", "no lo leyeron todos"),
    "not read": Bilingual("read by none", "no lo leyó ninguno"),
    "read whole": Bilingual("read the whole article", "leyó el artículo entero"),
    "read nothing": Bilingual("read nothing of the article", "no leyó nada del artículo"),
    "read": Bilingual(
        "read {read} of {count} words, to “{last}”", "leyó {read} de las {count} palabras, hasta «{last}»"
    ),
    # kinds of examples: what its button says, and why it was chosen
    "typical": Bilingual("A typical summary", "Un resumen típico"),
    "invents": Bilingual("Invented names or numbers", "Nombres o números inventados"),
    "cut": Bilingual("An article that is cut", "Un artículo cortado"),
    "longest": Bilingual("The longest article", "El artículo más largo"),
    "first": Bilingual("The first article", "El primer artículo"),
    "why typical": Bilingual(
        "ROUGE-L of {system} is {points} here, the median of the test articles.",
        "El ROUGE-L de {system} es aquí {points}, la mediana de los artículos de prueba.",
    ),
    "why invents": Bilingual(
        "Names and numbers in the summary of {system} that the article does not have: {count}, the most of "
        "all test articles.",
        "Nombres y números en el resumen de {system} que no están en el artículo: {count}, el máximo de "
        "todos los artículos de prueba.",
    ),
    "why cut": Bilingual(
        "{count} words: the longest of the articles of which {system} reads only the beginning.",
        "{count} palabras: el más largo de los artículos de los que {system} solo lee el principio.",
    ),
    "why longest": Bilingual(
        "{count} words: the longest test article; {system} reads all of each.",
        "{count} palabras: el artículo de prueba más largo; {system} los lee todos enteros.",
    ),
    "why first": Bilingual("The first of the test articles.", "El primero de los artículos de prueba."),
}

CSS = """
.gradio-container { --body-text-color-subdued: #57534e; --block-info-text-color: #57534e;
  --input-placeholder-color: #78716c }
.dark.gradio-container, .dark .gradio-container { --body-text-color-subdued: #d6d3d1;
  --block-info-text-color: #d6d3d1; --input-placeholder-color: #a8a29e }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1rem }
.card { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg); padding: .75rem 1rem;
  background: var(--block-background-fill) }
.card h2, .read h2 { margin: 0; font-size: 1rem; font-weight: 600; color: var(--body-text-color) }
.card p, .read p { margin: .5rem 0 0; color: var(--body-text-color); overflow-wrap: break-word }
.card .note, .read .note { font-size: .875rem; color: var(--body-text-color-subdued) }
.card .text, .read .text { white-space: pre-wrap; word-break: normal; hyphens: none }
.read mark { border-radius: 2px; color: #1c1917 }
.read .some { background: #fde68a; text-decoration: underline dotted }
.read .none { background: #fecaca; text-decoration: underline dashed }
.read .note mark { margin-right: 1rem; padding: 0 .25rem }
.hint { margin: 0; padding: .5rem .75rem; border-radius: 2px; overflow-wrap: break-word; color: #1c1917;
  background: #e0f2fe }
.dark .read mark { color: #fafaf9 }
.dark .read .some { background: #854d0e }
.dark .read .none { background: #991b1b }
.dark .hint { color: #fafaf9; background: #075985 }
"""

CARD = Markup('<section class="card"><h2>{}</h2>{}</section>')
NOTE, TEXT = Markup('<p class="note">{}</p>'), Markup('<p class="text">{}</p>')
MARK = Markup('<mark class="{}">{}</mark>')
READ_SECTION = Markup(
    '<section class="read"><h2>{}</h2><p class="note">{}</p><p class="text">{}</p></section>'
)
HINT = Markup('<p class="hint" role="alert">{}</p>')
MARK_CLASSES = {"not read by all": "some", "not read": "none"}

Part = tuple[str, str]  # of an article, and a key of MARK_CLASSES; "" where all read it


class Label(NamedTuple):
    """How the page calls a system."""

    name: Bilingual
    what: Bilingual  # what it is
    is_miniature: bool


class Card(NamedTuple):
    """What a system made of an article."""

    system: str
    summary: str = ""
    end: int | None = None  # characters of the article that it read; None: it is still at work, or failed
    problem: str = ""


def browser_language(header: str | None) -> str:
    """Return the page's language for a browser's Accept-Language: that of the first one, as Gradio takes it.

    >>> browser_language("es-MX,es;q=0.9,en;q=0.8"), browser_language("en-GB,es"), browser_language(None)
    ('es', 'en', 'en')
    """
    return "es" if re.match(r"\s*es\b", header or "", re.IGNORECASE) else "en"


def say(key: str, language: str, **values: str | Bilingual) -> str:
    """Return one of UI_TEXTS in a language, with values in it."""
    chosen = {
        name: getattr(value, language) if isinstance(value, Bilingual) else value
        for name, value in values.items()
    }
    text: str = getattr(UI_TEXTS[key], language)
    return text.format(**chosen)


def describe_read(text: str, end: int, language: str) -> str:
    """Return how much of a text was read, and where that ended.

    >>> describe_read("Hoy llueve en Soria.", 13, "en"), describe_read("Hoy llueve.", 3, "es")
    ('read 3 of 4 words, to “Hoy llueve en”', 'leyó 1 de las 2 palabras, hasta «Hoy»')
    """
    if end == len(text):
        return say("read whole", language)
    if not (read := len(words(text[:end]))):
        return say("read nothing", language)
    last = " ".join(text[:end].split()[-NUM_LAST:])
    return say("read", language, read=grouped(read), count=grouped(len(words(text))), last=last)


def split_read(text: str, ends: Sequence[int]) -> list[Part]:
    """Return a text as what all, some and none of the systems read; they read to `ends`.

    >>> split_read("Llueve hoy en Soria.", [6, 10])
    [('Llueve', ''), (' hoy', 'not read by all'), (' en Soria.', 'not read')]
    """
    minimum, maximum = min(ends), max(ends)
    parts = [(text[minimum:maximum], "not read by all"), (text[maximum:], "not read")]
    return [(text[:minimum], ""), *((part, key) for part, key in parts if part.strip())]


def hint_html(message: str) -> str:
    """Return what is missing or wrong, as the page says it."""
    return HINT.format(message)


def reference_html(example: Example, language: str) -> str:
    """Return the references of an example, and why it was chosen."""
    points, count = decimal(example.value, 1), grouped(round(example.value))
    why = say(f"why {example.kind}", language, system=example.system, points=points, count=count)
    paragraphs = Markup("").join(map(TEXT.format, example.references))
    return CARD.format(say("reference", language), paragraphs + NOTE.format(why))


def card_html(card: Card, text: str, label: Label, language: str) -> Markup:
    """Return a card: the system's name and what it is, its summary, and how much of the text it read."""
    if card.problem:
        parts = HINT.format(card.problem)
    elif card.end is None:
        parts = NOTE.format(say("working", language))
    else:
        summary = card.summary or say("empty", language)
        parts = TEXT.format(summary) + NOTE.format(describe_read(text, card.end, language))
    what = NOTE.format(getattr(label.what, language))
    return CARD.format(getattr(label.name, language), what + parts)


def cards_html(cards: Iterable[Card], text: str, labels: Mapping[str, Label], language: str) -> str:
    """Return all cards, side by side."""
    drawn = (card_html(card, text, labels[card.system], language) for card in cards)
    return Markup('<div class="cards">{}</div>').format(Markup("").join(drawn))


def read_html(text: str, ends: Sequence[int], language: str) -> str:
    """Return an article in which what some or none of the systems read is marked; "" where none is done."""
    if not ends:
        return ""
    parts = split_read(text, ends)
    keys = [key for _, key in parts if key]
    legend = Markup("").join(MARK.format(MARK_CLASSES[key], say(key, language)) for key in keys)
    marked = (MARK.format(MARK_CLASSES[key], part) if key else Markup.escape(part) for part, key in parts)
    heading = say("what was read", language)
    return READ_SECTION.format(heading, legend or say("read by all", language), Markup("").join(marked))
