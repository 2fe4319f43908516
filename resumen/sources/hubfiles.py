"""A corpus on the hub: which files are a split's, what they should hold, and their rows."""

import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import pyarrow as pa
from huggingface_hub import DatasetCard, HfApi, HfFileSystem, constants
from huggingface_hub.hf_api import RepoFolder
from pyarrow.parquet import ParquetFile
from yaml import YAMLError

from resumen.formats.parquet import untrusted_rows
from resumen.formats.read import read_rows
from resumen.runtime.errors import InputError, first_line
from resumen.runtime.hub import (
    cached_file,
    cached_listing,
    fetch_files,
    hub_errors,
    list_repo_files,
    resolve_commit,
    with_retries,
)
from resumen.runtime.hubclient import log_once
from resumen.schema.data import HubParams
from resumen.schema.rows import SPLITS, TEXTS, parquet_errors
from resumen.schema.suffixes import SUFFIXES, suffix_of
from resumen.sources.mlsum import MLSUM_LICENCE, MLSUM_ROWS, is_mlsum
from resumen.sources.rows import RawRow, numbered
from resumen.sources.userfiles import summaries_of, text_of

log = logging.getLogger("fetch")

CARD_FILES = ("README.md", "dataset_infos.json", ".huggingface.yaml")  # say which files belong to a name
OFFLINE_ROWS = (
    "HF_HUB_OFFLINE is set, and HF_HOME lacks it: the first rows of a split are streamed, and only files of "
    "which all are wanted (data.train=all) are kept; unset it, or use profile=mini"
)
CONVERTED = "refs/convert/parquet"  # where the hub writes the rows of a dataset as Parquet
READ_AHEAD = 1 << 20  # bytes beyond what is asked for, of a file that is read by ranges


def data_files(repo: str, commit: str, data_dir: str | None, config: str | None) -> dict[str, list[str]]:
    """Return the files of each split of the repository, as `hf://` paths, where `datasets` finds them.

    Raises:
        InputError: there is no such folder or name, or there is nothing but a loading script.
    """
    from datasets import load_dataset_builder  # 1 s to import, and only this source needs it

    log_once("datasets")
    where = f"{repo}@{commit}"

    def find(path: str) -> dict[str, list[str]]:
        builder = load_dataset_builder(path, config, data_dir=data_dir, revision=commit)
        return {str(split): list(files) for split, files in (builder.config.data_files or {}).items()}

    try:
        if constants.is_offline_mode():
            with listed_in_cache(repo, commit) as folder:
                found, there = find(str(folder)), hub_path(repo, commit, "")
                return {
                    split: [there + Path(file).relative_to(folder).as_posix() for file in files]
                    for split, files in found.items()
                }
        # `datasets` says less of what may not be read
        with_retries(where, lambda: HfApi().auth_check(repo, repo_type="dataset"))
        return with_retries(where, lambda: find(repo))
    except (FileNotFoundError, ValueError, RuntimeError) as error:  # no folder; no name; a script
        if isinstance(error, InputError):
            raise
        if "scripts are no longer supported" in str(error):
            raise InputError(
                f"{where}: has a loading script, which is never run; {way_around(repo)}"
            ) from error
        raise InputError(
            f"{where}: nothing for {what(data_dir, config)}: {first_line(error)}; "
            f"{parts_of(repo, commit, error)}"
        ) from error


def parts_of(repo: str, commit: str, error: BaseException) -> str:
    """Return what parts of a repository there are to choose from, as its card or its folders name them."""
    if names := re.search(r"available configs: \[(.+?)\]", str(error).replace("\n", " ")):
        return f"set the profile's data.config to one of {names[1]}"
    if folders := folders_at(repo, commit):
        return f"set the profile's data.data_dir to one of {', '.join(folders)}"
    return "look at its files, and set the profile's data.data_dir or data.config"


def folders_at(repo: str, revision: str) -> list[str]:
    """Return the folders of a dataset at a revision, none where there are none or nobody tells."""
    if constants.is_offline_mode():
        return []
    try:
        entries = HfApi().list_repo_tree(repo, revision=revision, repo_type="dataset")
        return sorted(entry.path for entry in entries if isinstance(entry, RepoFolder))
    except (OSError, httpx2.HTTPError, ValueError):
        return []


