"""The user's own rows: one file or one for each split, in any of the formats of resumen/formats."""

import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from resumen.formats.read import LocatedRow, is_saved_dataset, read_rows
from resumen.runtime.errors import InputError
from resumen.runtime.guards import fault_of
from resumen.schema.data import FilesParams
from resumen.schema.rows import RAW, SPLITS
from resumen.schema.suffixes import SUFFIXES, known_suffix, stem_of, suffix_of
from resumen.sources.rows import FAULT, RawRow
from resumen.text.characters import is_visible
from resumen.text.conversation import check_messages

SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?")  # as datasets and the hub name them

Row = TypeVar("Row")


def split_files(path: Path) -> dict[str, list[Path]] | None:
    """Return the files of each split if `path` is a folder of such, None if it is one file.

    A split is a file, its shards, or a folder that `save_to_disk` wrote.

    Raises:
        InputError: nothing is there, or the folder lacks a split, one of its shards, or has it twice.
    """
    if path.is_file() or is_saved_dataset(path):
        return None
    if not path.is_dir():
        raise InputError(f"{path}: not found; set profiles.files.data.path to a file or a folder")
    result = {}
    for split in SPLITS:
        files: dict[str, list[Path]] = {}  # by their name without the shard's number
        for entry in sorted(path.iterdir()):
            if (entry.is_file() and suffix_of(entry) in SUFFIXES) or is_saved_dataset(entry):
                stem = entry.name if entry.is_dir() else stem_of(entry)
                shard = SHARD.fullmatch(stem)
                if (shard[1] if shard else stem) in SPLIT_NAMES[split]:
                    files.setdefault(f"{shard[1]}-of-{shard[3]}" if shard else entry.name, []).append(entry)
        if len(files) != 1:
            names = " or ".join(f"{name}.*" for name in SPLIT_NAMES[split])
            has = sorted(entry.name for entry in path.iterdir())
            raise InputError(
                f"{path}: expected one {names}, that ends in one of {', '.join(SUFFIXES)}; has {has}"
            )
        ((name, result[split]),) = files.items()
        number = re.search(r"-of-(\d{5})$", name)
        if number and len(result[split]) != int(number[1]):
            raise InputError(
                f"{path}: expected {int(number[1])} shards of {split}, got {len(result[split])}: "
                f"{[file.name for file in result[split]]}; add the missing ones"
            )
    return result


def require_columns(path: Path, wanted: list[str], has: list[str]) -> list[str]:
    """Return the columns `wanted`, all of which a file has to have."""
    if missing := [name for name in wanted if name not in has]:
        raise InputError(f"{path}: lacks columns {missing}, has {has}; set profiles.files.data.columns")
    return wanted


def read_user_rows(
    files: Sequence[Path], columns: dict[str, str], separator: str, chosen: Container[int] | None = None
) -> Iterator[tuple[int, RawRow]]:
    """Yield the rows of a user's files under our names, in the files' order, each with its number, from 1.

    `columns` maps our names to the file's; `chosen` are the numbers of the rows that are wanted (None: all).
    Missing values become "", line ends become "\\n". With `messages` mapped, `text` and `summary` come from
    there; where they are no conversation, the row has FAULT.

    Raises:
        InputError: see `read_rows`; or a file lacks a column, or holds something other than text.
    """
    rows = chain.from_iterable(columns_of(file, columns, separator) for file in files)
    for number, (where, row) in enumerate(rows, start=1):
        if chosen is not None and number not in chosen:
            continue
        ours: RawRow = {}
        for name, theirs in columns.items():
            if name == "messages":
                ours |= conversation_of(row.get(theirs), where, theirs)
            elif name == "summary":
                ours |= summaries_of(row.get(theirs), where, theirs)
            else:
                ours[name] = text_of(row.get(theirs), where, theirs)
        yield number, ours


def columns_of(path: Path, columns: dict[str, str], separator: str) -> Iterator[LocatedRow]:
    """Yield the rows of a file in the columns that are mapped."""
    if "messages" in columns and not is_saved_dataset(path) and known_suffix(path) in (".csv", ".tsv"):
        raise InputError(
            f"{path}: a CSV cannot hold messages, got columns.messages {columns['messages']!r}; save "
            "them as JSON Lines or Parquet, or map text and summary instead"
        )
    return read_rows(path, lambda has: require_columns(path, list(columns.values()), has), separator)


