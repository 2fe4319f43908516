"""The user's own rows: one file or one for each split, in any of the formats of resumen/formats."""

import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from resumen.formats.read import LocatedRow, is_saved_dataset, read_rows
from resumen.runtime.errors import InputError
from resumen.runtime.guards import fault_of
from resumen.schema.data import FilesParams
from resumen.schema.rows import RAW, SPLITS, references_of
from resumen.schema.suffixes import SUFFIXES, known_suffix, stem_of, suffix_of
from resumen.sources.audit import words_digest
from resumen.sources.rows import FAULT, RawRow
from resumen.text.characters import is_missing, normalize
from resumen.text.conversation import check_messages

SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
MAX_REFERENCES = 10  # rows with the text of an earlier one, each with another summary
TEXTS_ALONE = (".txt", ".md", ".pdf", ".doc", ".docx", ".odt", ".rtf", ".htm", ".html")
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
        files: dict[str, list[Path]] = {}  # by their name, its shard's number left out
        shards: dict[str, list[int]] = {}
        for entry in sorted(path.iterdir()):
            if (entry.is_file() and suffix_of(entry) in SUFFIXES) or is_saved_dataset(entry):
                stem = entry.name if entry.is_dir() else stem_of(entry)
                shard = SHARD.fullmatch(stem)
                if (shard[1] if shard else stem).lower() in SPLIT_NAMES[split]:
                    name = f"{shard[1]}-*-of-{shard[3]}" if shard else entry.name
                    files.setdefault(name, []).append(entry)
                    if shard:
                        shards.setdefault(name, []).append(int(shard[2]))
        if len(files) != 1:
            names = " or ".join(f"{name}.*" for name in SPLIT_NAMES[split])
            has = sorted(entry.name for entry in path.iterdir())
            raise InputError(
                f"{path}: expected one {names}, that ends in one of {', '.join(SUFFIXES)}; has {has}"
            )
        ((name, result[split]),) = files.items()
        if name in shards and sorted(shards[name]) != list(range(count := int(name[-5:]))):
            raise InputError(
                f"{path}: expected the shards of {split} from 0 to {count - 1}, each once, got "
                f"{[file.name for file in result[split]]}; add what is missing, take out what is twice"
            )
    return result


def require_columns(path: Path, wanted: list[str], has: list[str]) -> list[str]:
    """Return the columns `wanted`, all of which a file has to have."""
    if missing := [name for name in wanted if name not in has]:
        raise InputError(f"{path}: lacks columns {missing}, has {has}; set profiles.files.data.columns")
    return wanted


def read_user_rows(
    files: Sequence[Path], columns: dict[str, str], separator: str, chosen: Container[int] | None = None
) -> Iterator[tuple[int, str, RawRow]]:
    """Yield the rows of a user's files under our names, in the files' order, each with its number and place.

    Numbers count from 1 throughout; `columns` maps our names to the file's; `chosen` are the numbers of the
    rows that are wanted (None: all).
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
        yield number, where, ours


def check_holds_rows(path: Path) -> None:
    """Raise InputError if a file is a text, which `summarize` reads, and not rows."""
    if suffix_of(path) in TEXTS_ALONE:
        raise InputError(
            f"{path}: a text, and no rows of articles and summaries; write them into a table, a row an "
            f"article: {', '.join(SUFFIXES)}, or one of them gzipped"
        )


def columns_of(path: Path, columns: dict[str, str], separator: str) -> Iterator[LocatedRow]:
    """Yield the rows of a file in the columns that are mapped."""
    check_holds_rows(path)
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
    different: dict[bytes, str] = {}
    for text in (text_of(one, where, column) for one in value):
        if has_words(text):
            different.setdefault(digest_of(text), text)
    summary, *others = different.values() or [""]
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


def has_words(text: str) -> bool:
    """Return whether `text` is one, and not NaN or the like."""
    return any(map(str.isalnum, text)) and not is_missing(text)


def digest_of(text: str) -> bytes:
    """Return what tells a text, whatever its spaces, its capitals and how its accents are written.

    To find its words would take a fifth of the time of `fetch`.
    """
    return words_digest(normalize(text).lower().split())


class UserArticles:
    """The articles of one or several files, each row of which has been read once.

    What is wrong anywhere is known before any work. Rows with the text of an earlier one and another summary
    are no articles of their own but further references of that one, up to MAX_REFERENCES: a text with more
    summaries is none (a paywall's), and the audit counts its rows as duplicates.
    """

    def __init__(self, files: Sequence[Path], prefix: str, params: FilesParams) -> None:
        self.files, self.prefix, self.params = files, prefix, params
        self.further: dict[int, dict[int, list[str]]] = {}  # an article's: by the row, its new summaries
        self.numbers: list[int] = []  # of the rows that are articles
        by_text: dict[bytes, int] = {}
        by_id: dict[str, int] = {}
        known: set[tuple[int, bytes]] = set()  # the summaries of each article
        for number, where, row in self.read():
            new, article = {}, number
            if not params.has_messages and has_words(row["text"]):
                article = by_text.setdefault(digest_of(row["text"]), number)
                given = {digest_of(text): text for text in references_of(row) if has_words(text)}
                new = {digest: text for digest, text in given.items() if (article, digest) not in known}
                known |= {(article, digest) for digest in new}
            is_further = article != number and bool(new)
            if "id" in row:
                check_id(row["id"], where, by_id, article if is_further else number)
            if is_further:
                self.further.setdefault(article, {})[number] = list(new.values())
            else:
                self.numbers.append(number)
        for article in [article for article, rows in self.further.items() if len(rows) > MAX_REFERENCES]:
            self.numbers += self.further.pop(article)
        self.numbers.sort()

    def read(self, chosen: Container[int] | None = None) -> Iterator[tuple[int, str, RawRow]]:
        """Yield the rows of all files, or the chosen ones, as `read_user_rows` does."""
        return read_user_rows(self.files, self.params.columns, self.params.separator, chosen)

    def rows(self, numbers: Iterable[int]) -> Iterator[RawRow]:
        """Yield the articles of these `numbers`, in the files' order, with every column of ours.

        The missing ones are empty; `messages` is there only if it is mapped.
        """
        for number, _, row in self.read(set(numbers)):
            further = chain.from_iterable(self.further.get(number, {}).values())
            references = [*row.get("references", []), *further]
            own = {"id": f"{self.prefix}-{number}", **row}
            yield {**dict.fromkeys(RAW.names, ""), **own, "references": references or None}


def check_id(row_id: str, where: str, by_id: dict[str, int], article: int) -> None:
    """Raise InputError unless the row of an article has an id, and no other article has it."""
    if not row_id or by_id.setdefault(row_id, article) != article:
        raise InputError(
            f"{where}: expected an id of its own, got {row_id!r}; leave profiles.files.data.columns.id out, "
            "and the rows are numbered"
        )


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
