"""Commands: `dvc` of this environment, and `git`."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

from resumen.runtime.errors import InputError

log = logging.getLogger("commands")

PROGRAMS = {"dvc": (sys.executable, "-m", "dvc"), "git": ("git",)}


def output_of(program: str, *arguments: str) -> str:
    """Return what `dvc` or `git` prints.

    Raises:
        InputError: it failed, as outside a repository.
    """
    command = [*PROGRAMS[program], *arguments]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        message = re.search("(?:ERROR|fatal): (.*)", done.stderr)
        what = message[1] if message else f"exit code {done.returncode}"
        raise InputError(f"`{program} {' '.join(arguments)}`: {what}; run from a clone with a commit")
    return done.stdout


def call(program: str, *arguments: str) -> bool:
    """Run `dvc` or `git`, its output being the user's, and return whether it ended well."""
    with started(program, *arguments) as process:
        return not process.wait()


def started(program: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start `dvc` or `git`, its output being the user's."""
    log.info("%s %s", program, " ".join(arguments))
    sys.stdout.flush()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # `python` of the stages
    command = [*PROGRAMS[program], *arguments]
    return subprocess.Popen(command, env={**os.environ, "PATH": path})  # noqa: S603
