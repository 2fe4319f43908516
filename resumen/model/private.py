"""Private parts of libraries: why each is used, and what is done where a version has it no more.

Each is asked for once. Public parts are used where they exist.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

Linear = Callable[[Tensor, Tensor], Tensor]  # (…, features), (outputs, features) -> (…, outputs)

# What a missing or changed private function raises.
MISSING = (AttributeError, RuntimeError, TypeError, ValueError)

TORCHRUN = {
    "ChildFailedError": "torch.distributed.elastic.multiprocessing.errors",
    "RendezvousError": "torch.distributed.elastic.rendezvous",
    "SignalException": "torch.distributed.elastic.multiprocessing.api",
    "config_from_args": "torch.distributed.run",
    "get_args_parser": "torch.distributed.run",
    "run": "torch.distributed.run",
}


@cache
def onednn_linear() -> Linear | None:
    """Return inductor's product by oneDNN in float32, or None if it is not there or computes another thing.

    PyTorch's own calls MKL, which gives an AMD processor no more than AVX2: 4.3 s a step of fine-tuning where
    this takes 2.75 (LOG.md, 2026-11-28). Without it, PyTorch's own.
    """

    def linear(states: Tensor, weight: Tensor) -> Tensor:
        output: Tensor = torch.ops.mkldnn._linear_pointwise(states, weight, None, "none", [], "")
        return output

    states, weight = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 5.0]])
    try:
        computes = torch.backends.mkldnn.is_available() and linear(states, weight).tolist() == [[13.0]]
    except MISSING:
        computes = False
    return linear if computes else None


@cache
def int8_matmul() -> Callable[[Tensor, Tensor], Tensor]:
    """Return the exact product of two matrices of int8 in int32: PyTorch's, or a slow one where that is not.

    torchao calls it too. The first factor may have all values, the second at most 63 (see `int8.py`).
    """
    one, other = torch.full((2, 64), 127, dtype=torch.int8), torch.full((64, 3), 63, dtype=torch.int8)
    try:
        if (torch._int_mm(one, other) == 64 * 127 * 63).all():
            return torch._int_mm
    except MISSING:
        pass
    return lambda states, weight: states.int() @ weight.int()


def fake_tensors() -> AbstractContextManager[Any]:
    """Return what lets tensors be made without values while it is entered, models as well.

    PyTorch's fake tensors: transformers asks no values of them, as it does of those on the device `meta`,
    which stand for them where there are none.
    """
    try:
        mode: AbstractContextManager[Any] = import_module("torch._subclasses.fake_tensor").FakeTensorMode()
    except (ImportError, *MISSING):
        return torch.device("meta")
    return mode


@cache
def attends_in_one(model_type: str) -> bool:
    """Return whether transformers lets PyTorch's own attention compute the models of a type.

    Where it does not say so, it is taken that it does not, which plans with more memory.
    """
    try:
        auto = import_module("transformers.models.auto.modeling_auto").MODEL_MAPPING
        configs = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
        return bool(auto[configs[model_type]]._supports_sdpa)
    except (ImportError, LookupError, *MISSING):
        return False


@cache
def onednn_computes_bf16() -> bool:
    """Return whether oneDNN may use the processor's units for bf16: ONEDNN_MAX_CPU_ISA may tell it not to.

    Without PyTorch's private question, the variable itself is read.
    """
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except MISSING:
        allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()
        return any(name in allowed for name in ("DEFAULT", "ALL", "BF16", "AMX", "AVX10"))


class NoMode:
    """A mode that sees nothing."""

    def __enter__(self) -> "NoMode":
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing behind."""


def dispatch_mode() -> type:
    """Return PyTorch's base of modes that see each operation, public through its subclasses alone.

    Without it nothing is counted: no step of training is planned, and memory that is short fails as it does.
    """
    try:
        mode: type = import_module("torch.utils._python_dispatch").TorchDispatchMode
    except (ImportError, AttributeError):
        return NoMode
    return mode


@cache
def torchrun_parts() -> SimpleNamespace | None:
    """Return torchrun's functions and errors, or None if they are not there.

    With them its options are checked before a process starts, and one line says which process ended and how.
    Without them torchrun runs as a process of its own, and says so itself, at length.
    """
    try:
        parts = {name: getattr(import_module(module), name) for name, module in TORCHRUN.items()}
    except (ImportError, AttributeError):
        return None
    return SimpleNamespace(**parts)
