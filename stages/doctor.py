"""Doctor: hold every byte that the pipeline keeps against its hash, and say how to heal what is wrong.

DVC knows a file by its time, inode and size, so it does not see a flipped byte. Here every byte is read: the
objects of DVC's cache, the outs of dvc.lock in the workspace, models by the hashes that came with them, the
pages of each Parquet file and, with --remote, what the remote should hold. Exit code 1: something is wrong.

Reads   DVC's cache, dvc.lock and the outs that it names, stages/miniatures/, a remote
Writes  nothing; with --fix what is wrong comes back from where it is right (the workspace, the cache, a
        remote, git), or its stage runs again. What lay in the workspace instead is moved to .cache/doctor/

    python -m stages.doctor
    python -m stages.doctor --remote --fix
"""

import logging
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from dvc.exceptions import DvcException
from dvc.fs import AuthError, RemoteMissingDepsError
from dvc.repo import Repo

from stages.shared.cli import InputError, parser, run
from stages.shared.copies import (
    Copy,
    Out,
    Store,
    digest,
    files_of,
    folder_list,
    hashed,
    is_of,
    known_copies,
    shipped_copies,
    weights_copies,
)
from stages.shared.files import ROWS_PER_GROUP, checked, first_line, opened, parquet_errors
from stages.weights import MINIATURES, PRETRAINED

log = logging.getLogger("doctor")

ASIDE = Path(".cache/doctor")
FIX = "`python -m stages.doctor --fix`"

Stores = dict[str, Store]  # remotes, by name


class State(NamedTuple):
    """What every copy holds, what of it is wrong and why, and what is no fault but worth knowing."""

    held: dict[Copy, str]
    wrong: dict[Copy, str]  # the bytes are not those that the hash is of
    unsound: dict[Copy, str]  # they are, and were damaged before DVC hashed them
    notes: list[str]
    num_bytes: int


def page_fault(path: Path) -> str:
    """Return what is wrong with a Parquet file, its pages held against their checksums, or ""."""
    try:
        with opened(path, "rb") as source, parquet_errors(path), checked(source) as file:
            for _ in file.iter_batches(ROWS_PER_GROUP):
                pass
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def fault(copy: Copy, actual: str) -> str:
    """Return what is wrong with a copy that holds `actual`, or ""."""
    if is_of(actual, copy.expected):
        return ""
    if not copy.expected:
        return "is no file of this folder in dvc.lock"
    got = f"got {copy.algorithm} {actual}" if actual else "is not there"
    return f"{got}, expected {copy.expected}"


def unsound_copies(sound: list[Copy]) -> dict[Copy, str]:
    """Return the files of the workspace that are as dvc.lock has them, yet were damaged before."""
    provenances = [
        copy
        for copy in sound
        if Path(copy.path).name == "provenance.json" and Path(copy.path).parent.parent == PRETRAINED
    ]
    paths = {copy.path for copy in sound}
    weights, _ = hashed([copy for copy in weights_copies(provenances) if copy.path in paths])
    found = {copy: fault(copy, actual) for copy, actual in weights.items()}
    found |= {copy: page_fault(Path(copy.path)) for copy in sound if copy.path.endswith(".parquet")}
    return {copy: wrong for copy, wrong in found.items() if wrong}


def stale_stages(repo: Repo) -> list[str]:
    """Return the stages whose command, params or other deps are not those of dvc.lock."""
    found = []
    for stage, changes in repo.status().items():
        deps = [change.get("changed deps", {}).values() for change in changes if isinstance(change, dict)]
        if "changed command" in changes or any(state != "deleted" for states in deps for state in states):
            found.append(stage)
    return found


