"""The machine: its name, the rate of its matrix products, and what share of that a work reaches."""

import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from resumen.model.device import choose_dtype, native_bf16
from resumen.model.t5 import project

PACKAGES = ("torch", "transformers", "ctranslate2", "datasets", "rouge_score")


def matrix_rate(
    dtype: torch.dtype, device: torch.device, product: Callable[[Tensor, Tensor], Tensor] = project
) -> float:
    """Return how many 10¹² operations a second a matrix product does, the most of ten times.

    On a CPU by oneDNN, as ours; on a GPU ten products of a size that fills it, so that starting them is free.
    """
    is_gpu = device.type == "cuda"
    size, count = (8192, 10) if is_gpu else (2048, 1)
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = 0.0
    with torch.inference_mode():
        for _ in range(10):
            if is_gpu:
                torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(count):
                product(one, other)
            if is_gpu:
                torch.cuda.synchronize()
            best = max(best, count * 2 * size**3 / (time.perf_counter() - start) / 1e12)
    return best


def hardware(device: torch.device) -> str:
    """Return a line on the machine, the rate of its matrix products, and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    rates = [f"{matrix_rate(torch.float32, device):.2f} in float32"]
    if device.type == "cpu":
        rates.append(f"{matrix_rate(torch.float32, device, functional.linear):.2f} in PyTorch's own float32")
    if native_bf16(device):  # emulated, it takes minutes
        rates.append(f"{matrix_rate(torch.bfloat16, device):.2f} in bfloat16")
    return "; ".join(
        [
            f"{name}, {torch.get_num_threads()} threads, {units(device)}",
            f"matrix products, 10¹² operations a second: {', '.join(rates)}",
            ", ".join(f"{name} {version(name)}" for name in PACKAGES if find_spec(name)),
        ]
    )


def units(device: torch.device) -> str:
    """Return what the hardware has for bf16."""
    if not native_bf16(device):
        return "no bf16 units: float32"
    has_amx = device.type == "cpu" and torch.cpu._is_amx_tile_supported()
    return "bf16 units, AMX" if has_amx else "bf16 units" if device.type == "cuda" else "bf16 units, no AMX"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def busy(articles_a_second: float, tokens: float, operations: float, device: torch.device) -> str:
    """Return ours' tokens a second, in and out, and what share of the rate of matrix products it reaches.

    `tokens` and `operations` are those of an article, in the mean.
    """
    needed, dtype = operations * articles_a_second / 1e12, choose_dtype("auto", device)
    share, kind = needed / matrix_rate(dtype, device), str(dtype).removeprefix("torch.")
    return (
        f"Ours takes in and puts out {articles_a_second * tokens:,.0f} tokens a second, {needed:.2f} · 10¹² "
        f"operations, {share:.0%} of the rate of {kind} products."
    )
