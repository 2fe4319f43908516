"""DVC's queue: where it cannot work it says so before anything trains, and one that stands still ends.

`resumen seeds` watches it. A subfolder of a larger repository has a queue, and scores of revisions, too.
"""

import shutil
import time
from pathlib import Path
from threading import Thread

import psutil
import pytest

from tests.helpers.clone import copied, moved_into_a_repository, ran, run

WATCH = """
from resumen.runtime.cli import run
from resumen.tools.queue import run_queued
run(lambda: run_queued(["one"], 1, set, 1))
"""

AGAIN = """
from resumen.runtime.commands import call
from resumen.tools.queue import experiments, pending, run_queued
if not pending(["one"]):
    call("dvc", "exp", "run", "--queue", "-n", "one", "-S", "evaluate.seed=6")
run_queued(["one"], 1, experiments, 1)
"""


@pytest.fixture
def clone(finished_run, tmp_path) -> Path:
    """Return a copy of the finished run for a test of its own."""
    return copied(finished_run, tmp_path / "clone")


def kill_worker(clone: Path) -> None:
    """Kill the worker of a clone's queue as soon as there is one."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for process in psutil.process_iter(["cmdline", "cwd"]):
            command, folder = process.info["cmdline"] or [], process.info["cwd"] or ""
            if "queue-worker" in command and str(clone) in folder:
                process.kill()
                return
        time.sleep(0.1)


def test_accents_are_told_before_anything_is_queued_and_the_workspace_works(clone):
    clone = clone.rename(clone.with_name("año"))
    run(clone, "git", "config", "user.name", "Íñigo Núñez")
    run(clone, "dvc", "remote", "add", "--local", "team", "team")
    message = run(clone, "python", "-m", "resumen", "seeds", "--seeds", "13,14", fails=True)
    assert "error: git's config of this clone: user.name=Íñigo Núñez: not ASCII, and" in message
    assert "`git config --global user.name 'Íñigo Núñez'; git config --unset user.name`" in message
    assert f"error: DVC's cache: {clone / '.dvc/cache'}: not ASCII" in message
    assert "error: .dvc/config.local: a value that is not ASCII, or a path relative to one" in message
    assert "No experiment tasks in the queue" in run(clone, "dvc", "queue", "status")
    assert ran(run(clone, "dvc", "exp", "run", "-S", "evaluate.seed=5")) == {"evaluate", "report"}


def test_a_queue_whose_experiment_cannot_be_set_up_ends_with_what_the_worker_said(clone):
    run(clone, "git", "config", "user.name", "Íñigo Núñez")
    run(clone, "dvc", "exp", "run", "--queue", "-n", "one", "-S", "evaluate.seed=6")
    message = run(clone, "python", "-c", WATCH, fails=True)
    assert "error: one: not finished; what one said last stands below" in message
    assert message.splitlines()[-1].startswith("error: UnicodeEncodeError: 'ascii' codec can't encode")


def test_a_queue_whose_worker_is_killed_ends_and_the_next_run_queues_it_again(clone):
    run(clone, "dvc", "exp", "run", "--queue", "-n", "one", "-S", "evaluate.seed=6")
    killer = Thread(target=kill_worker, args=(clone,), daemon=True)
    killer.start()
    message = run(clone, "python", "-c", WATCH, fails=True)
    killer.join()
    assert message.endswith("error: one: its worker is gone, killed perhaps\n")
    run(clone, "python", "-c", AGAIN)
    assert "one" in run(clone, "dvc", "exp", "list", "--name-only")


def test_a_shallow_clone_is_told_before_anything_is_queued(clone):
    shallow = clone.with_name("shallow")
    run(clone.parent, "git", "clone", "--quiet", "--depth", "1", f"file://{clone}", str(shallow))
    message = run(shallow, "python", "-m", "resumen", "seeds", "--seeds", "13,14", fails=True)
    assert "`git fetch --unshallow` first" in message


def test_in_a_subfolder_of_a_repository_compare_finds_the_scores_of_a_revision(clone):
    folder = moved_into_a_repository(clone)
    assert "equal in both, article by article: " in run(folder, "python", "-m", "resumen", "compare", "HEAD")


def test_a_folder_that_dvc_linked_is_a_checkpoint(clone):
    run(clone, "dvc", "config", "--local", "cache.type", "symlink")
    shutil.copytree(clone / "models/pretrained/flan-small", clone / "models/teacher")
    run(clone, "dvc", "add", "models/teacher")
    assert (clone / "models/teacher/model.safetensors").is_symlink()
    run(clone, "git", "add", "models/teacher.dvc")
    run(clone, "git", "commit", "--quiet", "--message=teacher")
    folder = "+checkpoints.teacher={folder: models/teacher}"
    message = run(clone, "dvc", "exp", "run", "-S", folder, "weights@teacher")
    assert "weights: teacher: folder, " in message


def test_what_dvc_add_tracks_beside_data_and_models_is_checked_out(clone):
    shutil.copyfile(clone / "data/example.csv", clone / "data/mine.csv")
    run(clone, "dvc", "add", "data/mine.csv")
    run(clone, "git", "add", "data/mine.csv.dvc")
    run(clone, "git", "commit", "--quiet", "--message=mine")
    assert run(clone, "git", "status", "--porcelain") == ""
    (clone / "data/mine.csv").unlink()
    run(clone, "dvc", "checkout")
    assert (clone / "data/mine.csv").read_bytes() == (clone / "data/example.csv").read_bytes()
    values = {"profile": "files", "profiles.files.data.path": "data/mine.csv"}
    values |= {"data.train": 0.5, "data.validation": 0.25, "data.test": 0.25}
    changes = [part for key, value in values.items() for part in ("-S", f"{key}={value}")]
    assert ran(run(clone, "dvc", "exp", "run", "--temp", *changes, "fetch")) == {"fetch"}