def examine(repo: Repo, remotes: Stores) -> State:
    """Return the state of all that has a hash; every byte is read."""
    copies, absent = known_copies(repo, remotes)
    held, num_bytes = hashed([*copies, *shipped_copies(MINIATURES)])
    wrong = {copy: said for copy, actual in held.items() if (said := fault(copy, actual))}
    sound = [copy for copy in held if copy.place == "workspace" and copy not in wrong]
    uncached = [copy for copy in wrong if copy.place == "cache" and not held[copy]]
    lacking = {copy.out.path for copy in uncached} - {out.path for out in absent}
    notes = [
        ([out.path for out in absent], "not in the workspace", "`dvc pull` brings it, `dvc repro` makes it"),
        (sorted(lacking), "not in DVC's cache", "`dvc commit` puts it there"),
        (stale_stages(repo), "not as dvc.lock has it", "`dvc status` says why, `dvc repro` runs it"),
    ]
    return State(
        held,
        {copy: said for copy, said in wrong.items() if copy not in uncached},
        unsound_copies(sound),
        [f"{', '.join(names)}: {what}; {then}" for names, what, then in notes if names],
        num_bytes,
    )


def cure(copy: Copy) -> str:
    """Return how to heal a copy whose bytes are wrong."""
    if copy.place == "shipped":
        return f"`git checkout -- {copy.path}` brings it back, as {FIX} does"
    if copy.place == "cache":
        again = f"or else runs `dvc repro {copy.out.stage}`" if copy.out else "or else removes it"
        return f"{FIX} puts the right one in its place, {again}"
    if copy.place == "workspace":
        source = "DVC's cache or remote" if copy.out.is_cached else "git"
        return f"{FIX} takes it from {source}, or else runs `dvc repro {copy.out.stage}`"
    return f"`python -m stages.doctor --remote {copy.place} --fix` pushes it from the cache"


def lines(state: State) -> Iterator[str]:
    """Yield what was found, a line each, and the sum of it."""
    for copy, said in state.wrong.items():
        path = os.path.relpath(copy.path) if copy.place == "cache" else copy.path
        yield f"{path} ({copy.owner}): {said}; {cure(copy)}"
    for copy, said in state.unsound.items():
        yield f"{copy.path} ({copy.owner}): {said}; {FIX} runs `dvc repro --force --single-item {copy.owner}`"
    yield from state.notes
    count = len(state.wrong) + len(state.unsound)
    faults = f"{count or 'no'} fault{'' if count < 2 else 's'}"
    yield f"{len(state.held)} files, {state.num_bytes / 1e6:,.1f} MB read: {faults}"


def put(store: Store, oid: str, source: Copy) -> bool:
    """Copy an object to a cache or a remote, and return whether the right bytes are there now."""
    target = Copy("", store.oid_to_path(oid), oid, "", fs=store.fs)
    try:
        store.add(source.path, source.fs, oid, check_exists=False)
    except FileNotFoundError:
        return False
    if is_of(digest(target), oid):
        return True
    store.fs.remove(target.path)
    return False


def restored_from(store: Store, oid: str, out: Out | None, sources: list[Copy]) -> str:
    """Put an object into the cache from the first place that has it right, and return which, or ""."""
    for source in sources:
        if put(store, oid, source):
            return source.path
    if out and oid.endswith(".dir") and (content := folder_list(out, [])):
        store.add_bytes(oid, content)
        return out.path
    return ""


def set_aside(path: str, folder: Path) -> None:
    """Move a file of the workspace to `folder`, if it is there."""
    if os.path.lexists(path):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, folder / path)
        log.info("%s: moved to %s", path, folder / path)


def is_back_from_git(copy: Copy) -> bool:
    """Take a file as git's index has it, and return whether that is the right one."""
    subprocess.run(["git", "checkout", "--quiet", "--", copy.path], check=False)  # noqa: S603, S607
    return is_of(digest(copy), copy.expected)


def repro(*arguments: str) -> None:
    """Run `dvc repro`, its output being the user's; what it could not make is found afterwards."""
    log.info("dvc repro %s", " ".join(arguments))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # `python` of the stages
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    subprocess.run(command, env={**os.environ, "PATH": path}, check=False)  # noqa: S603


