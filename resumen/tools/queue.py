"""DVC's queue of experiments: what would stop it is told before it starts, and one that stands still ends."""

import logging
import re
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

import psutil

from resumen.runtime.commands import output_of, started
from resumen.runtime.errors import InputError

log = logging.getLogger("queue")

LOCAL_CONFIG = Path(".dvc/config.local")
WORKER_LOGS = Path(".dvc/tmp/exps/celery")
SECONDS = 10  # between two looks at the queue
MAX_STILL = 3  # looks in a row at which nothing runs; a worker takes some seconds to start
MAX_LINES = 5  # of a failed experiment's output
TASK = re.compile(r"^[0-9a-f]{7} +(\S+) .*\b(Queued|Running|Success|Failed) *$", re.MULTILINE)
LAST_ERROR = re.compile(r"^\w+(?:Error|Exception): .*", re.MULTILINE)
PENDING = ("Queued", "Running")


def check_queue() -> None:
    """Raise InputError if DVC's queue cannot run an experiment here, or loses it once it has run.

    DVC writes git's config of the clone, its own and its cache's path anew, in ASCII. A shallow clone cannot
    take the commits of the queue.
    """
    faults = []
    for entry in output_of("git", "config", "--local", "--list", "--null").split("\0"):
        if not entry.isascii():
            key, _, value = entry.partition("\n")
            faults.append(
                f"git's config of this clone: {key}: {value!r} is not ASCII, and DVC's queue writes it so; "
                + remedy_for(key, value)
            )
    cache = output_of("dvc", "cache", "dir").strip()
    if not cache.isascii():
        faults.append(
            f"DVC's cache: {cache!r} is not ASCII, and DVC's queue writes it so; move the clone to a path "
            "that is, or the cache: `dvc cache dir --local …`"
        )
    if LOCAL_CONFIG.exists() and not LOCAL_CONFIG.read_bytes().isascii():
        faults.append(
            f"{LOCAL_CONFIG}: is not ASCII, and DVC's queue writes it so; write its values in ASCII"
        )
    if output_of("git", "rev-parse", "--is-shallow-repository").strip() == "true":
        faults.append(
            "this clone is shallow: experiments of DVC's queue would be lost once they have run; "
            "`git fetch --unshallow` first"
        )
    if faults:
        raise InputError(*faults)


def remedy_for(key: str, value: str) -> str:
    """Return what to do with a value of git's config that is not ASCII.

    >>> remedy_for("user.name", "Íñigo")
    'put it where DVC does not copy it: `git config --global user.name "Íñigo"; git config --unset user.name`'
    """
    if key.startswith(("user.", "author.", "committer.")):
        return (
            f'put it where DVC does not copy it: `git config --global {key} "{value}"; '
            f"git config --unset {key}`"
        )
    return f"write it in ASCII: `git config {key} …`, a path by way of a link"


def queue_states() -> dict[str, str]:
    """Return the state of each named experiment in DVC's queue: Queued, Running, Success or Failed."""
    return dict(TASK.findall(output_of("dvc", "queue", "status")))


def has_worker() -> bool:
    """Return whether a worker of this clone's queue is alive, by its process: a busy one may not answer."""
    here = Path.cwd()
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command, folder = process.info["cmdline"] or [], process.info["cwd"]
        if "queue-worker" in command and folder and here in (Path(folder), *Path(folder).parents):
            return True
    return False


def run_queued(
    names: Collection[str], jobs: int, has_run: Callable[[], set[str]], seconds: float = SECONDS
) -> None:
    """Run what is queued, its output the user's, until each of `names` is in `has_run()`.

    `dvc exp run --run-all` waits for ever for an experiment that could not be set up or whose worker died.

    Raises:
        InputError: an experiment failed, or nothing runs any more; with the last words of it.
    """
    log.info("Ctrl-C ends the watching alone: what is queued goes on, and the same command watches it again")
    num_still = 0
    with started("dvc", "exp", "run", "--run-all", "--jobs", str(jobs)) as process:
        while num_still < MAX_STILL:
            try:
                process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                states = queue_states()
                runs = any(states.get(name) in PENDING for name in names) and has_worker()
                num_still = 0 if runs else num_still + 1
        process.terminate()
    if failed := [name for name in names if name not in has_run()]:
        what = f"{', '.join(failed)}: did not run to its end; what {failed[0]} said last:"
        raise InputError(what, *last_words(failed[0]))


def last_words(name: str) -> list[str]:
    """Return the last lines that an experiment wrote; what its worker said, if it was never set up."""
    try:
        lines = output_of("dvc", "queue", "logs", name).split("\n")
    except InputError as error:
        written = "\n".join(path.read_text("utf-8", "replace") for path in WORKER_LOGS.glob("*.out"))
        lines = [*error.messages, *LAST_ERROR.findall(written)[-1:]]
    return [line for line in lines if line.strip()][-MAX_LINES:]
