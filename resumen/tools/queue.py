"""DVC's queue of experiments: what would stop it is told before it starts, and one that stands still ends."""

import logging
import re
import shlex
import subprocess
from collections.abc import Callable, Collection
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from ruamel.yaml import YAML

from resumen.runtime.commands import call, output_of, started
from resumen.runtime.errors import InputError
from resumen.runtime.paths import PARAMS
from resumen.tools.compare import read_at

log = logging.getLogger("queue")

LOCAL_CONFIG = Path(".dvc/config.local")
WORKERS = Path(".dvc/tmp/exps/celery")
SECONDS = 10  # between two looks at the queue
MAX_STILL = 3  # looks in a row at which nothing runs
MAX_STILL_AT_START = 6  # the same, before a worker was seen
MAX_LINES = 5  # of a failed experiment's output
TASK = re.compile(r"^([0-9a-f]{7}) +(\S+) .*\b(Queued|Running|Success|Failed) *$", re.MULTILINE)
LAST_ERROR = re.compile(r"^\w+(?:Error|Exception): .*", re.MULTILINE)
# DVC writes these into the copy of its config as absolute paths.
RELATIVE = re.compile(r"^\s*(?:url|dir)\s*=\s*(?![/~]|\w+://|\w:)(.*)", re.MULTILINE)


def check_queue() -> None:
    """Raise InputError if DVC's queue cannot run an experiment here, or loses it once it has run.

    DVC rewrites git's config of the clone, its own and its cache's path, in ASCII. A shallow clone cannot
    take the commits of the queue.
    """
    faults = []
    for entry in output_of("git", "config", "--local", "--list", "--null").split("\0"):
        if not entry.isascii():
            key, _, value = entry.partition("\n")
            faults.append(
                f"git's config of this clone: {key}={value}: not ASCII, and DVC's queue writes it so; "
                + remedy_for(key, value)
            )
    cache = output_of("dvc", "cache", "dir").strip()
    if not cache.isascii():
        faults.append(
            f"DVC's cache: {cache}: not ASCII, and DVC's queue writes it so; move the clone to a path that "
            "is, or the cache: `dvc cache dir --local …`"
        )
    local = LOCAL_CONFIG.read_bytes().decode("utf-8", "replace") if LOCAL_CONFIG.exists() else ""
    if not local.isascii() or (RELATIVE.search(local) and not str(Path.cwd()).isascii()):
        faults.append(
            f"{LOCAL_CONFIG}: a value that is not ASCII, or a path relative to one, and DVC's queue writes "
            "it so; write it absolute and in ASCII"
        )
    if output_of("git", "rev-parse", "--is-shallow-repository").strip() == "true":
        faults.append(
            "this clone is shallow: experiments of DVC's queue would be lost once they have run; "
            "`git fetch --unshallow` first"
        )
    if faults:
        raise InputError(*faults)


def remedy_for(key: str, value: str) -> str:
    """Return what to do with an entry of git's config that is not ASCII.

    >>> remedy_for("user.name", "Íñigo Núñez")
    "`git config --global user.name 'Íñigo Núñez'; git config --unset user.name`: DVC does not copy that one"
    """
    if key.startswith(("user.", "author.", "committer.")):
        return (
            f"`git config --global {key} {shlex.quote(value)}; git config --unset {key}`: DVC does not copy "
            "that one"
        )
    if key.startswith("branch."):
        return "give the branch a name in ASCII: `git branch -m …`"
    return f"write it in ASCII: `git config {key} …`, a path by way of a link"


class Task(NamedTuple):
    """An experiment of DVC's queue."""

    id: str
    state: str  # Queued, Running, Success or Failed

    @property
    def is_pending(self) -> bool:
        """Whether it runs or will."""
        return self.state in ("Queued", "Running")


def queue_tasks() -> dict[str, Task]:
    """Return the latest task of each named experiment; DVC lists those that run or wait first."""
    tasks: dict[str, Task] = {}
    for id_, name, state in TASK.findall(output_of("dvc", "queue", "status")):
        tasks.setdefault(name, Task(id_, state))
    return tasks


def has_worker() -> bool:
    """Return whether a worker of this clone's queue lives, by its process: a busy one may not answer DVC.

    A worker has in its name what DVC makes of the folder of the queue.
    """
    node = f"dvc-exp-{sha256(str(WORKERS.absolute()).encode()).hexdigest()[:6]}-"
    commands = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return any("queue-worker" in command and any(node in part for part in command) for command in commands)


def any_pending(names: Collection[str]) -> bool:
    """Return whether one of `names` runs or waits, as far as DVC can tell while others use the queue."""
    try:
        tasks = queue_tasks()
    except InputError:
        return False
    return any(name in tasks and tasks[name].is_pending for name in names)


