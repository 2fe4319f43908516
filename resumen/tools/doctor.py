"""Doctor: hold every byte that the pipeline keeps against its hash, and repair what is wrong.

DVC knows a file by its time, inode and size, so it does not see a flipped byte. Here every byte is read: the
objects of DVC's cache, whose names are their md5, the outs of dvc.lock, models by the hashes that came with
them, the pages of Parquet files and, with --remote, what the remote should hold. Exit code 1: one is wrong.

Reads   DVC's cache, dvc.lock and the outs that it names, miniatures/, a remote
Writes  nothing; with --fix wrong files are moved to .cache/doctor/, wrong objects are removed, and git and
        DVC bring right ones. An object of the cache that the workspace has right is copied from there.

    resumen doctor
    resumen doctor --remote --fix
"""

import json
import logging
import os
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import md5, new
from pathlib import Path
from typing import Any, NamedTuple

from resumen.runtime.cli import parser
from resumen.runtime.commands import call, output_of
from resumen.runtime.errors import InputError, first_line
from resumen.runtime.files import atomic_write, folder_list, md5_of, remove
from resumen.runtime.paths import ASIDE_DIR, LOCK, MINIATURE_WEIGHTS, MINIATURES_DIR
from resumen.runtime.progress import track
from resumen.runtime.provenance import PROVENANCE, check_hashes
from resumen.schema.params import read_yaml
from resumen.schema.rows import ROWS_PER_GROUP, open_parquet
from resumen.tools.private import Store, remote_errors, remote_store

log = logging.getLogger("doctor")

SHIPPED = re.compile(r"^(?:\| |`)(\S+?)(?: \|.*|`: sha256) `([0-9a-f]{64})`", re.MULTILINE)
ABSENT, UNREADABLE = "not there", "nothing readable"


class Out(NamedTuple):
    """A file or a folder that a stage wrote, as dvc.lock has it."""

    stage: str
    path: str
    oid: str  # its md5; of a folder that of the list of its files, and .dir
    is_cached: bool  # git keeps the others
    file: str = ""  # one file of it


class Copy(NamedTuple):
    """A file, and the hash that its bytes should have."""

    location: str  # cache, workspace, shipped (with the code), unsound (hashed when damaged), --remote=NAME
    path: str
    expected: str  # "" if there should be no such file
    owner: str  # whose it is, for the reader
    outs: tuple[Out, ...] = ()  # that hold it
    algorithm: str = "md5"
    opens: Callable[[str, str], Any] = open


def stages_now() -> set[str] | None:
    """Return the stages of dvc.yaml, or None; dvc.lock keeps those of entries that are gone."""
    try:
        return set(output_of("dvc", "stage", "list", "--name-only").split())
    except InputError:
        return None


def recorded() -> list[Out]:
    """Return the outs of dvc.lock and of the files of `dvc add`; a stage that has not run has none."""
    now = stages_now()
    names = output_of("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    of_git = {str(path) for name in names for path in (Path(name), *Path(name).parents)}
    outs = []
    for file in [LOCK, *(Path(name) for name in names if name.endswith(".dvc"))]:
        try:
            content = read_yaml(file)
            for stage, entry in content.get("stages", {str(file): content}).items():
                is_gone = file == LOCK and now is not None and stage not in now
                for out in [] if is_gone else entry.get("outs", []):
                    path = str(file.parent / entry.get("wdir", "") / out["path"])
                    if out.get("hash") == "md5" and "md5" in out:
                        outs.append(Out(stage, path, out["md5"], path not in of_git))
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"{file}: not as DVC writes it; `git checkout` the last one") from error
    return outs


def out_files(out: Out, stores: list[Store]) -> dict[str, str]:
    """Return the hash of each file of an out, by path; of a folder whose list is lost, its own."""
    folder = Path(out.path)
    if out.oid.endswith(".dir") and not folder.is_file():
        lists = [partial(store.content, out.oid) for store in stores]
        for read in [*lists, partial(folder_list, folder)]:
            with suppress(OSError):
                if md5(rows := read(), usedforsecurity=False).hexdigest() == out.oid[:32]:
                    files = {str(folder / row["relpath"]): row["md5"] for row in json.loads(rows)}
                    here = (str(file) for file in sorted(folder.rglob("*")) if file.is_file())
                    return {**dict.fromkeys(here, ""), **files}
    return {out.path: out.oid}


def known_copies(stores: list[Store]) -> list[Copy]:
    """Return every file that DVC has a hash of; none of the workspace of an out that is not there."""
    copies = []
    owners: dict[str, list[Out]] = defaultdict(list)
    for out in recorded():
        files, is_here = out_files(out, stores), os.path.lexists(out.path)
        for path, oid in {**files, out.path: out.oid}.items():
            owners[oid].append(out._replace(file=path))
            if is_here and path in files:
                copies.append(Copy("workspace", path, oid, out.stage, (owners[oid][-1],)))
    needed = {oid for oid, outs in owners.items() if oid and any(out.is_cached for out in outs)}
    for store in stores:
        for oid in sorted(store.names() if store.name == "cache" else needed):
            outs = tuple(owners[oid])
            owner = ", ".join(f"{out.stage}: {out.file}" for out in outs) or "of no stage in this dvc.lock"
            copies.append(Copy(store.name, store.path(oid), oid, owner, outs, opens=store.opens))
    return copies


