"""Spanish: what the report says in both languages, put together from values, so that what it quotes stays."""

import re
from collections.abc import Callable
from typing import NamedTuple

from resumen.text.language import LANGUAGE_NAMES

CANNOT_TELL = re.compile(r"cannot tell at n = ([\d,]+)(?:; about ([\d,]+) articles would be needed)?")

TRANSLATIONS = {  # of fixed words of ours
    "miniature": "miniatura",
    "foreign": "ajeno",
    "better": "mejor",
    "worse": "peor",
    "agrees": "coincide",
    "says the opposite": "dice lo contrario",
    "only ROUGE-L tells": "solo ROUGE-L permite decidir",
    "only content words tell": "solo las palabras de contenido permiten decidir",
    "cannot tell: the runs differ as much among themselves": (
        "no se puede decir: las ejecuciones difieren otro tanto entre sí"
    ),
    "higher": "más alto",
    "lower": "más bajo",
    "larger": "mayor",
    "smaller": "menor",
    # baselines, and what a system is
    "the first sentence": "la primera frase",
    "the first three sentences": "las tres primeras frases",
    "the three sentences nearest to the reference: a ceiling, no system": (
        "las tres frases más cercanas a la referencia: un techo, no un sistema"
    ),
    "the three sentences that share most words with the others (TextRank)": (
        "las tres frases que comparten más palabras con las demás (TextRank)"
    ),
    "three sentences at random": "tres frases al azar",
    "foreign: predictions made elsewhere": "ajeno: resúmenes hechos en otro lugar",
    "a local folder": "una carpeta local",
    "left out: no miniature is shipped": "omitido: no se incluye ninguna miniatura",
    "a local model folder": "una carpeta local con un modelo",
    # splits, and why a row is dropped
    "train": "entrenamiento",
    "validation": "validación",
    "test": "prueba",
    "empty text": "texto vacío",
    "broken conversation": "conversación ilegible",
    "empty summary": "resumen vacío",
    "short summary": "resumen corto",
    "damaged text": "texto dañado",
    "other language": "otro idioma",
    "duplicate text": "texto duplicado",
    "near duplicate": "casi duplicado",
    "text in earlier split": "texto de una partición anterior",
    "near duplicate in earlier split": "casi duplicado de una partición anterior",
    "verbatim summary": "resumen literal",
    "title as summary": "título como resumen",
    "repeated summary": "resumen repetido",
    "long summary": "resumen largo",
    "edition note": "nota de la edición",
    "invisible characters": "caracteres invisibles",
    "no-break spaces": "espacios de no separación",
    "not NFC": "letras en dos caracteres (no NFC)",
    # breakdowns
    "topic": "tema",
    "length": "longitud",
    "truncated": "cortado",
    # kinds of probes
    "continue-english": "continuar, en inglés",
    "continue-spanish": "continuar, en español",
    "summarize-english": "resumir, en inglés",
    "summarize-spanish": "resumir, en español",
    "open-question": "pregunta abierta",
    "question-text": "pregunta sobre un texto",
    "sentiment-english": "sentimiento, en inglés",
    "sentiment-spanish": "sentimiento, en español",
    "translate-to-spanish": "traducir al español",
    "translate-to-english": "traducir al inglés",
    "news-who": "noticias: quién",
    "news-number": "noticias: número",
    "news-other": "noticias: lo demás",
}

TOPIC_WORDS = {  # as newspapers' addresses write them, and as Spanish does
    "administracion": "administración",
    "america": "América",
    "andalucia": "Andalucía",
    "aragon": "Aragón",
    "asia": "Asia",
    "castilla": "Castilla",
    "cataluna": "Cataluña",
    "economia": "economía",
    "educacion": "educación",
    "elpais": "El País",
    "espana": "España",
    "europa": "Europa",
    "fotografia": "fotografía",
    "futbol": "fútbol",
    "gastronomia": "gastronomía",
    "inenglish": "in English",
    "latinoamerica": "Latinoamérica",
    "madrid": "Madrid",
    "mexico": "México",
    "musica": "música",
    "opinion": "opinión",
    "paisvasco": "País Vasco",
    "politica": "política",
    "tecnologia": "tecnología",
    "television": "televisión",
    "ultima": "última",
    "vineta": "viñeta",
    "vinetas": "viñetas",
}


class Bilingual(NamedTuple):
    """One thing said in both languages of the page."""

    en: str
    es: str


# The questions of params.yaml; another's own stays as it is.
QUESTIONS = {
    "What does instruction tuning buy, as the course compares it?": (
        "¿Cuánto aporta el ajuste por instrucciones, según la comparación del curso?"
    ),
    "What does instruction tuning buy?": "¿Cuánto aporta el ajuste por instrucciones?",
    "What does instruction tuning buy after fine-tuning?": (
        "¿Cuánto aporta el ajuste por instrucciones tras el ajuste fino?"
    ),
    "What does T5's own prompt buy?": "¿Cuánto aporta la instrucción propia de T5?",
    "What does a larger model buy?": "¿Cuánto aporta un modelo más grande?",
    "What does fine-tuning buy?": "¿Cuánto aporta el ajuste fino?",
    "What does fine-tuning buy T5?": "¿Cuánto aporta el ajuste fino a T5?",
    "What do instruction tuning and fine-tuning buy together?": (
        "¿Cuánto aportan juntos el ajuste por instrucciones y el ajuste fino?"
    ),
    "Does instruction tuning buy more after fine-tuning?": (
        "¿Aporta más el ajuste por instrucciones tras el ajuste fino?"
    ),
    "Is the fine-tuned model of more use than copying?": "¿Sirve más el modelo ajustado que copiar?",
}


