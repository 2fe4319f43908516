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
from typing import Any, BinaryIO, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError

from stages.shared.cli import InputError, shown

SPLITS = ("train", "validation", "test")

RAW = pa.schema([(name, pa.string()) for name in ("id", "text", "summary", "title", "topic", "url", "date")])
TURN = pa.struct([(name, pa.string()) for name in ("role", "content")])
CONVERSATIONS = RAW.append(pa.field("messages", pa.list_(TURN)))  # RAW of a source that has conversations
FORMATTED = pa.schema([(name, pa.string()) for name in ("id", "prompt", "completion")])

FULL = (errno.ENOSPC, errno.EDQUOT)
OF_SAFETENSORS = re.compile(r"os error (28|112|122|39)\b")  # its errors are no OSErrors; 112 and 39: Windows
# What Arrow raises of damage: a page that is cut, a date that no calendar has, a schema at odds with itself.
NOT_PARQUET = (pa.ArrowException, OSError, ValueError, TypeError, LookupError, ArithmeticError)

SURROGATE = re.compile("[\ud800-\udfff]")  # what JSON can escape and UTF-8 cannot hold

MOST_BYTES = 2**25  # of a JSON file, a line or a value: T5's tokenizer.json has 2.4 MB, a long article 0.1
MOST_EXPANDED = 100  # times its size that a Parquet file's rows may have; news have 2 to 4 times

ROWS_PER_GROUP = 2_000  # bounds the memory of a stage that streams; 2,000 articles are about 10 MB


class Openable(Protocol):
    """A path, or what is opened in place of one."""

    def open(self, mode: str, *, encoding: str | None) -> Any: ...


P = TypeVar("P", bound=Openable)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to, a file or a folder; it becomes `path` once the block has ended well.

    After an error nothing is left behind: no half, and what was at `path` before still is. The bytes are on
    the disk before the name is, so that a power cut leaves no hollow file.

    Raises:
        InputError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (path.with_name(path.name + ending) for ending in (".partial", ".partial.old"))
    remove(partial)
    put_back(old, path)
    try:
        yield partial
        for file in files_of(partial):
            flush(file)
        if path.is_dir() or (os.name == "nt" and path.exists()):  # Windows replaces nothing read-only
            path.replace(old)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        if getattr(error, "errno", None) not in FULL and not OF_SAFETENSORS.search(str(error)):
            raise
        raise InputError(no_space(path, written=size_of(partial))) from error
    finally:
        remove(partial)
        put_back(old, path)


def put_back(old: Path, path: Path) -> None:
    """Let what was put aside be `path` again where nothing took its place; remove it otherwise."""
    if old.exists() and not path.exists():
        old.replace(path)
    remove(old)


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


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value of JSON, in hex."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


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
        InputError: the file is missing, too large, or not JSON.
    """
    return json_of(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Return what `path` holds.

    Raises:
        InputError: the file is missing or too large.
    """
    with opened(path, "rb") as file:
        return bounded(file, path)


def json_of(content: bytes, path: Path) -> Any:
    """Return the value that stands in `content`, the bytes of `path`.

    Raises:
        InputError: they are not JSON.
    """
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=object_of)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {first_line(error)}; make or fetch it anew") from error


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ValueError: a key occurs twice; which one holds is anybody's guess.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} occurs twice")
    return found


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


