"""Our T5 against transformers' T5: equal losses and gradients; and a folder that is not whole is refused."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy, linear

import resumen.model.t5
from resumen.checkpoint.config import ACTIVATION_NAMES, ModelConfig
from resumen.model import device
from resumen.model.decoding import make_generate
from resumen.model.loading import check_vocabulary, load_t5
from resumen.model.private import onednn_linear
from resumen.model.t5 import ACTIVATIONS, T5, CrossEntropy, Dropout, project
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.schema.sections import Decoding
from resumen.vocabulary.tokenizer import load_tokenizer
from tests.helpers.reference import config_of, transformers_model

CPU = torch.device("cpu")
KINDS = (
    "tied",
    "untied",
    "mt5",
    "umt5",
)  # T5 v1.0: ReLU, scaled head; v1.1 and others: gated GELU, head apart


def arithmetic(model, dtype=torch.float32):
    return T5(dict(model.named_parameters()).__getitem__, config_of(model), dtype)


def scales_as_its_file_says(model):
    """Let transformers' UMT5 scale its head where the file says so: 5.23 scales that of every UMT5."""
    model.config.tie_word_embeddings = model.config.scale_decoder_outputs


@pytest.fixture
def batch():
    """Three padded rows, longer than the exact buckets of relative positions."""
    draw = torch.Generator().manual_seed(5)
    ids = torch.randint(3, 90, (3, 150), generator=draw)
    labels = torch.randint(3, 90, (3, 40), generator=draw)
    mask = torch.ones_like(ids)
    for row, (source, target) in enumerate([(150, 40), (97, 31), (20, 1)]):
        ids[row, source:], mask[row, source:], labels[row, target:] = 0, 0, -100
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def test_a_umt5_whose_file_calls_it_t5_is_told_by_its_tensors(tiny, batch, tmp_path):
    folder = shutil.copytree(tiny["umt5"], tmp_path / "named")
    content = read_json(folder / "config.json") | {"model_type": "t5", "scale_decoder_outputs": False}
    (folder / "config.json").write_text(json.dumps(content))
    theirs = transformers_model(tiny["umt5"])
    scales_as_its_file_says(theirs)
    logits = theirs(**batch).logits.flatten(0, 1)
    expected = cross_entropy(logits, batch["labels"].flatten(), reduction="sum")
    with torch.inference_mode():
        found = load_t5(folder, torch.float32, CPU).loss(batch)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_those_of_transformers(tiny, batch, kind, smoothing):
    model = transformers_model(tiny[kind])
    scales_as_its_file_says(model)
    logits = model(**batch).logits.flatten(0, 1)
    theirs = cross_entropy(logits, batch["labels"].flatten(), label_smoothing=smoothing, reduction="sum")
    theirs.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    ours = arithmetic(model).loss(batch, smoothing)
    ours.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    for name, parameter in model.named_parameters():
        apart = torch.linalg.vector_norm(parameter.grad - expected[name])
        assert apart <= 1e-5 * torch.linalg.vector_norm(expected[name]), name


def test_a_projection_and_its_gradients_are_those_of_torch():
    torch.manual_seed(3)
    states, weight = torch.randn(2, 5, 8).transpose(0, 1), torch.randn(6, 8)
    factor = torch.randn(5, 2, 6)
    result = []
    for function in (project, linear):
        inputs = states.clone().requires_grad_(), weight.clone().requires_grad_()
        product = function(*inputs)
        result.append([product, *torch.autograd.grad((product * factor).sum(), inputs)])
    torch.testing.assert_close(*result)
    is_ours = project(states.requires_grad_(), weight).grad_fn.name() == "OneDNNLinearBackward"
    assert is_ours == (onednn_linear() is not None)
    assert project(torch.empty(0, 8), weight).shape == (0, 6)


@pytest.mark.parametrize(("pins", "waits"), [(True, False), (False, True)])
def test_only_a_copy_from_pinned_memory_does_not_wait(tiny, monkeypatch, pins, waits):
    """To MPS, copies that do not wait have changed values silently (pytorch #139550)."""
    copied, kind = [], device.DEVICE_KINDS["cpu"]

    def to(tensor, target, non_blocking):
        copied.append(not non_blocking)
        return tensor

    monkeypatch.setitem(device.DEVICE_KINDS, "cpu", replace(kind, pin_memory=pins))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    t5 = load_t5(tiny["untied"], torch.float32, CPU)
    monkeypatch.setattr(torch.Tensor, "to", to)
    t5.to_device(torch.ones(2))
    assert copied == [waits]


