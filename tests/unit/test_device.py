"""Device: precision goes by the hardware, the environment is checked, equal seeds draw equal numbers."""

import contextlib
import os
from dataclasses import replace

import pytest
import torch

from resumen.model.device import DEVICE_KINDS, choose_dtype
from resumen.model.prepare import prepare_torch
from resumen.runtime.errors import InputError

CPU = torch.device("cpu")

# whether the CPU has AMX, AVX512-BF16, and whether oneDNN is let use them; what `auto` chooses
HARDWARE = [
    (True, False, True, torch.bfloat16),
    (False, True, True, torch.bfloat16),
    (True, True, False, torch.float32),
    (False, False, True, torch.float32),  # bf16 would be emulated
    (False, False, False, torch.float32),
]


@pytest.mark.parametrize(("amx", "avx512", "onednn", "expected"), HARDWARE)
def test_precision_is_as_asked_and_auto_goes_by_the_hardware(monkeypatch, amx, avx512, onednn, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_tile": amx, "avx512_bf16": avx512})
    monkeypatch.setattr("resumen.model.device.onednn_computes_bf16", lambda: onednn)
    assert choose_dtype("auto", CPU) is expected
    assert choose_dtype("bf16", CPU) is torch.bfloat16
    assert choose_dtype("fp32", CPU) is torch.float32


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RESUMEN_THREADS", "zwei", "RESUMEN_THREADS: expected a number ≥ 1, got 'zwei'"),
        ("RESUMEN_THREADS", "0", "RESUMEN_THREADS: expected a number ≥ 1, got '0'"),
        ("RESUMEN_DEVICE", "gpu", "RESUMEN_DEVICE: no device 'gpu' here; try cpu"),
    ],
)
def test_an_environment_variable_that_cannot_be_is_refused(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError) as error:
        prepare_torch(seed=0)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "selects"), [(None, True), ("cuda", True), ("cpu", False), ("cuda:1", False)]
)
def test_each_process_gets_a_gpu_of_its_own_unless_one_is_named(monkeypatch, name, selects):
    asked = []
    monkeypatch.setitem(DEVICE_KINDS, "cuda", replace(DEVICE_KINDS["cuda"], select=asked.append))
    monkeypatch.setenv("LOCAL_RANK", "1")
    if name:
        monkeypatch.setenv("RESUMEN_DEVICE", name)
    else:
        monkeypatch.delenv("RESUMEN_DEVICE", raising=False)
    with contextlib.suppress(InputError):  # there may be no GPU here
        prepare_torch(seed=0)
    assert asked == ([1] if selects else [])


def test_equal_seeds_draw_equal_numbers():
    drawn = []
    for seed in (1, 1, 2):
        assert prepare_torch(seed).type in ("cpu", "cuda")
        drawn.append(torch.rand(4).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.get_num_threads() == 1  # RESUMEN_THREADS


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity there")
def test_threads_are_as_many_as_the_cores_that_the_process_may_use(monkeypatch):
    monkeypatch.delenv("RESUMEN_THREADS")
    allowed, threads = os.sched_getaffinity(0), torch.get_num_threads()
    try:
        os.sched_setaffinity(0, {min(allowed)})
        torch.set_num_threads(2)
        prepare_torch(seed=0)
        assert torch.get_num_threads() == 1
    finally:
        os.sched_setaffinity(0, allowed)
        torch.set_num_threads(threads)
