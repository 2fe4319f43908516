"""Devices: what each kind is good at, and in which precision it computes."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import torch

from resumen.model.private import onednn_computes_bf16
from resumen.runtime.errors import InputError
from resumen.schema.sections import GeneratePrecision


@dataclass(frozen=True)
class DeviceKind:
    """What a kind of device is good at."""

    is_available: Callable[[], bool]
    has_bf16: Callable[[], bool]  # units of its own for it; emulated bf16 is slower than float32
    select: Callable[[int], None]  # let the process of this local rank see one device, its own
    backend: str  # of torch.distributed
    fused_attention: bool  # PyTorch's own attention is the faster one
    chunked: bool  # work is done in chunks that stay in a core's cache
    pin_memory: bool  # a copy from pinned memory does not wait
    memory: int  # bytes that a process plans with: `course` fits a machine of 8 GB, and a T4


def cpu_has_bf16() -> bool:
    """Return whether this processor has units for bf16 that oneDNN uses."""
    capabilities = torch.cpu.get_capabilities()
    has_units = any(capabilities.get(name) for name in ("amx_tile", "avx512_bf16"))
    return has_units and onednn_computes_bf16()


@contextmanager
def memory_errors(key: str, value: int) -> Iterator[None]:
    """Turn memory that cannot be had into an InputError that names the key to lower, which is `value` now."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # of a CPU, PyTorch has no type of its own
        is_full = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not is_full and "can't allocate memory" not in str(error):
            raise
        asked = re.search(r"tried to allocate ([\d.]+) (\w+)", str(error), re.IGNORECASE)
        how_much = f": {asked[1]} {asked[2]} more were asked for" if asked else ""
        remedy = f"lower {key} from {value} to {value // 2}" if value > 1 else "take a smaller model"
        raise InputError(f"{key}: out of memory{how_much}; {remedy}") from error


def select_gpu(local_rank: int) -> None:
    """Let this process see one GPU, its own: all that it asks of `cuda` is asked of the first.

    Raises:
        InputError: there are fewer GPUs than processes.
    """
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    all_gpus = [str(number) for number in range(torch.cuda.device_count())]
    listed = all_gpus if seen is None else [name for name in seen.split(",") if name not in ("", "-1")]
    if local_rank < len(listed):
        os.environ["CUDA_VISIBLE_DEVICES"] = listed[local_rank]
    elif listed:
        raise InputError(
            f"RESUMEN_LAUNCH: {local_rank + 1} processes or more, and {len(listed)} GPUs; start fewer"
        )


META, CPU = torch.device("meta"), torch.device("cpu")  # without values; where all else can be
PRECISIONS = {torch.bfloat16: "bf16", torch.float32: "fp32", torch.int8: "int8"}

DEVICE_KINDS = {  # the best one first
    "cuda": DeviceKind(
        is_available=torch.cuda.is_available,
        has_bf16=lambda: bool(torch.cuda.is_bf16_supported(including_emulation=False)),
        select=select_gpu,
        backend="cpu:gloo,cuda:nccl",
        fused_attention=True,
        chunked=False,
        pin_memory=True,
        memory=12 * 2**30,
    ),
    "cpu": DeviceKind(
        is_available=lambda: True,
        has_bf16=cpu_has_bf16,
        select=lambda local_rank: None,
        backend="gloo",
        fused_attention=False,
        chunked=True,
        pin_memory=False,
        memory=23 * 2**28,
    ),
}


def best_kind() -> str:
    """Return the name of the best kind of device that is here."""
    return next(name for name, kind in DEVICE_KINDS.items() if kind.is_available())


PLANNED = ContextVar("PLANNED", default="cpu")  # the kind of device that tensors without values stand for


def kind_of(device: torch.device) -> DeviceKind:
    """Return what `device` is good at, or, of one without values, the device that a plan is made for."""
    if device.type == "meta":
        return replace(DEVICE_KINDS[PLANNED.get()], pin_memory=False)  # nothing is copied
    return DEVICE_KINDS[device.type]


@contextmanager
def planned_for(device: torch.device) -> Iterator[None]:
    """Let tensors without values be computed as `device` would."""
    token = PLANNED.set(device.type)
    try:
        yield
    finally:
        PLANNED.reset(token)


def open_device(name: str) -> torch.device:
    """Return the device `name`, such as "cpu" or "cuda".

    Raises:
        InputError: it is not here, or is of no kind in DEVICE_KINDS.
    """
    if name.partition(":")[0] == "mps":
        raise InputError(
            "RESUMEN_DEVICE: mps is not used: copies to it have changed values silently (pytorch #139550), "
            "and nothing here is tested on one; take cpu"
        )
    try:
        device = torch.device(name)
        if device.type not in DEVICE_KINDS:
            raise KeyError(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, KeyError) as error:
        raise InputError(f"RESUMEN_DEVICE: no device {name!r} here; try cpu") from error
    return device


def native_bf16(device: torch.device) -> bool:
    """Return whether `device` has units for bf16 of its own."""
    return kind_of(device).has_bf16()


def states_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype of what passes between products whose weights are of `dtype`."""
    return torch.float32 if dtype == torch.int8 else dtype


def choose_dtype(precision: GeneratePrecision, device: torch.device) -> torch.dtype:
    """Return the dtype of the weights. T5 overflows in fp16 (transformers #5651), so never that.

    Raises:
        InputError: int8, and the device is no CPU.
    """
    if precision == "int8" and device.type not in ("cpu", "meta"):
        raise InputError(
            f"params.yaml: generate.precision: int8 is for a CPU, and this is {device.type}; set it to bf16"
        )
    if precision == "auto":
        return torch.bfloat16 if native_bf16(device) else torch.float32
    return next(dtype for dtype, name in PRECISIONS.items() if name == precision)