def grouped(count: int) -> Bilingual:
    """Return a count as both languages write it: in Spanish, four digits stay together.

    By the Ortografía de la lengua española (RAE, 2010), which groups by a thin space, from five digits on.

    >>> grouped(8800), grouped(13920).en, grouped(13920).es == "13\u202f920"
    (Bilingual(en='8,800', es='8800'), '13,920', True)
    """
    return Bilingual(f"{count:,}", f"{count:,}".replace(",", "\u202f" if abs(count) >= 10_000 else ""))


def decimal(value: float, places: int = 2, sign: str = "") -> Bilingual:
    """Return a number with so many decimals as both languages write it; `sign` "+" shows that of gains too.

    >>> decimal(15.912), decimal(3.8, sign="+").es, decimal(-0.5, 1).es
    (Bilingual(en='15.91', es='15,91'), '+3,80', '−0,5')
    """
    text = f"{value:{sign}.{places}f}".replace("-", "−")
    return Bilingual(text, text.replace(".", ","))


def in_both_languages(draw: Callable[[str], str]) -> Bilingual:
    """Return what `draw` makes of each language of the page."""
    return Bilingual(*map(draw, Bilingual._fields))


def bilingual(words: str) -> Bilingual:
    """Return fixed words of ours in both languages; what is none of ours stays as it is.

    >>> bilingual("short summary"), bilingual("a-better-one").es
    (Bilingual(en='short summary', es='resumen corto'), 'a-better-one')
    """
    return Bilingual(words, TRANSLATIONS.get(words, words))


def tongue_of(language: str) -> Bilingual:
    """Return a language of `data.language` in words.

    >>> tongue_of("fr"), tongue_of("tt").en, tongue_of("any").es
    (Bilingual(en='French', es='francés'), 'the language tt', 'cualquier lengua')
    """
    if language == "any":
        return Bilingual("any language", "cualquier lengua")
    unnamed = f"the language {language}", f"la lengua {language}"
    return Bilingual(*LANGUAGE_NAMES.get(language, unnamed))


def subject_of(language: str) -> Bilingual:
    """Return what is summarized, in words: the project's own Spanish news, or texts in another language.

    >>> subject_of("es").en, subject_of("fr").es, subject_of("any").en
    ('Spanish news', 'textos en francés', 'texts in any language')
    """
    if language == "es":
        return Bilingual("Spanish news", "noticias en español")
    tongue = tongue_of(language)
    return Bilingual(f"texts in {tongue.en}", f"textos en {tongue.es}")


def question_of(question: str) -> Bilingual:
    """Return a question that a difference answers in both languages."""
    return Bilingual(question, QUESTIONS.get(question, question))


def verdict_of(verdict: str) -> Bilingual:
    """Return a verdict of resumen/scoring/bootstrap.py in both languages.

    >>> verdict_of("cannot tell at n = 200; about 8,800 articles would be needed").es
    'no se puede decir con n = 200; harían falta unos 8800 artículos'
    """
    unsure = CANNOT_TELL.fullmatch(verdict)
    if not unsure:
        return bilingual(verdict)
    count, needed = (number and grouped(int(number.replace(",", ""))).es for number in unsure.groups())
    more = f"; harían falta unos {needed} artículos" if needed else ""
    return Bilingual(verdict, f"no se puede decir con n = {count}{more}")


def topic_label(topic: str, language: str) -> str:
    """Return a topic as it is read; of articles in Spanish with its accents, which addresses leave out.

    >>> topic_label("politica", "es"), topic_label("elpais planeta_futuro", "es"), topic_label("a_b", "fr")
    ('política', 'El País planeta futuro', 'a_b')
    """
    if language != "es":
        return topic
    return re.sub(r"[^\W_]+", lambda word: TOPIC_WORDS.get(word[0], word[0]), topic.replace("_", " "))


def group_of(by: str, value: str, language: str) -> Bilingual:
    """Return a group of articles, as the breakdown names it, in both languages; `language` is the articles'.

    >>> group_of("length", "up to 1234 words", "es"), group_of("topic", "economia", "es").en
    (Bilingual(en='up to 1,234 words', es='hasta 1234 palabras'), 'economía')
    """
    fixed = {
        ("topic", "none"): "sin tema",
        ("length", "longer"): "más largos",
        ("truncated", "yes"): "sí",
        ("truncated", "no"): "no",
    }
    if by == "length" and (number := re.fullmatch(r"up to (\d+) words", value)):
        count = grouped(int(number[1]))
        return Bilingual(f"up to {count.en} words", f"hasta {count.es} palabras")
    if by == "topic" and value != "none":
        label = topic_label(value, language)
        return Bilingual(label, label)
    return Bilingual(value, fixed.get((by, value), value))
