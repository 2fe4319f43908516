"""Characters: white space as T5 sees it, what is visible, what is no text."""

import unicodedata
from itertools import groupby

from resumen.runtime.errors import shown

MAX_COMBINING = 30  # combining marks in a row, as in Unicode's Stream-Safe Text Format


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


def fault_of(text: str) -> str | None:
    """Return what is wrong with a text whose combining marks are more in a row than any script has, or None.

    Normalizing them takes the square of their number: 5 s for 80,000.
    """
    if unicodedata.is_normalized("NFC", text):  # quick to tell, and false of such a run
        return None
    runs = groupby(text, key=lambda letter: unicodedata.combining(letter) > 0)
    if all(len(list(run)) <= MAX_COMBINING for combines, run in runs if combines):
        return None
    return (
        f"expected at most {MAX_COMBINING} combining marks in a row, got more: {shown(text)}; take them out"
    )
