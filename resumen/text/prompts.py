"""Templates: what a prompt may hold, and how a row fills it."""

import re
from string import Formatter

TEMPLATE_FIELDS = ("text", "summary", "title", "topic")  # the raw columns that a template may name


def check_template(template: str, needed: str) -> str:
    """Return `template` if it names `{needed}` once and, besides, only what a row has.

    A template for the prompt needs the text and must not hold the summary, which would be the answer;
    one for the completion needs the summary and must not hold the text.

    Raises:
        ValueError: it does not, its braces do not match, or a line end was not read as one.
    """
    if unread := re.search(r"\\[nt]", template):
        raise ValueError(
            f"holds {unread[0]} as two characters; DVC's -S reads no escapes, so press Enter there, or write "
            "it in params.yaml, between double quotes"
        )
    fields = fields_of(template)
    other = "summary" if needed == "text" else "text"
    allowed = [name for name in TEMPLATE_FIELDS if name != other]
    if unknown := [field for field in fields if field not in allowed]:
        known = ", ".join(f"{{{name}}}" for name in allowed)
        raise ValueError(f"unknown field {{{unknown[0]}}}, expected {{{needed}}} once; known are {known}")
    if fields.count(needed) != 1:
        raise ValueError(f"must hold {{{needed}}} once")
    return template


def fields_of(template: str) -> list[str]:
    """Return what `template` names in braces, in order, with its conversion and width.

    >>> fields_of("{title}: {text!r:9}, {{json}}")
    ['title', 'text!r:9']

    Raises:
        ValueError: its braces do not match.
    """
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"broken template ({error}); write a brace as {{{{ or }}}}") from error
    return [
        field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
        for _, field, spec, conversion in parsed
        if field is not None
    ]


def fill_template(template: str, row: dict[str, str]) -> str:
    """Return `template` with the row's values; braces inside the values stay as they are.

    >>> fill_template("Resume:\\n\\n{text}", {"text": "Llueve {mucho} en Logroño."})
    'Resume:\\n\\nLlueve {mucho} en Logroño.'
    """
    return template.format(**row)
