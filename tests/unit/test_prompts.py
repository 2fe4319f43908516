"""Templates: what a prompt may hold, and how a row fills it."""

import re

import pytest

from resumen.text.prompts import check_template, fill_template

ROW = {"text": "Llueve {mucho}.\n\n«Sí»", "summary": "Llueve.", "title": "Agua", "topic": "clima"}

FILLED = [
    ("Resume:\n\n{text}", "Resume:\n\nLlueve {mucho}.\n\n«Sí»"),
    ("{title} ({topic}): {text}", "Agua (clima): Llueve {mucho}.\n\n«Sí»"),
    ("{{json}} {text}", "{json} Llueve {mucho}.\n\n«Sí»"),
    ("{text}", "Llueve {mucho}.\n\n«Sí»"),
]


@pytest.mark.parametrize(("template", "expected"), FILLED)
def test_a_row_fills_a_template_and_its_own_braces_stay(template, expected):
    assert check_template(template, "text") == template
    assert fill_template(template, ROW) == expected


FAULTS = [
    ("", "must hold {text} once"),
    ("Resume:", "must hold {text} once"),
    ("{text} y {text}", "must hold {text} once"),
    ("{{text}}", "must hold {text} once"),
    ("{text} {summary}", "unknown field {summary}, expected {text} once"),  # the answer
    ("{text:{summary}}", "unknown field {text:{summary}}, expected"),  # the answer, hidden in a width
    ("{text!r}", "unknown field {text!r}, expected"),
    ("{text:5d}", "unknown field {text:5d}, expected"),
    ("{text.upper}", "unknown field {text.upper}, expected"),
    ("{text[0]}", "unknown field {text[0]}, expected"),
    ("{} {text}", "unknown field {}, expected"),
    ("{autor}: {text}", "unknown field {autor}, expected"),
    (
        "Resume:\\n\\n{text}",
        "holds \\n as two characters; DVC's -S reads no escapes, so press",
    ),
    ("Resume:\\t{text}", "holds \\t as two characters"),
    ("{text", "broken template (expected '}' before end of string); write a brace as {{ or }}"),
    ("} {text}", "broken template (Single '}' encountered in format string); write a brace as {{ or }}"),
]


@pytest.mark.parametrize(("template", "message"), FAULTS)
def test_a_template_that_is_no_prompt_is_refused(template, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_template(template, "text")


def test_a_completion_may_hold_the_summary_and_needs_it():
    assert check_template("{title}: {summary}", "summary") == "{title}: {summary}"
    with pytest.raises(ValueError, match=r"must hold \{summary\} once"):
        check_template("{title}", "summary")


def test_a_completion_that_holds_the_article_is_refused():
    with pytest.raises(ValueError, match=r"\{summary\} once; known are \{summary\}, \{title\}, \{topic\}$"):
        check_template("{summary} {text}", "summary")
