"""How much data fine-tuning takes: the chart, the table and the words of metrics/curve.json."""

from collections.abc import Iterable
from typing import Any

from resumen.page.charts import data_curve_chart, drawings
from resumen.page.languages import Bilingual, grouped, verdict_of
from resumen.page.templates import filled_in
from resumen.schema.params import section_of


def made_with_of(params: dict[str, Any], finetunings: Iterable[str]) -> dict[str, Any]:
    """Return what of params.yaml decides a curve, by key, but for the articles and the seed of its points."""
    made_with = {
        name: section_of(params, name) for name in ("data", "format", "tokenize", "finetune", "weights")
    }
    made_with["generate"] = section_of(params, "generate")
    made_with["finetune"] = {key: value for key, value in made_with["finetune"].items() if key != "seed"}
    for name in finetunings:
        entry = params["finetunings"].get(name) or {}
        own = {key: value for key, value in entry.items() if key != "rows" and value is not None}
        made_with[f"finetunings.{name}"] = own
    return made_with


def passes_in_words(name: str, result: dict[str, Any]) -> Bilingual:
    """Return between which two numbers of articles a fine-tuning passes the baseline."""
    baseline, between = result["baseline"]["system"], result["passes"][name]
    if between is None:
        return Bilingual(
            f"{name} does not pass {baseline} with so many articles.",
            f"{name} no supera a {baseline} con estos artículos.",
        )
    before, after = map(grouped, between)
    if not between[0]:
        return Bilingual(
            f"{name} is above {baseline} with {after.en} articles already.",
            f"{name} ya supera a {baseline} con {after.es} artículos.",
        )
    return Bilingual(
        f"{name} passes {baseline} between {before.en} and {after.en} articles.",
        f"{name} empieza a superar a {baseline} entre {before.es} y {after.es} artículos.",
    )


def curve_values(result: dict[str, Any]) -> dict[str, Any]:
    """Return what the templates show of metrics/curve.json."""
    x = Bilingual("training articles, log scale", "artículos de entrenamiento (escala log)")
    chart = drawings(
        lambda canvas: data_curve_chart(result["points"], result["baseline"], canvas, canvas.says(x))
    )
    return {
        **result,
        "chart": chart,
        "confidence_pct": 100 * result["confidence"],
        "sentences": [passes_in_words(name, result) for name in result["passes"]],
        "points": [{**row, "said": verdict_of(row["verdict"])} for row in result["points"]],
    }


def curve_page(result: dict[str, Any]) -> str:
    """Return metrics/curve.json as a page of its own, which needs no network."""
    return filled_in("curve.html.j2", {"data_curve": curve_values(result), "marks": {}})
