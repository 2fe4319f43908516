"""JSON files: read with bounds and without doubled keys, written the same way each time."""

import json
from pathlib import Path
from typing import Any

from resumen.runtime.errors import InputError, first_line, shown
from resumen.runtime.files import read_bytes, write_text


def read_json(path: Path) -> Any:
    """Return the value in `path`.

    Raises:
        InputError: the file is missing, too large, or not JSON.
    """
    return parse_json(read_bytes(path), path)


def parse_json(content: bytes, path: Path) -> Any:
    """Return the value that stands in `content`, the bytes of `path`.

    Raises:
        InputError: they are not JSON.
    """
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {first_line(error)}; make or fetch it again") from error


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ValueError: a key occurs twice; which one holds is anybody's guess.
    """
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} occurs twice")
    return result


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline; keys keep their order."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")
