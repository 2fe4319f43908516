"""A stage knows the process of DVC that started it, and when it is gone."""

import subprocess
import sys

import psutil
import pytest

from resumen.runtime import parent

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def started(monkeypatch):
    """A function that starts a process as DVC's, of which this one is then a child, and returns it."""
    processes = []

    def start(*arguments):
        processes.append(subprocess.Popen([sys.executable, "-c", SLEEP, *arguments]))
        while SLEEP not in psutil.Process(processes[-1].pid).cmdline():  # until then it is a copy of this one
            pass
        monkeypatch.setattr(psutil.Process, "parents", lambda self: [psutil.Process(processes[-1].pid)])
        return processes[-1]

    parent.dvc_process.cache_clear()
    yield start
    parent.dvc_process.cache_clear()
    for process in processes:
        process.kill()
        process.wait()


def test_without_dvc_nobody_is_missed(started, monkeypatch):
    monkeypatch.delenv("DVC_STAGE", raising=False)
    started("dvc")
    assert parent.dvc_process() is None
    assert not parent.is_orphaned()


class Ancestor:
    """A process with this command line."""

    def __init__(self, *command):
        self.command = list(command)

    def cmdline(self):
        return self.command


COMMANDS = [
    (("/venv/bin/python", "/venv/bin/dvc", "repro"), True),
    ((r"C:\venv\Scripts\dvc.exe", "repro"), True),
    (("/home/me/dvc/.venv/bin/python", "-m", "pytest"), False),  # a folder of that name
    ((), False),
]


@pytest.mark.parametrize(("command", "is_found"), COMMANDS)
def test_dvc_is_told_by_its_command_line(monkeypatch, command, is_found):
    monkeypatch.setenv("DVC_STAGE", "finetune")
    monkeypatch.setattr(psutil.Process, "parents", lambda self: [Ancestor(*command)])
    parent.dvc_process.cache_clear()
    assert (parent.dvc_process() is not None) == is_found
    parent.dvc_process.cache_clear()


@pytest.mark.parametrize("word", ["dvc", "/usr/bin/dvc", "/lib/dvc/__main__.py"])
def test_dvc_is_found_among_the_ancestors_and_missed_when_it_is_gone(started, monkeypatch, word):
    monkeypatch.setenv("DVC_STAGE", "finetune")
    process = started(word)
    assert parent.dvc_process().pid == process.pid
    assert not parent.is_orphaned()
    process.kill()
    psutil.Process(process.pid)  # not waited for, a zombie is gone too
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    assert parent.is_orphaned()
    process.wait()
    assert parent.is_orphaned()


def test_an_ancestor_that_is_not_dvc_is_none(started, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "finetune")
    started("make")
    assert parent.dvc_process() is None
