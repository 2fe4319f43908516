"""Articles to summarize: from files, folders and standard input, read as `fetch` reads its own."""

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from resumen.formats.read import is_saved_dataset, line_rows, read_rows
from resumen.runtime.errors import InputError
from resumen.runtime.files import opened
from resumen.runtime.guards import read_bounded
from resumen.schema.jsonl import numbered_lines
from resumen.schema.suffixes import SUFFIXES, known_suffix, stem_of
from resumen.sources.userfiles import text_of
from resumen.text.characters import is_missing, is_visible, normalize

log = logging.getLogger("summarize")

TEXT_SUFFIXES = (".txt", ".md")  # of files that are one article
READ_SUFFIXES = (*TEXT_SUFFIXES, *SUFFIXES)


class Article(NamedTuple):
    location: str  # as messages name it: a file, or its line or row
    id: str
    values: dict[str, str]  # the text, and what else the template names

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to summarize."""
        return not is_visible(self.values["text"]) or is_missing(self.values["text"])


class StandardInput:
    """Standard input where a path is expected; `suffix` says how it is read."""

    stem = "stdin"

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix

    def open(self, mode: str, encoding: str | None = None) -> BinaryIO:
        return sys.stdin.buffer

    def __str__(self) -> str:
        return "standard input"


TextSource = Path | StandardInput


def sources_of(names: list[str], stdin_suffix: str) -> list[TextSource]:
    """Return what is read, in order: a folder is the texts in it, "-" and no name are standard input.

    Raises:
        InputError: nothing is there, it is of no kind that is read, a folder has no text, or standard input
            is named twice.
    """
    result: list[TextSource] = []
    for name in names or ["-"]:
        path = Path(name)
        if name == "-":
            result.append(StandardInput(stdin_suffix))
        elif is_saved_dataset(path):
            result.append(path)
        elif path.is_dir():
            entries = sorted(path.iterdir())
            files = [file for file in entries if file.is_file() and file.suffix.lower() in TEXT_SUFFIXES]
            if not files:
                raise InputError(
                    f"{path}: no {' or '.join(TEXT_SUFFIXES)} in this folder; name the files themselves"
                )
            if others := [entry.name for entry in entries if entry not in files]:
                log.warning("%s: not read: %s", path, ", ".join(others))
            result.extend(files)
        elif path.exists():
            known_suffix(path, READ_SUFFIXES)
            result.append(path)
        else:
            raise InputError(f"{path}: not found; name a file, a folder of .txt, or - for standard input")
    if names.count("-") > 1:
        raise InputError(f"-: standard input can be read once, got it {names.count('-')} times")
    return result


def rows_of(
    source: TextSource, fields: Sequence[str], columns: dict[str, str], separator: str | None
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the place, the id if it has none of its own, and `id` and `fields` of each row, lazily.

    Each stands in the column that `columns` names, or in one of its own name.

    Raises:
        InputError: the file is not what its suffix says, not UTF-8, or lacks `text`; with file:line.
    """
    places = {name: (columns.get(name, name), name) for name in ("id", *fields)}

    def choose(has: list[str]) -> list[str]:
        if not {*places["text"]} & {*has}:
            raise InputError(
                f"{source}: lacks columns ['text'], has {has}; name the articles text, or set "
                "profiles.files.data.columns.text"
            )
        return [name for name in has if any(name in names for names in places.values())]

    if isinstance(source, Path) and (
        source.is_dir() or known_suffix(source, READ_SUFFIXES) not in TEXT_SUFFIXES
    ):
        rows, stem = read_rows(source, choose, separator), stem_of(source)
    elif source.suffix.lower() in TEXT_SUFFIXES:
        yield str(source), source.stem, {"text": read_text(source)}
        return
    else:
        rows, stem = line_rows(sys.stdin.buffer, source, choose), source.stem
    for number, (where, row) in enumerate(rows, start=1):
        values = {name: row.get(theirs, row.get(ours)) for name, (theirs, ours) in places.items()}
        yield where, f"{stem}-{number}", values


def read_text(source: TextSource) -> str:
    """Return the text of a whole file.

    Raises:
        InputError: it is too large; or not UTF-8, with file:line.
    """
    with opened(source, "rb") as file:
        content = BytesIO(read_bounded(file, source))
    return "".join(line for _, line in numbered_lines(content, source))


def articles_of(
    sources: list[TextSource],
    fields: Iterable[str],
    columns: dict[str, str] | None = None,
    separator: str | None = None,
) -> Iterator[Article]:
    """Yield the articles of all `sources`, in order, with the `fields` that the template names.

    One without text is there too: it has an empty summary. `columns` and `separator` are those of `fetch`.

    Raises:
        InputError: a source has no article; or one has something else than text in a field.
    """
    wanted = list(fields)
    for source in sources:
        row_id = None
        for where, row_id, row in rows_of(source, wanted, columns or {}, separator):
            values = {name: normalize(text_of(row.get(name), where, name)) for name in wanted}
            yield Article(where, text_of(row.get("id"), where, "id") or row_id, values)
        if row_id is None:
            raise InputError(f"{source}: expected an article a row, got none; add rows, or leave it out")
