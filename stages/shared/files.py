"""Files that appear whole or not at all: JSON, JSON Lines, Parquet, folders."""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.shared.cli import InputError

SPLITS = ("train", "validation", "test")

RAW = pa.schema([(name, pa.string()) for name in ("id", "text", "summary", "title", "topic", "url", "date")])
TURN = pa.struct([(name, pa.string()) for name in ("role", "content")])
CONVERSATIONS = RAW.append(pa.field("messages", pa.list_(TURN)))  # RAW of a source that has conversations
FORMATTED = pa.schema([(name, pa.string()) for name in ("id", "prompt", "completion")])

FULL = (errno.ENOSPC, errno.EDQUOT)
SURROGATE = re.compile("[\ud800-\udfff]")  # what JSON can escape and UTF-8 cannot hold

ROWS_PER_GROUP = 2_000  # bounds the memory of a stage that streams; 2,000 articles are about 10 MB


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to, a file or a folder; it becomes `path` once the block has ended well.

    After an error nothing is left behind: no half, no new `path`. The bytes are on the disk before the name
    is, so that a power cut leaves no hollow file.

    Raises:
        InputError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    remove(partial)
    try:
        yield partial
        for file in files_of(partial):
            flush(file)
        remove(path)
        partial.replace(path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(no_space(path, written=size_of(partial))) from error
    finally:
        remove(partial)


def flush(file: Path) -> None:
    """Wait until the bytes of `file` are on the disk; Windows does not let us for what is read-only."""
    if os.name != "nt":
        with file.open("rb") as content:
            os.fsync(content.fileno())


def no_space(path: Path, written: int) -> str:
    """Return the message for a disk that was full once `written` bytes of `path` were there."""
    free = shutil.disk_usage(path.parent).free
    return (
        f"{path}: no space left: it needs more than the {written / 1e6:.1f} MB that were written of it, and "
        f"its disk has {(free + written) / 1e6:.1f} MB; free some and try again"
    )


def require_space(path: Path, num_bytes: int) -> None:
    """Raise InputError unless the disk of `path` has room for `num_bytes`."""
    if (free := shutil.disk_usage(path).free) < num_bytes:
        raise InputError(
            f"{path}: {num_bytes / 1e6:.1f} MB are needed, and its disk has {free / 1e6:.1f} MB left; "
            "free some and try again"
        )


def files_of(path: Path) -> list[Path]:
    """Return the files of a folder in a fixed order, or `path` itself."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def size_of(path: Path) -> int:
    """Return the bytes of a file or of a folder's files; 0 if there is none."""
    return sum(file.stat().st_size for file in files_of(path)) if path.exists() else 0


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with opened(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Remove a file or a folder; a missing one is fine.

    DVC makes what it links read-only, which Windows would not remove.
    """
    if os.name == "nt":
        for file in (path, *path.rglob("*")):
            if file.is_file():
                file.chmod(stat.S_IWRITE)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_orphans(folder: Path, known: Iterable[str]) -> list[str]:
    """Remove the files of `folder` whose stem is not in `known`, and return their names.

    A system that was taken out of params.yaml leaves its file behind: DVC forgets it, but hashes
    the folder with it, so a fresh clone would re-run.
    """
    keep = set(known)
    orphans = sorted(path for path in folder.glob("*") if path.stem not in keep)
    for path in orphans:
        remove(path)
    return [path.name for path in orphans]


def read_json(path: Path) -> Any:
    """Return the value in `path`.

    Raises:
        InputError: the file is missing, or is not JSON.
    """
    with opened(path, "rb") as file:
        try:
            return json.loads(file.read().decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: not JSON: {first_line(error)}; make or fetch it anew") from error


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline; keys keep their order."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, line ends as they are."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def read_jsonl(path: Path, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of `path`, each checked to hold `keys`.

    Raises:
        InputError: a line is not UTF-8, not a JSON object or lacks a key; it starts with file:line.
    """
    for _, row in numbered_jsonl(path, keys):
        yield row


def numbered_jsonl(path: Path, keys: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of `path` as `read_jsonl` does, each with the number of its line, from 1."""
    wanted = set(keys)
    with opened(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                raise InputError(not_utf8(f"{path}:{number}", error)) from error
            except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 10,000 brackets
                said = getattr(error, "msg", first_line(error))
                raise InputError(f"{path}:{number}: not JSON: {said}, got {line[:60]!r}") from error
            if b"\\ud" in line.lower() and SURROGATE.search(json.dumps(row, ensure_ascii=False)):
                raise InputError(f"{path}:{number}: holds half a character, a surrogate; write it whole")
            if not isinstance(row, dict):
                raise InputError(f"{path}:{number}: expected an object, got {line[:60]!r}")
            if missing := wanted - row.keys():
                raise InputError(f"{path}:{number}: lacks {sorted(missing)}, has {sorted(row)}")
            yield number, row


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write `rows`, in their order, one JSON object a line."""
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_table(path: Path, columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file that we wrote, only `columns`, in the file's order.

    Raises:
        InputError: the file is missing, damaged, or lacks a column.
    """
    wanted = list(columns)
    with opened(path, "rb") as source, parquet_errors(path), checked(source) as file:
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
    with opened(path, "rb") as source, parquet_errors(path), checked(source) as file:
        return file.read().combine_chunks()


def checked(source: Any) -> pq.ParquetFile:
    """Return an open Parquet file whose pages are held against their checksums as they are read."""
    return pq.ParquetFile(source, page_checksum_verification=True)


@contextmanager
def parquet_errors(path: Path | str) -> Iterator[None]:
    """Turn Arrow's errors about `path` into an InputError."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:  # a damaged page is an OSError without the path
        raise InputError(f"{path}: not readable as Parquet: {first_line(error)}") from error
    except UnicodeDecodeError as error:
        raise InputError(not_utf8(str(path), error)) from error


def column_names(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns, from its footer.

    Raises:
        InputError: the file is missing or damaged.
    """
    with opened(path, "rb") as source, parquet_errors(path):
        return pq.read_schema(source).names


def num_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, from its footer."""
    with opened(path, "rb") as source, parquet_errors(path):
        return pq.read_metadata(source).num_rows


def write_table(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> int:
    """Write `rows` as Parquet, streaming, and return how many there were. Equal rows, equal bytes."""
    count = 0
    with (
        whole(path) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        remaining = iter(rows)
        while group := list(islice(remaining, ROWS_PER_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema))
            count += len(group)
    return count


@contextmanager
def opened(path: Path, mode: str = "r") -> Iterator[Any]:
    """Yield `path` opened, a missing one being the user's to mend."""
    try:
        file = path.open(mode, encoding=None if "b" in mode else "utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; `dvc repro` makes what is missing") from error
    with file:
        yield file


def not_utf8(where: str, error: UnicodeDecodeError) -> str:
    """Return the message for bytes that are not UTF-8."""
    byte = error.object[error.start]
    return f"{where}: not UTF-8, got byte 0x{byte:02x}; save the file as UTF-8 and try again"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return str(error).strip().split("\n")[0]
