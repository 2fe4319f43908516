"""Charts of the report: Vega-Lite drawn to SVG, which needs no script and takes its colours from the page.

A chart is drawn for each language, and for each width of a screen: that of a phone, and that of a desk.
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import vl_convert
from markupsafe import Markup, escape

from resumen.page.languages import Bilingual, decimal

VEGA_LITE = "5.20"
# CSS variables of the page: they differ in light and dark.
AXIS_COLOURS = {"labelColor": "currentColor", "titleColor": "currentColor"}
LINES = {"gridColor": "var(--line)", "domainColor": "var(--line)", "tickColor": "var(--line)"}
CONFIG = {
    "aria": False,  # the whole has one label
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {**AXIS_COLOURS, **LINES, "labelFontSize": 13, "titleFontSize": 13, "labelLimit": 400},
    "legend": {**AXIS_COLOURS, "labelFontSize": 13, "labelLimit": 400},
    "header": {"labelColor": "currentColor", "labelFontSize": 13, "labelFontWeight": "bold"},
}
NUMBERS = {  # of the axes
    "en": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["", ""]},
    "es": {"decimal": ",", "thousands": "\u202f", "grouping": [3], "currency": ["", ""]},
}
COLOURS = ("var(--bar)", "var(--bar2)", "var(--bar3)", "var(--bar4)")  # of lines
KIND_COLOURS = {  # of systems, and of verdicts
    "published": COLOURS[0],
    "fine-tuned": COLOURS[1],
    "copies": COLOURS[2],
    "other": COLOURS[3],
    "reference": "currentColor",
    "better": COLOURS[2],
    "worse": COLOURS[1],
    "unsure": COLOURS[0],
}
DASHES: tuple[list[int], ...] = (
    [1, 0],
    [6, 3],
    [2, 3],
)  # of lines, where there are more of them than colours
# A page's letters may be wider than ours, so that columns stand well apart.
TOP_LEGEND = {"orient": "top", "columnPadding": 40, "symbolOpacity": 1}
HEAD = {"anchor": "start", "frame": "group", "offset": 2, "color": "currentColor"}  # of rows of one kind
LETTER = 7.5  # px that a letter takes at most on average, at 13 px; a page's letters may be wider than ours
ROW = 24  # px
LINES_HEIGHT = 190  # px, of lines by epoch
INTERACTION_HEIGHT = 220  # px
NAME_HEIGHT = 14  # px between two names beside one another
# Namespaces, which HTML does not need, and roles of parts: the whole has one label.
NEEDLESS = re.compile(r' (xmlns(:\w+)?|role|aria-\w+)="[^"]*"')


class Canvas(NamedTuple):
    """What a chart is drawn on."""

    language: str
    is_narrow: bool

    @property
    def width(self) -> int:
        """Pixels, of the chart with its labels: a phone has 390, less the margins of the page."""
        return 340 if self.is_narrow else 680

    @property
    def shift(self) -> int:
        """Pixels by which a bar stands below the middle of its row, and its name above it, on a phone."""
        return 8 if self.is_narrow else 0

    @property
    def legend(self) -> dict[str, Any]:
        """The legend above a chart: on a phone an entry a line."""
        return {**TOP_LEGEND, "columns": 1 if self.is_narrow else 2}

    def says(self, words: Bilingual) -> str:
        """Return the words in its language."""
        text: str = getattr(words, self.language)
        return text

    def number(self, value: float, places: int = 2, sign: str = "") -> str:
        """Return a number as its language writes it."""
        return self.says(decimal(value, places, sign))


class Drawing(NamedTuple):
    """A chart as it stands in the page, for a language and a width."""

    language: str
    width: str  # "phone", "desk", or "" of what is as wide on both
    svg: Markup


def drawings(draw: Callable[[Canvas], Markup], is_small: bool = False) -> list[Drawing]:
    """Return what `draw` makes for each language and each width; of a small chart, the narrow one alone."""
    widths = {"": True} if is_small else {"phone": True, "desk": False}
    return [
        Drawing(language, width, draw(Canvas(language, is_narrow)))
        for language in Bilingual._fields
        for width, is_narrow in widths.items()
    ]


def draw_svg(spec: dict[str, Any], label: str, canvas: Canvas) -> Markup:
    """Return a Vega-Lite specification as the text of an SVG; `label` is what one hears of it."""
    whole = {"config": CONFIG, "padding": {"left": 2, "right": 8, "top": 5, "bottom": 5}, **spec}
    svg = vl_convert.vegalite_to_svg(whole, vl_version=VEGA_LITE, format_locale=NUMBERS[canvas.language])
    inline = NEEDLESS.sub("", svg).replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    return Markup(inline)  # noqa: S704  Vega escapes texts


def text_width(texts: Iterable[str]) -> int:
    """Return how many pixels the longest of some texts takes."""
    return math.ceil(LETTER * max(map(len, texts), default=0))


def interval_chart(
    rows: Iterable[dict[str, Any]],
    canvas: Canvas,
    title: str,
    kinds: dict[str, str],
    places: int = 2,
    sign: str = "",
) -> Markup:
    """Return a point, its interval and its value for each row, those of one kind under one head.

    A row has `name`, `kind`, `value`, `lower` and `upper`. `kinds` are the heads, in their order, by the keys
    of KIND_COLOURS. On a phone the names stand above the bars.
    """
    keys = ("name", "kind", "value", "lower", "upper")
    values = [
        {key: row[key] for key in keys} | {"text": canvas.number(row["value"], places, sign)} for row in rows
    ]
    heads = [kind for kind in kinds if any(row["kind"] == kind for row in values)]
    left, right = 2, 8
    if not canvas.is_narrow:  # names and values beside the plot
        left, right = text_width(row["name"] for row in values), text_width(row["text"] for row in values)
    plot = canvas.width - left - right - 20
    domain = [min(0, *(row["lower"] for row in values)), max(0, *(row["upper"] for row in values))]
    scale = {"domain": heads, "range": [KIND_COLOURS[kind] for kind in heads]}
    fields: dict[str, Any] = {
        "x": {"type": "quantitative", "scale": {"domain": domain, "nice": False}},
        "y": {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": None},
        "color": {"field": "kind", "type": "nominal", "scale": scale, "legend": None},
    }
    said = ", ".join(f"{row['name']} {row['text']}" for row in values)
    spec = {
        "data": {"values": values},
        "vconcat": [
            {
                "title": {**HEAD, "text": kinds[kind]},
                "width": plot,
                "height": {"step": ROW + 2 * canvas.shift},
                "transform": [{"filter": {"field": "kind", "equal": kind}}],
                "layer": [
                    *interval_layers(fields, canvas, title if kind == heads[-1] else ""),
                    *text_layers(fields["y"], canvas, plot),
                ],
            }
            for kind in heads
        ],
        "spacing": 6,
        "padding": {"left": left // 4 + 2, "right": right // 4 + 6, "top": 5, "bottom": 5},
    }
    return draw_svg(spec, f"{title}: {said}", canvas)


def interval_layers(fields: dict[str, Any], canvas: Canvas, title: str) -> list[dict[str, Any]]:
    """Return the intervals and the points of a group of rows; the last one has the axis, with a `title`."""
    is_last = bool(title)
    axis = {"grid": True, "tickCount": 5, "domain": is_last, "ticks": is_last, "labels": is_last}
    x = {**fields["x"], "axis": {**axis, "title": title or None}}
    both = {"y": fields["y"], "color": fields["color"]}
    bar = {"type": "rule", "strokeWidth": 6, "opacity": 0.4, "yOffset": canvas.shift}
    dot = {"type": "point", "filled": True, "size": 60, "opacity": 1, "yOffset": canvas.shift}
    return [
        {"mark": bar, "encoding": {**both, "x": {"field": "lower", **x}, "x2": {"field": "upper"}}},
        {"mark": dot, "encoding": {**both, "x": {"field": "value", **x}}},
    ]


def text_layers(y: dict[str, Any], canvas: Canvas, plot: int) -> list[dict[str, Any]]:
    """Return the names and the values of rows: above the bars on a phone, else left and right of the plot."""
    sides, places = (
        (("left", "right"), (0, plot)) if canvas.is_narrow else (("right", "left"), (-10, plot + 10))
    )
    text = {"type": "text", "fontSize": 13, "color": "currentColor", "dy": -canvas.shift}
    return [
        {
            "mark": {**text, "align": side},
            "encoding": {"x": {"value": place}, "y": y, "text": {"field": field}},
        }
        for side, place, field in zip(sides, places, ("name", "text"), strict=True)
    ]


def line_chart(
    rows: list[dict[str, Any]], canvas: Canvas, x_title: str, y_title: str, dashes: Iterable[str] = ()
) -> Markup:
    """Return a line for each `finetuning`, with the value at its end: `value` by `epoch`, the word for which
    is `x_title`.

    `dashes` are the values of `split`, where each fine-tuning has several lines, in the order of DASHES; what
    they are stands above the chart.
    """
    splits = [*dashes]
    keys = ("finetuning", "epoch", "value", *(["split"] if splits else []))
    values = [{key: row[key] for key in keys} for row in rows]
    names = list(dict.fromkeys(row["finetuning"] for row in values))
    last_rows = {(row["finetuning"], row.get("split")): row for row in values}
    x = {
        "field": "epoch",
        "type": "quantitative",
        "title": x_title,
        "axis": {"tickMinStep": 1, "format": "d"},
    }
    y = {"field": "value", "type": "quantitative", "title": y_title}
    of_split = {
        "field": "split",
        "type": "nominal",
        "title": None,
        "scale": {"domain": splits, "range": [*DASHES[: len(splits)]]},
        "legend": None,
    }
    ends = [{**row, "text": canvas.number(row["value"])} for row in last_rows.values()]
    room = 12 * max(row["value"] for row in values) / LINES_HEIGHT
    colours = coloured("finetuning", names, canvas)
    return draw_svg(
        {
            "data": {"values": values},
            "width": canvas.width - 110,
            "height": LINES_HEIGHT,
            "layer": [
                {
                    "mark": {"type": "line", "point": {"filled": True, "size": 40}},
                    "encoding": {"x": x, "y": y, **colours, **({"strokeDash": of_split} if splits else {})},
                },
                {
                    "data": {"values": apart(ends, "value", room)},
                    "mark": {"type": "text", "align": "left", "dx": 7, "fontSize": 12},
                    "encoding": {
                        "x": x,
                        "y": {**y, "field": "height"},
                        "text": {"field": "text"},
                        "color": colours["color"],
                    },
                },
            ],
        },
        f"{y_title}, {x_title}: {lines_in_words(values, canvas)}",
        canvas,
    )


def lines_in_words(rows: list[dict[str, Any]], canvas: Canvas) -> str:
    """Return what one hears of lines: each with its values by epoch."""
    lines: dict[str, list[str]] = {}
    for row in rows:
        name = ", ".join(row[key] for key in ("finetuning", "split") if key in row)
        lines.setdefault(name, []).append(f"{row['epoch']} {canvas.number(row['value'])}")
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in lines.items())


def data_curve_chart(
    rows: list[dict[str, Any]], baseline: dict[str, Any], canvas: Canvas, x_title: str
) -> Markup:
    """Return ROUGE-L, with its interval, against the articles of each fine-tuning; the baseline's is a line.

    A row has `finetuning`, `rows` (articles; one of 0 is not drawn), `mean`, `lower` and `upper`.
    """
    keys = ("finetuning", "rows", "mean", "lower", "upper")
    values = [{key: row[key] for key in keys} for row in rows if row["rows"]]
    names = list(dict.fromkeys(row["finetuning"] for row in values))
    ticks = sorted({row["rows"] for row in values})
    # In Spanish four digits stay together.
    label = (
        "format(datum.value, ',')"
        if canvas.language == "en"
        else "format(datum.value, datum.value < 1e4 ? 'd' : ',')"
    )
    axis = {"values": ticks, "grid": False, "labelExpr": label, "labelFlush": True}
    x = {"field": "rows", "type": "quantitative", "title": x_title, "axis": axis}
    x["scale"] = {"type": "log", "nice": False, "padding": 24}
    once: dict[str, Any] = {"data": {"values": [{}]}}  # and not for each row
    y = {"type": "quantitative", "title": "ROUGE-L"}
    dots = {"type": "line", "point": {"filled": True, "size": 60}}
    fixed = {"y": {"datum": baseline["mean"]}}
    said = ", ".join(f"{row['finetuning']} {row['rows']} {canvas.number(row['mean'])}" for row in values)
    name = {"type": "text", "align": "left", "dy": -7, "color": "currentColor", "text": baseline["system"]}
    dashed = {"type": "rule", "strokeDash": [4, 4], "color": "currentColor"}
    colours = coloured("finetuning", names, canvas)
    interval = {"field": "lower", **y}, {"field": "upper"}
    return draw_svg(
        {
            "data": {"values": values},
            "width": canvas.width - 80,
            "height": 260,
            "layer": [
                {**once, "mark": dashed, "encoding": fixed},
                {**once, "mark": name, "encoding": {**fixed, "x": {"value": 4}}},
                {
                    "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.45},
                    "encoding": {"x": x, **colours, "y": interval[0], "y2": interval[1]},
                },
                {"mark": dots, "encoding": {"x": x, **colours, "y": {"field": "mean", **y}}},
            ],
        },
        f"ROUGE-L, {x_title}: {said}; {baseline['system']} {canvas.number(baseline['mean'])}",
        canvas,
    )


def cost_chart(
    rows: list[dict[str, Any]], canvas: Canvas, x_title: str, y_title: str, kinds: dict[str, str]
) -> Markup:
    """Return a named point a row: quality, with its interval, against the operations of an article.

    A row has `name`, `kind`, `gflops`, `value`, `lower` and `upper`; `kinds` are the words for the kinds.
    """
    keys = ("name", "gflops", "value", "lower", "upper")
    values = [{key: row[key] for key in keys} | {"kind": kinds[row["kind"]]} for row in rows]
    heads = {kind: head for kind, head in kinds.items() if any(row["kind"] == kind for row in rows)}
    said = ", ".join(f"{row['name']} {row['gflops']:.3g} {canvas.number(row['value'])}" for row in values)
    gflops, height = [row["gflops"] for row in values], 280 if canvas.is_narrow else 320
    names = text_width(row["name"] for row in values)
    plot = canvas.width - 70
    least, most = min(gflops) / 1.15, max(gflops) * 1.15
    share = (names + 20) / plot  # of the width, for the names at the right
    domain = [least, most * (most / least) ** (share / (1 - share))]
    top, bottom = max(row["upper"] for row in values), min(0, *(row["lower"] for row in values))
    room = NAME_HEIGHT * (top - bottom) / (height - NAME_HEIGHT * 2)  # points of quality that a name takes
    placed = apart(values, "value", room)
    at_name = most * (most / least) ** 0.02
    x = {"type": "quantitative", "title": x_title, "scale": {"type": "log", "domain": domain, "nice": False}}
    x["axis"] = {"tickCount": 4, "grid": False, "format": "~g"}
    y = {"type": "quantitative", "title": y_title}
    at = {"x": {"field": "gflops", **x}, "y": {"field": "value", **y}}
    named = {"x": {"datum": at_name, **x}, "y": {"field": "height", **y}}
    bounds = {"x": at["x"], "y": {"field": "lower", **y}, "y2": {"field": "upper"}}
    text = {"type": "text", "align": "left", "dx": 3, "fontSize": 12, "color": "currentColor"}
    scale = {"domain": [*heads.values()], "range": [KIND_COLOURS[kind] for kind in heads]}
    legend = {**canvas.legend, "symbolType": "circle"}
    field = {"field": "kind", "type": "nominal", "title": None}
    colour = {"color": {**field, "scale": scale, "legend": legend}}
    return draw_svg(
        {
            "data": {"values": [{**row, "end": at_name} for row in placed]},
            "width": plot,
            "height": height,
            "layer": [
                {
                    "mark": {"type": "rule", "color": "var(--line)"},
                    "encoding": {**at, "x2": {"field": "end"}, "y2": {"field": "height"}},
                },
                {
                    "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.45},
                    "encoding": {**bounds, **colour},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                    "encoding": {**at, **colour},
                },
                {"mark": text, "encoding": {**named, "text": {"field": "name"}}},
            ],
        },
        f"{y_title}; {x_title}: {said}",
        canvas,
    )


def apart(rows: list[dict[str, Any]], field: str, room: float) -> list[dict[str, Any]]:
    """Return the rows with the `height` at which the text of each stands, so that none covers another.

    That is its value, or as much higher as the text below takes `room`.

    >>> [row["height"] for row in apart([{"v": 11.0}, {"v": 10.0}], "v", 4.5)]
    [14.5, 10.0]
    """
    heights, last = {}, -math.inf
    for index in sorted(range(len(rows)), key=lambda index: rows[index][field]):
        last = heights[index] = max(rows[index][field], last + room)
    return [{**row, "height": heights[index]} for index, row in enumerate(rows)]


def coloured(field: str, names: list[str], canvas: Canvas) -> dict[str, Any]:
    """Return encodings that give each of `names` a colour of the page, and the legend of it.

    Where there are more names than colours the next ones have them again, and lines of theirs are dashed.
    """
    names = sorted(names)  # in every chart of the same ones alike
    numbers = range(len(names))
    scales: dict[str, list[Any]] = {"color": [COLOURS[number % len(COLOURS)] for number in numbers]}
    legend = canvas.legend
    if len(names) > len(COLOURS):
        legend |= {"symbolType": "stroke"}
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


def interaction_chart(rows: list[dict[str, Any]], canvas: Canvas, columns: list[str], title: str) -> Markup:
    """Return two lines from the first of `columns` to the second: scores with their intervals.

    A row has `line`, `column` (0 or 1), `mean`, `lower`, `upper`.
    """
    names = list(dict.fromkeys(row["line"] for row in rows))
    values = [
        {key: row[key] for key in ("line", "mean", "lower", "upper")}
        | {"column": columns[row["column"]], "text": f"{row['line']} {canvas.number(row['mean'], 1)}"}
        for row in rows
    ]
    x = {"field": "column", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": 0}}
    y = {"type": "quantitative", "title": title}
    colour = {**coloured("line", names, canvas)["color"], "legend": None}
    said = ", ".join(f"{row['line']} {row['column']} {canvas.number(row['mean'])}" for row in values)
    room = 1.2 * NAME_HEIGHT * max(row["mean"] for row in values) / INTERACTION_HEIGHT
    at_end = apart([row for row in values if row["column"] == columns[1]], "mean", room)
    beside = text_width(row["text"] for row in values)
    mean = {"y": {"field": "mean", **y}}
    return draw_svg(
        {
            "data": {"values": values},
            "width": canvas.width - 60 - beside,
            "height": INTERACTION_HEIGHT,
            "padding": {"left": 2, "right": beside, "top": 5, "bottom": 5},  # the names beside the points
            "encoding": {"x": {**x, "scale": {"paddingOuter": 0.15, "padding": 0.5}}, "color": colour},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.45},
                    "encoding": {"y": {"field": "lower", **y}, "y2": {"field": "upper"}},
                },
                {"mark": {"type": "line", "point": {"filled": True, "size": 60}}, "encoding": mean},
                {
                    "data": {"values": at_end},
                    "mark": {"type": "text", "align": "left", "dx": 10, "fontSize": 13},
                    "encoding": {"y": {"field": "height", **y}, "text": {"field": "text"}},
                },
            ],
        },
        f"{title}: {said}",
        canvas,
    )
