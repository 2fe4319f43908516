"""Stages in processes of their own, forked from one that has imported torch and transformers already.

Each is a process: it has arguments, a working directory, an environment and a process group of its own,
it can be killed, and it ends with an exit code. Forking saves the imports, several seconds a process. It
leaves out what happens when an interpreter starts and ends; `started_fresh` runs `python -m`.
"""

import gc
import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from tests.helpers.paths import ROOT

processes = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")


@cache
def run_forkserver() -> None:
    """Start the process that all others are forked from, with all of tests/helpers/imported.py imported."""
    if os.name == "nt":
        return
    from multiprocessing import forkserver

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # it knows no other path, and passes over what it does not find
        forkserver.set_forkserver_preload(["tests.helpers.imported"])
        forkserver.ensure_running()


class Started:
    """A process that has been started, with what `subprocess.Popen` offers of one, its output in a file."""

    def __init__(self, module: str, *arguments: str, folder: Path, environment: dict[str, str]) -> None:
        self.log = tempfile.NamedTemporaryFile()  # noqa: SIM115  # goes with this object
        self.said = Path(self.log.name)
        receiver, sender = processes.Pipe(duplex=False)
        given = (module, arguments, folder.resolve(), environment, self.said, sender)
        self.process = processes.Process(target=become, args=given)
        run_forkserver()
        self.process.start()
        sender.close()
        assert receiver.poll(60), self.said.read_text(encoding="utf-8")
        receiver.recv()  # it has a process group of its own
        self.pid = self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait_for(self, text: str) -> None:
        """Wait until it has said `text`."""
        while text not in self.said.read_text(encoding="utf-8"):
            assert self.poll() is None, self.said.read_text(encoding="utf-8")
            time.sleep(0.02)

    def communicate(self, timeout: float = 300) -> tuple[None, str]:
        """Wait for its end; return what it wrote to its standard output and error."""
        self.process.join(timeout)
        if self.returncode is None:
            self.kill()
            raise AssertionError(f"not ended after {timeout} s: {self.said.read_text(encoding='utf-8')}")
        return None, self.said.read_text(encoding="utf-8")


def become(
    module: str, arguments: list[str], folder: Path, environment: dict[str, str], message: Path, ready
) -> None:
    """Be what `python -m module` with these arguments would be."""
    assert not {"stages", "resumen"} & sys.modules.keys()  # they are to come from `folder` or PYTHONPATH
    gc.enable()
    os.setsid()
    output = os.open(message, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    known = [path for path in sys.path if path not in ("", str(ROOT))]
    sys.path[:] = [str(folder), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)), *known]
    if "HF_ENDPOINT" in environment:
        forget_clients()
        time.sleep = hurried(time.sleep)
    sys.argv = [module, *arguments]
    ready.send(True)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def forget_clients() -> None:
    """Let the hub's clients be imported again: whom they ask is decided then."""
    for name in list(sys.modules):
        if name.partition(".")[0] in (
            "huggingface_hub",
            "datasets",
            "transformers",
            "evaluate",
        ):
            del sys.modules[name]
    for dimensions in range(2, 6):
        pa.unregister_extension_type(f"datasets.features.features.Array{dimensions}DExtensionType")


def hurried(sleep):
    """Return a sleep that is a tenth as long: a hub on loopback is well again the next moment."""
    return lambda seconds: sleep(seconds / 10)


def start(
    module: str,
    *arguments: str,
    folder: Path = Path(),
    environment: Mapping[str, str] = os.environ,
    **variables: str,
) -> Started:
    """Start a stage in a process group of its own, a checkpoint at every step."""
    given = {"PYTHONPATH": str(ROOT), "RESUMEN_CHECKPOINT_SECONDS": "0", **variables}
    return Started(module, *arguments, folder=folder, environment={**environment, **given})


def started_fresh(module: str, *arguments: str, **variables: str) -> subprocess.Popen:
    """Start `python -m` of a stage, which imports all that it needs, as `start` does."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "RESUMEN_CHECKPOINT_SECONDS": "0", **variables},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start_together(
    count: int, module: str, *arguments: str, folders: Sequence[Path] | None = None
) -> list[Started]:
    """Start `module` in so many processes that meet as those of torchrun do; one alone meets nobody."""
    if count == 1:
        return [start(module, *arguments)]
    common = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        start(module, *arguments, folder=folder, RANK=str(rank), LOCAL_RANK=str(rank), **common)
        for rank, folder in enumerate(folders or [Path()] * count)
    ]


def free_port() -> int:
    """Return a port on loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def ended(process: Started | subprocess.Popen, code: int = 0) -> str:
    """Return what a stage has said to its end, which is `code`."""
    message = process.communicate()[1]
    assert process.returncode == code, message
    return message