def heal_remote(remote: Store, copy: Copy, cache: Store) -> None:
    """Push what a remote has wrong or not at all; where the cache has it not either, remove it.

    The list of its folder goes too then: DVC pushes no file of a folder whose list the remote has.
    """
    if remote.exists(copy.expected):
        remote.fs.remove(copy.path)
    local = Copy("cache", cache.oid_to_path(copy.expected), copy.expected, "")
    if is_of(digest(local), copy.expected) and put(remote, copy.expected, local):
        log.info("%s (%s): pushed", copy.path, copy.owner)
        return
    log.info("%s (%s): removed, and nowhere right", copy.path, copy.owner)
    if remote.exists(copy.out.oid):
        remote.fs.remove(remote.oid_to_path(copy.out.oid))


def heal(repo: Repo, state: State, remotes: Stores) -> None:
    """Bring back what is wrong, from where it is right or else by `dvc repro`; each step is logged."""
    cache, folder = repo.cache.local, ASIDE / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    by_place, broken, again = defaultdict(list), defaultdict(list), set()
    for copy in state.wrong:
        by_place[copy.place].append(copy)

    def is_cached(oid: str, out: Out | None) -> bool:
        sources = [
            copy
            for copy, actual in state.held.items()
            if copy.place == "workspace" and copy.expected == oid and actual == oid
        ]
        sources += [
            Copy(name, store.oid_to_path(oid), oid, "", fs=store.fs) for name, store in remotes.items()
        ]
        return cache.exists(oid) or bool(restored_from(cache, oid, out, sources))

    for copy in by_place["cache"]:
        cache.fs.remove(copy.path)
        came = is_cached(copy.expected, copy.out)
        log.info("%s (%s): %s", copy.path, copy.owner, "put right" if came else "removed, and nowhere right")
    for copy in by_place["workspace"] + by_place["shipped"]:
        set_aside(copy.path, folder)
        broken[copy.out].append(copy)
    for out, copies in broken.items():
        if out is None or not out.is_cached:
            if not all(is_back_from_git(copy) for copy in copies if copy.expected) and out:
                again.add(out.stage)
            continue
        needed = {out.oid, *files_of(out, [cache, *remotes.values()]).values()} - {""}
        if all(is_cached(oid, out) for oid in needed):
            repo.checkout([out.path], force=True)
        else:
            again.add(out.stage)
    if again:
        repro(*sorted(again))
    for stage in sorted({copy.owner for copy in state.unsound}):
        repro("--force", "--single-item", stage)
    for name, remote in remotes.items():
        for copy in sorted(by_place[name], key=lambda copy: copy.expected.endswith(".dir")):
            heal_remote(remote, copy, cache)


def stores_of(repo: Repo, name: str | None) -> Stores:
    """Return the remote `name` by its name, the default one for "", none for None."""
    if name is None:
        return {}
    store = repo.cloud.get_remote_odb(name or None)
    return {name or repo.config["core"]["remote"]: store}


def main() -> None:
    arguments = parser(__doc__, "python -m stages.doctor --remote --fix")
    of_remote = "hold what a remote has against its hashes too; without NAME the default one"
    arguments.add_argument("--remote", nargs="?", const="", metavar="NAME", help=of_remote)
    arguments.add_argument("--fix", action="store_true", help="heal what can be had or made anew")
    options = arguments.parse_args()
    try:
        with Repo() as repo:
            asked = stores_of(repo, options.remote)
            state = examine(repo, asked)
            sys.stdout.writelines(f"{line}\n" for line in lines(state))
            if options.fix and (state.wrong or state.unsound):
                default = stores_of(repo, "" if repo.config["core"].get("remote") else None)
                heal(repo, state, default | asked)
        if options.fix and (state.wrong or state.unsound):
            with Repo() as repo:
                state = examine(repo, stores_of(repo, options.remote))
                sys.stdout.writelines(f"{line}\n" for line in lines(state))
    except (DvcException, AuthError, RemoteMissingDepsError) as error:
        raise InputError(f"DVC: {first_line(error)}") from error
    if state.wrong or state.unsound:
        sys.exit(1)


if __name__ == "__main__":
    run(main)
