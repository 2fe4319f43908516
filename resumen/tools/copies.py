"""Copies: every file whose hash DVC or the maker of a model tells, with what it should be and what it is."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5, new
from pathlib import Path
from typing import Any, NamedTuple

from dvc.fs import LocalFileSystem, localfs
from dvc.repo import Repo

from resumen.runtime.errors import first_line
from resumen.runtime.jsonfiles import read_json
from resumen.runtime.paths import MINIATURE_WEIGHTS
from resumen.runtime.progress import track

MEGABYTE = 1_000_000
REMOTE = "remote "
UNREADABLE = "nothing readable"
OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")  # another name is what a killed `dvc` left behind
SHIPPED = re.compile(r"^(?:\| |`)(\S+?)(?: \|.*|`: sha256) `([0-9a-f]{64})`", re.MULTILINE)

Store = Any  # DVC's cache or a remote: objects by their hash, on a file system of its own
Stores = dict[str, Store]  # remotes, by name


class Out(NamedTuple):
    """A file or a folder that a stage wrote, as dvc.lock has it."""

    stage: str
    path: str
    oid: str  # its md5; of a folder the md5 of the list of its files, and .dir
    is_cached: bool  # git keeps the others


class Copy(NamedTuple):
    """A file, and the hash that its bytes should have."""

    location: str  # "cache", "workspace", "shipped" (with the code) or REMOTE and its name
    path: str
    expected: str  # as DVC names it; "" if there should be no such file
    owner: str  # whose it is, for the reader
    out: Out | None = None
    fs: Any = localfs
    algorithm: str = "md5"


class State(NamedTuple):
    """What every copy holds, what of it is wrong and why, and what is no fault but worth knowing."""

    held: dict[Copy, str]
    wrong: dict[Copy, str]  # the bytes are not those that the hash is of
    unsound: dict[Copy, str]  # they are, and were damaged before DVC hashed them
    notes: list[str]
    num_bytes: int


def matches(actual: str, oid: str) -> bool:
    """Return whether a file with this hash is the one that DVC names `oid`."""
    return actual == oid.removesuffix(".dir")


def copy_hash(copy: Copy) -> str:
    """Return the hash of the bytes that are there now, "" if none are, or why they cannot be read."""
    if copy.location == "workspace" and copy.expected.endswith(".dir"):
        return md5(listed(Path(copy.path)), usedforsecurity=False).hexdigest()
    hasher = new(copy.algorithm, usedforsecurity=False)
    try:
        with copy.fs.open(copy.path, "rb") as file:
            while chunk := file.read(MEGABYTE):
                hasher.update(chunk)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{UNREADABLE} ({error.strerror or first_line(error)})"
    return hasher.hexdigest()


def listed(folder: Path) -> bytes:
    """Return the list of a folder's files as DVC writes it; its md5 is the folder's."""
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    files = [{"md5": copy_hash(Copy("", str(folder / name), "", "")), "relpath": name} for name in names]
    return json.dumps(files).encode()


def folder_list(out: Out, stores: Iterable[Store]) -> bytes | None:
    """Return the list of a folder's files from the first place that has it right, or None."""

    def contents() -> Iterator[bytes]:
        for store in stores:
            try:
                with store.fs.open(store.oid_to_path(out.oid), "rb") as file:
                    yield file.read()
            except OSError:
                continue
        yield listed(Path(out.path))

    right = (
        output for output in contents() if matches(md5(output, usedforsecurity=False).hexdigest(), out.oid)
    )
    return next(right, None)


def out_files(out: Out, stores: Iterable[Store]) -> dict[str, str]:
    """Return the hash of each file of an out, by path; of a folder whose list is lost, its own."""
    content = folder_list(out, stores) if out.oid.endswith(".dir") and not Path(out.path).is_file() else None
    if content is None:
        return {out.path: out.oid}
    files = {str(Path(out.path, row["relpath"])): row["md5"] for row in json.loads(content)}
    strays = {str(file) for file in Path(out.path).rglob("*") if file.is_file()} - files.keys()
    return {**files, **dict.fromkeys(sorted(strays), "")}


