"""Damaged text: letters read in the wrong encoding or lost, HTML left in, one letter repeated."""

import re
from html.entities import name2codepoint

import ftfy

MIN_RUN = 12  # of one letter, at the start of a word: "aaaaaaaaaaaa"
MIN_INNER_RUN = 20  # inside a word, where people shout: "¡Gooooooooooooool!"

RUN = re.compile(rf"(.)\1{{{MIN_RUN - 1},}}")
# A tag of a known name, without attributes or with an `=`: "si a <b y c> d" and "<ana@correo.es>" have none.
TAG = re.compile(
    r"</?(?:a|abbr|article|aside|b|blockquote|body|br|button|center|cite|code|dd|div|dl|dt|em|embed|figcaption"
    r"|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|label|li|link|meta|nav|o:p|object"
    r"|ol|option|p|param|pre|q|s|script|section|select|small|source|span|strike|strong|style|sub|sup|svg|table"
    r"|tbody|td|tfoot|th|thead|time|title|tr|u|ul|video)(?:\s++[\w:-]++\s*+=[^<>]*+)?\s*+/?>|<!--",
    re.IGNORECASE,
)
ENTITY = re.compile(rf"&(?:#\d{{1,7}}|#[xX][\da-fA-F]{{1,6}}|apos|{'|'.join(sorted(name2codepoint))});")
# Each letter beyond ASCII becomes two characters or more that are beyond it too. The first of two is none of
# those listed here, which stand beside one another in sound texts ("allí»"); they can be the first of three.
MAY_BE_MOJIBAKE = re.compile(r"[^\0-\x7f](?:(?<=[ÃÂ])|(?<![à-ÿ¿¡«»“”‘’—–…ºª·€°])[^\0-\x7f]|[^\0-\x7f]{2})")
LOST_SOFT_HYPHEN = re.compile("[a-z]Ã[a-z]")  # `normalize` takes the second character of "Ã\u00ad" (í) away


def repeats_a_letter(tokens: list[str]) -> bool:
    """Return whether a letter stands in one of these words more often in a row than anybody means it.

    >>> repeats_a_letter(["aaaaaaaaaaaa"]), repeats_a_letter(["gooooooooooooool", "000000000000"])
    (True, False)
    """
    for word in tokens:
        for run in RUN.finditer(word) if len(word) >= MIN_RUN else ():
            starts_a_word = not word[run.start() - 1 : run.start()].isalpha()
            if run[1].isalpha() and (starts_a_word or len(run[0]) >= MIN_INNER_RUN):
                return True
    return False


def is_mojibake(text: str) -> bool:
    """Return whether letters of `text` were read in another encoding than they were written in.

    >>> is_mojibake("Un niÃ±o en LogroÃ±o."), is_mojibake("Un niño en SÃO PAULO.")
    (True, False)
    """
    if not MAY_BE_MOJIBAKE.search(text):  # 30 times faster
        return False
    return bool(LOST_SOFT_HYPHEN.search(text)) or ftfy.fix_encoding(text) != text


def is_damaged(text: str, tokens: list[str]) -> bool:
    """Return whether a text with the words `tokens` has lost letters, mojibake, HTML, or a letter repeated.

    >>> [is_damaged(text, []) for text in ("<p>Llueve.</p>", "Llueve&nbsp;hoy.", "llueve en A&B; a < b")]
    [True, True, False]
    """
    return (
        "\ufffd" in text
        or bool(TAG.search(text) or ENTITY.search(text))
        or repeats_a_letter(tokens)
        or is_mojibake(text)
    )
