"""MLSUM on the hub: where the files of a language lie, what they should hold, and their rows, streamed."""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from huggingface_hub import DatasetCard, HfApi, HfFileSystem, constants
from pyarrow.parquet import ParquetFile
from yaml import YAMLError

from resumen.formats.parquet import untrusted_rows
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
from resumen.sources.rows import RawRow, numbered
from resumen.sources.userfiles import text_of

log = logging.getLogger("fetch")

# Scialom et al. 2020, https://arxiv.org/abs/2004.14900; rows a split, as the dataset's card has them.
MLSUM_ROWS = {
    "de": {"train": 220_887, "validation": 11_394, "test": 10_701},
    "es": {"train": 266_367, "validation": 10_358, "test": 13_920},
    "fr": {"train": 392_902, "validation": 16_059, "test": 15_828},
    "ru": {"train": 25_556, "validation": 750, "test": 757},
    "tu": {"train": 249_277, "validation": 11_565, "test": 12_775},
}
CARD_FILES = ("README.md", "dataset_infos.json", ".huggingface.yaml")  # say which files belong to a name
OFFLINE_ROWS = (
    "HF_HUB_OFFLINE is set, and HF_HOME lacks it: the first rows of a split are streamed, and only files of "
    "which all are wanted (data.train=all) are kept; unset it, or use profile=mini"
)
READ_AHEAD = 1 << 20  # bytes beyond what is asked for, of a file that is read by ranges
MLSUM_LICENCE = "non-commercial research only; the articles remain the newspapers'"


def is_mlsum(repo: str) -> bool:
    """Return whether `repo` (owner/name) is a copy of MLSUM, going by its name.

    >>> is_mlsum("reciTAL/mlsum"), is_mlsum("me/noticias")
    (True, False)
    """
    return repo.lower().endswith("/mlsum")


def data_files(repo: str, commit: str, data_dir: str | None, config: str | None) -> dict[str, list[str]]:
    """Return the Parquet files of each split, as `hf://` paths in their order, where `datasets` finds them.

    Raises:
        InputError: there is no such folder or name, a split is missing, or the files are no Parquet.
    """
    from datasets import load_dataset_builder  # 1 s to import, and only this source needs it

    log_once("datasets")
    where, key = f"{repo}@{commit}", "data_dir" if data_dir else "config"

    def find(path: str) -> dict[str, list[str]]:
        builder = load_dataset_builder(path, config, data_dir=data_dir, revision=commit)
        return {str(split): list(files) for split, files in (builder.config.data_files or {}).items()}

    try:
        if constants.is_offline_mode():
            with listed_in_cache(repo, commit) as folder:
                found, there = find(str(folder)), hub_path(repo, commit, "")
                result = {
                    split: [there + Path(file).relative_to(folder).as_posix() for file in files]
                    for split, files in found.items()
                }
        else:  # `datasets` says less of what may not be read
            with_retries(where, lambda: HfApi().auth_check(repo, repo_type="dataset"))
            result = with_retries(where, lambda: find(repo))
    except (FileNotFoundError, ValueError, RuntimeError) as error:  # no folder; no name; a script
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: nothing for {key} {data_dir or config!r}: {first_line(error)}") from error
    for split in SPLITS:
        if not result.get(split):
            raise InputError(f"{where}: {key} {data_dir or config!r} lacks {split}, has {sorted(result)}")
        if others := [file for file in result[split] if not file.endswith(".parquet")]:
            raise InputError(f"{others[0]}: expected Parquet; take a branch or a repository that has it")
    return {split: result[split] for split in SPLITS}


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


def check_footers(split: str, paths: list[str], documented: int | None) -> None:
    """Hold a split's files against what MLSUM's should be; a number of rows that differs is logged.

    Raises:
        InputError: a file is not readable, or lacks a column that is needed.
    """
    count = 0
    for path in paths:
        with parquet(path) as (file, _):
            count, names = count + file.metadata.num_rows, file.schema_arrow.names
        if missing := [name for name in ("text", "summary") if name not in names]:
            raise InputError(f"{path}: lacks columns {missing}, has {names}; expected those of MLSUM")
    if documented not in (None, count):
        log.warning("%-10s has %d rows in the repository; MLSUM's card says %d", split, count, documented)


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


def hub_rows(paths: list[str], count: int | None) -> Iterator[dict[str, str]]:
    """Yield the first `count` rows of a split's files (None: all) in MLSUM's columns; what is missing is "".

    A row group is read when its first row is wanted; nothing but Parquet's own checksums, which few files
    have, tells whether a range came as it was sent. `datasets` would ask for 32 MiB ahead, and with less
    its reader hung at the end of the process (datasets 5.2, https://github.com/apache/arrow/issues/45214).

    Raises:
        InputError: the hub fails, a file is damaged, or a value is no text.
    """
    wanted = [name for name in TEXTS if name != "id"]
    left = math.inf if count is None else count
    for path in paths:
        with parquet(path) as (file, size):
            columns = [name for name in wanted if name in file.schema_arrow.names]
            for group in range(file.num_row_groups):
                if left <= 0:
                    return
                for row in untrusted_rows(file, path, size, columns, [group]):
                    if left <= 0:
                        return
                    left -= 1
                    yield {name: text_of(row.get(name), path, name) for name in wanted}


def card_licence(repo: str, commit: str, repo_type: str) -> str:
    """Return the licence that the repository's card names, several by commas, or that it names none."""
    if constants.is_offline_mode():
        path, card = cached_file(repo, commit, repo_type, "README.md"), None
        with suppress(ValueError, YAMLError):  # a header that is no YAML names none
            card = DatasetCard.load(path).data if path else None
    else:
        where = f"{repo}@{commit}"
        info = with_retries(where, lambda: HfApi().repo_info(repo, revision=commit, repo_type=repo_type))
        card = getattr(info, "card_data", None)  # a kernel has none
    licence = card.get("license") if card else None
    named = ", ".join(licence) if isinstance(licence, list) else licence
    return str(named) if named else "none named in the repository's card"


def hub_splits(params: HubParams, origin: dict[str, Any]) -> Mapping[str, Iterable[RawRow]]:
    """Return the rows of each split at the commit of `origin`, in the repository's order.

    Where all rows are wanted, the files are fetched whole and verified; where the first few are, they
    are streamed by ranges: no more is fetched than the row groups that hold them. What is streamed is not
    kept, so under HF_HUB_OFFLINE the files have to lie in HF_HOME whole.
    """
    commit = origin["commit"]
    files = data_files(params.repo, commit, params.data_dir, params.config)
    documented = MLSUM_ROWS.get(params.data_dir or params.config or "", {}) if is_mlsum(params.repo) else {}
    splits = {}
    for split, paths in files.items():
        size = getattr(params, split)
        if size == "all" or constants.is_offline_mode():
            paths = download_files(params.repo, commit, paths)
        check_footers(split, paths, documented.get(split))
        splits[split] = numbered(hub_rows(paths, None if size == "all" else size), split)
    return splits


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
    language = {"data_dir": params.data_dir} if params.data_dir else {"config": params.config}
    licence = MLSUM_LICENCE if is_mlsum(params.repo) else card_licence(params.repo, commit, "dataset")
    log.info("%s at commit %s; licence: %s", params.repo, commit, licence)
    if commit != params.revision:
        log.info("%s may move; `python -m stages.fetch --pin` writes the commit down", params.revision)
    return {"repo": params.repo, "commit": commit, **language, "licence": licence}
