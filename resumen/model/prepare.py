"""Torch made ready for a stage: seed, threads, determinism, memory, the other processes, the device."""

import ctypes
import logging
import os
import platform
import shutil

import torch

from resumen.model.device import DEVICE_KINDS, best_kind, open_device
from resumen.model.distributed import join_processes
from resumen.runtime.cpu import num_threads

MALLOPT = {-1: 2**29, -4: 0}  # M_TRIM_THRESHOLD, in bytes, and M_MMAP_MAX of malloc.h


def prepare_torch(seed: int) -> torch.device:
    """Seed torch, fix the threads, ask for determinism, meet the other processes; return the device.

    RESUMEN_THREADS sets the number of CPU threads (default: all, shared out among the processes) and
    RESUMEN_DEVICE the device (default: a GPU if there is one). Equal bytes are promised on one machine at one
    thread count.

    Raises:
        InputError: one of the two is not possible here, or the other processes did not come.
    """
    torch.set_num_threads(num_threads(int(os.environ.get("LOCAL_WORLD_SIZE", 1))))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms, without a second of imports
    # Every `empty` would be written twice.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # it has it
    torch.manual_seed(seed)
    name = os.environ.get("RESUMEN_DEVICE")
    # Before it is asked which are available: CUDA would stay with the GPUs that it sees then.
    for kind_name, kind in DEVICE_KINDS.items():
        if name in (None, kind_name):
            kind.select(int(os.environ.get("LOCAL_RANK", 0)))
    join_processes(DEVICE_KINDS[best_kind()].backend)
    return open_device(name or best_kind())


def announce(log: logging.Logger, device: torch.device, dtype: torch.dtype) -> None:
    """Say in a line what is computed on and in which precision; warn where a GPU is there and is not used."""
    what = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    log.info("on %s (%s), in %s", device.type, what, str(dtype).removeprefix("torch."))
    if device.type == "cpu" and "RESUMEN_DEVICE" not in os.environ and shutil.which("nvidia-smi"):
        log.warning(
            "an NVIDIA driver is here, and PyTorch %s sees no GPU: install a build for it (pytorch.org)",
            torch.__version__,
        )


def keep_freed_memory() -> None:
    """Let glibc keep freed memory, 512 MB at the end of its heap and all before, for the next tensor.

    By default it asks the kernel for each large tensor again, and every page of it costs a fault: a sixth of
    a miniature's training step, a tenth of what flan-large takes to generate.
    """
    if platform.libc_ver()[0] == "glibc":
        for option, value in MALLOPT.items():
            ctypes.CDLL(None).mallopt(option, value)
