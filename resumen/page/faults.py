"""Where each system fails: its worst articles, and the names and numbers that it invents."""

from typing import Any

from resumen.scoring.faithfulness import Facts, invented_names, invented_numbers
from resumen.scoring.registry import FAITHFULNESS, PRIMARY

NUM_WORST = 5  # articles of a system that are linked


def fault_rows(
    evaluation: dict[str, Any],
    rows: list[dict[str, Any]],
    predictions: dict[str, list[str]],
    scores: dict[str, dict[str, list[float]]],
    language: str,
) -> list[dict[str, Any]]:
    """Return what each system invents an article, with intervals, and its worst articles by their places.

    `rows` are the test articles, `predictions` each system's in their order, `scores` each system's values by
    measure, in their order too. `lowest` are the articles of the lowest ROUGE-L; `inventive` those of most
    invented names and numbers, and of as many the ones of the lowest ROUGE-L.
    """

    def invented(system: str, place: int) -> list[str]:
        summary, facts = predictions[system][place], Facts.of(rows[place]["text"], language)
        return [*invented_names(summary, facts, language), *invented_numbers(summary, facts)]

    def article(place: int, **more: Any) -> dict[str, Any]:
        return {"place": place, "id": rows[place]["id"], **more}

    def faults(row: dict[str, Any]) -> dict[str, Any]:
        system = row["system"]
        values = scores[system]
        counts = map(sum, zip(*(values[name] for name in FAITHFULNESS), strict=True))
        scored = [*zip(values[PRIMARY], range(len(rows)), counts, strict=True)]
        lowest = sorted(scored)[:NUM_WORST]
        inventive = sorted((-count, score, place) for score, place, count in scored if count)
        return {
            "system": system,
            "counts": [row[name] for name in FAITHFULNESS],
            "lowest": [article(place, score=score) for score, place, _ in lowest],
            "inventive": [
                article(place, words=invented(system, place)) for _, _, place in inventive[:NUM_WORST]
            ],
        }

    return [faults(row) for row in evaluation["systems"]]


def linked_places(faults: list[dict[str, Any]]) -> set[int]:
    """Return the places of the articles that are linked."""
    return {one["place"] for row in faults for key in ("lowest", "inventive") for one in row[key]}