def shipped_copies(folder: Path) -> list[Copy]:
    """Return the miniatures, with the hashes that their README has."""
    readme = folder / "README.md"
    table = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    copies = []
    for name, sha256 in SHIPPED.findall(table):
        path = MINIATURE_WEIGHTS / (name if "." in name else f"{name}.safetensors")
        copies.append(Copy("shipped", str(path), sha256, str(readme), algorithm="sha256"))
    return copies


def hash_of(copy: Copy) -> str:
    """Return the hash of the bytes that are there now, "" if none are, or why they cannot be read."""
    hasher, ending = new(copy.algorithm, usedforsecurity=False), Path(copy.expected).suffix
    try:
        if copy.location == "workspace" and ending and Path(copy.path).is_dir():
            return md5_of(Path(copy.path))
        with copy.opens(copy.path, "rb") as file:
            while chunk := file.read(1_000_000):
                hasher.update(chunk)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{UNREADABLE} ({error.strerror or first_line(error)})"
    return hasher.hexdigest() + ending


def fault(copy: Copy, actual: str) -> str:
    """Return what is wrong with a copy that holds `actual`, or ""."""
    if actual == copy.expected:
        return ""
    if not copy.expected:
        return "is no file of this folder in dvc.lock"
    return f"{f'got {copy.algorithm} {actual}' if actual else ABSENT}, expected {copy.expected}"


def faults_of(copies: list[Copy]) -> dict[Copy, str]:
    """Return what is wrong with each copy, or ""; hard links are read once."""

    def identity(copy: Copy) -> object:
        info = Path(copy.path).stat() if copy.opens is open and os.access(copy.path, os.F_OK) else None
        return (info.st_dev, info.st_ino, copy.algorithm) if info else copy

    keys = {copy: identity(copy) for copy in copies}
    files = {key: copy for copy, key in keys.items()}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        reading = track(pool.map(hash_of, files.values()), "doctor read", len(files), "file")
        hashes = dict(zip(files, reading, strict=True))
    return {copy: fault(copy, hashes[key]) for copy, key in keys.items()}


def earlier_damage(path: Path) -> str:
    """Return what was wrong with a Parquet file, or with a model, when DVC hashed it, or ""."""
    try:
        if path.suffix == ".parquet":
            with open_parquet(path) as file:
                for _ in file.iter_batches(ROWS_PER_GROUP):
                    pass
        elif path.name == PROVENANCE:
            check_hashes(path.parent)
    except InputError as error:
        return str(error).removeprefix(f"{path}: ").split("; `resumen doctor")[0]
    return ""


def examine(stores: list[Store]) -> dict[Copy, str]:
    """Return what is wrong with each copy, or ""; what is wrong is printed, a line each."""
    faults = faults_of([*known_copies(stores), *shipped_copies(MINIATURES_DIR)])
    num_files, here = len(faults), [copy for copy in faults if copy.location == "workspace"]
    damaged = {copy.outs[0].oid for copy in here if faults[copy]}
    sound = [copy for copy in here if copy.outs[0].oid not in damaged]
    faults |= {copy._replace(location="unsound"): earlier_damage(Path(copy.path)) for copy in sound}
    for remote in stores[1:]:
        theirs = [copy for copy in faults if copy.location == remote.name]
        if theirs and all(faults[copy].startswith(ABSENT) for copy in theirs):
            faults = {copy: message for copy, message in faults.items() if copy not in theirs}
            empty = Copy(remote.name, remote.name, "files", f"{len(theirs)} files")
            faults[empty] = f"{ABSENT}, none of them"
    wrong = {copy: message for copy, message in faults.items() if message}
    fix = " ".join(["resumen doctor", *(remote.name for remote in stores[1:]), "--fix"])
    for copy, message in wrong.items():
        is_read = UNREADABLE not in message or copy.location in ("workspace", "shipped")
        remedy = f"`{fix}` repairs it" if is_read else "see to the rights, the disk or the network"
        sys.stdout.write(f"{copy.path} ({copy.owner}): {message}; {remedy}\n")
    if not wrong and (stages := json.loads(output_of("dvc", "status", "--json"))):  # it fails at a wrong list
        what = "not in the workspace, not in DVC's cache or not as dvc.lock has it; `dvc status` says which"
        sys.stdout.write(f"{', '.join(stages)}: {what}\n")
    sys.stdout.write(f"{num_files} files read: {len(wrong) or 'no'} fault{'s' if len(wrong) > 1 else ''}\n")
    return faults


