"""The explorer of the test articles: what the page holds of each, and of how many."""

import json
import math
import string
import unicodedata
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from resumen.page.languages import Bilingual, topic_label
from resumen.scoring.registry import PRIMARY, Measure, measures_in
from resumen.text.words import words

DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"  # those of base64
MAX_PAGE_CHARACTERS = 6_000_000  # of articles and summaries in the page, beside the scores of all


def measures_shown(language: str) -> dict[str, Measure]:
    """Return the measures of the explorer, that of the differences first."""
    shown = measures_in("page", language)
    return {PRIMARY: shown[PRIMARY], **shown}


def explorer(
    rows: list[dict[str, Any]],
    predictions: dict[str, list[dict[str, Any]]],
    scores: dict[str, dict[str, list[float]]],
    language: str,
    linked: Iterable[int] = (),
) -> dict[str, Any]:
    """Return what the page's script reads.

    `rows` are the test articles, `predictions` each system's in their order, `scores` each system's values by
    measure, in their order too. All articles come with their scores and reference; where texts and
    summaries are more than MAX_PAGE_CHARACTERS characters, every k-th article has them (`every` is k), and
    those that are `linked`, by their places.
    """
    systems, shown = list(predictions), measures_shown(language)
    sizes = [
        len(row["text"]) + sum(len(predictions[system][index]["prediction"]) for system in systems)
        for index, row in enumerate(rows)
    ]
    every = max(1, math.ceil(sum(sizes) / MAX_PAGE_CHARACTERS))
    return {
        "systems": systems,
        "measures": [
            {"key": name, **{spoken: measure.label(spoken) for spoken in Bilingual._fields}}
            for name, measure in shown.items()
        ],
        "every": every,
        "lost": lost_letters(rows, predictions),
        "topics": {
            topic: label
            for topic in sorted({row["topic"] for row in rows if row["topic"]})
            if (label := topic_label(topic, language)) != topic
        },
        "articles": [
            {
                "id": row["id"],
                "topic": row["topic"],
                "words": len(words(row["text"])),
                "reference": row["summary"],
                **({"others": row["references"]} if row["references"] else {}),
            }
            for row in rows
        ],
        # by measure, then system: two characters an article, half of what numbers take
        "scores": [
            [tenths(scores[system][name], measure.unit == "share") for system in systems]
            for name, measure in shown.items()
        ],
        "texts": {
            index: {
                "text": rows[index]["text"],
                "predictions": [predictions[system][index]["prediction"] for system in systems],
                "read": [bool(predictions[system][index].get("truncated")) for system in systems],
            }
            for index in sorted({*range(0, len(rows), every), *linked})
        },
    }


def tenths(values: Iterable[float], is_share: bool) -> str:
    """Return values in tenths of a point, shares in tenths of a percent, as two signs of DIGITS each.

    What is over 409.5 points counts as so much: a length ratio alone may be.

    >>> tenths([0.0, 0.1, 6.4, 100.0], False), tenths([0.5], True)
    ('AAABBAPo', 'H0')
    """
    numbers = (min(round(value * (1_000 if is_share else 10)), len(DIGITS) ** 2 - 1) for value in values)
    return "".join(DIGITS[number // len(DIGITS)] + DIGITS[number % len(DIGITS)] for number in numbers)


def lost_letters(rows: list[dict[str, Any]], predictions: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return the letters of the references that the vocabulary of each system loses, if it loses any.

    A vocabulary has a letter or has it not: what it loses is nowhere in what it wrote. T5 reads text after
    NFKC, and white space as spaces: those are rewritten, not lost.
    """
    asked = letters_of(row["summary"] for row in rows)
    lost = {
        system: asked - letters_of(row["spelled_reference"] for row in rows_of_system)
        for system, rows_of_system in predictions.items()
    }
    return {system: "".join(sorted(letters)) for system, letters in lost.items() if letters}


def letters_of(texts: Iterable[str]) -> set[str]:
    """Return the letters and signs of `texts` after NFKC, but for white space.

    >>> sorted(letters_of(["2ª ½"]))
    ['1', '2', 'a', '⁄']
    """
    return {letter for letter in set(unicodedata.normalize("NFKC", "\n".join(texts))) if not letter.isspace()}


def as_script(value: Any) -> Markup:
    """Return `value` as JSON that may stand inside a script element, whatever its texts hold.

    >>> as_script({"a": "</script><!--"})
    Markup('{"a":"\\\\u003c/script\\\\u003e\\\\u003c!--"}')
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704  what could end the element is escaped above
