"""Characters: one way to write each, white space as T5 sees it, what is visible."""

import re
import unicodedata

# Soft hyphen, zero-width space, word joiner, byte order mark: nobody sees them, and they part words. The
# joiners U+200C and U+200D stay, which other scripts need.
INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
NO_BREAK_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # and their kin

NO_VALUE = ("<na>", "n/a", "nan", "none", "null")  # what pandas, JSON and people write for no value


def normalize(text: str) -> str:
    """Return `text` as all texts are that come in: NFC, without invisible characters, its spaces plain ones.

    File names of macOS and text out of PDFs write "í" as two characters; words are then cut in two.

    >>> normalize("arti\u0301culo de\u00a0Ma\u00adrti\u0301n")
    'artículo de Martín'
    """
    return unicodedata.normalize("NFC", NO_BREAK_SPACES.sub(" ", INVISIBLE.sub("", text)))


def unusual(text: str) -> list[str]:
    """Return what of `text` `normalize` changes.

    >>> unusual("nin\u0303o"), unusual("niño")
    (['not NFC'], [])
    """
    found = {
        "not NFC": not unicodedata.is_normalized("NFC", text),
        "invisible characters": bool(INVISIBLE.search(text)),
        "no-break spaces": bool(NO_BREAK_SPACES.search(text)),
    }
    return [kind for kind, is_there in found.items() if is_there]


def collapse_white_space(text: str) -> str:
    """Return `text` with each run of white space as one space, which is how T5 sees it.

    >>> collapse_white_space(" Llueve\\n\\nen  Logroño.")
    'Llueve en Logroño.'
    """
    return " ".join(text.split())


def is_visible(text: str) -> bool:
    """Return whether `text` holds more than white space, control and format characters.

    >>> [is_visible(text) for text in ("¿?", " \\n", "\\u200b\\u00a0", "")]
    [True, False, False, False]
    """
    return any(unicodedata.category(letter)[0] not in "CZ" for letter in text)


def is_missing(text: str) -> bool:
    """Return whether `text` is one of NO_VALUE, in small letters or capitals.

    >>> is_missing(" NaN\\n"), is_missing("NaN y null")
    (True, False)
    """
    return text.strip().lower() in NO_VALUE
