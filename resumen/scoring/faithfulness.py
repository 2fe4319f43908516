"""What a summary says that its article does not: numbers, by their value, and names, by their stems."""

import re
import unicodedata
from typing import NamedTuple

from resumen.text.stems import has_stemmer, stem
from resumen.text.words import word_pattern

# Thousands that blanks part, with decimals perhaps, or digits with points, commas and apostrophes in them.
NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?![.,]?\d)|\d+(?:[.,'’]\d+)*")
# A word of letters that is not the first of its sentence.
INNER_WORD = re.compile(r"(?<![.!?…:«\"“¿¡(\-—–] )(?<![.!?…:«\"“¿¡(\-—–])(?<!^)\b[^\W\d_]{2,}")
THOUSANDS = 3  # digits of a group


class Facts(NamedTuple):
    """What an article says."""

    numbers: frozenset[str]  # their values
    names: frozenset[str]  # the stems of its capitalised words

    @classmethod
    def of(cls, text: str, language: str) -> "Facts":
        capitalised = (word for word in word_pattern(text).findall(text) if word[0].isupper())
        return cls(
            frozenset(value for values in numbers(text) for value in values),
            frozenset(name_stem(word, language) for word in capitalised),
        )


def numbers(text: str) -> list[list[str]]:
    """Return each number's value; of one with blanks also those of its parts, which may be of their own.

    >>> numbers("1.200, 1 200 o 1200 personas, un 3,50 %")
    [['1200'], ['1200', '1', '200'], ['1200'], ['3.5']]
    """
    result = []
    for token in NUMBER.findall(with_ascii_digits(text)):
        whole, parts = token.replace(" ", ""), token.split(" ")
        result.append([value_of(whole), *(map(value_of, parts) if len(parts) > 1 else ())])
    return result


def with_ascii_digits(text: str) -> str:
    """Return `text` with the digits of every script as 0 to 9.

    >>> with_ascii_digits("١٢ y 12")
    '12 y 12'
    """
    if text.isascii():
        return text
    return "".join(str(unicodedata.digit(letter)) if letter.isdecimal() else letter for letter in text)


def value_of(number: str) -> str:
    """Return the value of a number as it is written in Spanish or in English.

    A point or a comma before groups of three digits parts thousands, before others it is the decimal sign;
    what is neither, such as a date, stays as it is.

    >>> [value_of(one) for one in ("1.234.567", "1,200", "0,500", "12.5", "1.234,50", "2.4.2023", "007")]
    ['1234567', '1200', '0.5', '12.5', '1234.5', '2.4.2023', '7']
    """
    signs, groups = re.findall("[.,'’]", number), re.split("[.,'’]", number)
    if not signs:
        return whole_number(number)
    if len(set(signs)) == 1 and are_thousands(groups):
        return whole_number("".join(groups))
    *before, decimals = groups
    is_decimal = signs[-1] not in signs[:-1] and len(set(signs[:-1])) <= 1
    if is_decimal and (len(before) == 1 or are_thousands(before)):
        return f"{whole_number(''.join(before))}.{decimals}".rstrip("0").rstrip(".")
    return number


def are_thousands(groups: list[str]) -> bool:
    """Return whether the digits between signs are a number in thousands."""
    first, *others = groups
    return len(first) <= THOUSANDS and first[0] != "0" and all(len(group) == THOUSANDS for group in others)


def whole_number(digits: str) -> str:
    """Return digits without the zeros before them."""
    return digits.lstrip("0") or "0"


def names(text: str) -> list[str]:
    """Return the capitalised words that do not begin a sentence.

    >>> names("Ayer Ana Núñez llegó. Hoy llueve en Ávila.")
    ['Ana', 'Núñez', 'Ávila']
    """
    return [word for word in INNER_WORD.findall(text) if word[0].isupper()]


def name_stem(name: str, language: str) -> str:
    """Return what a name is compared by: its stem, or all of it in a language without stemmer."""
    lower = name.lower()
    return stem(lower, language) if has_stemmer(language) else lower


def invented_numbers(text: str, article: Facts) -> list[str]:
    """Return the values of the numbers of a summary that its article does not have."""
    return [
        whole
        for whole, *parts in numbers(text)
        if whole not in article.numbers and not (parts and article.numbers.issuperset(parts))
    ]


def invented_names(text: str, article: Facts, language: str) -> list[str]:
    """Return the names of a summary that its article does not have as capitalised words."""
    return [name for name in names(text) if name_stem(name, language) not in article.names]
