"""Charts of the report: Vega-Lite drawn to SVG, which needs no script and takes its colours from the page."""

import re
from collections.abc import Iterable
from typing import Any

import vl_convert
from markupsafe import Markup, escape

VEGA_LITE = "5.20"
# CSS variables of the page: they differ in light and dark.
AXIS_COLOURS = {"labelColor": "currentColor", "titleColor": "currentColor"}
LINES = {"gridColor": "var(--line)", "domainColor": "var(--line)", "tickColor": "var(--line)"}
CONFIG = {
    "aria": False,  # the whole has one label
    "background": None,
    "padding": {"left": 60, "right": 5, "top": 5, "bottom": 5},  # a page's letters may be wider than ours
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {**AXIS_COLOURS, **LINES, "labelFontSize": 13, "titleFontSize": 13, "labelLimit": 400},
    "legend": {**AXIS_COLOURS, "labelFontSize": 13},
}
BAR = "var(--bar)"
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
    """Return the training curve: ROUGE-L on validation by epoch, which `title` is the word for."""
    axis = {"tickMinStep": 1, "format": "d"}
    return draw_svg(
        {
            "data": {"values": [{"epoch": row["epoch"], "rougeL": row["rougeL"]} for row in rows]},
            "width": 480,
            "height": 200,
            "mark": {"type": "line", "point": {"filled": True, "color": BAR, "size": 50}, "color": BAR},
            "encoding": {
                "x": {"field": "epoch", "type": "quantitative", "title": title, "axis": axis},
                "y": {"field": "rougeL", "type": "quantitative", "title": "ROUGE-L"},
            },
        },
        "ROUGE-L: " + ", ".join(f"{title} {row['epoch']} {row['rougeL']:.2f}" for row in rows),
    )
