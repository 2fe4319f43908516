"""Files and folders that appear whole or not at all, and reading that is bounded."""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from safetensors import SafetensorError

from resumen.runtime.errors import InputError
from resumen.runtime.guards import MAX_BYTES, MAX_TOKENIZER, read_bounded

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# The errors of safetensors are no OSErrors; 112 and 39 are those of Windows.
SAFETENSORS_DISK_FULL = re.compile(r"os error (28|112|122|39)\b")


class Openable(Protocol):
    """A path, or what is opened in place of one."""

    def open(self, mode: str, *, encoding: str | None) -> Any: ...


Opened = TypeVar("Opened", bound=Openable)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
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
        for file in list_files(partial):
            flush(file)
        if path.is_dir() or (os.name == "nt" and path.exists()):  # Windows replaces nothing read-only
            path.replace(old)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        if getattr(error, "errno", None) not in DISK_FULL and not SAFETENSORS_DISK_FULL.search(str(error)):
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


def list_files(path: Path) -> list[Path]:
    """Return the files of a folder in a fixed order, or `path` itself."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def size_of(path: Path) -> int:
    """Return the bytes of a file or of a folder's files; 0 if there is none."""
    return sum(file.stat().st_size for file in list_files(path)) if path.exists() else 0


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with opened(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def md5_of(path: Path) -> str:
    """Return the hash that DVC gives a file or a folder, as it stands in dvc.lock."""
    if path.is_dir():
        return hashlib.md5(folder_list(path), usedforsecurity=False).hexdigest() + ".dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def folder_list(folder: Path) -> bytes:
    """Return the list of a folder's files as DVC keeps it; its md5 is the folder's."""
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return json.dumps([{"md5": md5_of(folder / name), "relpath": name} for name in names]).encode()


def sha256_of_json(value: Any) -> str:
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
    """Remove the files of `folder` whose name, up to its first dot, is not in `known`; return their paths.

    A system that was taken out of params.yaml leaves its file behind: DVC forgets it, but hashes
    the folder with it, so a fresh clone would re-run.
    """
    keep = set(known)
    orphans = sorted(path for path in folder.glob("*") if path.name.split(".")[0] not in keep)
    for path in orphans:
        remove(path)
    return [str(path) for path in orphans]


def read_bytes(path: Path) -> bytes:
    """Return what `path` holds.

    Raises:
        InputError: the file is missing or too large.
    """
    with opened(path, "rb") as file:
        return read_bounded(file, path, MAX_TOKENIZER if path.name == "tokenizer.json" else MAX_BYTES)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, line ends as they are."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


@contextmanager
def opened(path: Openable, mode: str = "r") -> Iterator[Any]:
    """Yield `path` opened, a missing one being the user's to fix."""
    try:
        file = require_file(path).open(mode, encoding=None if "b" in mode else "utf-8")
    except FileNotFoundError as error:
        raise InputError(not_found(path)) from error
    with file:
        yield file


def not_found(path: object) -> str:
    """Return the message for a file that is not there."""
    return f"{path}: not found; `dvc repro` makes what is missing"


def require_file(path: Opened) -> Opened:
    """Return `path` unless a folder, a pipe or a device stands there, which never end or say nothing.

    Raises:
        InputError: one does.
    """
    if isinstance(path, Path) and path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise InputError(f"{path}: expected a file, got {kind}; name a file, or copy into one what it gives")
    return path


def not_utf8(where: str, error: UnicodeDecodeError) -> str:
    """Return the message for bytes that are not UTF-8."""
    byte = error.object[error.start]
    return f"{where}: not UTF-8, got byte 0x{byte:02x}; save the file as UTF-8 and try again"
