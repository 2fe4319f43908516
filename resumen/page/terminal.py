"""What commands print as results, in the language of the terminal: Spanish where its locale is, else English.

Messages, logs and errors stay English, as those of DVC and Python do.
"""

import os

from resumen.page.languages import Bilingual, decimal

LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts, as POSIX has it


def terminal_language() -> str:
    """Return "es" where the locale is a Spanish one, else "en"."""
    chosen = next((value for name in LOCALE_VARIABLES if (value := os.environ.get(name))), "")
    return "es" if chosen.partition("_")[0].partition(".")[0].lower() == "es" else "en"


def localized(words: Bilingual) -> str:
    """Return the words in the language of the terminal."""
    text: str = getattr(words, terminal_language())
    return text


def number(value: float, places: int = 2, sign: str = "") -> str:
    """Return a number as the language of the terminal writes it; the minus is that of the keyboard."""
    return localized(decimal(value, places, sign)).replace("−", "-")


def interval(lower: float, upper: float, sign: str = "") -> str:
    """Return an interval in words."""
    low, high = number(lower, sign=sign), number(upper, sign=sign)
    return localized(Bilingual(f"{low} to {high}", f"de {low} a {high}"))
