"""Rows as the stages exchange them: their Arrow schemas, and Parquet read and written."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resumen.runtime.errors import InputError, first_line
from resumen.runtime.files import atomic_write, not_found, not_utf8, require_file

SPLITS = ("train", "validation", "test")

# `references`: the further summaries of an article that has several; null where `summary` is the only one.
TEXTS = ("id", "text", "summary", "title", "topic", "url", "date")
RAW = pa.schema([*((name, pa.string()) for name in TEXTS), ("references", pa.list_(pa.string()))])
TURN = pa.struct([(name, pa.string()) for name in ("role", "content")])
CONVERSATIONS = RAW.append(pa.field("messages", pa.list_(TURN)))  # RAW of a source that has conversations
FORMATTED = pa.schema([(name, pa.string()) for name in ("id", "prompt", "completion")])
# What Arrow raises of damage: a page that is cut, a date that no calendar has, a schema at odds with itself.
NOT_PARQUET = (pa.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError)

ROWS_PER_GROUP = 2_000  # bounds the memory of a stage that streams; 2,000 articles are about 10 MB


def references_of(row: dict[str, Any]) -> list[str]:
    """Return what the summary of an article is scored against: its `summary` and the further ones."""
    return [row["summary"], *(row.get("references") or [])]


def read_table(path: Path, columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file that we wrote, only `columns`, in the file's order.

    Raises:
        InputError: the file is missing, damaged, or lacks a column.
    """
    wanted = list(columns)
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        if missing := sorted(set(wanted) - set(names)):
            raise InputError(f"{path}: lacks columns {missing}, has {names}")
        for batch in file.iter_batches(ROWS_PER_GROUP, columns=wanted):
            yield from batch.to_pylist()


def load_table(path: Path) -> pa.Table:
    """Return a Parquet file that we wrote as an Arrow table.

    Raises:
        InputError: the file is missing or damaged.
    """
    with open_parquet(path) as file:
        return file.read().combine_chunks()


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Yield a Parquet file whose pages are held against their checksums as they are read.

    Arrow opens it itself: its threads outlive what they read, and one that holds a file of Python's when the
    interpreter ends takes the process with it (https://github.com/apache/arrow/issues/34314).

    Raises:
        InputError: the file is missing, no file or damaged.
    """
    with parquet_errors(path):
        if not require_file(path).exists():
            raise InputError(not_found(path))
        with pa.OSFile(str(path)) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
            yield file


@contextmanager
def parquet_errors(path: Path | str) -> Iterator[None]:
    """Turn Arrow's errors about `path` into an InputError."""
    try:
        yield
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(not_utf8(str(path), error)) from error
    except NOT_PARQUET as error:
        raise InputError(f"{path}: not readable as Parquet: {first_line(error)}") from error


def column_names(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns, from its footer.

    Raises:
        InputError: the file is missing or damaged.
    """
    with open_parquet(path) as file:
        names: list[str] = file.schema_arrow.names
        return names


def num_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, from its footer.

    Raises:
        InputError: the file is missing or damaged.
    """
    with open_parquet(path) as file:
        count: int = file.metadata.num_rows
        return count


def write_table(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> int:
    """Write `rows` as Parquet, streaming, and return how many there were. Equal rows, equal bytes."""
    count = 0
    with (
        atomic_write(path) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        remaining = iter(rows)
        while group := list(islice(remaining, ROWS_PER_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema))
            count += len(group)
            group.clear()  # or two groups are in memory as the next is read
    return count
