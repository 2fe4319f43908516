"""The page's and the card's templates, filled in; the page escapes all that it shows."""

import re
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from resumen.page.languages import Bilingual, bilingual, decimal, grouped
from resumen.page.table import one_line
from resumen.runtime.paths import PAGE_DIR


def filled_in(file: str, values: dict[str, Any]) -> str:
    """Return the text of a template of this room, such as `report.html.j2`."""
    environment = Environment(
        loader=FileSystemLoader(PAGE_DIR),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    environment.filters |= {
        "bilingual": bilingual,
        "decimal": decimal,
        "grouped": grouped,
        "literal": repr,
        "one_line": one_line,
        "plain": plain,
        "unbroken": unbroken,
    }
    return environment.get_template(file).render(values)


def unbroken(text: str) -> str:
    """Return `text` with its numbers and their % on one line.

    >>> unbroken("11 % of words %") == "11\u00a0% of words %"
    True
    """
    return re.sub(r"(?<=\d) %", "\u00a0%", text)


def plain(value: float) -> Bilingual:
    """Return a number with the decimals that it has.

    >>> plain(12.5).es, plain(1040.0).en
    ('12,5', '1,040')
    """
    return grouped(int(value)) if value == int(value) else decimal(value, len(f"{value:g}".partition(".")[2]))