def numbered_jsonl(path: Openable, keys: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of `path` as `read_jsonl` does, each with the number of its line, from 1."""
    wanted = set(keys)
    with opened(path, "rb") as lines:
        for number, line in numbered_lines(lines, path):
            if not line.strip():
                continue
            try:
                row = json.loads(line, object_pairs_hook=object_of)
                written = json.dumps(row, ensure_ascii=False) if "\\ud" in line.lower() else ""
            except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 10,000 brackets
                said = getattr(error, "msg", first_line(error))
                raise InputError(f"{path}:{number}: not JSON: {said}, got {shown(line.strip())}") from error
            if SURROGATE.search(written):
                raise InputError(f"{path}:{number}: holds half a character, a surrogate; write it whole")
            if not isinstance(row, dict):
                raise InputError(f"{path}:{number}: expected an object, got {shown(line.strip())}")
            if missing := wanted - row.keys():
                raise InputError(f"{path}:{number}: lacks {sorted(missing)}, has {sorted(row)}")
            yield number, row


def numbered_lines(file: BinaryIO, where: object) -> Iterator[tuple[int, str]]:
    """Yield the lines of an open file, each with its number, from 1; a BOM is left out.

    Raises:
        InputError: a line is not UTF-8, holds a NUL or is too long; it starts with file:line.
    """
    for number, line in enumerate(iter(lambda: file.readline(MOST_BYTES + 1), b""), start=1):
        place = f"{where}:{number}"
        if len(line) > MOST_BYTES:
            raise InputError(f"{place}: expected at most {MOST_BYTES:,} bytes in a line, got more; part it")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(not_utf8(place, error)) from error
        if "\0" in text:
            raise InputError(f"{place}: holds a NUL character, so it is no text; save the file as UTF-8")
        yield number, text


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
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(not_utf8(str(path), error)) from error
    except NOT_PARQUET as error:
        raise InputError(f"{path}: not readable as Parquet: {first_line(error)}") from error


def foreign_rows(
    file: pq.ParquetFile, where: str, size: int, columns: list[str], groups: list[int] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of an open Parquet file of `size` bytes that we did not write, in the file's order.

    They are read one at a time, whatever the file says of itself: a few bits may stand for a value of any
    size, in any number of rows. A row takes 0.04 ms. A page is read whole, and if the footer lies about it,
    Arrow takes the 2 GB that a page may have before it is refused.

    Raises:
        InputError: a row is too large, or all of them are for so small a file.
    """
    total, most = 0, max(MOST_EXPANDED * size, 8 * MOST_BYTES)
    if (expanded := expanded_size(file, columns, groups)) > most:
        raise InputError(
            f"{where}: expected a file of {size:,} bytes to hold at most {most:,}, its footer says "
            f"{expanded:,}; write it anew from where the rows came from"
        )
    for number, batch in enumerate(file.iter_batches(1, groups, columns), start=1):
        parts = [part.dictionary_decode() if pa.types.is_dictionary(part.type) else part for part in batch]
        row_bytes = sum(part.nbytes for part in parts)
        total += row_bytes
        if row_bytes > MOST_BYTES:
            raise InputError(
                f"{where}: row {number}: expected at most {MOST_BYTES:,} bytes, got {row_bytes:,}; this is "
                "no article"
            )
        if total > most:
            raise InputError(
                f"{where}: row {number}: expected a file of {size:,} bytes to hold at most {most:,}, got "
                "more; write it anew from where the rows came from"
            )
        yield batch.to_pylist()[0]


def expanded_size(file: pq.ParquetFile, columns: list[str], groups: list[int] | None) -> int:
    """Return how many bytes the pages of `columns` have without compression, as the footer says."""
    total = 0
    for number in range(file.num_row_groups) if groups is None else groups:
        group = file.metadata.row_group(number)
        chunks = (group.column(place) for place in range(group.num_columns))
        total += sum(
            chunk.total_uncompressed_size
            for chunk in chunks
            if {chunk.path_in_schema, chunk.path_in_schema.split(".")[0]} & set(columns)
        )
    return total


def column_names(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns, from its footer.

    Raises:
        InputError: the file is missing or damaged.
    """
    with opened(path, "rb") as source, parquet_errors(path):
        names: list[str] = pq.read_schema(source).names
        return names


def num_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file, from its footer."""
    with opened(path, "rb") as source, parquet_errors(path):
        count: int = pq.read_metadata(source).num_rows
        return count


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
def opened(path: Openable, mode: str = "r") -> Iterator[Any]:
    """Yield `path` opened, a missing one being the user's to mend."""
    try:
        file = regular(path).open(mode, encoding=None if "b" in mode else "utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; `dvc repro` makes what is missing") from error
    with file:
        yield file


def regular(path: P) -> P:
    """Return `path` unless a folder, a pipe or a device stands there, which never end or say nothing.

    Raises:
        InputError: one does.
    """
    if isinstance(path, Path) and path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise InputError(f"{path}: expected a file, got {kind}; name a file, or copy into one what it gives")
    return path


def bounded(file: BinaryIO, where: object, most: int = MOST_BYTES) -> bytes:
    """Return what an open file holds.

    Raises:
        InputError: that is more than `most` bytes.
    """
    content = file.read(most + 1)
    if len(content) > most:
        raise InputError(f"{where}: expected at most {most:,} bytes, got more; is it the right file?")
    return content


def not_utf8(where: str, error: UnicodeDecodeError) -> str:
    """Return the message for bytes that are not UTF-8."""
    byte = error.object[error.start]
    return f"{where}: not UTF-8, got byte 0x{byte:02x}; save the file as UTF-8 and try again"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    return str(error).strip().split("\n")[0]
