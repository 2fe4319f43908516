"""One way to read them all: rows, each with its place, in the columns that the reader chooses."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from resumen.formats.csvfiles import csv_records
from resumen.formats.gzipped import unpacked
from resumen.formats.parquet import untrusted_rows
from resumen.runtime.errors import InputError, first_line, shown
from resumen.runtime.files import not_utf8
from resumen.runtime.guards import RowBudget
from resumen.runtime.jsonfiles import read_json
from resumen.schema.jsonl import json_lines, json_value
from resumen.schema.rows import NOT_PARQUET, open_parquet
from resumen.schema.suffixes import known_suffix
from resumen.text.characters import normalize

MAX_ARRAY = 2**28  # bytes of a JSON array, which is read whole
MAX_NAME = 1_000  # characters of a column's name that are looked at
SAVED = "state.json"  # stands in each folder that Dataset.save_to_disk wrote

LocatedRow = tuple[str, dict[str, Any]]  # where a row stands, as messages name it, and the row
Choose = Callable[[list[str]], list[str]]  # the columns of a file -> those to read; or an InputError


def is_saved_dataset(path: Path) -> bool:
    """Return whether `path` is a folder that `Dataset.save_to_disk` of datasets wrote."""
    return (path / SAVED).is_file()


def read_rows(path: Path, choose: Choose, separator: str | None) -> Iterator[LocatedRow]:
    """Yield the rows of a file in its order, in the columns that `choose` takes of those it has.

    A row of JSON has all its keys, and may lack one that the first row has. Without a `separator` a CSV has
    that of its header.

    Raises:
        InputError: `file:line: what is wrong`, or `file: row N: ...`, for a file that is not what its suffix
            says, or is not UTF-8.
    """
    if is_saved_dataset(path):
        yield from saved_rows(path, choose)
        return
    suffix = known_suffix(path)
    if suffix == ".parquet":
        yield from parquet_rows(path, choose)
    elif suffix in (".csv", ".tsv"):
        yield from csv_rows(path, choose, "\t" if suffix == ".tsv" else separator)
    elif suffix == ".json" and is_array(path):
        yield from array_rows(path, choose)
    else:
        with unpacked(path) as file:
            yield from line_rows(file, path, choose)


def column_name(name: str) -> str:
    """Return the name of a column as params.yaml has it: a spreadsheet of macOS writes "í" as two characters.

    >>> column_name(" Ti\u0301tulo\u00a0largo")
    'Título largo'
    """
    return normalize(name).strip() if len(name) < MAX_NAME else name


def csv_rows(path: Path, choose: Choose, separator: str | None) -> Iterator[LocatedRow]:
    """Yield the records of a CSV; fields in quotes may hold line ends, a BOM is skipped."""
    records = csv_records(path, separator)
    header = list(map(column_name, next(records)))
    indices = [(name, header.index(name)) for name in choose(header)]
    for number, record in enumerate(records, start=1):
        row = {name: record[index] if index < len(record) else None for name, index in indices}
        yield f"{path}: row {number}", row


def line_rows(file: BinaryIO, where: object, choose: Choose) -> Iterator[LocatedRow]:
    """Yield the objects of open JSON Lines.

    Raises:
        InputError: a line is no JSON object, or there is none.
    """
    is_first = True
    for number, values in json_lines(file, where, keys=()):
        row = {column_name(name): value for name, value in values.items()}
        if is_first:
            choose(sorted(row))
        is_first = False
        yield f"{where}:{number}", row
    if is_first:
        raise InputError(f"{where}: empty; expected a JSON object a line")


def is_array(path: Path) -> bool:
    """Return whether a JSON file is an array, and not an object a line.

    Raises:
        InputError: it is an object over several lines.
    """
    with unpacked(path) as file:
        head = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    if re.match(rb"\{\s*\n", head):
        raise InputError(
            f"{path}: expected an array of objects, or an object a line, got one object over several lines; "
            "write the list that it holds (`jq .data`), or JSON Lines (`jq -c .`)"
        )
    return head.startswith(b"[")


def array_rows(path: Path, choose: Choose) -> Iterator[LocatedRow]:
    """Yield the objects of a JSON array.

    Raises:
        InputError: it holds something else, or is too large to be read whole.
    """
    with unpacked(path) as file:
        content = file.read(MAX_ARRAY + 1)
    if len(content) > MAX_ARRAY:
        raise InputError(
            f"{path}: expected an array of at most {MAX_ARRAY:,} bytes, got more; write an object a line, "
            ".jsonl (`jq -c '.[]'`)"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(not_utf8(str(path), error)) from error
    rows = json_value(text, str(path))
    if not rows:
        raise InputError(f"{path}: empty; expected an array of objects; add rows")
    for number, values in enumerate(rows, start=1):
        if not isinstance(values, dict):
            raise InputError(
                f"{path}: row {number}: expected keys and values, got {shown(json.dumps(values))}"
            )
        row = {column_name(name): value for name, value in values.items()}
        if number == 1:
            choose(sorted(row))
        yield f"{path}: row {number}", row


def parquet_rows(path: Path, choose: Choose) -> Iterator[LocatedRow]:
    """Yield the rows of a Parquet file, one in memory at a time."""
    with open_parquet(path) as file:
        names = {column_name(name): name for name in file.schema_arrow.names}
        wanted = {names[name]: name for name in choose(list(names))}
        rows = untrusted_rows(file, str(path), path.stat().st_size, list(wanted))
        for number, row in enumerate(rows, start=1):
            yield f"{path}: row {number}", {wanted[name]: value for name, value in row.items()}


def saved_rows(folder: Path, choose: Choose) -> Iterator[LocatedRow]:
    """Yield the rows of a folder that `Dataset.save_to_disk` wrote: Arrow's stream format, in parts.

    Raises:
        InputError: the folder lacks a part, or one is damaged.
    """
    number = 0
    for file in saved_files(folder):
        budget = RowBudget(str(file), file.stat().st_size)
        try:
            with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as reader:
                names = {column_name(name): name for name in reader.schema.names}
                wanted = {names[name]: name for name in choose(list(names))}
                for batch in reader:
                    batch.validate(full=True)
                    if batch.nbytes > budget.maximum:
                        raise InputError(budget.too_much("got more"))
                    for row in batch.select(list(wanted)).to_pylist():
                        number += 1
                        yield f"{file}: row {number}", {wanted[name]: row[name] for name in wanted}
        except InputError:
            raise
        except NOT_PARQUET as error:
            raise InputError(
                f"{file}: not readable as Arrow: {first_line(error)}; save the dataset again"
            ) from error


def saved_files(folder: Path) -> list[Path]:
    """Return the files with the rows of a folder that `Dataset.save_to_disk` wrote, in their order.

    Raises:
        InputError: its list of them is damaged, or one is not there.
    """
    state = read_json(folder / SAVED)
    try:
        names = [str(entry["filename"]) for entry in state["_data_files"]]
    except (LookupError, TypeError) as error:
        raise InputError(f"{folder / SAVED}: names no files of rows; save the dataset again") from error
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise InputError(f"{folder}: lacks {name!r}, which {SAVED} names; save the dataset again")
    return [folder / name for name in names]
