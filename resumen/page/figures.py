"""The charts of the page, from the metrics."""

from functools import cache
from typing import Any

import vl_convert
from markupsafe import Markup

from resumen.page.charts import (
    VEGA_LITE,
    Canvas,
    Drawing,
    cost_chart,
    drawings,
    interaction_chart,
    interval_chart,
    line_chart,
)
from resumen.page.languages import Bilingual
from resumen.page.table import SYSTEM_KINDS, named, system_kind
from resumen.page.templates import filled_in
from resumen.scoring.registry import PRIMARY

POINTS = Bilingual("ROUGE-L, points", "ROUGE-L, puntos")
EPOCH = Bilingual("epoch", "época")
LOSS = Bilingual("nats a token", "nats por token")
WORDS = Bilingual("words: median, and 5 to 95 %", "palabras: mediana, y del 5 al 95 %")
OPERATIONS = Bilingual("GFLOPs an article, log scale", "GFLOP por artículo, escala logarítmica")
LOSSES = {  # what DVC's metrics call it, and how it is called here
    "train_loss": Bilingual("training", "entrenamiento"),
    "validation_loss": Bilingual("validation", "validación"),
}
VERDICTS = {  # heads of the differences
    "better": Bilingual("better", "mejor"),
    "worse": Bilingual("worse", "peor"),
    "unsure": Bilingual("cannot tell", "no se puede decir"),
}
REFERENCE = Bilingual("reference", "referencia")


def spoken(words: dict[str, Bilingual], canvas: Canvas) -> dict[str, str]:
    """Return the words of a table in the language of a canvas."""
    return {key: canvas.says(both) for key, both in words.items()}


def systems_figure(
    params: dict[str, Any], rows: list[dict[str, Any]], marks: dict[str, str]
) -> list[Drawing]:
    """Return ROUGE-L of the systems with its interval."""

    def draw(canvas: Canvas) -> Markup:
        values = [
            {
                "name": canvas.says(named(row["name"], marks)),
                "kind": system_kind(params, row["name"]),
                "value": row[PRIMARY],
                **{bound: row[bound] for bound in ("lower", "upper")},
            }
            for row in rows
        ]
        return interval_chart(values, canvas, canvas.says(POINTS), spoken(SYSTEM_KINDS, canvas))

    return drawings(draw)


def differences_figure(rows: list[dict[str, Any]], marks: dict[str, str]) -> list[Drawing]:
    """Return the differences with their intervals, by what the articles show of them."""

    def draw(canvas: Canvas) -> Markup:
        values = [
            {
                "name": " − ".join(canvas.says(named(row[side], marks)) for side in ("system", "against")),
                "kind": row["verdict"] if row["verdict"] in VERDICTS else "unsure",
                "value": row["difference"],
                **{bound: row[bound] for bound in ("lower", "upper")},
            }
            for row in rows
        ]
        return interval_chart(values, canvas, canvas.says(POINTS), spoken(VERDICTS, canvas), sign="+")

    return drawings(draw) if rows else []


def cost_figure(params: dict[str, Any], rows: list[dict[str, Any]], marks: dict[str, str]) -> list[Drawing]:
    """Return quality against the operations of an article, of the systems whose operations are known."""
    counted = [row for row in rows if row.get("gflops_per_article")]  # 0.0: fewer than are told apart

    def draw(canvas: Canvas) -> Markup:
        values = [
            {
                "name": canvas.says(named(row["name"], marks)),
                "kind": system_kind(params, row["name"]),
                "gflops": row["gflops_per_article"],
                "value": row[PRIMARY],
                **{bound: row[bound] for bound in ("lower", "upper")},
            }
            for row in counted
        ]
        titles = canvas.says(OPERATIONS), canvas.says(POINTS)
        return cost_chart(values, canvas, *titles, spoken(SYSTEM_KINDS, canvas))

    return drawings(draw) if counted else []


def curve_figure(training: list[dict[str, Any]]) -> list[Drawing]:
    """Return ROUGE-L on validation by epoch."""
    rows = [{**row, "value": row[PRIMARY]} for row in training]
    if not rows:
        return []
    return drawings(lambda canvas: line_chart(rows, canvas, canvas.says(EPOCH), canvas.says(POINTS)), True)


def loss_figure(training: list[dict[str, Any]]) -> list[Drawing]:
    """Return the losses of training and validation by epoch."""
    known = [(key, row) for key in LOSSES for row in training if row[key] is not None]

    def draw(canvas: Canvas) -> Markup:
        splits = spoken(LOSSES, canvas)
        rows = [{**row, "value": row[key], "split": splits[key]} for key, row in known]
        return line_chart(rows, canvas, canvas.says(EPOCH), canvas.says(LOSS), splits.values())

    return drawings(draw, True) if known else []


def lengths_figure(
    params: dict[str, Any], lengths: list[dict[str, Any]], marks: dict[str, str]
) -> list[Drawing]:
    """Return the words of the systems' summaries, and of the references."""

    def draw(canvas: Canvas) -> Markup:
        values = []
        for row in lengths:
            is_reference = row["system"] == "reference"
            name = REFERENCE if is_reference else named(row["system"], marks)
            kind = "reference" if is_reference else system_kind(params, row["system"])
            bounds = {bound: row[bound] for bound in ("lower", "upper")}
            values.append({"name": canvas.says(name), "kind": kind, "value": row["words"], **bounds})
        kinds = spoken({**SYSTEM_KINDS, "reference": REFERENCE}, canvas)
        return interval_chart(values, canvas, canvas.says(WORDS), kinds, places=0)

    return drawings(draw, True)


def grid_figure(grid: dict[str, Any], marks: dict[str, str]) -> list[Drawing]:
    """Return the two lines of a 2 × 2."""

    def draw(canvas: Canvas) -> Markup:
        lines = [
            {"line": canvas.says(named(row["cells"][0]["system"], marks)), "column": number, **cell}
            for row in grid["rows"]
            for number, cell in enumerate(row["cells"])
        ]
        return interaction_chart(
            lines, canvas, [canvas.says(one) for one in grid["columns"]], canvas.says(POINTS)
        )

    return drawings(draw, True)


@cache  # the same in every run, and a second and a half
def plots_page() -> str:
    """Return the page that `dvc plots show` fills in; DVC's own loads Vega from the network."""
    bundle = vl_convert.javascript_bundle(None, vl_version=VEGA_LITE)  # type: ignore[arg-type]  # all of it
    vega = Markup(bundle)  # noqa: S704  the library's own
    return filled_in("plots.html.j2", {"vega": vega})
