"""Words of Spanish text."""

import re

WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the lower-cased runs of letters and digits, accents and ñ included.

    >>> words("¿El artículo_2 de Íñigo?")
    ['el', 'artículo', '2', 'de', 'íñigo']
    """
    return WORD.findall(text.lower())
