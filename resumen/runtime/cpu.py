"""The cores: how many this process may use, and how its threads share them with other processes."""

import logging
import os
import sys

import psutil

from resumen.runtime.errors import InputError

# With one of them, OpenMP pins each thread to a core.
THREAD_BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY")


# How threads wait for one another, if the user has said so: to OpenMP, to GNU's, to Intel's.
WAIT_POLICY = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
LOOK_SECONDS = 0.1
BUSY_CORES = 0.3


def share_cores(log: logging.Logger) -> None:
    """Let threads that wait give up their core if other processes are busy; call it before PyTorch is loaded.

    Alone on a machine, threads that spin while they wait are the faster ones; beside others they take the
    time from those that they wait for: a training step of a miniature took 3.7 times as long.
    """
    if "torch" in sys.modules or any(map(os.environ.get, WAIT_POLICY)):
        return
    busy = psutil.cpu_percent(LOOK_SECONDS) / 100 * (os.cpu_count() or 1)
    if busy > BUSY_CORES:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        log.info("other processes use %.1f cores, so threads that wait give theirs up", busy)


def num_cores() -> int:
    """Return the number of cores; in a job of a cluster, or a container, they may be fewer than there are."""
    if hasattr(os, "sched_getaffinity") and not any(map(os.environ.get, THREAD_BINDING)):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def num_threads(processes: int = 1) -> int:
    """Return how many threads or workers to use: RESUMEN_THREADS, or this process's share of the cores.

    Raises:
        InputError: RESUMEN_THREADS is no number ≥ 1.
    """
    value = os.environ.get("RESUMEN_THREADS")
    if value is None:
        return max(1, num_cores() // processes)
    if not value.isdecimal() or int(value) < 1:
        raise InputError(f"RESUMEN_THREADS: expected a number ≥ 1, got {value!r}")
    return int(value)
