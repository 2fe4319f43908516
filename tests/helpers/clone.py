"""A clone of the working tree in a folder of its own, scaled down by params; what it runs is real."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock
from ruamel.yaml import YAML

from tests.helpers.paths import ROOT

# Small enough for seconds; nothing here is a special case for the code.
SMALL = {
    "data.train": 40,
    "data.validation": 12,
    "data.test": 12,
    "tokenize.source_tokens": 96,
    "finetune.epochs": 1,
    "finetune.max_new_tokens": 12,
    "generate.max_new_tokens": 12,
    "probe.generated": 6,
    "evaluate.bootstrap_samples": 200,
}
KEPT_SYSTEMS = ("t5-base-prefix", "flan-small", "finetuned")
KEPT_FINETUNINGS = ("flan-small",)
KEPT_CHECKPOINTS = ("t5-base", "flan-small")


def environment(**variables: str) -> dict[str, str]:
    """Return the variables of what runs in a clone; `python` and `dvc` are those of this environment."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@example.org",
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@example.org",
        **variables,
    }


def run(folder: Path, *command: str, fails: bool = False, **variables: str) -> str:
    """Return what `command` prints in `folder`."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    message = done.stdout + done.stderr
    assert (done.returncode != 0) == fails, f"{' '.join(command)} ended with {done.returncode}:\n{message}"
    return message


def set_params(folder: Path, values: dict[str, Any]) -> None:
    """Set `values` (dotted keys) in params.yaml, comments kept."""
    yaml = YAML()
    yaml.width = 200
    path = folder / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        *sections, last = key.split(".")
        section = params
        for name in sections:
            section = section[name]
        section[last] = value
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def keep_few(folder: Path) -> None:
    """Take the checkpoints and systems out of params.yaml that a test can do without."""
    yaml = YAML()
    path = folder / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    for section, kept in (
        ("systems", KEPT_SYSTEMS),
        ("finetunings", KEPT_FINETUNINGS),
        ("checkpoints", KEPT_CHECKPOINTS),
    ):
        for name in [name for name in params[section] if name not in kept]:
            del params[section][name]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def small_clone(folder: Path, small: dict[str, Any] = SMALL) -> Path:
    """Return a repository at `folder` with the working tree's files, scaled down, nothing run yet."""
    files = run(ROOT, "git", "ls-files", "-co", "--exclude-standard").splitlines()
    for file in files:
        if (ROOT / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, folder / file)
    (folder / "dvc.lock").unlink(missing_ok=True)  # of the unscaled run
    keep_few(folder)
    set_params(folder, small)
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message=small")
    return folder


def ran(message: str) -> set[str]:
    """Return the stages that `dvc repro` ran; one restored from the run cache did not run."""
    return set(re.findall(r"Running stage '([^']+)'", message))


def repro(folder: Path) -> set[str]:
    """Run `dvc repro`, and return the stages that ran."""
    return ran(run(folder, "dvc", "repro"))


def finished_clone(folder: Path) -> Path:
    """Return a scaled-down clone below `folder` in which everything has run once, committed.

    It is made by whoever asks first, and shared: work on a copy of it.
    """
    clone, done = folder / "clone", folder / "done"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not done.exists():
            shutil.rmtree(clone, ignore_errors=True)
            small_clone(clone)
            first = repro(clone)
            assert {
                "fetch",
                "finetune@flan-small",
                "generate@finetuned",
                "probe@flan-small",
                "report",
            } <= first
            run(clone, "git", "add", "--all")
            run(clone, "git", "commit", "--quiet", "--message=run")
            done.touch()
    return clone


def copied(clone: Path, folder: Path) -> Path:
    """Return a copy of a clone at `folder`; what DVC keeps as hard links are hard links there too."""
    run(clone, "cp", "-a", str(clone), str(folder))
    return folder


def add_programs(clone: Path) -> Path:
    """Put into a clone what `make` and an activated environment look for, and return the folder.

    Its `resumen` is that of the clone: the one that is installed is of the working tree.
    """
    programs = clone / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "resumen").write_text('#!/bin/sh\nexec python -m resumen "$@"\n', encoding="utf-8")
    (programs / "resumen").chmod(0o755)
    for name in ("activate", ".installed"):
        (programs / name).touch()
    return programs


def moved_into_a_repository(clone: Path) -> Path:
    """Return the clone as a subfolder of a larger repository."""
    folder = clone.with_name("home") / "resumen"
    folder.parent.mkdir()
    clone.rename(folder)
    shutil.rmtree(folder / ".git")
    run(folder.parent, "git", "init", "--quiet", "--initial-branch=main")
    run(folder.parent, "git", "add", "resumen")
    run(folder.parent, "git", "commit", "--quiet", "--message=in a subfolder")
    return folder
