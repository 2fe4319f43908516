"""The results in README.md: the answer in sentences, and the table of systems."""

import re
from typing import Any

from resumen.page.answer import answer_of, caveat_of
from resumen.page.table import is_base_miniature, main_finetuning, markdown_table, marks_of, system_rows
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import EVALUATION_FILE, README

COPIES = "lead-3"  # what a model has to beat
RESULT_MARKS = ("<!-- results: made by `make readme` -->", "<!-- /results -->")


def headline_rows(params: dict[str, Any], evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the table: the systems of the 2 × 2 and what copies, or all where there is none."""
    rows = system_rows(params, evaluation)
    shown = {system for row in evaluation["interactions"][:1] for system in row["systems"]}
    return [row for row in rows if row["name"] in shown | {COPIES}] if shown else rows


def with_results(readme: str, params: dict[str, Any]) -> str:
    """Return README's text with the answer and the table between its marks those of `metrics/`.

    Raises:
        InputError: the marks are gone.
    """
    pattern = re.compile(f"{re.escape(RESULT_MARKS[0])}.*?{re.escape(RESULT_MARKS[1])}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise InputError(f"{README}: expected the marks {RESULT_MARKS[0]} and {RESULT_MARKS[1]} once")
    evaluation = read_json(EVALUATION_FILE)
    title = (
        "Miniature" if is_base_miniature(params, main_finetuning(params)) else f"Profile {params['profile']}"
    )
    said = [*answer_of(params, evaluation, marks_of(params)), caveat_of(params, evaluation)]
    sentences = "\n".join(f"- {sentence.en}" for sentence in said if sentence)
    body = (
        f"**{title}**, {evaluation['num_articles']} test articles, F1 in points, ROUGE-L with its "
        f"{100 * evaluation['confidence']:g} % interval:\n\n"
        f"{sentences}\n\n{markdown_table(headline_rows(params, evaluation))}"
    )
    return pattern.sub(lambda _: f"{RESULT_MARKS[0]}\n{body}\n{RESULT_MARKS[1]}", readme)