def what(data_dir: str | None, config: str | None) -> str:
    """Return what of a repository is asked for, as messages say it."""
    key = "data_dir" if data_dir else "config"
    return f"{key} {data_dir or config!r}" if data_dir or config else "the whole repository"


def way_around(repo: str) -> str:
    """Return what to do where a repository has a loading script: the hub may have converted its rows."""
    folders = folders_at(repo, CONVERTED)
    if not folders:
        return f"it has no branch {CONVERTED} either; save its rows as Parquet, and take profile=files"
    return f"set revision: {CONVERTED}, and data_dir to one of {', '.join(folders)}"


def chosen_files(params: HubParams, found: dict[str, list[str]], where: str) -> dict[str, list[str]]:
    """Return the files of our splits. One of which a number of rows is wanted may be missing.

    Raises:
        InputError: another one is not there, or a file is of no format that is read.
    """
    names = {split: (params.splits or {}).get(split) or split for split in SPLITS}
    result = {}
    for split, name in names.items():
        if found.get(name):
            result[split] = found[name]
        elif split == "train" or name != split or getattr(params, split) == "all":
            cut = "" if split == "train" else ", or a number of rows, which are cut from train"
            raise InputError(
                f"{where}: {what(params.data_dir, params.config)} lacks {name}, has {sorted(found)}; set the "
                f"profile's data.splits.{split} to one of them{cut}"
            )
    for path in (path for paths in result.values() for path in paths):
        if suffix_of(Path(path)) not in SUFFIXES:
            raise InputError(
                f"{path}: expected one of {', '.join(SUFFIXES)}, or one of them gzipped; take a branch or a "
                "repository that has it"
            )
    if partial := [path for paths in result.values() for path in paths if "partial-" in path]:
        log.warning("%s: only the first rows were converted; the original repository has more", partial[0])
    return result


def hub_path(repo: str, commit: str, path: str) -> str:
    """Return how `datasets` names a file of a dataset."""
    return f"hf://datasets/{repo}@{commit}/{path}"


@contextmanager
def listed_in_cache(repo: str, commit: str) -> Iterator[Path]:
    """Yield a folder with the files of a dataset by name, all empty but its card.

    `datasets` tells by these which files are a split's; in huggingface_hub's cache, where the files are, it
    does not look.

    Raises:
        InputError: HF_HOME has no listing of them, or lacks the card.
    """
    names = cached_listing(repo, commit, "dataset")
    cards = {name: cached_file(repo, commit, "dataset", name) for name in CARD_FILES if name in names}
    if not names or None in cards.values():
        raise InputError(f"{repo}@{commit}: {OFFLINE_ROWS}")
    with TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(card.read_bytes() if (card := cards.get(name)) else b"")
        yield Path(folder).resolve()


def columns_in(params: HubParams, has: list[str], path: str) -> dict[str, str]:
    """Return our names, and those of the file's columns: as the params map them, or those with our names.

    Raises:
        InputError: one that is mapped is not there, or one that is needed.
    """
    mapped = {name: name for name in TEXTS[1:] if name in has} | (params.columns or {})
    wanted = {"text": "text", "summary": "summary"} | mapped
    if missing := [theirs for theirs in wanted.values() if theirs not in has]:
        raise InputError(
            f"{path}: lacks columns {missing}, has {has}; set the profile's data.columns to those that it has"
        )
    return wanted


def check_footers(
    split: str, paths: list[str], params: HubParams, documented: int | None
) -> tuple[int, dict[str, str]]:
    """Return the rows of a split's Parquet files, and the columns to read; what is odd is logged.

    Raises:
        InputError: a file is not readable, or lacks a column that is needed.
    """
    count, columns = 0, dict[str, str]()
    for path in paths:
        with parquet(path) as (file, _):
            count, schema = count + file.metadata.num_rows, file.schema_arrow
        columns = columns_in(params, schema.names, path)
        for name in set(columns) - {"text", "summary"}:
            if pa.types.is_nested(schema.field(columns[name]).type):
                log_left_out(columns.pop(name))
    if documented not in (None, count):
        log.warning("%-10s has %d rows in the repository; MLSUM's card says %d", split, count, documented)
    return count, columns


@cache
def log_left_out(column: str) -> None:
    """Say, once, that a column of a corpus is not taken."""
    log.warning("column %s holds no texts, and is left out", column)


