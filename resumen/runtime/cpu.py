"""How many cores this process may use."""

import os

from resumen.runtime.errors import InputError

# With one of them, OpenMP pins each thread to a core.
THREAD_BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY")


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
