"""Charts of the report: Vega-Lite drawn to SVG, which needs no script and takes its colours from the page."""

import math
import re
from collections.abc import Iterable
from typing import Any

import vl_convert
from markupsafe import Markup, escape

VEGA_LITE = "5.20"
# CSS variables of the page: they differ in light and dark.
AXIS_COLOURS = {"labelColor": "currentColor", "titleColor": "currentColor"}
LINES = {"gridColor": "var(--line)", "domainColor": "var(--line)", "tickColor": "var(--line)"}
MARGINS = {"left": 60, "right": 5, "top": 5, "bottom": 5}  # a page's letters may be wider than ours
CONFIG = {
    "aria": False,  # the whole has one label
    "background": None,
    "padding": MARGINS,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {**AXIS_COLOURS, **LINES, "labelFontSize": 13, "titleFontSize": 13, "labelLimit": 400},
    "legend": {**AXIS_COLOURS, "labelFontSize": 13},
}
BAR = "var(--bar)"
COLOURS = (BAR, "var(--bar2)", "var(--bar3)", "var(--bar4)")  # of lines
DASHES: tuple[list[int], ...] = (
    [1, 0],
    [6, 3],
    [2, 3],
)  # of lines, where there are more of them than colours
NAME_HEIGHT = 4.5  # points of ROUGE-L between two names beside one another
NAMESPACES = re.compile(r' xmlns(:\w+)?="[^"]*"')  # which HTML does not need


def draw_svg(spec: dict[str, Any], label: str) -> Markup:
    """Return a Vega-Lite specification as the text of an SVG; `label` is what one hears of it."""
    svg = vl_convert.vegalite_to_svg({"config": CONFIG, **spec}, vl_version=VEGA_LITE)
    inline = NAMESPACES.sub("", svg).replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    return Markup(inline)  # noqa: S704  Vega escapes texts


def interval_chart(rows: Iterable[dict[str, Any]], name: str, value: str, title: str) -> Markup:
    """Return a point and its interval (`lower`, `upper`) for each row; `name` and `value` are its fields."""
    x = {"type": "quantitative", "title": title}
    rows = [{key: row[key] for key in (name, value, "lower", "upper")} for row in rows]
    label = f"{title}: {', '.join(f'{row[name]} {row[value]:.2f}' for row in rows)}"
    dot = {"type": "point", "filled": True, "size": 60, "opacity": 1, "color": BAR}
    return draw_svg(
        {
            "data": {"values": rows},
            "width": 480,
            "height": {"step": 24},
            "encoding": {"y": {"field": name, "type": "nominal", "sort": None, "title": None}},
            "layer": [
                {"mark": {"type": "rule", "color": "var(--line)"}, "encoding": {"x": {"datum": 0}}},
                {
                    "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.45, "color": BAR},
                    "encoding": {"x": {"field": "lower", **x}, "x2": {"field": "upper"}},
                },
                {"mark": dot, "encoding": {"x": {"field": value, **x}}},
            ],
        },
        label,
    )


def curve_chart(rows: list[dict[str, Any]], title: str) -> Markup:
    """Return the training curves: ROUGE-L on validation by epoch, which `title` is the word for."""
    axis = {"tickMinStep": 1, "format": "d"}
    names = list(dict.fromkeys(row["finetuning"] for row in rows))
    dot = {"filled": True, "size": 50}
    said = (
        f"{name}: "
        + ", ".join(f"{row['epoch']} {row['rougeL']:.2f}" for row in rows if row["finetuning"] == name)
        for name in names
    )
    return draw_svg(
        {
            "data": {
                "values": [{key: row[key] for key in ("finetuning", "epoch", "rougeL")} for row in rows]
            },
            "width": 480,
            "height": 200,
            "mark": {"type": "line", "point": dot},
            "encoding": {
                "x": {"field": "epoch", "type": "quantitative", "title": title, "axis": axis},
                "y": {"field": "rougeL", "type": "quantitative", "title": "ROUGE-L"},
                **coloured("finetuning", names),
            },
        },
        f"ROUGE-L, {title}: {'; '.join(said)}",
    )


def data_curve_chart(rows: list[dict[str, Any]], baseline: dict[str, Any], x_title: str) -> Markup:
    """Return ROUGE-L, with its interval, against the articles of each fine-tuning; the baseline's is a line.

    A row has `finetuning`, `rows` (articles; one of 0 is not drawn), `mean`, `lower` and `upper`.
    """
    keys = ("finetuning", "rows", "mean", "lower", "upper")
    values = [{key: row[key] for key in keys} for row in rows if row["rows"]]
    names = list(dict.fromkeys(row["finetuning"] for row in values))
    axis = {"values": sorted({row["rows"] for row in values}), "grid": False, "format": "d"}
    x = {"field": "rows", "type": "quantitative", "title": x_title, "scale": {"type": "log"}, "axis": axis}
    once: dict[str, Any] = {"data": {"values": [{}]}}  # and not for each row
    y = {"type": "quantitative", "title": "ROUGE-L"}
    dots = {"type": "line", "point": {"filled": True, "size": 60}}
    fixed = {"y": {"datum": baseline["mean"]}}
    said = ", ".join(f"{row['finetuning']} {row['rows']} {row['mean']:.2f}" for row in values)
    name = {"type": "text", "align": "left", "dy": -7, "color": "currentColor", "text": baseline["system"]}
    return draw_svg(
        {
            "data": {"values": values},
            "width": 480,
            "height": 260,
            "layer": [
                {
                    **once,
                    "mark": {"type": "rule", "strokeDash": [4, 4], "color": "currentColor"},
                    "encoding": fixed,
                },
                {**once, "mark": name, "encoding": {**fixed, "x": {"value": 4}}},
                {
                    "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.45},
                    "encoding": {
                        "x": x,
                        **coloured("finetuning", names),
                        "y": {"field": "lower", **y},
                        "y2": {"field": "upper"},
                    },
                },
                {
                    "mark": dots,
                    "encoding": {"x": x, **coloured("finetuning", names), "y": {"field": "mean", **y}},
                },
            ],
        },
        f"ROUGE-L, {x_title}: {said}; {baseline['system']} {baseline['mean']:.2f}",
    )


