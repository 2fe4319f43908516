"""Excerpts: neighbouring sentences of an article."""

import random


def split_sentences(text: str) -> list[str]:
    """Return the sentences of `text`.

    >>> split_sentences("Llueve. ¿Y mañana? Sol, 3.5 grados.")
    ['Llueve.', '¿Y mañana?', 'Sol, 3.5 grados.']
    """
    sentences, words = [], []
    for word in text.split():
        words.append(word)
        if word.rstrip("»”\"')")[-1:] in (".", "?", "!"):
            sentences.append(" ".join(words))
            words = []
    return sentences + ([" ".join(words)] if words else [])


def excerpt(rng: random.Random, text: str, max_words: int, holding: str = "") -> str:
    """Return neighbouring sentences, one with `holding`, of at most `max_words` if that can be."""
    parts = split_sentences(text)
    first = last = rng.choice([index for index, part in enumerate(parts) if holding in part] or [0])
    num_words = len(parts[first].split())
    while True:
        sides = [index for index in (first - 1, last + 1) if 0 <= index < len(parts)]
        sides = [index for index in sides if num_words + len(parts[index].split()) <= max_words]
        if not sides:
            return " ".join(parts[first : last + 1])
        side = rng.choice(sides)
        first, last = min(first, side), max(last, side)
        num_words += len(parts[side].split())
