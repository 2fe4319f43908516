"""The page's and the card's templates, filled in; the page escapes all that it shows."""

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from resumen.page.languages import bilingual
from resumen.page.table import one_line, two_places
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
        "two_places": two_places,
        "one_line": one_line,
        "bilingual": bilingual,
        "literal": repr,
    }
    return environment.get_template(file).render(values)