def is_wrong(copy: Copy) -> bool:
    """Return whether a copy is not what it should be now; what cannot be read may be right."""
    actual = hash_of(copy)
    return actual != copy.expected and not actual.startswith(UNREADABLE)


def repair_cache(objects: list[Copy]) -> None:
    """Remove the wrong ones of some objects, and put those in their place that the workspace has right."""
    for copy in filter(is_wrong, objects):
        remove(Path(copy.path))
        here = [Copy("workspace", out.file, copy.expected, "") for out in copy.outs]
        source = next((Path(one.path) for one in here if hash_of(one) == copy.expected), None)
        log.info("%s (%s): %s", copy.path, copy.owner, f"copied from {source}" if source else "removed")
        if source:
            with atomic_write(Path(copy.path)) as output:
                if source.is_dir():
                    output.write_bytes(folder_list(source))
                else:
                    shutil.copyfile(source, output)
                output.chmod(0o444)


def repair_workspace(wrong: list[Copy], cache: Store, remote: str) -> None:
    """Move wrong files aside, and let git and DVC bring right ones; else what git alone keeps goes back."""
    aside = ASIDE_DIR / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    of_git = [copy for copy in wrong if copy.expected and not any(out.is_cached for out in copy.outs)]
    for copy in wrong:
        if os.path.lexists(copy.path):
            (aside / copy.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(copy.path, aside / copy.path)
            log.info("%s: moved to %s", copy.path, aside / copy.path)
    for copy in of_git:
        call("git", "checkout", "--quiet", "--", copy.path)
    for command in ("checkout --force", f"pull --force {remote}", "repro"):
        wrong = [copy for copy in wrong if is_wrong(copy)]
        objects = [Copy("cache", cache.path(copy.expected), copy.expected, "") for copy in wrong]
        for copy in [*wrong, *filter(is_wrong, objects)]:  # a remote may have given wrong ones
            remove(Path(copy.path))
        outs = [out for copy in wrong for out in copy.outs if out.is_cached or command == "repro"]
        if outs:
            targets = {out.stage if command == "repro" else out.path for out in outs}
            call("dvc", *command.split(), *sorted(targets))
    for copy in of_git:
        if (aside / copy.path).exists() and not Path(copy.path).exists():
            shutil.move(aside / copy.path, copy.path)
            log.info("%s: nothing has a right one, and it is back where it was", copy.path)


def repair(faults: dict[Copy, str], stores: list[Store]) -> None:
    """Bring back what is wrong, from where it is right or else by its stage; what fails is found later."""
    cache, *remotes = stores
    wrong = [copy for copy in faults if faults[copy]]
    objects = [copy for copy in wrong if copy.location == "cache"]
    here = [copy for copy in wrong if copy.location in ("workspace", "shipped")]
    oids = {out.oid for copy in here for out in copy.outs}
    for copy in faults:  # `dvc checkout` of a folder that it cannot complete removes all of its files
        if copy.location == "workspace" and copy.outs[0].oid in oids and not faults[copy]:
            objects.append(copy._replace(location="cache", path=cache.path(copy.expected)))
    repair_cache(objects)
    repair_workspace(here, cache, " ".join(remote.name for remote in remotes))
    repair_cache(objects)  # the list of a folder that is right now
    for stage in sorted({copy.owner for copy in wrong if copy.location == "unsound"}):
        call("dvc", "repro", "--force", "--single-item", stage)
    for remote in remotes:
        theirs = [copy for copy in wrong if copy.location == remote.name and is_wrong(copy)]  # read again
        oids = {out.oid for copy in theirs for out in copy.outs if Path(cache.path(out.oid)).exists()}
        right = [copy for copy in faults if copy.location == remote.name and not faults[copy]]
        lists = [copy for copy in right if copy.expected in oids]  # DVC pushes no file of one that is there
        for copy in lists + [copy for copy in theirs if not faults[copy].startswith(ABSENT)]:
            remote.removes(copy.path)
            log.info("%s (%s): removed", copy.path, copy.owner)
        if theirs:
            call("dvc", "push", remote.name)


def main() -> None:
    arguments = parser(__doc__, "resumen doctor --remote --fix")
    arguments.add_argument("--remote", nargs="?", const="", metavar="NAME", help="read a remote too")
    arguments.add_argument("--fix", action="store_true", help="repair what can be had or made again")
    options = arguments.parse_args()
    with remote_errors():
        stores = [Store("cache", os.path.relpath(output_of("dvc", "cache", "dir").strip()) + "/files/md5")]
        if options.remote is not None:
            stores.append(remote_store(options.remote or output_of("dvc", "config", "core.remote").strip()))
        faults = examine(stores)
        if options.fix and any(faults.values()):
            repair(faults, stores)
            faults = examine(stores)
    sys.exit(int(any(faults.values())))
