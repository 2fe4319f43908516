"""JSON Lines: an object a line, read with file:line in every message."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from resumen.runtime.errors import InputError, first_line, shown
from resumen.runtime.files import Openable, atomic_write, not_utf8, opened
from resumen.runtime.guards import MAX_BYTES, SURROGATE
from resumen.runtime.jsonfiles import unique_keys


def read_jsonl(path: Path, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of `path`, each checked to hold `keys`.

    Raises:
        InputError: a line is not UTF-8, not a JSON object or lacks a key; it starts with file:line.
    """
    for _, row in numbered_jsonl(path, keys):
        yield row


def numbered_jsonl(path: Openable, keys: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of `path` as `read_jsonl` does, each with the number of its line, from 1."""
    with opened(path, "rb") as lines:
        yield from json_lines(lines, path, keys)


def json_lines(file: BinaryIO, where: object, keys: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of an open file as `numbered_jsonl` does."""
    wanted = set(keys)
    for number, line in numbered_lines(file, where):
        if not line.strip():
            continue
        if line.lstrip().startswith("["):
            raise InputError(
                f"{where}:{number}: expected an object a line, got {shown(line.strip())}; if the file is one "
                "array, name it .json"
            )
        row = json_value(line, f"{where}:{number}")
        if not isinstance(row, dict):
            raise InputError(f"{where}:{number}: expected an object, got {shown(line.strip())}")
        if missing := wanted - row.keys():
            raise InputError(f"{where}:{number}: lacks {sorted(missing)}, has {sorted(row)}")
        yield number, row


def json_value(text: str, where: str) -> Any:
    """Return the value that `text` is in JSON.

    Raises:
        InputError: it is none, a key occurs twice in an object, or a text holds half a character.
    """
    try:
        value = json.loads(text, object_pairs_hook=unique_keys)
        written = json.dumps(value, ensure_ascii=False) if "\\ud" in text.lower() else ""
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 10,000 brackets
        message, number = getattr(error, "msg", first_line(error)), getattr(error, "lineno", 1)
        lines = text.split("\n")
        where = where if len(lines) <= 2 else f"{where}:{number}"
        got = shown((lines[number - 1] or text).strip())
        raise InputError(f"{where}: not JSON: {message}, got {got}") from error
    if SURROGATE.search(written):
        raise InputError(f"{where}: holds half a character, a surrogate; write it whole")
    return value


def numbered_lines(file: BinaryIO, where: object) -> Iterator[tuple[int, str]]:
    """Yield the lines of an open file, each with its number, from 1; a BOM is left out.

    Raises:
        InputError: a line is not UTF-8, holds a NUL or is too long; it starts with file:line.
    """
    for number, line in enumerate(iter(lambda: file.readline(MAX_BYTES + 1), b""), start=1):
        position = f"{where}:{number}"
        if len(line) > MAX_BYTES:
            raise InputError(f"{position}: expected at most {MAX_BYTES:,} bytes in a line, got more; part it")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(not_utf8(position, error)) from error
        if "\0" in text:
            raise InputError(f"{position}: holds a NUL character, so it is no text; save the file as UTF-8")
        yield number, text


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write `rows`, in their order, one JSON object a line."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
