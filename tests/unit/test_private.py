"""Private parts of libraries: each taken away, what is done without it computes the same, or says why not."""

import platform
import sys

import pytest
import torch
from transformers import AutoConfig

from resumen.generation.counting import Operations
from resumen.model import private
from resumen.model.device import choose_dtype
from resumen.model.distributed import run_under_torchrun
from resumen.model.t5 import project
from resumen.runtime.errors import InputError
from resumen.tools.private import remote_store
from tests.helpers.absent import Gone


@pytest.fixture
def gone(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", Gone())
    asked = (private.onednn_linear, private.onednn_computes_bf16, private.torchrun_parts)
    for question in asked:
        question.cache_clear()
    yield
    for question in asked:
        question.cache_clear()


def gradients():
    torch.manual_seed(3)
    states, weight = torch.randn(2, 5, 8, requires_grad=True), torch.randn(6, 8, requires_grad=True)
    output = project(states, weight)
    return (output, *torch.autograd.grad(output.square().sum(), (states, weight)))


def test_a_product_without_onednn_is_the_same(gone):
    assert private.onednn_linear() is None
    without = gradients()
    assert without[0].grad_fn.name() != "OneDNNLinearBackward"
    private.onednn_linear.cache_clear()


def test_a_product_by_onednn_is_that_of_torch(monkeypatch):
    by_onednn = gradients()
    monkeypatch.setattr("resumen.model.t5.onednn_linear", lambda: None)
    torch.testing.assert_close(by_onednn, gradients(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["bart", "llama"])
def test_operations_without_fake_tensors_are_the_same(models, monkeypatch, kind):
    config = AutoConfig.from_pretrained(models[kind])
    expected = Operations(config).written(100, 12, 2)
    monkeypatch.setattr("resumen.model.private.import_module", Gone())
    assert isinstance(private.fake_tensors(), torch.device)
    assert Operations(config).written(100, 12, 2) == expected


@pytest.mark.parametrize(
    ("isa", "expected"),
    [(None, torch.bfloat16), ("AVX512_CORE_BF16", torch.bfloat16), ("AVX2", torch.float32)],
)
def test_whether_bf16_has_units_is_read_from_the_variable(gone, monkeypatch, isa, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if isa:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa)
    assert choose_dtype("auto", torch.device("cpu")) is expected


@pytest.mark.parametrize(("module", "ends_well"), [("platform", True), ("no.such.module", False)])
def test_without_its_parts_torchrun_is_a_process_of_its_own(gone, monkeypatch, capfd, module, ends_well):
    monkeypatch.delattr("torch.distributed.run.config_from_args", raising=False)
    monkeypatch.setenv("RESUMEN_LAUNCH", "--nproc-per-node 1")
    monkeypatch.setattr("sys.argv", ["finetune"])
    if ends_well:
        assert run_under_torchrun(module)
        assert platform.machine() in capfd.readouterr().out
    else:
        with pytest.raises(
            InputError, match="torchrun --nproc-per-node 1 ended with exit code 1; what it said"
        ):
            run_under_torchrun(module)


@pytest.mark.parametrize("taken", ["the module", "its parts"])
def test_without_dvcs_stores_a_remote_is_not_read_and_the_message_says_what_verifies_it(monkeypatch, taken):
    if taken == "the module":
        monkeypatch.setitem(sys.modules, "dvc.repo", None)
    else:
        monkeypatch.setattr("dvc.repo.Repo", Gone)
    with pytest.raises(
        InputError, match=r"^remote nas: this version of DVC does not let .* `dvc pull` verify"
    ):
        remote_store("nas")
