"""Sentences of Spanish text, found without a download."""

import re

# A sentence ends with . ! ? or … and closing quotes, before white space and then a capital, a digit
# or an opening sign.
BORDER = re.compile(r"[.!?…][\"'”»)\]]*(\s+)(?=[\"'“«(\[—–-]*[¿¡\d]|[\"'“«(\[—–-]*[^\W\d_a-záéíóúüñ])")
ABBREVIATIONS = frozenset(
    "sr sra sres dr dra d dña ud uds vd st sto sta lic ing prof gral cnel arq mons excmo núm nº n "
    "art cap pág págs p pp vol ed aprox av avda c teléf".split()
)
# EE. UU., FF. AA.: what is said of many, its letters doubled; the second may end a sentence.
DOUBLED = re.compile(r"([^\W\d_])\1\.")


def sentences(text: str) -> list[str]:
    """Return the sentences of a Spanish text; a line end is always a border.

    >>> sentences("Llovió 3.5 litros. ¿Y mañana? El Sr. Íñiguez y J. Ruiz dudan.")
    ['Llovió 3.5 litros.', '¿Y mañana?', 'El Sr. Íñiguez y J. Ruiz dudan.']
    """
    result = []
    for line in text.splitlines():
        start = 0
        for border in BORDER.finditer(line):
            before = line[start : border.start()].rsplit(None, 1)[-1:] or [""]
            if line[border.start()] == "." and is_abbreviated(
                before[0], line[border.end(1) : border.end(1) + 3]
            ):
                continue
            result.append(line[start : border.start(1)].strip())
            start = border.end(1)
        result.append(line[start:].strip())
    return [sentence for sentence in result if sentence]


def is_abbreviated(word: str, rest: str) -> bool:
    """Return whether the full stop after `word` belongs to it and ends no sentence; `rest` comes next.

    Of party names in capitals, as in "el PP.", it does not.

    >>> is_abbreviated("«Sr", "Ruiz"), is_abbreviated("J", "Ruiz"), is_abbreviated("PP", "El lunes")
    (True, True, False)
    >>> is_abbreviated("EE", "UU. El lunes"), is_abbreviated("UU", "El lunes")
    (True, False)
    """
    word = word.lstrip("¿¡\"'“«([")
    if len(word) == 1:
        return word.isalpha()  # an initial
    if word.isupper():
        return bool(DOUBLED.fullmatch(f"{word}.") and DOUBLED.match(rest))
    return word.lower() in ABBREVIATIONS