@contextmanager
def parquet(path: str) -> Iterator[tuple[ParquetFile, int]]:
    """Yield a Parquet file, local or of the hub (`hf://`), and its size; its faults are InputErrors."""
    with parquet_errors(path), hub_errors(path):  # the hub's faults are OSErrors too
        if path.startswith("hf://"):
            source = with_retries(path, lambda: HfFileSystem().open(path, block_size=READ_AHEAD))
            size = source.size
        else:
            source, size = pa.OSFile(path), Path(path).stat().st_size
        with source, ParquetFile(source, pre_buffer=False, page_checksum_verification=True) as file:
            yield file, size


def hub_rows(paths: list[str], count: int | None, columns: dict[str, str]) -> Iterator[RawRow]:
    """Yield the first `count` rows of a split's Parquet files (None: all); a text that is missing is "".

    A row group is read when its first row is wanted; nothing but Parquet's own checksums, which few files
    have, tells whether a range came as it was sent. `datasets` would ask for 32 MiB ahead, and with less
    its reader hung at the end of the process (datasets 5.2, https://github.com/apache/arrow/issues/45214).

    Raises:
        InputError: the hub fails, a file is damaged, or a value is no text.
    """
    left = math.inf if count is None else count
    for path in paths:
        with parquet(path) as (file, size):
            for group in range(file.num_row_groups):
                if left <= 0:
                    return
                for row in untrusted_rows(file, path, size, list(columns.values()), [group]):
                    if left <= 0:
                        return
                    left -= 1
                    yield under_our_names(row, columns, path)


def under_our_names(row: dict[str, Any], columns: dict[str, str], where: str) -> RawRow:
    """Return a row of the hub under our names; a list of summaries is one and further references."""
    result: RawRow = dict.fromkeys(TEXTS[1:], "")
    for name, theirs in columns.items():
        value = row.get(theirs)
        if name not in ("text", "summary") and isinstance(value, list | dict):
            log_left_out(theirs)
            continue
        result |= (
            summaries_of(value, where, theirs) if name == "summary" else {name: text_of(value, where, theirs)}
        )
    return result


def whole_rows(paths: list[str], params: HubParams) -> Iterator[RawRow]:
    """Yield the rows of a split's local files that are no Parquet, under our names."""
    for path in map(Path, paths):
        columns: dict[str, str] = {}

        def choose(has: list[str], path: Path = path, columns: dict[str, str] = columns) -> list[str]:
            columns.update(columns_in(params, has, str(path)))
            return list(columns.values())

        for where, row in read_rows(path, choose, separator=None):
            yield under_our_names(row, columns, where)


def card_licence(repo: str, commit: str) -> str:
    """Return the licence that a dataset's card names, several by commas, or that it names none.

    A branch of converted rows has no card: then it is that of the main branch.
    """
    licence: Any = None
    if constants.is_offline_mode():
        path = cached_file(repo, commit, "dataset", "README.md")
        with suppress(ValueError, YAMLError):  # a header that is no YAML names none
            licence = DatasetCard.load(path).data.get("license") if path else None
    else:
        licence = licence_at(repo, commit)
        if not licence:
            with suppress(InputError):  # without a main branch there is no other card
                licence = licence_at(repo, None)
    named = ", ".join(licence) if isinstance(licence, list) else licence
    return str(named) if named else "none named in the repository's card"


def licence_at(repo: str, revision: str | None) -> Any:
    """Return what the card of a dataset says of its licence at a revision, by default the main branch."""
    where = f"{repo}@{revision or 'main'}"
    card = with_retries(where, lambda: HfApi().dataset_info(repo, revision=revision)).card_data
    return card.get("license") if card else None


