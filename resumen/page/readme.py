"""The results in README.md: the answer in sentences, and the table of systems."""

import re
from typing import Any

from resumen.page.answer import answer_of, caveat_of
from resumen.page.table import is_base_miniature, main_finetuning, markdown_table, marks_of, system_rows
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import EVALUATION_FILE, README

RESULT_MARKS = ("<!-- results: made by `make readme` -->", "<!-- /results -->")


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
    sentences = "\n".join(f"- {sentence.en}" for sentence in answer_of(params, evaluation, marks_of(params)))
    said = caveat_of(params, evaluation)
    caveat = f"{said.en}\n\n" if said else ""
    body = (
        f"**{title}**, {evaluation['num_articles']} test articles, F1 in points, ROUGE-L with its "
        f"{100 * evaluation['confidence']:g} % interval:\n\n"
        f"{sentences}\n\n{caveat}{markdown_table(system_rows(params, evaluation))}"
    )
    return pattern.sub(lambda _: f"{RESULT_MARKS[0]}\n{body}\n{RESULT_MARKS[1]}", readme)
