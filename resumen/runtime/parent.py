"""DVC, which started this stage: once it is gone, nobody waits for what the stage writes."""

import os
from functools import cache
from pathlib import PureWindowsPath  # takes / for a separator too

import psutil


@cache
def dvc_process() -> psutil.Process | None:
    """Return the process of DVC that started this one, None if DVC did not; asked first as a stage begins.

    DVC names the stage in the environment of what it runs, and between the two stands a shell, or torchrun.
    """
    if "DVC_STAGE" not in os.environ:
        return None
    for process in psutil.Process().parents():
        try:
            # `dvc repro`, `dvc.exe repro`, `python -m dvc repro`, dvc/__main__.py of the queue
            program, *words = process.cmdline()[:4] or [""]
        except psutil.Error:
            continue
        is_script = any("dvc" in PureWindowsPath(word).parts for word in words)
        if is_script or PureWindowsPath(program).stem == "dvc":
            return process
    return None


def is_orphaned() -> bool:
    """Return whether DVC started this process, and is gone.

    The way back (`git checkout HEAD . && dvc checkout`) may be taken meanwhile, and would be overwritten.
    """
    process = dvc_process()
    try:
        return process is not None and not (process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