def hub_splits(params: HubParams, origin: dict[str, Any]) -> Mapping[str, Iterable[RawRow]]:
    """Return the rows of each split at the commit of `origin`, in the repository's order.

    Where all rows are wanted, the files are fetched whole and verified; where the first few are, they
    are streamed by ranges: no more is fetched than the row groups that hold them. What is streamed is not
    kept, so under HF_HUB_OFFLINE the files have to lie in HF_HOME whole. Files that are no Parquet are
    fetched whole. A split that is not there is cut from train, drawn by `data.seed`, which `origin` is told.
    """
    commit = origin["commit"]
    found = data_files(params.repo, commit, params.data_dir, params.config)
    files = chosen_files(params, found, f"{params.repo}@{commit}")
    documented = MLSUM_ROWS.get(params.data_dir or params.config or "", {}) if is_mlsum(params.repo) else {}
    missing = [split for split in SPLITS if split not in files]
    sizes = {split: getattr(params, split) for split in SPLITS}
    splits: dict[str, Iterable[RawRow]] = {}
    for split, paths in files.items():
        asked = sizes[split]
        if split == "train" and asked != "all":
            asked += sum(sizes[name] for name in missing)
        is_parquet = all(suffix_of(Path(path)) == ".parquet" for path in paths)
        if asked == "all" or constants.is_offline_mode() or not is_parquet:
            paths = download_files(params.repo, commit, paths)
        if is_parquet:
            count, columns = check_footers(split, paths, params, documented.get(split))
            read = partial(hub_rows, paths, None if asked == "all" else asked, columns)
        else:
            count, read = sum(1 for _ in whole_rows(paths, params)), partial(first_of, asked, paths, params)
        if asked != "all" and count < asked:
            log.warning("%-10s %d rows were asked for, and the repository has %d", split, asked, count)
        total = count if asked == "all" else min(count, asked)
        if split == "train" and missing:
            cut = {name: sizes[name] for name in missing}
            splits |= cut_from_train(read, total, cut, params.seed)
            origin |= {f"{name}_cut_from_train": size for name, size in cut.items()}
        else:
            splits[split] = numbered(read(), split)
    return {split: splits[split] for split in SPLITS}


def first_of(size: int | str, paths: list[str], params: HubParams) -> Iterator[RawRow]:
    """Yield the first `size` rows of files that are no Parquet, or "all"."""
    yield from islice(whole_rows(paths, params), None if size == "all" else int(size))


def cut_from_train(
    read: Callable[[], Iterator[RawRow]], total: int, sizes: dict[str, int], seed: int
) -> dict[str, Iterable[RawRow]]:
    """Return train and the splits of `sizes`, drawn by `seed` from `total` rows, which `read` yields.

    They keep the ids that they have in train, and are there once train has been read.

    Raises:
        InputError: they leave nothing to train on.
    """
    if (cut := sum(sizes.values())) >= total:
        raise InputError(
            f"params.yaml: data.{' and data.'.join(sizes)}: expected fewer than the {total} rows of train, "
            f"which they are cut from, got {cut}; lower them"
        )
    drawn, goes_to, kept = Random(seed).sample(range(total), cut), dict[int, str](), dict[str, list[RawRow]]()
    for split, size in sizes.items():
        goes_to |= dict.fromkeys(drawn[:size], split)
        drawn, kept[split] = drawn[size:], []
        log.warning("%-10s is not in the repository: %d rows are cut from train, by data.seed", split, size)

    def train() -> Iterator[RawRow]:
        for place, row in enumerate(numbered(read(), "train")):
            if place in goes_to:
                kept[goes_to[place]].append(row)
            else:
                yield row

    return {"train": train(), **kept}


def download_files(repo: str, commit: str, paths: list[str]) -> list[str]:
    """Return where the files at the `hf://` paths lie here, fetched and verified.

    Raises:
        InputError: the hub fails; or, under HF_HUB_OFFLINE, one is not in HF_HOME, or is damaged.
    """
    names = [path.removeprefix(hub_path(repo, commit, "")) for path in paths]
    if constants.is_offline_mode():
        for name in names:
            if not cached_file(repo, commit, "dataset", name):
                raise InputError(f"{repo}@{commit}: {name}: {OFFLINE_ROWS}")
        listed = {}
    else:
        listed = list_repo_files(repo, commit, "dataset")
    fetched = fetch_files(repo, commit, "dataset", names, listed)
    return [str(fetched[name]) for name in names]


def hub_origin(params: HubParams) -> dict[str, Any]:
    """Return the repository, its commit, language and licence, as metrics/data.json records them."""
    commit = resolve_commit(params.repo, params.revision, "dataset")
    language = {"data_dir": params.data_dir} if params.data_dir else {}
    language |= {"config": params.config} if params.config else {}
    licence = MLSUM_LICENCE if is_mlsum(params.repo) else card_licence(params.repo, commit)
    log.info("%s at commit %s; licence: %s", params.repo, commit, licence)
    if commit != params.revision:
        log.info("%s may move; `python -m stages.fetch --pin` writes the commit down", params.revision)
    return {"repo": params.repo, "commit": commit, **language, "licence": licence}
