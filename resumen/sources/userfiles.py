"""The user's own rows: CSV, JSON Lines or Parquet, one file or one for each split."""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import filterfalse, islice, zip_longest
from pathlib import Path
from random import Random
from typing import Any

from resumen.runtime.errors import InputError, shown
from resumen.runtime.files import opened
from resumen.runtime.guards import MAX_BYTES, fault_of
from resumen.schema.data import FilesParams
from resumen.schema.jsonl import numbered_jsonl, numbered_lines
from resumen.schema.rows import RAW, SPLITS, open_parquet
from resumen.sources.parquet import untrusted_rows
from resumen.sources.rows import RawRow, numbered
from resumen.text.conversation import check_messages

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")  # of files with rows, whatever their case
SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
CONVERSIONS = {  # of what people have instead
    ".arrow": "write it as Parquet (`to_parquet` of datasets)",
    ".docx": "save it as plain text, .txt",
    ".json": "write an object a line, .jsonl (`jq -c '.[]'` does for an array)",
    ".ods": "save it as CSV, UTF-8",
    ".pdf": "turn it into plain text, .txt (`pdftotext`)",
    ".xls": "save it as CSV, UTF-8",
    ".xlsx": "save it as CSV, UTF-8",
}
SEPARATORS = ",;\t|"

LocatedRow = tuple[str, dict[str, Any]]  # where a row stands, as messages name it, and the row


def split_files(path: Path) -> dict[str, Path] | None:
    """Return the file of each split if `path` is a folder, None if it is one file.

    Raises:
        InputError: nothing is there, or the folder lacks a split's file or has two.
    """
    if path.is_file():
        return None
    if not path.is_dir():
        raise InputError(f"{path}: not found; set profiles.files.data.path to a file or a folder")
    result = {}
    for split in SPLITS:
        files = [
            file
            for file in sorted(path.iterdir())
            if file.is_file() and file.stem in SPLIT_NAMES[split] and file.suffix.lower() in SUFFIXES
        ]
        if len(files) != 1:
            names = " or ".join(f"{name}.*" for name in SPLIT_NAMES[split])
            has = sorted(entry.name for entry in path.iterdir())
            raise InputError(
                f"{path}: expected one {names}, that ends in one of {', '.join(SUFFIXES)}; has {has}"
            )
        result[split] = files[0]
    return result


