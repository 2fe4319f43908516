"""What a vocabulary can spell: T5's lacks í ú ñ Á Í Ó Ú Ñ ¿ ¡ and silently drops them on decode."""

import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from resumen.vocabulary.tokenizer import SPANISH_LETTERS, chunks, normalized


def count_letters(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """Return how often each character stands in `texts`, as the tokenizer sees them but for white space."""
    codes = np.zeros(sys.maxunicode + 1, dtype=np.int64)
    for chunk in chunks(texts, 1_000):
        text = unicodedata.normalize("NFC", "\n".join(chunk))  # a mark and its letter become one
        letters = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        codes += np.bincount(letters, minlength=len(codes))
    counts: Counter[str] = Counter()
    for code in np.flatnonzero(codes).tolist():
        for letter in normalized(tokenizer, chr(code)):
            counts[letter] += int(codes[code])
    return counts


def unknown_letters(tokenizer: Tokenizer, counts: Counter[str], min_count: int) -> list[str]:
    """Return the visible characters that have no piece: those of Spanish, then those that `counts` has.

    Each group with the most frequent first. Spanish's own are there even if no text has them: what is
    not in the training split may be in what is to be written.
    """
    missing = {
        letter: counts[letter]
        for letter in {*counts, *SPANISH_LETTERS}
        if (counts[letter] >= min_count or letter in SPANISH_LETTERS)
        and tokenizer.token_to_id(letter) is None
        and unicodedata.category(letter)[0] not in "CZ"  # control, white space
    }
    return sorted(missing, key=lambda letter: (letter not in SPANISH_LETTERS, -missing[letter], letter))


def add_letters(tokenizer_json: dict[str, Any], letters: list[str], score: float) -> dict[str, Any]:
    """Return the content of a Unigram tokenizer.json with `letters` as pieces at the end.

    `add_tokens` would break words ("Españ a", transformers #26318); a piece of the model does not.
    """
    model = tokenizer_json["model"]
    vocab = [*model["vocab"], *([letter, score] for letter in letters)]
    return {**tokenizer_json, "model": {**model, "vocab": vocab}}


def base_letter(letter: str) -> str | None:
    """Return the letter whose embedding a new letter starts from, or None if it has none.

    >>> [base_letter(letter) for letter in "ñÍ¿~"]
    ['n', 'I', '?', None]
    """
    turned = {"¿": "?", "¡": "!"}
    plain = turned.get(letter) or unicodedata.normalize("NFD", letter)[0]
    return plain if plain != letter else None
