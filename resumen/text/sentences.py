"""Sentences of Spanish text, found without a download."""

import re

# A sentence ends with . ! ? or … and closing quotes, before white space and then a capital, a digit
# or an opening sign.
BORDER = re.compile(r"[.!?…][\"'”»)\]]*(\s+)(?=[\"'“«(\[—–-]*[¿¡\d]|[\"'“«(\[—–-]*[^\W\d_a-záéíóúüñ])")
ABBREVIATIONS = frozenset(
    "sr sra sres dr dra d dña ud uds vd st sto sta lic ing prof gral cnel arq mons excmo núm nº n "
    "art cap pág págs p pp vol ed aprox av avda c teléf ee ff cc".split()
)


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
            last = before[0].lstrip("¿¡\"'“«([").lower()
            initial = len(last) == 1 and last.isalpha()
            if line[border.start()] == "." and (last in ABBREVIATIONS or initial):
                continue
            result.append(line[start : border.start(1)].strip())
            start = border.end(1)
        result.append(line[start:].strip())
    return [sentence for sentence in result if sentence]
