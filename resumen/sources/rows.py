"""Rows of every source: their shape, and their ids."""

from collections.abc import Iterable, Iterator
from typing import Any

RawRow = dict[str, Any]  # texts under the names of RAW; with `messages`, a list of turns too


def numbered(rows: Iterable[RawRow], prefix: str) -> Iterator[RawRow]:
    """Yield `rows`, each with an id that tells its place in the source, counted from 1."""
    for number, row in enumerate(rows, start=1):
        yield {"id": f"{prefix}-{number}", **row}
