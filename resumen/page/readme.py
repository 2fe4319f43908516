"""The results in README.md and README.es.md: the answer in sentences, and the table of systems."""

import re
from pathlib import Path
from typing import Any

from resumen.page.answer import answer_of, caveat_of
from resumen.page.languages import Bilingual, grouped, in_both_languages
from resumen.page.table import (
    is_base_miniature,
    main_finetuning,
    markdown_table,
    marks_of,
    system_rows,
)
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import EVALUATION_FILE, README, README_ES

READMES = (README, README_ES)  # in the order of Bilingual
COPIES = "lead-3"  # what a model has to beat
RESULT_MARKS = ("<!-- results: made by `make readme` -->", "<!-- /results -->")


def headline_rows(params: dict[str, Any], evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the table: the systems of the 2 × 2 and what copies, or all where there is none."""
    rows = system_rows(params, evaluation)
    shown = {system for row in evaluation["interactions"][:1] for system in row["systems"]}
    return [row for row in rows if row["name"] in shown | {COPIES}] if shown else rows


def results_of(params: dict[str, Any]) -> Bilingual:
    """Return the answer and the table as Markdown, in both languages."""
    evaluation = read_json(EVALUATION_FILE)
    rows, count = headline_rows(params, evaluation), grouped(evaluation["num_articles"])
    confidence = f"{100 * evaluation['confidence']:g}"
    title = Bilingual(f"Profile {params['profile']}", f"Perfil {params['profile']}")
    if is_base_miniature(params, main_finetuning(params)):
        title = Bilingual("Miniature", "Miniatura")
    said = [*answer_of(params, evaluation, marks_of(params)), caveat_of(params, evaluation)]
    answer = in_both_languages(
        lambda language: "\n".join(f"- {getattr(sentence, language)}" for sentence in said if sentence)
    )
    table = in_both_languages(lambda language: markdown_table(rows, language))
    return Bilingual(
        f"**{title.en}**, {count.en} test articles, F1 in points, ROUGE-L with its {confidence} % interval:"
        f"\n\n{answer.en}\n\n{table.en}",
        f"**{title.es}**, {count.es} artículos de prueba, F1 en puntos, ROUGE-L con su intervalo del "
        f"{confidence.replace('.', ',')} %:\n\n{answer.es}\n\n{table.es}",
    )


def with_results(readme: str, results: str, path: Path) -> str:
    """Return the text of the file at `path` with `results` between its marks.

    Raises:
        InputError: the marks are gone.
    """
    pattern = re.compile(f"{re.escape(RESULT_MARKS[0])}.*?{re.escape(RESULT_MARKS[1])}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise InputError(f"{path}: expected the marks {RESULT_MARKS[0]} and {RESULT_MARKS[1]} once")
    return pattern.sub(lambda _: f"{RESULT_MARKS[0]}\n{results}\n{RESULT_MARKS[1]}", readme)
