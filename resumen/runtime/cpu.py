"""How many cores this process may use."""

import os

# With one of them, OpenMP pins each thread to a core.
THREAD_BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY")


def num_cores() -> int:
    """Return the number of cores; in a job of a cluster, or a container, they may be fewer than there are."""
    if hasattr(os, "sched_getaffinity") and not any(map(os.environ.get, THREAD_BINDING)):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
