"""Words of Spanish text, and of others."""

import re
import sys
import unicodedata
from functools import cache

WORD = re.compile(r"[^\W_]+")
# Where combining marks and joiners may be. Spanish in NFC has none.
MAY_HAVE_MARKS = re.compile("[\u0300-\u1fff\u200c\u200d\u20d0-\u20ff\u2c00-\U0010ffff]")


@cache
def word_with_marks() -> re.Pattern[str]:
    """Return the pattern of a word in scripts that write with combining marks and joiners, as Hindi does."""
    marks = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M"]
    return re.compile(rf"[^\W_](?:[^\W_]|[\u200c\u200d{''.join(marks)}])*")


def word_pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of the words of `text`: letters and digits, with the marks that belong to them."""
    return word_with_marks() if MAY_HAVE_MARKS.search(text) else WORD


def words(text: str) -> list[str]:
    """Return the lower-cased runs of letters and digits, accents and ñ included.

    >>> words("¿El artículo_2 de Íñigo?")
    ['el', 'artículo', '2', 'de', 'íñigo']
    >>> words("हिन्दी")
    ['हिन्दी']
    """
    lower = text.lower()
    return word_pattern(lower).findall(lower)
