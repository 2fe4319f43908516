"""Device: precision goes by the hardware, the environment is checked, equal seeds draw equal numbers."""

import contextlib
import logging
import os
from dataclasses import replace

import pytest
import torch

from resumen.model.device import DEVICE_KINDS, choose_dtype, memory_errors
from resumen.model.prepare import announce, prepare_torch
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
        ("RESUMEN_DEVICE", "meta", "RESUMEN_DEVICE: no device 'meta' here; try cpu"),
        (
            "RESUMEN_DEVICE",
            "mps",
            "RESUMEN_DEVICE: mps is not used: copies to it have changed values silently (pytorch #139550), "
            "and nothing here is tested on one; take cpu",
        ),
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


@pytest.mark.parametrize(
    ("driver", "asked", "is_warned"), [(None, None, False), ("/bin/x", None, True), ("/bin/x", "cpu", False)]
)
def test_what_is_computed_on_is_said_and_a_gpu_that_is_not_used_is_missed(
    monkeypatch, caplog, driver, asked, is_warned
):
    monkeypatch.setattr("resumen.model.prepare.shutil.which", lambda name: driver)
    monkeypatch.delenv("RESUMEN_DEVICE", raising=False)
    if asked:
        monkeypatch.setenv("RESUMEN_DEVICE", asked)
    with caplog.at_level("INFO"):
        announce(logging.getLogger("generate"), CPU, torch.bfloat16)
    assert caplog.messages[0] == f"on cpu ({torch.get_num_threads()} threads), in bfloat16"
    assert any("an NVIDIA driver is here" in message for message in caplog.messages) == is_warned


FULL = [
    (lambda: torch.empty(2**50), 64, ": 4503599627370496 bytes more were asked for; lower k.b from 64 to 32"),
    (
        lambda: raised(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has")),
        8,
        ": 20.00 MiB more were asked for; lower k.b from 8 to 4",
    ),
    (lambda: raised(MemoryError()), 1, "; take a smaller model"),
]


def raised(error):
    raise error


@pytest.mark.parametrize(("fill", "value", "message"), FULL)
def test_memory_that_cannot_be_had_names_the_key_to_lower(fill, value, message):
    with pytest.raises(InputError) as error, memory_errors("k.b", value):
        fill()
    assert str(error.value).startswith(f"k.b: out of memory{message}")


def test_another_error_is_no_lack_of_memory():
    with pytest.raises(RuntimeError, match="shape"), memory_errors("k.b", 8):
        raised(RuntimeError("shape"))