def pending(names: Collection[str]) -> set[str]:
    """Return which of `names` run or wait; one whose worker was killed does not, and DVC is told so."""
    tasks = queue_tasks()
    result = {name for name in names if name in tasks and tasks[name].is_pending}
    lost = {name for name in result if tasks[name].state == "Running"} if not has_worker() else set()
    for name in sorted(lost):
        log.warning("%s: its worker is gone; it is queued again", name)
        call("dvc", "queue", "kill", name)
    return result - lost


def run_queued(
    names: Collection[str], jobs: int, has_run: Callable[[], set[str]], seconds: float = SECONDS
) -> None:
    """Run what is queued, its output the user's, until each of `names` is in `has_run()`.

    `dvc exp run --run-all` waits for ever for an experiment that could not be set up or whose worker died.

    Raises:
        InputError: an experiment failed, or nothing runs any more; with its last words.
    """
    log.info("Ctrl-C ends the watching alone: what is queued goes on, and the same command watches it again")
    num_still, seen = 0, False
    with started("dvc", "exp", "run", "--run-all", "--jobs", str(jobs)) as process:
        try:
            while num_still < (MAX_STILL if seen else MAX_STILL_AT_START):
                try:
                    process.wait(seconds)
                    break
                except subprocess.TimeoutExpired:
                    works = has_worker()
                    seen |= works
                    num_still = 0 if works and any_pending(names) else num_still + 1
        finally:
            process.terminate()
    done = has_run()
    if failed := [name for name in names if name not in done]:
        raise InputError(
            f"{', '.join(failed)}: not finished; what {failed[0]} said last stands below, the same command "
            "tries again",
            *last_words(failed[0]),
        )


def experiments() -> set[str]:
    """Return the names of the experiments of the last commit that have run.

    Read from git, where DVC keeps them (refs/exps/…): `dvc exp list` would wait for the lock of a run.
    """
    head = output_of("git", "rev-parse", "HEAD").strip()
    refs = f"refs/exps/{head[:2]}/{head[2:]}"
    return set(output_of("git", "for-each-ref", "--format=%(refname:lstrip=4)", refs).split())


def run_missing(wanted: dict[str, list[str]], jobs: int) -> None:
    """Queue and run those of `wanted`, experiments with the options that change params, that have not run.

    Raises:
        InputError: see `check_queue` and `run_queued`; or DVC does not queue one.
    """
    done = experiments()
    missing = [name for name in wanted if name not in done]
    log.info("%d of %d experiments have run", len(wanted) - len(missing), len(wanted))
    if not missing:
        return
    check_queue()
    under_way = pending(missing)
    for name in [name for name in missing if name not in under_way]:
        if not call("dvc", "exp", "run", "--queue", "--quiet", "-n", name, *wanted[name]):
            raise InputError(f"{name}: not queued; what DVC said stands above")
    run_queued(missing, jobs, experiments)


def params_of(revision: str) -> dict[str, Any]:
    """Return the params.yaml of an experiment."""
    params: dict[str, Any] = YAML(typ="safe", pure=True).load(read_at(revision, PARAMS))
    return params


def check_same_params(name: str, expected: dict[str, Any], whose: str) -> None:
    """Raise InputError unless experiment `name` was run with the `expected` params, `whose` they are."""
    if params_of(name) != expected:
        raise InputError(
            f"experiment {name} was run with other params than {whose} has; take another --name, or "
            f"`dvc exp remove {name}` and run it again"
        )


def with_values(params: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return `params` with some values, each by its key, written with dots.

    >>> with_values({"finetune": {"seed": 13, "epochs": 4}}, {"finetune.seed": 14})
    {'finetune': {'seed': 14, 'epochs': 4}}
    """
    result = deepcopy(params)
    for key, value in values.items():
        *sections, last = key.split(".")
        section: Any = result
        for name in sections:
            section = section[name]
        section[last] = value
    return result


def last_words(name: str) -> list[str]:
    """Return the last lines that an experiment wrote; what its worker said, if it was never set up."""
    tasks = queue_tasks()
    if name in tasks and tasks[name].is_pending and not has_worker():
        return [f"{name}: its worker is gone, killed perhaps"]
    try:
        lines = output_of("dvc", "queue", "logs", tasks[name].id if name in tasks else name).split("\n")
    except InputError:
        newest = sorted(WORKERS.glob("*.out"), key=lambda path: path.stat().st_mtime)[-1:]
        lines = LAST_ERROR.findall("".join(path.read_text("utf-8", "replace") for path in newest))[-1:]
    said = [line.removeprefix("error: ") for line in lines if line.strip()][-MAX_LINES:]
    return said or [f"{name}: nothing; see {WORKERS}/*.out"]
