"""Where and how the arithmetic runs: device, threads, precision, memory."""

import ctypes
import os
import platform

import torch

from stages.shared.choices import Precision
from stages.shared.cli import InputError
from stages.shared.cores import num_cores
from stages.shared.ranks import choose_gpu, join

MALLOPT = {-1: 2**29, -4: 0}  # M_TRIM_THRESHOLD, in bytes, and M_MMAP_MAX of malloc.h


def prepare_torch(seed: int) -> torch.device:
    """Seed torch, fix the threads, ask for determinism, meet the other processes; return the device.

    RESUMEN_THREADS sets the number of CPU threads (default: all, shared out among the processes) and
    RESUMEN_DEVICE the device (default: a GPU if there is one). Equal bytes are promised on one machine at one
    thread count.
    """
    share = num_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    threads = os.environ.get("RESUMEN_THREADS", max(1, share))
    try:
        torch.set_num_threads(int(threads))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"RESUMEN_THREADS: expected a number ≥ 1, got {threads!r}") from error
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms, without a second of imports
    # Every `empty` would be written twice.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # it has it
    torch.manual_seed(seed)
    keep_memory()
    if os.environ.get("RESUMEN_DEVICE", "cuda") == "cuda":
        choose_gpu()
    join()
    name = os.environ.get("RESUMEN_DEVICE", "cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"RESUMEN_DEVICE: no device {name!r} here; try cpu") from error
    return device


def keep_memory() -> None:
    """Let glibc keep freed memory, 512 MB at the end of its heap and all before, for the next tensor.

    By default it asks the kernel for each large tensor anew, and every page of it costs a fault: a sixth of
    a miniature's training step.
    """
    if platform.libc_ver()[0] == "glibc":
        for option, value in MALLOPT.items():
            ctypes.CDLL(None).mallopt(option, value)


def native_bf16(device: torch.device) -> bool:
    """Return whether `device` has units for bf16 of its own; emulated bf16 is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has_units = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    # oneDNN may be told to ignore them (ONEDNN_MAX_CPU_ISA=AVX2)
    return has_units and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of the arithmetic. T5 overflows in fp16 (transformers #5651), so never that."""
    if precision == "auto":
        return torch.bfloat16 if native_bf16(device) else torch.float32
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
