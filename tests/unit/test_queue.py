"""DVC's queue: what `dvc queue status` prints is read, and whose worker lives is told by its process."""

import subprocess
import sys
from hashlib import sha256

from resumen.tools import queue
from resumen.tools.queue import Task, any_pending, has_worker, queue_tasks

# As DVC 3.67 prints it: what runs or waits first, then what has ended.
STATUS = """Task     Name     Created       Status
3f2a9c1  seed-14  05:39 PM      Running
0cc7a45  seed-15  05:39 PM      Queued
70e481f  seed-14  Nov 28, 2026  Failed
477808b  seed-13  05:38 PM      Success
aabbccd           05:37 PM      Failed

Worker status: 1 active, 0 idle
"""


def test_a_task_that_runs_again_is_told_from_the_failed_one_of_its_name(monkeypatch):
    monkeypatch.setattr(queue, "output_of", lambda *command: STATUS)
    assert queue_tasks()["seed-14"] == Task("3f2a9c1", "Running")
    assert queue_tasks()["seed-13"] == Task("477808b", "Success")
    assert any_pending(["seed-14"])
    assert any_pending(["seed-13", "seed-15"])
    assert not any_pending(["seed-13", "seed-16"])


def test_a_worker_of_this_folders_queue_is_seen_and_of_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not has_worker()
    node = f"dvc-exp-{sha256(str(queue.WORKERS.absolute()).encode()).hexdigest()[:6]}-1@localhost"
    command = (sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "queue-worker", node)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert has_worker()
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        assert not has_worker()
        process.stdin.close()
