"""CSV, and tab-separated values: as spreadsheets write them."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from resumen.formats.gzipped import unpacked
from resumen.runtime.errors import InputError, shown
from resumen.runtime.guards import MAX_BYTES
from resumen.schema.data import SEPARATORS
from resumen.schema.jsonl import numbered_lines
from resumen.schema.suffixes import suffix_of


def csv_records(path: Path, separator: str | None) -> Iterator[list[str]]:
    """Yield the header of a CSV, then its records, each checked for what csv.reader passes over.

    An empty line is no record, and a record may be shorter than the header. A quote in the wrong place would
    swallow rows silently.

    Raises:
        InputError: see `separator_of`; a column occurs twice, a record is longer than the header, or a quote
            is in the wrong place.
    """
    delimiter, num_before = separator_of(path, separator)
    csv.field_size_limit(MAX_BYTES)
    with unpacked(path) as file:
        records = csv.reader(
            islice(csv_lines(file, path), num_before, None), delimiter=delimiter, strict=True
        )
        width, start = 0, 1 + num_before
        try:
            for record in records:
                if not is_empty(record):
                    if not width:
                        check_header(path, record)
                        width = len(record)
                    elif len(record) > width:
                        raise InputError(
                            f"{path}:{start}: expected {width} fields, got {len(record)}; "
                            "put quotes around fields that hold the separator"
                        )
                    yield record
                start = records.line_num + 1 + num_before
        except csv.Error as error:
            raise InputError(
                f"{path}:{start}: broken CSV: {error}; a quote inside quotes is written twice"
            ) from error
    if not width:
        raise InputError(f"{path}: empty; expected a header and rows")


def check_header(path: Path, header: list[str]) -> None:
    """Raise InputError if a column has the name of another."""
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise InputError(f"{path}: the column {shown(twice[0])} occurs twice; rename one")


def csv_lines(file: BinaryIO, path: Path) -> Iterator[str]:
    """Yield the lines of an open CSV; they may end in "\\r" alone, as old Excel of macOS writes them."""
    for _, line in numbered_lines(file, path):
        if "\r" in line[:-2]:
            yield from io.StringIO(line, newline="")
        else:
            yield line


def separator_of(path: Path, asked: str | None) -> tuple[str, int]:
    """Return the separator of a CSV, and the lines before its header: 1 if Excel's `sep=;` stands there.

    Raises:
        InputError: the header has another separator than the one that is asked for; or see `numbered_lines`.
    """
    with unpacked(path) as file:
        first = next((line for line in csv_lines(file, path) if line.strip()), "")
    if declared := re.fullmatch(r'"?sep=(.)"?\s*', first, re.IGNORECASE):
        return declared[1], 1
    others = sorted((sign for sign in SEPARATORS if sign in first), key=first.count, reverse=True)
    if asked is None:
        return (others or [","])[0], 0
    if asked not in first and others:
        name = "tab" if others[0] == "\t" else repr(others[0])
        is_tsv = suffix_of(path) == ".tsv"
        way = "name it .csv" if is_tsv else f"set profiles.files.data.separator to {name}"
        raise InputError(
            f"{path}: its header has no {asked!r} and has {others[0]!r}: {shown(first.strip())}; {way}"
        )
    return asked, 0


def is_empty(record: list[str]) -> bool:
    """Return whether a line of a CSV has nothing but white space in it; not so `""`, an empty field."""
    return not record or (len(record) == 1 and record[0] != "" and not record[0].strip(" \t"))
