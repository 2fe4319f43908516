"""What commands print as results, in the language of the terminal: Spanish where its locale is, else English.

Messages, logs and errors stay English, as those of DVC and Python do.
"""

import os
import re

from resumen.page.languages import Bilingual, decimal

LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts, as POSIX has it
# Where Spanish is written with a decimal point, by Unicode's CLDR.
WITH_POINT = ("419", "CU", "DO", "GT", "HN", "MX", "NI", "PA", "PE", "PR", "SV", "US")


def terminal_locale() -> tuple[str, str]:
    """Return the language and the territory of the locale, such as "es" and "MX"."""
    chosen = next((value for name in LOCALE_VARIABLES if (value := os.environ.get(name))), "")
    language, _, territory = re.split("[.@]", chosen)[0].partition("_")
    return language.lower(), territory.upper()


def terminal_language() -> str:
    """Return "es" where the locale is a Spanish one, else "en"."""
    return "es" if terminal_locale()[0] == "es" else "en"


def localized(words: Bilingual) -> str:
    """Return the words in the language of the terminal."""
    text: str = getattr(words, terminal_language())
    return text


def number(value: float, places: int = 2, sign: str = "") -> str:
    """Return a number as the language of the terminal writes it; the minus is that of the keyboard."""
    language, territory = terminal_locale()
    written = decimal(value, places, sign)
    text = written.es if language == "es" and territory not in WITH_POINT else written.en
    return text.replace("−", "-")


def interval(lower: float, upper: float, sign: str = "") -> str:
    """Return an interval in words."""
    low, high = number(lower, sign=sign), number(upper, sign=sign)
    return localized(Bilingual(f"{low} to {high}", f"de {low} a {high}"))
