"""Models for training: an untied head stays apart, a tied one tied, a folder that is not whole is refused."""

import json
import shutil
from hashlib import sha256

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BartConfig, BartForConditionalGeneration

from resumen.model.loading import load_t5
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.training.pretrained import init_letters, load_model, save_model
from resumen.vocabulary.spelling import add_letters
from resumen.vocabulary.tokenizer import load_tokenizer
from tests.helpers.reference import CLASSES, config_of, head_is_tied, transformers_model

LETTERS = ["ñ", "¿", "Ω"]  # from n, from ?, from no letter


@pytest.fixture
def repaired(vocabulary, tmp_path):
    """A folder of tokenizer files with LETTERS at the end of the vocabulary."""
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    content = add_letters(read_json(vocabulary / "tokenizer.json"), LETTERS, -12.0)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    shutil.copyfile(vocabulary / "tokenizer_config.json", folder / "tokenizer_config.json")
    return folder


@pytest.mark.parametrize("kind", ["tied", "untied", "mt5", "umt5"])
def test_a_head_stays_what_it_is_from_load_to_letters_to_save_to_load(tiny, repaired, tmp_path, kind):
    model, base = load_model(tiny[kind]), load_tokenizer(tiny[kind])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert init_letters(model, base, load_tokenizer(repaired)) == len(LETTERS)
    save_model(model, repaired, tmp_path / "saved")
    again = transformers_model(tmp_path / "saved")

    assert head_is_tied(again) == (kind == "tied")
    assert read_json(tmp_path / "saved/config.json")["tie_word_embeddings"] == (kind == "tied")
    assert again.config.scale_decoder_outputs == (kind == "tied")
    assert load_model(tmp_path / "saved").config == model.config == config_of(transformers_model(tiny[kind]))
    assert again.config.model_type == (kind if kind in CLASSES else "t5")
    new = slice(base.get_vocab_size(), base.get_vocab_size() + len(LETTERS))
    for name, tensor in again.named_parameters():
        table = name in ("shared.weight", "lm_head.weight")
        untouched = torch.ones(len(tensor), dtype=torch.bool)
        untouched[new] = not table
        assert torch.equal(tensor[untouched], before[name][untouched]), name
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")("ñ").input_ids == [3, new.start, 1]


@pytest.mark.parametrize("kind", ["tied", "untied"])
def test_new_rows_start_from_the_base_letter_or_the_mean(tiny, repaired, kind):
    model, base = load_model(tiny[kind]), load_tokenizer(tiny[kind])
    old = base.get_vocab_size()
    tables = model.tables()
    assert len(tables) == (1 if kind == "tied" else 2)
    before = [table.detach().clone() for table in tables]
    init_letters(model, base, load_tokenizer(repaired))
    for table, start in zip(tables, before, strict=True):
        assert torch.equal(table[old], start[base.token_to_id("n")])
        assert torch.equal(table[old + 1], start[base.token_to_id("?")])
        torch.testing.assert_close(table[old + 2], start[:old].mean(dim=0))


@pytest.mark.parametrize("kind", ["tied", "untied", "mt5", "umt5"])
def test_parameters_have_the_names_values_and_order_of_transformers(tiny, kind):
    ours, theirs = load_model(tiny[kind]), transformers_model(tiny[kind])
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    for name, parameter in theirs.named_parameters():
        assert torch.equal(ours.get_parameter(name), parameter), name


def test_equal_models_are_saved_as_equal_bytes(tiny, repaired, tmp_path):
    for name in ("one", "two"):
        save_model(load_model(tiny["untied"]), repaired, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


@pytest.fixture
def damaged(tiny, tmp_path):
    """A copy of the untied tiny T5, to be damaged."""
    return shutil.copytree(tiny["untied"], tmp_path / "damaged")


MISSING = [
    ("encoder.block.0.layer.0.SelfAttention.q.weight", r"missing keys \["),
    ("decoder.final_layer_norm.weight", r"missing keys \["),
    ("shared.weight", r"lm_head\.weight or shared\.weight is missing, which config\.json has apart"),
    ("lm_head.weight", r"lm_head\.weight or shared\.weight is missing, which config\.json has apart"),
]


@pytest.mark.parametrize(("name", "message"), MISSING)
def test_a_missing_tensor_is_refused(damaged, name, message):
    tensors = load_file(damaged / "model.safetensors")
    del tensors[name]
    save_file(tensors, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=message):
        load_model(damaged)


def test_a_tensor_of_another_shape_is_refused(damaged):
    tensors = load_file(damaged / "model.safetensors")
    tensors["encoder.final_layer_norm.weight"] = torch.ones(7)
    save_file(tensors, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"final_layer_norm\.weight: expected shape \(16,\), got \(7,\)"):
        load_model(damaged)


def test_a_file_that_was_cut_short_is_refused(damaged):
    content = (damaged / "model.safetensors").read_bytes()
    (damaged / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"damaged: model\.safetensors: not readable as safetensors"):
        load_model(damaged)


def test_a_folder_of_pickles_is_refused(damaged):
    (damaged / "model.safetensors").rename(damaged / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no model\*\.safetensors; expected what save_pretrained writes"):
        load_model(damaged)


def test_a_folder_without_its_configuration_is_refused(damaged):
    (damaged / "config.json").unlink()
    with pytest.raises(InputError, match=r"damaged: no config\.json; expected what save_pretrained writes"):
        load_model(damaged)


def test_an_encoder_decoder_that_is_no_t5_is_refused(tmp_path):
    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 50}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 16}
    BartForConditionalGeneration(BartConfig(**size, **heads)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="model_type: expected one of t5, mt5, umt5, got 'bart'"):
        load_model(tmp_path)


def test_a_model_that_decodes_only_is_refused(damaged):
    config = {
        **read_json(damaged / "config.json"),
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
    }
    (damaged / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match="model_type: expected one of t5, mt5, umt5, got 'gpt2'"):
        load_model(damaged)


@pytest.mark.parametrize(
    "load", [load_model, lambda folder: load_t5(folder, torch.float32, torch.device("cpu"))]
)
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_is_not_what_its_provenance_says_is_refused(tiny, tmp_path, load, name):
    folder = shutil.copytree(tiny["untied"], tmp_path / "model")
    hashes = {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    (folder / "provenance.json").write_text(json.dumps({"source": "hub", "sha256": hashes}), encoding="utf-8")
    load(folder)
    content = bytearray((folder / name).read_bytes())
    content[-9] ^= 1
    (folder / name).write_bytes(content)
    message = (
        rf"{folder}/{name}: damaged: its sha256 is not the one in provenance.json; `resumen doctor --fix"
    )
    with pytest.raises(InputError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "message", ["[]", "{}", '{"sha256": ["a"]}', '{"sha256": {"../a": "b"}}', r'{"sha256": {"a\u0000": "b"}}']
)
def test_a_provenance_that_says_nothing_is_refused(tiny, tmp_path, message):
    folder = shutil.copytree(tiny["untied"], tmp_path / "model")
    (folder / "provenance.json").write_text(message, encoding="utf-8")
    with pytest.raises(InputError, match=str(tmp_path)):
        load_model(folder)
