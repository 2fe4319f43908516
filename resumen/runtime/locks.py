"""Work that outlives its process: a folder for what is done so far, found again by what decides the result.

The folder lies under `.resumen/` of the repository (of the main one, for an experiment that DVC runs in a
folder of its own), outside DVC's outs, which DVC removes before a stage runs. It is locked while in use.
"""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from resumen.runtime.errors import InputError
from resumen.runtime.files import remove, sha256_of_json, write_text
from resumen.runtime.paths import KEPT_DIR

DAYS_KEPT = 14  # of what nobody has gone on with
FINISHED = "finished"
GONE = ".gone"  # of a folder that is being removed


def resume_dir() -> Path:
    """Return where the folders are: beside `.dvc` of the main repository, also under `dvc exp run --temp`."""
    return Path(os.environ.get("DVC_ROOT", ".")) / KEPT_DIR


@contextmanager
def locked_folder(
    work: str, parts: dict[str, str], log: logging.Logger, rank: int, world_size: int
) -> Iterator[Path]:
    """Yield the folder of `work`, locked: as an earlier run with the same `parts` left it, or empty.

    A second run beside a running one, of the same parts or in the same workspace, waits, and takes over what
    the first has finished; where several processes work together it says so and ends. What is kept of other
    work that is finished, or of any that has been left for days, is removed. `rank` of
    `world_size` processes is this one: only rank 0 has the folder, the others have one that goes with them.
    """
    if rank:
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
        return
    key = sha256_of_json([f"{name} {value}" for name, value in parts.items()])[:16]
    folder = resume_dir() / work / key
    with ExitStack() as locks:
        # of what this workspace's run writes, and of the work, which another workspace may be doing
        here, same = f"{work} is under way in this folder", "the same is under way in another process"
        own = [
            acquire(KEPT_DIR / f"{work}.lock", here, locks, log, world_size),
            acquire(lock_of(folder), same, locks, log, world_size),
        ]
        if (folder / FINISHED).exists() and not any(own):
            discard(folder)  # a run that is asked for again runs again
        folder.mkdir(exist_ok=True)
        remove_old(folder)
        yield folder


def acquire(path: Path, otherwise: str, locks: ExitStack, log: logging.Logger, world_size: int = 1) -> bool:
    """Hold the lock at `path` until `locks` closes; return whether it had to be waited for.

    `otherwise` is what it means that another holds it.

    Raises:
        InputError: several processes would have to wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, must_wait = FileLock(path), False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if world_size > 1:
            raise InputError(f"{path}: locked, {otherwise}; wait for its end") from None
        log.info("%s (%s); waiting for its end", otherwise, path)
        lock.acquire()
        must_wait = True
    locks.callback(lock.release)
    return must_wait


def discard(folder: Path) -> None:
    """Remove a folder so that no part of it is ever taken for the whole."""
    gone = folder.with_name(folder.name + GONE)
    remove(gone)
    folder.rename(gone)
    remove(gone)


def finish(folder: Path) -> None:
    """Note that the work of `folder` is done; what a run that waits for it needs stays."""
    write_text(folder / FINISHED, "")


def lock_of(folder: Path) -> Path:
    """Return the lock of a folder; it stays, since a lock that is removed may be held twice."""
    return folder.with_name(folder.name.removesuffix(GONE) + ".lock")


def remove_old(own: Path) -> None:
    """Remove the folders that nobody works on: the finished ones beside `own`, and all that were left."""

    def is_over(folder: Path) -> bool:
        is_finished = folder.parent == own.parent and (folder / FINISHED).exists()
        newest = max(file.stat().st_mtime for file in (folder, *folder.rglob("*")))
        return folder.suffix == GONE or is_finished or time.time() - newest > DAYS_KEPT * 86_400

    for folder in resume_dir().glob("*/*"):
        try:
            if folder == own or not folder.is_dir() or not is_over(folder):
                continue
            with FileLock(lock_of(folder), timeout=0):
                if folder.suffix == GONE:
                    remove(folder)
                elif is_over(folder):
                    discard(folder)
        except (Timeout, FileNotFoundError):  # at work, or removed by another process
            continue
