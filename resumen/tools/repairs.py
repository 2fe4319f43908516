"""Repairs: what is wrong comes back from where it is right, or is made again; each step is logged."""

import logging
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from dvc.repo import Repo

from resumen.runtime.paths import ASIDE_DIR
from resumen.tools.copies import (
    REMOTE,
    UNREADABLE,
    Copy,
    Out,
    State,
    Store,
    Stores,
    copy_hash,
    folder_list,
    matches,
    out_files,
)

log = logging.getLogger("doctor")


def put(store: Store, oid: str, source: Copy) -> bool:
    """Copy an object to a cache or a remote, and return whether the right bytes are there now."""
    target = Copy("", store.oid_to_path(oid), oid, "", fs=store.fs)
    try:
        store.add(source.path, source.fs, oid, check_exists=False)
    except FileNotFoundError:
        return False
    if matches(copy_hash(target), oid):
        return True
    store.fs.remove(target.path)
    return False


def is_restored(cache: Store, oid: str, out: Out | None, sources: list[Copy]) -> bool:
    """Put an object into the cache from the first place that has it right, and return whether one has."""
    for source in sources:
        if put(cache, oid, source):
            return True
    content = folder_list(out, []) if out and oid.endswith(".dir") else None
    if content is not None:
        cache.add_bytes(oid, content)
    return content is not None


def set_aside(path: str, folder: Path) -> None:
    """Move a file of the workspace to `folder`, if it is there."""
    if os.path.lexists(path):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, folder / path)
        log.info("%s: moved to %s", path, folder / path)


def is_back_from_git(copy: Copy) -> bool:
    """Take a file as git's index has it, and return whether that is the right one."""
    subprocess.run(["git", "checkout", "--quiet", "--", copy.path], check=False)  # noqa: S603, S607
    return matches(copy_hash(copy), copy.expected)


def return_unrepaired(folder: Path, copies: list[Copy]) -> None:
    """Move shipped files back from `folder` where git has no right ones.

    An out of DVC stays aside: a stage would read it.
    """
    for copy in copies:
        aside, path = folder / copy.path, Path(copy.path)
        if aside.exists() and not path.exists():
            shutil.move(aside, path)
            log.info("%s: git has no right one, and it is back where it was", path)


def repro(*arguments: str) -> None:
    """Run `dvc repro`, its output being the user's; what it could not make is found afterwards."""
    log.info("dvc repro %s", " ".join(arguments))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # `python` of the stages
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    subprocess.run(command, env={**os.environ, "PATH": path}, check=False)  # noqa: S603


def repair_remote(remote: Store, copy: Copy, cache: Store) -> None:
    """Push what a remote has wrong or not at all; where the cache has it not either, remove it.

    The list of its folder goes too then: DVC pushes no file of a folder whose list the remote has.
    """
    actual = copy_hash(copy)  # again, since it may have been the network that was wrong
    if matches(actual, copy.expected):
        return
    if actual:
        remote.fs.remove(copy.path)
    local = Copy("cache", cache.oid_to_path(copy.expected), copy.expected, "")
    if matches(copy_hash(local), copy.expected) and put(remote, copy.expected, local):
        log.info("%s (%s): pushed", copy.path, copy.owner)
        return
    log.info("%s (%s): removed, and nowhere right", copy.path, copy.owner)
    assert copy.out is not None  # `known_copies` asks remotes for what an out needs
    if remote.exists(copy.out.oid):
        remote.fs.remove(remote.oid_to_path(copy.out.oid))


def repair_copies(repo: Repo, state: State, remotes: Stores) -> None:
    """Bring back what is wrong, from where it is right or else by `dvc repro`; each step is logged."""
    cache, folder = repo.cache.local, ASIDE_DIR / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    by_location, broken, again = defaultdict(list), defaultdict(list), set()
    for copy in state.wrong:
        if copy.location == "workspace" or not state.held[copy].startswith(UNREADABLE):  # those may be right
            by_location[copy.location].append(copy)

    def is_cached(oid: str, out: Out | None) -> bool:
        sources = [
            copy
            for copy, actual in state.held.items()
            if copy.location == "workspace" and copy.expected == oid and actual == oid
        ]
        sources += [
            Copy(name, store.oid_to_path(oid), oid, "", fs=store.fs) for name, store in remotes.items()
        ]
        return cache.exists(oid) or is_restored(cache, oid, out, sources)

    for copy in by_location["cache"]:
        cache.fs.remove(copy.path)
        came = is_cached(copy.expected, copy.out)
        log.info("%s (%s): %s", copy.path, copy.owner, "put right" if came else "removed, and nowhere right")
    for copy in by_location["workspace"] + by_location["shipped"]:
        set_aside(copy.path, folder)
        broken[copy.out].append(copy)
    for out, copies in broken.items():
        if out is None or not out.is_cached:
            wrong = [copy for copy in copies if copy.expected and not is_back_from_git(copy)]
            for copy in wrong if out is None else ():
                Path(copy.path).unlink(missing_ok=True)  # git has another one
            if wrong and out:
                again.add(out.stage)
            continue
        needed = {out.oid, *out_files(out, [cache, *remotes.values()]).values()} - {""}
        missing = [oid for oid in sorted(needed) if not is_cached(oid, out)]
        if not missing:
            repo.checkout([out.path], force=True)
        else:
            again.add(out.stage)
    if again:
        repro(*sorted(again))
    for stage in sorted({copy.owner for copy in state.unsound}):
        repro("--force", "--single-item", stage)
    return_unrepaired(folder, by_location["shipped"])
    for name, remote in remotes.items():
        for copy in sorted(by_location[REMOTE + name], key=lambda copy: copy.expected.endswith(".dir")):
            repair_remote(remote, copy, cache)
