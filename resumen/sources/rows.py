"""Rows of every source: their shape, and their ids."""

from collections.abc import Iterable, Iterator
from typing import Any

from resumen.text.characters import normalize, unusual

NORMALIZED = ("text", "summary", "title", "topic")
FAULT = (
    "fault"  # of a row that could not be read: why, with its place; such a row is counted and goes no further
)

RawRow = dict[str, Any]  # texts under the names of RAW; with `messages`, a list of turns too


def numbered(rows: Iterable[RawRow], prefix: str) -> Iterator[RawRow]:
    """Yield `rows`, each with an id that tells its place in the source, counted from 1."""
    for number, row in enumerate(rows, start=1):
        yield {"id": f"{prefix}-{number}", **row}


def normalized_row(row: RawRow) -> tuple[RawRow, list[str]]:
    """Return a row with its texts normalized, and what was unusual in any of them."""
    texts = {name: row[name] for name in NORMALIZED if row.get(name)}
    turns, others = row.get("messages") or [], row.get("references") or []
    kinds = unusual("\n".join([*texts.values(), *others, *(turn["content"] for turn in turns)]))
    if not kinds:
        return row, kinds
    result = row | {name: normalize(text) for name, text in texts.items()}
    if others:
        result["references"] = list(map(normalize, others))
    if turns:
        result["messages"] = [turn | {"content": normalize(turn["content"])} for turn in turns]
    return result, kinds
