"""Kills of a stage, and whether its bytes survive them."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

from resumen.runtime.locks import resume_dir
from tests.helpers.processes import ended, start
from tests.helpers.training import forget, outputs

Start = Callable[..., Any]  # of a stage, with what `subprocess.Popen` offers


def has_kept() -> bool:
    """Return whether a run that is killed now leaves work behind."""
    return any(resume_dir().glob("*/*/checkpoint-*/manifest.json")) or any(
        resume_dir().glob("*/*/batches.jsonl")
    )


def killed_at_random(
    draw: random.Random, stage: list[str], seconds: float, begin: Start
) -> tuple[bool, bool]:
    """Kill a run at random; return whether it had not ended by then, and whether it left work behind.

    Every other run is killed after a random part of `seconds`, the others once they are at work.
    """
    process = begin(*stage)
    if draw.random() < 0.5:
        time.sleep(draw.uniform(0.0, seconds))
    else:
        while process.poll() is None and not has_kept():
            time.sleep(0.002)
        time.sleep(draw.uniform(0.0, seconds / 4))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode != 0, has_kept()


def survives(stage: list[str], kills: int, draw: random.Random, begin: Start = start) -> tuple[int, int]:
    """Return after how many of `kills` kills the bytes came out in the end, and how many left work behind.

    Runs are killed once to three times, each started where the one before was killed, then let to the end.
    `begin` starts one.
    """
    forget()
    started = time.monotonic()
    ended(begin(*stage))
    seconds, whole = time.monotonic() - started, outputs()
    assert whole
    done = survived = with_work = 0
    while done < kills:
        forget()
        wanted, killed = min(draw.choice((1, 1, 2, 3)), kills - done), 0
        while killed < wanted:
            was_killed, left_work = killed_at_random(draw, stage, seconds, begin)
            if not was_killed:
                break
            killed += 1
            with_work += left_work
        if killed == wanted:
            ended(begin(*stage))
        done += killed
        survived += killed if outputs() == whole else 0
    return survived, with_work
