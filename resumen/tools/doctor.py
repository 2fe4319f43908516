"""Doctor: hold every byte that the pipeline keeps against its hash, and say how to repair what is wrong.

DVC knows a file by its time, inode and size, so it does not see a flipped byte. Here every byte is read: the
objects of DVC's cache, the outs of dvc.lock in the workspace, models by the hashes that came with them, the
pages of each Parquet file and, with --remote, what the remote should hold. Exit code 1: something is wrong.

Reads   DVC's cache, dvc.lock and the outs that it names, miniatures/, a remote
Writes  nothing; with --fix what is wrong comes back from where it is right (the workspace, the cache, a
        remote, git), or its stage runs again. What lay in the workspace instead is moved to .cache/doctor/

    resumen doctor
    resumen doctor --remote --fix
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.fs import AuthError
from dvc.repo import Repo

from resumen.runtime.cli import parser
from resumen.runtime.errors import InputError, first_line
from resumen.runtime.files import opened
from resumen.runtime.paths import MINIATURES_DIR
from resumen.runtime.provenance import PROVENANCE
from resumen.schema.rows import ROWS_PER_GROUP, open_parquet, parquet_errors
from resumen.tools.copies import (
    REMOTE,
    UNREADABLE,
    Copy,
    State,
    Stores,
    hashed,
    known_copies,
    matches,
    shipped_copies,
    weights_copies,
)
from resumen.tools.repairs import repair_copies

RESTORED = "`dvc checkout` brings it from the cache, `dvc pull` from the remote, `dvc repro` makes it"

REMOTE_LIBRARIES = ("aiobotocore", "aiohttp", "asyncssh", "azure", "botocore", "gcsfs", "google")
FIX = "`resumen doctor --fix`"


def page_fault(path: Path) -> str:
    """Return what is wrong with a Parquet file, its pages held against their checksums, or ""."""
    try:
        with opened(path, "rb") as source, parquet_errors(path), open_parquet(source) as file:
            for _ in file.iter_batches(ROWS_PER_GROUP):
                pass
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def fault(copy: Copy, actual: str) -> str:
    """Return what is wrong with a copy that holds `actual`, or ""."""
    if matches(actual, copy.expected):
        return ""
    if not copy.expected:
        return "is no file of this folder in dvc.lock"
    got = f"got {copy.algorithm} {actual}" if actual else "is not there"
    return f"{got}, expected {copy.expected}"


def unsound_copies(sound: list[Copy]) -> dict[Copy, str]:
    """Return the files of the workspace that are as dvc.lock has them, yet were damaged before."""
    provenances = [copy for copy in sound if Path(copy.path).name == PROVENANCE]
    paths = {copy.path for copy in sound}
    weights, _ = hashed([copy for copy in weights_copies(provenances) if copy.path in paths])
    result = {copy: fault(copy, actual) for copy, actual in weights.items()}
    result |= {copy: page_fault(Path(copy.path)) for copy in sound if copy.path.endswith(".parquet")}
    return {copy: wrong for copy, wrong in result.items() if wrong}


def stale_stages(repo: Repo) -> list[str]:
    """Return the stages whose command, params or other deps are not those of dvc.lock."""
    result = []
    for stage, changes in repo.status().items():
        deps = [change.get("changed deps", {}).values() for change in changes if isinstance(change, dict)]
        if "changed command" in changes or any(state != "deleted" for states in deps for state in states):
            result.append(stage)
    return result


def examine(repo: Repo, remotes: Stores) -> State:
    """Return the state of all that has a hash; every byte is read."""
    copies, absent = known_copies(repo, remotes)
    held, num_bytes = hashed([*copies, *shipped_copies(MINIATURES_DIR)])
    wrong = {copy: message for copy, actual in held.items() if (message := fault(copy, actual))}
    sound = [copy for copy in held if copy.location == "workspace" and copy not in wrong]
    uncached = {copy for copy in wrong if copy.location == "cache" and not held[copy]}
    lists = [copy for copy in wrong if copy.location == "cache" and copy.expected.endswith(".dir")]
    stale = [] if lists else stale_stages(repo)  # DVC breaks off at a wrong list
    # Damaged in the workspace, they are not to be put into the cache.
    damaged = {copy.out.path for copy in wrong if copy.location == "workspace" and copy.out}
    lacking = {copy.out.path for copy in uncached if copy.out} - {out.path for out in absent} - damaged
    notes = [
        ([out.path for out in absent], "not in the workspace", RESTORED),
        (sorted(lacking), "not in DVC's cache", "`dvc commit` puts it there"),
        (stale, "not as dvc.lock has it", "`dvc status` says why, `dvc repro` runs it"),
    ]
    return State(
        held,
        {copy: message for copy, message in wrong.items() if copy not in uncached},
        unsound_copies(sound),
        [f"{', '.join(names)}: {what}; {then}" for names, what, then in notes if names],
        num_bytes,
    )


def remedy(copy: Copy, actual: str) -> str:
    """Return how to repair a copy that holds `actual`."""
    if actual.startswith(UNREADABLE) and copy.location != "workspace":
        return "see to the rights, the disk or the network, and ask again"
    if copy.location == "shipped":
        return f"`git checkout -- {copy.path}` brings it back, as {FIX} does"
    if copy.location == "cache":
        again = f"or else runs `dvc repro {copy.out.stage}`" if copy.out else "or else removes it"
        return f"{FIX} puts the right one in its place, {again}"
    if copy.location == "workspace":
        assert copy.out is not None  # `known_copies` has what is in the workspace from the outs
        source = "DVC's cache or remote" if copy.out.is_cached else "git"
        return f"{FIX} takes it from {source}, or else runs `dvc repro {copy.out.stage}`"
    return f"`resumen doctor --{copy.location} --fix` pushes it from the cache"


def report_lines(state: State) -> Iterator[str]:
    """Yield what was found, a line each, and the sum of it; of a remote that has nothing one line."""
    empty = empty_remotes(state)
    for location, count in empty.items():
        name = location.removeprefix(REMOTE)
        remedied = f"`dvc push --remote {name}` or --fix brings them; if it should have them, see to its url"
        yield f"{location}: none of {count} files is there; {remedied}"
    for copy, message in state.wrong.items():
        if copy.location in empty:
            continue
        path = os.path.relpath(copy.path) if copy.location == "cache" else copy.path
        yield f"{path} ({copy.owner}): {message}; {remedy(copy, state.held[copy])}"
    for copy, message in state.unsound.items():
        remedied = f"{FIX} runs `dvc repro --force --single-item {copy.owner}`"
        yield f"{copy.path} ({copy.owner}): {message}; {remedied}"
    yield from state.notes
    count = sum(copy.location not in empty for copy in state.wrong) + len(empty) + len(state.unsound)
    faults = f"{count or 'no'} fault{'' if count < 2 else 's'}"
    yield f"{len(state.held)} files, {state.num_bytes / 1e6:,.1f} MB read: {faults}"


def empty_remotes(state: State) -> dict[str, int]:
    """Return how many files are to be in each remote, by its name, that has none of them."""
    held: dict[str, list[str]] = {}
    for copy, actual in state.held.items():
        if copy.location.startswith(REMOTE):
            held.setdefault(copy.location, []).append(actual)
    return {location: len(files) for location, files in held.items() if not any(files)}


def stores_of(repo: Repo, name: str | None) -> Stores:
    """Return the remote `name` by its name, the default one for "", none for None.

    Raises:
        InputError: what DVC needs for such a remote is not installed.
    """
    if name is None:
        return {}
    try:
        store = repo.cloud.get_remote_odb(name or None)
    except ImportError as error:
        raise InputError(f"DVC: {first_line(error)}; install it, or name another remote") from error
    return {name or repo.config["core"]["remote"]: store}


def main() -> None:
    arguments = parser(__doc__, "resumen doctor --remote --fix")
    of_remote = "hold what a remote has against its hashes too; without NAME the default one"
    arguments.add_argument("--remote", nargs="?", const="", metavar="NAME", help=of_remote)
    arguments.add_argument("--fix", action="store_true", help="repair what can be had or made again")
    options = arguments.parse_args()
    try:
        with Repo() as repo:
            asked = stores_of(repo, options.remote)
            state = examine(repo, asked)
            sys.stdout.writelines(f"{line}\n" for line in report_lines(state))
            if options.fix and (state.wrong or state.unsound):
                default = stores_of(repo, "" if repo.config["core"].get("remote") else None)
                repair_copies(repo, state, default | asked)
        if options.fix and (state.wrong or state.unsound):
            with Repo() as repo:
                state = examine(repo, stores_of(repo, options.remote))
                sys.stdout.writelines(f"{line}\n" for line in report_lines(state))
    except (DvcException, AuthError) as error:
        raise InputError(f"DVC: {first_line(error)}") from error
    except Exception as error:  # what a remote's own library raises is no error of DVC's or of Python's
        if type(error).__module__.split(".")[0] not in REMOTE_LIBRARIES:
            raise
        raise InputError(f"the remote: {type(error).__name__}: {first_line(error)}") from error
    if state.wrong or state.unsound:
        sys.exit(1)