def test_training_computes_with_few_shapes(tiny, batch, monkeypatch):
    met = set()

    def spied(states, weight):
        met.add(tuple(states.shape[:-1]))
        return linear(states, weight)

    monkeypatch.setattr(resumen.model.t5, "project", spied)
    model = transformers_model(tiny["untied"])
    for more in range(8):
        part = {name: rows[:, : {"labels": 33}.get(name, 150) + more] for name, rows in batch.items()}
        arithmetic(model).loss(part)
    assert met == {(3, 160), (3, 48), (128,)}  # of the sources, the targets, the logits


def test_an_attention_in_parts_is_the_whole(tiny, batch, monkeypatch):
    model = transformers_model(tiny["untied"])
    whole = arithmetic(model).loss(batch)
    monkeypatch.setattr(resumen.model.t5, "SCORES_CHUNK", 1)
    torch.testing.assert_close(arithmetic(model).loss(batch), whole, rtol=1e-6, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("chunk_size", [1, 10**6])
def test_cross_entropy_and_its_gradient_are_those_of_torch(monkeypatch, smoothing, dtype, chunk_size):
    monkeypatch.setattr(resumen.model.t5, "LOGITS_CHUNK", chunk_size)
    torch.manual_seed(3)
    logits, labels = torch.randn(9, 33).mul(3).to(dtype).requires_grad_(), torch.arange(7) * 4
    loss = CrossEntropy.apply(logits, labels, smoothing)  # two rows have no label
    gradient = torch.autograd.grad(loss / 3, logits)[0]
    expected = cross_entropy(logits[:7].float(), labels, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected / 3, logits)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_is_near_float32_and_leaves_gradients_in_float32(tiny, batch, kind):
    model = transformers_model(tiny[kind])
    loss = arithmetic(model, torch.bfloat16).loss(batch)
    loss.backward()
    torch.testing.assert_close(loss, arithmetic(model).loss(batch), rtol=0.02, atol=0)
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", ["untied", "mt5", "umt5"])
def test_relative_positions_are_those_of_transformers(tiny, kind):
    model = transformers_model(tiny[kind])
    for stack in ("encoder", "decoder"):
        for number, ours in enumerate(arithmetic(model).biases(stack, 300)):
            of_own = number if kind == "umt5" else 0
            theirs = getattr(model, stack).block[of_own].layer[0].SelfAttention.compute_bias(300, 300)
            seen = theirs if stack == "encoder" else theirs.tril()  # a decoder does not look ahead
            assert torch.equal(ours if stack == "encoder" else ours.tril(), seen)


def test_dropout_is_one_mask_for_all_positions_and_keeps_the_mean():
    torch.manual_seed(3)
    dropped = Dropout(0.25)(torch.ones(4, 9, 5000))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert dropped.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    assert not torch.equal(dropped[0], dropped[1])


def test_dropping_values_is_dropping_the_attention_to_their_keys():
    torch.manual_seed(3)
    weights, values = torch.rand(2, 3, 5, 40).softmax(-1), torch.rand(2, 3, 40, 8)
    torch.manual_seed(4)
    ours = weights @ Dropout(0.5).keys(values)
    torch.manual_seed(4)
    kept = Dropout(0.5).mask((2, 3, 40, 1), values)
    torch.testing.assert_close(ours, weights * kept.transpose(2, 3) @ values)


def test_dropout_changes_the_loss_by_its_seed_only(tiny, batch):
    model = transformers_model(tiny["untied"])
    losses = []
    for seed, share in ((1, 0.0), (1, 0.3), (1, 0.3), (2, 0.3)):
        torch.manual_seed(seed)
        losses.append(arithmetic(model).loss(batch, drop=Dropout(share)).item())
    assert losses[1] == losses[2]
    assert len(set(losses)) == 3


def test_a_checkpoint_is_read_as_transformers_reads_it(tiny, batch):
    for kind in KINDS:
        t5 = load_t5(tiny[kind], torch.float32, CPU)
        torch.testing.assert_close(t5.loss(batch), arithmetic(transformers_model(tiny[kind])).loss(batch))
        assert t5.config == config_of(transformers_model(tiny[kind]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_arithmetic_is_in_the_dtype_asked_for(tiny, dtype):
    t5 = load_t5(tiny["untied"], dtype, CPU)
    assert {t5.head.dtype, t5.cross.dtype, t5.encoder[0].qkv.dtype} == {dtype}
    assert t5.embedding.dtype == torch.float32


def test_a_head_apart_is_kept_though_the_configuration_calls_it_tied(damaged):
    change(
        damaged, tie_word_embeddings=True, scale_decoder_outputs=False
    )  # as transformers 5 saves a Flan-T5
    t5 = load_t5(damaged, torch.float32, CPU)
    assert t5.config.untied_head
    assert not torch.equal(t5.head, t5.embedding)


# ---- folders that are not whole


@pytest.fixture
def damaged(tiny, tmp_path):
    """A copy of the untied tiny T5, to be damaged."""
    return shutil.copytree(tiny["untied"], tmp_path / "damaged")


def change(folder, **values):
    """Write `values` into the folder's config.json; None takes a key out."""
    config = {**read_json(folder / "config.json"), **values}
    kept = {key: value for key, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept), encoding="utf-8")


def refusal(folder):
    with pytest.raises(InputError) as error:
        load_t5(folder, torch.float32, CPU)
    return str(error.value).removeprefix(f"{folder}: ")


TENSORS = [
    ("encoder.block.0.layer.0.SelfAttention.q.weight", "missing keys ["),
    ("decoder.block.0.layer.2.DenseReluDense.wo.weight", "missing keys ["),
    ("shared.weight", "lm_head.weight or shared.weight is missing, which config.json has apart"),
    ("lm_head.weight", "lm_head.weight or shared.weight is missing, which config.json has apart"),
]


@pytest.mark.parametrize(("name", "message"), TENSORS)
def test_a_missing_tensor_is_refused(damaged, name, message):
    tensors = load_file(damaged / "model.safetensors")
    del tensors[name]
    save_file(tensors, damaged / "model.safetensors")
    assert refusal(damaged).startswith(message)


def test_a_tensor_of_another_shape_is_refused(damaged):
    tensors = load_file(damaged / "model.safetensors")
    tensors["encoder.final_layer_norm.weight"] = torch.ones(7)
    save_file(tensors, damaged / "model.safetensors")
    assert refusal(damaged).startswith("encoder.final_layer_norm.weight: expected shape (16,), got (7,); ")


def test_a_file_that_was_cut_short_is_refused(damaged):
    content = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(content[: len(content) // 2])
    assert refusal(damaged).startswith("model.safetensors: not readable as safetensors")


def test_pickles_and_a_missing_configuration_are_refused(damaged):
    (damaged / "config.json").rename(damaged / "config.txt")
    assert refusal(damaged) == "no config.json; expected what save_pretrained writes"
    (damaged / "model.safetensors").rename(damaged / "pytorch_model.bin")
    assert refusal(damaged) == "no model*.safetensors; expected what save_pretrained writes"


def test_every_activation_that_a_configuration_may_name_can_be_computed():
    assert set(ACTIVATIONS) == set(ACTIVATION_NAMES)


CONFIGURATIONS = [
    ({"model_type": "bart"}, "config.json: model_type: expected one of t5, mt5, umt5, got 'bart'"),
    ({"d_kv": None}, "config.json: d_kv: missing"),
    (
        {"feed_forward_proj": "gated-swish"},
        "config.json: feed_forward_proj: expected one of relu, gelu, gelu_new, silu, got 'gated-swish'",
    ),
    (
        {"num_heads": 3},
        "encoder.block.0.layer.0.SelfAttention.q.weight: expected shape",
    ),
]


@pytest.mark.parametrize(("values", "message"), CONFIGURATIONS)
def test_a_configuration_that_does_not_fit_is_refused(damaged, values, message):
    change(damaged, **values)
    assert refusal(damaged).startswith(message)


def test_a_vocabulary_larger_than_the_embedding_is_refused(vocabulary):
    tokenizer = load_tokenizer(vocabulary)
    pieces = tokenizer.get_vocab_size()
    check_vocabulary(pieces, tokenizer, vocabulary)
    with pytest.raises(
        InputError, match=f"its tokenizer has {pieces} pieces, and its embedding only {pieces - 1}"
    ):
        check_vocabulary(pieces - 1, tokenizer, vocabulary)


def test_a_shape_has_the_defaults_of_transformers():
    from transformers import T5Config

    sizes = {"d_model": 8, "d_ff": 9, "d_kv": 4, "num_heads": 2, "num_layers": 3}
    for extra in ({}, {"tie_word_embeddings": False, "feed_forward_proj": "gated-gelu"}):
        theirs = T5Config(**sizes, **extra)
        ours = ModelConfig.of(sizes | extra)
        assert (ours.num_decoder_layers, ours.activation) == (theirs.num_decoder_layers, theirs.dense_act_fn)
        assert (ours.gated, ours.scale_output) == (theirs.is_gated_act, theirs.scale_decoder_outputs)
        assert ours.num_buckets == theirs.relative_attention_num_buckets
        assert (ours.epsilon, ours.max_distance) == (
            theirs.layer_norm_epsilon,
            theirs.relative_attention_max_distance,
        )
        assert (ours.decoder_start, ours.pad, ours.eos) == (0, theirs.pad_token_id, theirs.eos_token_id)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_step_asks_the_device_for_no_value(tiny, batch, kind, fused, monkeypatch):
    """A GPU would be waited for; a meta tensor, which has no values, fails."""
    kinds = device.DEVICE_KINDS
    monkeypatch.setitem(kinds, "meta", replace(kinds["cpu"], fused_attention=fused))
    model = transformers_model(tiny[kind]).to("meta")
    loss = arithmetic(model).loss(batch, 0.1, Dropout(0.1))
    loss.backward()
    assert loss.is_meta
    assert model.shared.weight.grad.is_meta
    with pytest.raises((RuntimeError, NotImplementedError)):
        arithmetic(model).loss({name: tensor.to("meta") for name, tensor in batch.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_the_attention_of_a_gpu_computes_the_same(tiny, batch, kind, monkeypatch):
    model = transformers_model(tiny[kind]).double()
    decoding = Decoding(max_new_tokens=12, num_beams=4, length_penalty=1.0, no_repeat_ngram_size=0)
    prompts = [row[row > 0].tolist() for row in batch["input_ids"]]
    result = []
    for is_fused in (False, True):
        monkeypatch.setitem(
            device.DEVICE_KINDS, "cpu", replace(device.DEVICE_KINDS["cpu"], fused_attention=is_fused)
        )
        t5 = arithmetic(model, torch.float64)
        loss = t5.loss(batch)
        result.append(
            (loss, *torch.autograd.grad(loss, list(model.parameters())), make_generate(t5, decoding)(prompts))
        )
    (*plain, written), (*fused, also_written) = result
    torch.testing.assert_close(plain, fused, rtol=1e-4, atol=1e-5)
    assert written == also_written


@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_bf16_products_meet_keys_without_gaps_and_those_of_the_past(tiny, monkeypatch, dtype, num_beams):
    """PyTorch copies those with gaps, and what a step copies does not fit where the one before lay."""
    t5, met = load_t5(tiny["untied"], dtype, CPU), []
    attend = resumen.model.t5.attention

    def remember(queries, keys, values, *added):
        met.append((keys.clone(), values.clone(), keys.is_contiguous() and values.is_contiguous()))
        return attend(queries, keys, values, *added)

    with torch.inference_mode():
        ids = torch.randint(3, 90, (5, 12), generator=torch.Generator().manual_seed(5))
        cache = t5.prefill(ids, ids > 9, num_beams, max_tokens=6)
        monkeypatch.setattr(resumen.model.t5, "attention", remember)
        for step in range(1, 4):
            met.clear()
            t5.step(cache, torch.full((cache.past.shape[2], num_beams), step))
            for past, (keys, values, is_dense) in zip(cache.past, met[::2], strict=True):
                assert is_dense is (dtype == torch.bfloat16)
                assert torch.equal(torch.stack([keys, values]), past[:, :, :, : step * num_beams])
            cache.select(torch.arange(5 - step))