def cost_chart(rows: list[dict[str, Any]], x_title: str, y_title: str) -> Markup:
    """Return a named point a row: quality, with its interval, against the operations of an article."""
    values = [{key: row[key] for key in ("name", "gflops", "rougeL", "lower", "upper")} for row in rows]
    label = ", ".join(f"{row['name']} {row['gflops']:.3g} {row['rougeL']:.2f}" for row in values)
    gflops = [row["gflops"] for row in values]
    domain = [min(gflops) / 1.1, max(gflops) * (max(gflops) / min(gflops)) ** 0.5 * 1.6]  # room for names
    x = {"type": "quantitative", "title": x_title, "scale": {"type": "log", "domain": domain, "nice": False}}
    x["axis"] = {"tickCount": 4, "grid": False, "format": "~g"}
    y = {"type": "quantitative", "title": y_title}
    at = {"x": {"field": "gflops", **x}, "y": {"field": "rougeL", **y}}
    named = {"x": {"field": "name_x", **x}, "y": {"field": "name_y", **y}}
    ends = {"x2": {"field": "name_x"}, "y2": {"field": "name_y"}}
    bounds = {"x": at["x"], "y": {"field": "lower", **y}, "y2": {"field": "upper"}}
    text = {"type": "text", "align": "left", "dx": 3, "fontSize": 12, "color": "currentColor"}
    return draw_svg(
        {
            "data": {
                "values": [{**row, **name} for row, name in zip(values, name_places(values), strict=True)]
            },
            "width": 480,
            "height": 300,
            "layer": [
                {"mark": {"type": "rule", "color": "var(--line)"}, "encoding": {**at, **ends}},
                {
                    "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.45, "color": BAR},
                    "encoding": bounds,
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, "color": BAR},
                    "encoding": at,
                },
                {"mark": text, "encoding": {**named, "text": {"field": "name"}}},
            ],
        },
        f"{y_title}; {x_title}: {label}",
    )


def name_places(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return where the name of each point stands, so that none covers another: right, as high or higher.

    >>> name_places([{"gflops": 1.0, "rougeL": 10.0}, {"gflops": 1.0, "rougeL": 11.0}])
    [{'name_x': 1.08, 'name_y': 10.0}, {'name_x': 1.08, 'name_y': 14.5}]
    """
    heights, last = {}, -math.inf
    for index in sorted(range(len(rows)), key=lambda index: rows[index]["rougeL"]):
        last = heights[index] = max(rows[index]["rougeL"], last + NAME_HEIGHT)
    right = 1.08 * max(row["gflops"] for row in rows)
    return [{"name_x": right, "name_y": heights[index]} for index in range(len(rows))]


def coloured(field: str, names: list[str]) -> dict[str, Any]:
    """Return encodings that give each of `names` a colour of the page, and the legend of it.

    Where there are more names than colours the next ones have them again, and lines of theirs are dashed.
    """
    names = sorted(names)  # in every chart of the same ones alike
    numbers = range(len(names))
    scales: dict[str, list[Any]] = {"color": [COLOURS[number % len(COLOURS)] for number in numbers]}
    legend: dict[str, Any] = {"orient": "top"}
    if len(names) > len(COLOURS):
        legend |= {"columns": len(COLOURS), "symbolType": "stroke"}
        scales["strokeDash"] = [DASHES[number // len(COLOURS) % len(DASHES)] for number in numbers]
    return {
        channel: {
            "field": field,
            "type": "nominal",
            "title": None,
            "scale": {"domain": names, "range": values},
            "legend": legend,
        }
        for channel, values in scales.items()
    }


def interaction_chart(rows: list[dict[str, Any]], columns: list[str], title: str) -> Markup:
    """Return two lines from the first of `columns` to the second: scores with their intervals.

    A row has `line`, `column` (0 or 1), `mean`, `lower`, `upper`.
    """
    names = list(dict.fromkeys(row["line"] for row in rows))
    values = [
        {key: row[key] for key in ("line", "mean", "lower", "upper")} | {"column": columns[row["column"]]}
        for row in rows
    ]
    x = {"field": "column", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": 0}}
    y = {"type": "quantitative", "title": title}
    colour = {**coloured("line", names)["color"], "legend": None}
    said = ", ".join(f"{row['line']} {row['column']} {row['mean']:.2f}" for row in values)
    last = [{"filter": {"field": "column", "equal": columns[1]}}]
    mean = {"y": {"field": "mean", **y}}
    return draw_svg(
        {
            "data": {"values": values},
            "width": 300,
            "height": 220,
            "padding": {**MARGINS, "right": 90},  # the names beside the last points
            "encoding": {"x": x, "color": colour},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.45},
                    "encoding": {"y": {"field": "lower", **y}, "y2": {"field": "upper"}},
                },
                {"mark": {"type": "line", "point": {"filled": True, "size": 60}}, "encoding": mean},
                {
                    "transform": last,
                    "mark": {"type": "text", "align": "left", "dx": 10, "fontSize": 13},
                    "encoding": {**mean, "text": {"field": "line"}},
                },
            ],
        },
        f"{title}: {said}",
    )
