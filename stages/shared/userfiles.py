"""The user's own rows: CSV, JSON Lines or Parquet, one file or one for each split."""

import csv
import math
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import filterfalse, zip_longest
from pathlib import Path
from typing import Any

from stages.shared.cli import InputError, shown
from stages.shared.conversation import check_messages, fault_of
from stages.shared.files import (
    MOST_BYTES,
    SPLITS,
    checked,
    foreign_rows,
    numbered_jsonl,
    numbered_lines,
    opened,
    parquet_errors,
)

SUFFIXES = (".csv", ".jsonl", ".parquet")

Placed = tuple[str, dict[str, Any]]  # where a row stands, as messages name it, and the row


def split_files(path: Path) -> dict[str, Path] | None:
    """Return the file of each split if `path` is a folder, None if it is one file.

    Raises:
        InputError: nothing is there, or the folder lacks a split's file or has two.
    """
    if path.is_file():
        return None
    if not path.is_dir():
        raise InputError(f"{path}: not found; set profiles.files.data.path to a file or a folder")
    found = {}
    for split in SPLITS:
        files = [path / f"{split}{suffix}" for suffix in SUFFIXES]
        files = [file for file in files if file.is_file()]
        if len(files) != 1:
            names = " or ".join(f"{split}{suffix}" for suffix in SUFFIXES)
            has = sorted(entry.name for entry in path.iterdir())
            raise InputError(f"{path}: expected one of {names}, has {has}")
        found[split] = files[0]
    return found


def read_user_rows(path: Path, columns: dict[str, str], separator: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a user's file under our names, in the file's order.

    `columns` maps our names to the file's. Missing values become "", line ends become "\\n". With
    `messages` mapped, `text` and `summary` come from there.

    Raises:
        InputError: `file:row: what is wrong` for a file that is not what its suffix says, is not
            UTF-8, lacks a column, or holds something other than text (or turns) where it is needed.
    """
    readers = {".csv": read_csv, ".jsonl": read_json_lines, ".parquet": read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
    if path.suffix == ".csv" and "messages" in columns:
        raise InputError(
            f"{path}: a CSV cannot hold messages, got columns.messages {columns['messages']!r}; save "
            "them as JSON Lines or Parquet, or map text and summary instead"
        )
    for place, row in readers[path.suffix](path, list(columns.values()), separator):
        ours = {
            name: text_of(row[theirs], place, theirs)
            for name, theirs in columns.items()
            if name != "messages"
        }
        if "messages" in columns:
            ours |= conversation_of(row[columns["messages"]], place, columns["messages"])
        yield ours


def conversation_of(value: Any, place: str, column: str) -> dict[str, Any]:
    """Return a row's turns as `messages`, the last answer as `summary`, all before it as `text`.

    Raises:
        InputError: they are no conversation that can be rendered and learnt from.
    """
    try:
        messages = check_messages(value)
    except ValueError as error:
        raise InputError(f"{place}: column {column!r}: {error}") from error
    *before, answer = [message["content"] for message in messages]
    return {"messages": messages, "text": "\n".join(before), "summary": answer}


def text_of(value: Any, place: str, column: str) -> str:
    """Return `value` as text: a number as written, nothing (None, NaN) as "", line ends as "\\n"."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        kind = type(value).__name__
        raise InputError(
            f"{place}: column {column!r}: expected text, got {kind}; write it as text, or map another column"
        )
    text = str(value)
    if fault := fault_of(text):
        raise InputError(f"{place}: column {column!r}: {fault}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def require_columns(path: Path, wanted: list[str], has: list[str], hint: str = "") -> None:
    """Raise InputError unless `has` holds all of `wanted`."""
    if missing := [name for name in wanted if name not in has]:
        raise InputError(f"{path}: lacks columns {missing}, has {has}; set profiles.files.data.columns{hint}")


def read_csv(path: Path, wanted: list[str], separator: str) -> Iterator[Placed]:
    """Yield the records of a CSV; fields in quotes may hold line ends, a BOM is skipped."""
    records = csv_records(path, separator)
    header = next(records)
    hint = "" if separator != "," else ', or separator if it is not ","'
    require_columns(path, wanted, header, hint)
    yield from by_row(path, (dict(zip_longest(header, record, fillvalue="")) for record in records))


def csv_records(path: Path, separator: str) -> Iterator[list[str]]:
    """Yield the header of a CSV, then its records, after a look at the whole file for faults.

    An empty line is no record, and a record may be shorter than the header.

    Raises:
        InputError: see `check_csv`; or a column occurs twice.
    """
    check_csv(path, separator)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        records = filterfalse(is_empty, csv.reader(lines, delimiter=separator, strict=True))
        header = next(records)
        if twice := [name for name in header if name and header.count(name) > 1]:
            raise InputError(f"{path}: the column {shown(twice[0])} occurs twice; rename one")
        yield header
        yield from records


def is_empty(record: list[str]) -> bool:
    """Return whether a line of a CSV has nothing but white space in it; not so `""`, an empty field."""
    return not record or (len(record) == 1 and record[0] != "" and not record[0].strip(" \t"))


def check_csv(path: Path, separator: str) -> None:
    """Raise InputError with file:line for what a reader would pass over or report without a line.

    A quote in the wrong place silently swallows rows.
    """
    with opened(path, "rb") as file:
        for _ in numbered_lines(file, path):
            pass
    csv.field_size_limit(MOST_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        records = csv.reader(lines, delimiter=separator, strict=True)
        width, start = None, 1
        try:
            for record in records:
                if is_empty(record):
                    continue
                if width is None:
                    width = len(record)
                elif len(record) > width:
                    raise InputError(
                        f"{path}:{start}: expected {width} fields, got {len(record)}; "
                        "put quotes around fields that hold the separator"
                    )
                start = records.line_num + 1
        except csv.Error as error:
            raise InputError(
                f"{path}:{start}: broken CSV: {error}; a quote inside quotes is written twice"
            ) from error
    if width is None:
        raise InputError(f"{path}: empty; expected a header and rows")


def read_json_lines(path: Path, wanted: list[str], separator: str) -> Iterator[Placed]:
    """Yield the objects of a JSON Lines file; a key may be missing in later rows, not in the first."""
    header: list[str] | None = None
    for number, row in numbered_jsonl(path, keys=()):
        if header is None:
            header = sorted(row)
            require_columns(path, wanted, header)
        yield f"{path}:{number}", {name: row.get(name) for name in wanted}
    if header is None:
        raise InputError(f"{path}: empty; expected a JSON object a line")


def read_parquet(path: Path, wanted: list[str], separator: str) -> Iterator[Placed]:
    """Yield the rows of a Parquet file, one in memory at a time."""
    with opened(path, "rb") as source, parquet_errors(path), checked(source) as file:
        require_columns(path, wanted, file.schema_arrow.names)
        yield from by_row(path, foreign_rows(file, str(path), path.stat().st_size, wanted))


def by_row(path: Path, rows: Iterable[dict[str, Any]]) -> Iterator[Placed]:
    """Yield `rows`, each with its place counted in rows, from 1."""
    for number, row in enumerate(rows, start=1):
        yield f"{path}: row {number}", row
