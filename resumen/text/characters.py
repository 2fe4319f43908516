"""Characters: white space as T5 sees it, what is visible."""

import unicodedata


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
