"""Work that outlives its process: a folder for what is done so far, found again by what decides the result.

The folder lies under `.resumen/` of the repository (of the main one, for an experiment that DVC runs in a
folder of its own), outside DVC's outs, which DVC removes before a stage runs. It is locked while in use.
"""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from stages.shared.checkpoint import PROVENANCE
from stages.shared.cli import InputError
from stages.shared.files import digest, digest_of, files_of, remove, write_text
from stages.shared.params import Block
from stages.shared.ranks import gathered, num_ranks, rank

DAYS_KEPT = 14  # of what nobody has gone on with
FINISHED = "finished"
GONE = ".gone"  # of a folder that is being removed


def fingerprint(params: Iterable[Block], paths: Iterable[Path], **others: str) -> dict[str, str]:
    """Return what decides a result, by name: params, the files at `paths`, the code that is loaded, `others`.

    Raises:
        InputError: another process of this run has other ones.
    """
    loaded = [module for name, module in sys.modules.items() if name.split(".")[0] in ("stages", "__main__")]
    files = {Path(file) for module in loaded if (file := getattr(module, "__file__", None))}
    code = [file for file in files if file.parent.name in ("stages", "shared")]
    parts = {
        "params": digest_of([repr(block) for block in params]),
        **{str(path): digest_of([digest(file) for file in deciding(path)]) for path in paths},
        "the code": digest_of(sorted(f"{file.name} {digest(file)}" for file in code)),
        **{library: version(library) for library in ("torch", "transformers", "tokenizers")},
        **others,
    }
    for other, theirs in enumerate(gathered(parts)):
        if differing := [name for name in parts if parts[name] != theirs.get(name)]:
            raise InputError(
                f"process {other}: {differing[0]} is not that of process {rank()}; every machine needs the "
                "same commit, params.yaml and inputs: `git pull`, `dvc pull`"
            )
    return parts


def deciding(path: Path) -> list[Path]:
    """Return the files whose bytes say what `path` holds.

    Of a checkpoint it is the provenance, against whose hashes the others are held when it is loaded.
    """
    provenance = path / PROVENANCE
    return [provenance] if provenance.is_file() else files_of(path)


def home() -> Path:
    """Return where the folders are: beside `.dvc` of the main repository, also under `dvc exp run --temp`."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".resumen"


@contextmanager
def locked_folder(work: str, parts: dict[str, str], log: logging.Logger) -> Iterator[Path]:
    """Yield the folder of `work`, locked: as an earlier run with the same `parts` left it, or empty.

    A second run beside a running one, of the same parts or in the same workspace, waits, and takes over what
    the first has finished; where several processes work together it says so and ends. What is kept of other
    work that is finished, or of any that has been left for days, is removed. Only rank 0 has the folder; the
    others have one that goes with them.
    """
    if rank():
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
        return
    key = digest_of([f"{name} {value}" for name, value in parts.items()])[:16]
    folder = home() / work / key
    with ExitStack() as locks:
        # of what this workspace's run writes, and of the work, which another workspace may be doing
        here, same = f"{work} is under way in this folder", "the same is under way in another process"
        own = [
            acquired(Path(".resumen") / f"{work}.lock", here, locks, log),
            acquired(lock_of(folder), same, locks, log),
        ]
        if (folder / FINISHED).exists() and not any(own):
            discard(folder)  # a run that is asked for again runs again
        folder.mkdir(exist_ok=True)
        remove_old(folder)
        yield folder


def acquired(path: Path, otherwise: str, locks: ExitStack, log: logging.Logger) -> bool:
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
        if num_ranks() > 1:
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

    for folder in home().glob("*/*"):
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
