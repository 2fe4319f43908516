"""int8: exact sums, scales by token and by output, the same alone and in a batch, never by itself."""

import pytest
import torch

from resumen.model import private
from resumen.model.decoding import generate_in_batches, greedy, make_generate
from resumen.model.device import choose_dtype
from resumen.model.int8 import MAX_STATE, MAX_WEIGHT, Int8Weight, int8_linear
from resumen.model.loading import load_t5
from resumen.model.memory import weights_bytes
from resumen.runtime.errors import InputError
from resumen.schema.sections import FinetuneParams, GenerateParams

CPU = torch.device("cpu")


@pytest.fixture(params=["torch's", "without it"])
def matmul(request, monkeypatch):
    """The product as it is here, and where PyTorch has none."""
    private.int8_matmul.cache_clear()
    if request.param == "without it":
        monkeypatch.delattr(torch, "_int_mm")
    yield
    private.int8_matmul.cache_clear()


def test_sums_are_exact_to_the_extremes(matmul):
    torch.manual_seed(3)
    signs = torch.randint(0, 2, (40, 512)) * 2 - 1
    states = torch.cat([torch.full((40, 512), MAX_STATE), signs * MAX_STATE]).to(torch.int8)
    weight = torch.cat([torch.full((40, 512), MAX_WEIGHT), signs * MAX_WEIGHT]).to(torch.int8)
    assert torch.equal(private.int8_matmul()(states, weight.T), states.int() @ weight.int().T)


def test_a_product_is_that_of_what_was_rounded(matmul):
    torch.manual_seed(3)
    states, weight = torch.randn(2, 5, 64) * torch.tensor([[[1e-3]], [[1e3]]]), torch.randn(48, 64)
    states[0, 0] = 0
    rounded = Int8Weight.of(weight)
    assert rounded.values.abs().amax(1).eq(MAX_WEIGHT).all()
    whole = rounded.values.double() * rounded.scale[:, None]
    assert (whole - weight).abs().le(rounded.scale[:, None] * 0.500001).all()
    scale = (states.abs().amax(-1, keepdim=True) / MAX_STATE).clamp(min=1e-30)
    expected = (states / scale).round().double() * scale @ whole.T
    torch.testing.assert_close(int8_linear(states, rounded), expected.float(), rtol=1e-5, atol=1e-6)
    near = int8_linear(states, rounded) - states @ weight.T
    assert near.norm() < 0.02 * (states @ weight.T).norm()


def test_parts_of_a_weight_give_parts_of_the_product():
    states, weight = torch.randn(3, 32), Int8Weight.of(torch.randn(12, 32))
    parts = [int8_linear(states, part) for part in weight.chunk(3)]
    assert torch.equal(torch.cat(parts, dim=1), int8_linear(states, weight))


@pytest.mark.parametrize("kind", ["tied", "untied", "umt5"])
def test_an_article_becomes_the_same_alone_and_beside_others(tiny, kind):
    t5 = load_t5(tiny[kind], torch.int8, CPU)
    rows = [[*range(5, 5 + length), 1] for length in (40, 3, 17, 9)]
    write = make_generate(t5, greedy(8))
    assert [write([row])[0] for row in rows] == generate_in_batches(rows, write, 4, "test")


def test_weights_take_a_quarter_of_the_memory(tiny):
    t5 = load_t5(tiny["untied"], torch.int8, CPU)
    assert {t5.head.values.dtype, t5.cross.values.dtype, t5.encoder[0].wi.values.dtype} == {torch.int8}
    assert t5.embedding.dtype == t5.dtype == torch.float32
    whole, ours = (weights_bytes(t5.config, t5.num_rows, dtype) for dtype in (torch.float32, torch.int8))
    embedding = 4 * t5.embedding.numel()
    assert ours - embedding == (whole - embedding) / 4


def test_it_is_of_a_cpu_and_of_generation_and_is_asked_for():
    assert choose_dtype("int8", CPU) == torch.int8
    assert choose_dtype("auto", CPU) != torch.int8
    with pytest.raises(
        InputError, match=r"generate.precision: int8 is for a CPU, and this is cuda; set it to b"
    ):
        choose_dtype("int8", torch.device("cuda"))
    assert "int8" in str(GenerateParams.model_fields["precision"].annotation)
    assert "int8" not in str(FinetuneParams.model_fields["precision"].annotation)