def recorded(repo: Repo) -> list[Out]:
    """Return the outs of dvc.lock; a stage that has not run has none."""
    return [
        Out(out.stage.addressing, os.path.relpath(out.fs_path), out.hash_info.value, out.use_cache)
        for out in repo.index.outs
        if out.is_in_repo and out.hash_info and out.hash_info.name == "md5"
    ]


def known_copies(repo: Repo, remotes: dict[str, Store]) -> tuple[list[Copy], list[Out]]:
    """Return every file that DVC has a hash of, and the outs of which the workspace has nothing."""
    cache, copies, absent = repo.cache.local, [], []
    owners, needed = defaultdict(list), set()
    for out in recorded(repo):
        files = out_files(out, [cache, *remotes.values()])
        if os.path.lexists(out.path):
            copies += [Copy("workspace", path, oid, out.stage, out) for path, oid in files.items()]
        else:
            absent.append(out)
        for path, oid in {**files, out.path: out.oid}.items():
            owners[oid].append((path, out))
            needed |= {oid} if out.is_cached and oid else set()
    stores = {"cache": cache, **{REMOTE + name: remote for name, remote in remotes.items()}}
    for location, store in stores.items():
        others = cache.all() if location == "cache" else ()  # of older commits; of metrics, for the run cache
        for oid in sorted(needed.union(oid for oid in others if OBJECT.fullmatch(oid))):
            owner, whose = "of no stage in this dvc.lock", None
            if oid in owners:
                (path, whose), *more = owners[oid]
                owner = f"{whose.stage}: {path}" + (f" and {len(more)} more" if more else "")
            copies.append(Copy(location, store.oid_to_path(oid), oid, owner, whose, store.fs))
    return copies, absent


def shipped_copies(folder: Path) -> list[Copy]:
    """Return the miniatures, with the hashes that their README has."""
    readme = folder / "README.md"
    table = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    files = {
        name if "." in name else f"{name}.safetensors": sha256 for name, sha256 in SHIPPED.findall(table)
    }
    return [
        Copy("shipped", str(MINIATURE_WEIGHTS / name), sha256, str(readme), algorithm="sha256")
        for name, sha256 in files.items()
    ]


def weights_copies(provenances: Iterable[Copy]) -> list[Copy]:
    """Return the files of models, with the hashes that `weights` and `finetune` recorded of them."""
    return [
        copy._replace(path=str(Path(copy.path).with_name(name)), expected=sha256, algorithm="sha256")
        for copy in provenances
        for name, sha256 in read_json(Path(copy.path))["sha256"].items()
    ]


def identity(copy: Copy) -> tuple[Hashable, int]:
    """Return what the hard links of one file have in common, and its size in bytes."""
    try:
        if isinstance(copy.fs, LocalFileSystem):
            info = Path(copy.path).stat()
            return (info.st_dev, info.st_ino, copy.algorithm), info.st_size
        return copy.path, copy.fs.info(copy.path)["size"]
    except OSError:
        return copy.path, 0


def hashed(copies: list[Copy]) -> tuple[dict[Copy, str], int]:
    """Return what each copy holds, and how many bytes were read; hard links are read once."""
    keys = {copy: identity(copy) for copy in copies}
    files = {key: copy for copy, key in keys.items()}
    output = {}

    def megabytes() -> Iterator[int]:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for key, actual in zip(files, pool.map(copy_hash, files.values()), strict=True):
                output[key] = actual
                yield from range(1 + key[1] // MEGABYTE)

    total = sum(1 + size // MEGABYTE for _, size in files)
    for _ in track(megabytes(), "doctor read", total, "MB"):
        pass
    return {copy: output[key] for copy, key in keys.items()}, sum(size for _, size in files)