def read_user_rows(path: Path, columns: dict[str, str], separator: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a user's file under our names, in the file's order.

    `columns` maps our names to the file's. Missing values become "", line ends become "\\n". With
    `messages` mapped, `text` and `summary` come from there.

    Raises:
        InputError: `file:row: what is wrong` for a file that is not what its suffix says, is not
            UTF-8, lacks a column, or holds something other than text (or turns) where it is needed.
    """
    readers = {".csv": read_csv, ".tsv": read_csv, ".parquet": read_parquet}
    suffix = known_suffix(path, SUFFIXES)
    if suffix in (".csv", ".tsv") and "messages" in columns:
        raise InputError(
            f"{path}: a CSV cannot hold messages, got columns.messages {columns['messages']!r}; save "
            "them as JSON Lines or Parquet, or map text and summary instead"
        )
    separator = "\t" if suffix == ".tsv" else separator
    for where, row in readers.get(suffix, read_json_lines)(path, list(columns.values()), separator):
        ours = {
            name: text_of(row[theirs], where, theirs)
            for name, theirs in columns.items()
            if name != "messages"
        }
        if "messages" in columns:
            ours |= conversation_of(row[columns["messages"]], where, columns["messages"])
        yield ours


def known_suffix(path: Path, known: Sequence[str]) -> str:
    """Return the suffix of a file in lower case.

    Raises:
        InputError: it is not `known`; the message says how to convert what people have instead.
    """
    suffix = path.suffix.lower()
    if suffix not in known:
        way = f"; {CONVERSIONS[suffix]}" if suffix in CONVERSIONS else ""
        raise InputError(f"{path}: expected a name that ends in {', '.join(known)}{way}")
    return suffix


def conversation_of(value: Any, where: str, column: str) -> dict[str, Any]:
    """Return a row's turns as `messages`, the last answer as `summary`, all before it as `text`.

    Raises:
        InputError: they are no conversation that can be rendered and learnt from.
    """
    try:
        messages = check_messages(value)
    except ValueError as error:
        raise InputError(f"{where}: column {column!r}: {error}") from error
    *before, answer = [message["content"] for message in messages]
    return {"messages": messages, "text": "\n".join(before), "summary": answer}


def text_of(value: Any, where: str, column: str) -> str:
    """Return `value` as text: a number as written, nothing (None, NaN) as "", line ends as "\\n"."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        kind = type(value).__name__
        raise InputError(
            f"{where}: column {column!r}: expected text, got {kind}; write it as text, or map another column"
        )
    text = str(value)
    if fault := fault_of(text):
        raise InputError(f"{where}: column {column!r}: {fault}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def require_columns(path: Path, wanted: list[str], has: list[str]) -> None:
    """Raise InputError unless `has` holds all of `wanted`."""
    if missing := [name for name in wanted if name not in has]:
        raise InputError(f"{path}: lacks columns {missing}, has {has}; set profiles.files.data.columns")


def read_csv(path: Path, wanted: list[str], separator: str) -> Iterator[LocatedRow]:
    """Yield the records of a CSV; fields in quotes may hold line ends, a BOM is skipped."""
    records = csv_records(path, separator)
    header = next(records)
    require_columns(path, wanted, header)
    yield from locate_rows(path, (dict(zip_longest(header, record, fillvalue="")) for record in records))


def csv_records(path: Path, separator: str | None) -> Iterator[list[str]]:
    """Yield the header of a CSV, then its records, after a look at the whole file for faults.

    An empty line is no record, and a record may be shorter than the header. Without a `separator`, it is the
    one that the header has.

    Raises:
        InputError: see `separator_of` and `check_csv`; or a column occurs twice.
    """
    delimiter, num_before = separator_of(path, separator)
    check_csv(path, delimiter, num_before)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        all_records = csv.reader(islice(lines, num_before, None), delimiter=delimiter, strict=True)
        records = filterfalse(is_empty, all_records)
        header = next(records)
        if twice := [name for name in header if name and header.count(name) > 1]:
            raise InputError(f"{path}: the column {shown(twice[0])} occurs twice; rename one")
        yield header
        yield from records


def separator_of(path: Path, asked: str | None) -> tuple[str, int]:
    """Return the separator of a CSV, and the lines before its header: 1 if Excel's `sep=;` stands there.

    Raises:
        InputError: the header has another separator than the one that is asked for; or see `numbered_lines`.
    """
    with opened(path, "rb") as file:
        first = next((line for _, line in numbered_lines(file, path) if line.strip()), "")
    if declared := re.fullmatch(r"sep=(.)\s*", first):
        return declared[1], 1
    others = sorted((sign for sign in SEPARATORS if sign in first), key=first.count, reverse=True)
    if asked is None:
        return (others or [","])[0], 0
    if asked not in first and others:
        name = "tab" if others[0] == "\t" else repr(others[0])
        raise InputError(
            f"{path}: its header has no {asked!r} and has {others[0]!r}: {shown(first.strip())}; set "
            f"profiles.files.data.separator to {name}"
        )
    return asked, 0


def is_empty(record: list[str]) -> bool:
    """Return whether a line of a CSV has nothing but white space in it; not so `""`, an empty field."""
    return not record or (len(record) == 1 and record[0] != "" and not record[0].strip(" \t"))


def check_csv(path: Path, separator: str, num_before: int) -> None:
    """Raise InputError with file:line for what a reader would pass over or report without a line.

    `num_before` lines stand before the header.

    A quote in the wrong place silently swallows rows.
    """
    with opened(path, "rb") as file:
        for _ in numbered_lines(file, path):
            pass
    csv.field_size_limit(MAX_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        records = csv.reader(islice(lines, num_before, None), delimiter=separator, strict=True)
        width, start = None, 1 + num_before
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
                start = records.line_num + 1 + num_before
        except csv.Error as error:
            raise InputError(
                f"{path}:{start}: broken CSV: {error}; a quote inside quotes is written twice"
            ) from error
    if width is None:
        raise InputError(f"{path}: empty; expected a header and rows")


def read_json_lines(path: Path, wanted: list[str], separator: str) -> Iterator[LocatedRow]:
    """Yield the objects of a JSON Lines file; a key may be missing in later rows, not in the first."""
    header: list[str] | None = None
    for number, row in numbered_jsonl(path, keys=()):
        if header is None:
            header = sorted(row)
            require_columns(path, wanted, header)
        yield f"{path}:{number}", {name: row.get(name) for name in wanted}
    if header is None:
        raise InputError(f"{path}: empty; expected a JSON object a line")


def read_parquet(path: Path, wanted: list[str], separator: str) -> Iterator[LocatedRow]:
    """Yield the rows of a Parquet file, one in memory at a time."""
    with open_parquet(path) as file:
        require_columns(path, wanted, file.schema_arrow.names)
        yield from locate_rows(path, untrusted_rows(file, str(path), path.stat().st_size, wanted))


def locate_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Iterator[LocatedRow]:
    """Yield `rows`, each with its place counted in rows, from 1."""
    for number, row in enumerate(rows, start=1):
        yield f"{path}: row {number}", row


def shuffled_shares(rows: list[RawRow], params: FilesParams) -> dict[str, list[RawRow]]:
    """Deal the rows of one file to the splits, drawn by `seed`; each keeps the file's order.

    Shares are rounded where they end, not each by itself, so that 0.8, 0.1 and 0.1 are all the rows.

    Raises:
        InputError: the splits ask for more rows than there are, or leave one empty.
    """
    if not rows:
        raise InputError(f"{params.path}: expected rows below the header, got none")
    order = list(range(len(rows)))
    Random(params.seed).shuffle(order)
    splits, start, shares = {}, 0, 0.0
    for split in reversed(SPLITS):  # the small ones first; `train: all` takes what remains
        size = getattr(params, split)
        count = len(rows) - start if size == "all" else size
        if isinstance(size, float):
            count = round((shares + size) * len(rows)) - round(shares * len(rows))
            shares += size
        if count < 1 or start + count > len(rows):
            raise InputError(
                f"params.yaml: data.{split}: {size} of {len(rows)} rows is {count}, and "
                f"{len(rows) - start} are left; expected at least 1 and no more than are left"
            )
        splits[split] = [rows[index] for index in sorted(order[start : start + count])]
        start += count
    return {split: splits[split] for split in SPLITS}


def user_rows(path: Path, prefix: str, params: FilesParams) -> Iterator[RawRow]:
    """Yield the rows of a user's file with every column of ours, the missing ones empty.

    `messages` is there only if it is mapped.

    Raises:
        InputError: two rows have the same id (where a column of ids is mapped).
    """
    rows, ids = read_user_rows(path, params.columns, params.separator), set()
    for number, row in enumerate(numbered(rows, prefix), start=1):
        if not row["id"] or row["id"] in ids:
            raise InputError(
                f"{path}: row {number}: expected an id of its own, got {row['id']!r}; leave "
                "profiles.files.data.columns.id out to have the rows numbered"
            )
        ids.add(row["id"])
        yield dict.fromkeys(RAW.names, "") | row


def file_splits(params: FilesParams, origin: dict[str, Any]) -> Mapping[str, Iterable[RawRow]]:
    """Return the user's rows of each split: by file, or drawn by seed from the one file."""
    path = Path(params.path)
    files = split_files(path)
    sizes = {split: getattr(params, split) for split in SPLITS}
    if files is None:
        return shuffled_shares(list(user_rows(path, "row", params)), params)
    if shares := [split for split, size in sizes.items() if isinstance(size, float)]:
        raise InputError(
            f"params.yaml: data.{shares[0]}: a share of one file, got {sizes[shares[0]]}, but {path} "
            "has a file for each split; set data.train, data.validation and data.test to all"
        )
    stops = {split: None if size == "all" else size for split, size in sizes.items()}
    return {split: islice(user_rows(file, split, params), stops[split]) for split, file in files.items()}


def file_origin(params: FilesParams) -> dict[str, Any]:
    """Return the name of the file, as metrics/data.json records it; a path would name the machine."""
    return {"file": Path(params.path).name}