def conversation_of(value: Any, where: str, column: str) -> RawRow:
    """Return a row's turns as `messages`, the last answer as `summary`, as `text` what was said before it."""
    try:
        messages = check_messages(value)
    except ValueError as error:
        return {"text": "", "summary": "", "messages": None, FAULT: f"{where}: column {column!r}: {error}"}
    *before, answer = [message["content"] for message in messages if message["role"] != "system"]
    return {"messages": messages, "text": "\n".join(before), "summary": answer}


def summaries_of(value: Any, where: str, column: str) -> RawRow:
    """Return a row's `summary`, and as `references` the others if the column holds a list."""
    if not isinstance(value, list):
        return {"summary": text_of(value, where, column)}
    texts = [text for one in value if is_visible(text := text_of(one, where, column))]
    summary, *others = texts or [""]
    return {"summary": summary, "references": others} if others else {"summary": summary}


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


class UserArticles:
    """The articles of one or several files, each row of which has been read once.

    What is wrong anywhere is known before any work. Rows with the text of an earlier one and another summary
    are no articles of their own but further references of that one.
    """

    def __init__(self, files: Sequence[Path], prefix: str, params: FilesParams) -> None:
        self.files, self.prefix, self.params = files, prefix, params
        self.further: dict[int, list[str]] = {}  # the summaries of later rows, by the article's number
        self.numbers: list[int] = []  # of the rows that are articles
        by_text: dict[bytes, int] = {}
        by_id: dict[str, int] = {}
        summaries: set[tuple[int, str]] = set()
        for number, row in self.read():
            text, summary = row["text"], row["summary"]
            article = number
            if not params.has_messages and is_visible(text) and is_visible(summary):
                article = by_text.setdefault(blake2b(text.strip().encode(), digest_size=16).digest(), number)
            is_further = article != number and (article, summary) not in summaries
            if "id" in row:
                self.check_id(row, number, by_id, article if is_further else number)
            if is_further:
                self.further.setdefault(article, []).extend([summary, *row.get("references", [])])
            else:
                self.numbers.append(number)
            summaries.add((article, summary))

    def check_id(self, row: RawRow, number: int, by_id: dict[str, int], article: int) -> None:
        """Raise InputError unless the row of an article has an id, and no other article has it."""
        if not row["id"] or by_id.setdefault(row["id"], article) != article:
            raise InputError(
                f"{self.files[0]}: row {number}: expected an id of its own, got {row['id']!r}; leave "
                "profiles.files.data.columns.id out to have the rows numbered"
            )

    def read(self, chosen: Container[int] | None = None) -> Iterator[tuple[int, RawRow]]:
        """Yield the rows of all files, or the chosen ones, each with its number, from 1 throughout."""
        return read_user_rows(self.files, self.params.columns, self.params.separator, chosen)

    def rows(self, numbers: Iterable[int]) -> Iterator[RawRow]:
        """Yield the articles of these `numbers`, in the files' order, with every column of ours.

        The missing ones are empty; `messages` is there only if it is mapped.
        """
        for number, row in self.read(set(numbers)):
            references = [*row.get("references", []), *self.further.get(number, [])]
            own = {"id": f"{self.prefix}-{number}", **row}
            yield {**dict.fromkeys(RAW.names, ""), **own, "references": references or None}


def shuffled_shares(rows: Sequence[Row], params: FilesParams) -> dict[str, list[Row]]:
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


def file_splits(params: FilesParams, origin: dict[str, Any]) -> Mapping[str, Iterable[RawRow]]:
    """Return the user's rows of each split: by file, or drawn by seed from the one file."""
    path = Path(params.path)
    files = split_files(path)
    if files is None:
        articles = UserArticles([path], "row", params)
        shares = shuffled_shares(articles.numbers, params)
        return {split: articles.rows(numbers) for split, numbers in shares.items()}
    sizes = {split: getattr(params, split) for split in SPLITS}
    if fractions := [split for split, size in sizes.items() if isinstance(size, float)]:
        raise InputError(
            f"params.yaml: data.{fractions[0]}: a share of one file, got {sizes[fractions[0]]}, but {path} "
            "has a file for each split; set data.train, data.validation and data.test to all"
        )
    splits = {}
    for split, size in sizes.items():
        articles = UserArticles(files[split], split, params)
        splits[split] = articles.rows(articles.numbers[: None if size == "all" else size])
    return splits


def file_origin(params: FilesParams) -> dict[str, Any]:
    """Return the name of the file, as metrics/data.json records it; a path would name the machine."""
    return {"file": Path(params.path).name}
