"""Weights: a folder that transformers loads, from a shipped miniature, a local folder or the hub."""

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from resumen.checkpoint.folder import reason_left_out
from resumen.model.loading import load_t5
from resumen.runtime.jsonfiles import read_json
from resumen.training.pretrained import load_model
from stages.weights import main
from tests.helpers.weights import COMPLETE, INCOMPLETE

CHECKPOINTS = ["t5-small", "t5-base", "flan-small", "flan-base", "flan-large"]
PRETRAINED = Path("models/pretrained")


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_miniature_is_unpacked_to_the_bit(project, vocabulary, runs, name):
    runs(main, name)
    shipped = load_file(vocabulary / f"{name}.safetensors")
    unpacked = load_file(PRETRAINED / name / "model.safetensors")
    assert unpacked.keys() == shipped.keys()
    for key, tensor in shipped.items():
        assert tensor.dtype is torch.bfloat16
        assert unpacked[key].dtype is torch.float32
        assert torch.equal(unpacked[key].view(torch.int32), tensor.float().view(torch.int32)), key


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_miniature_loads_and_its_head_is_tied_as_the_real_ones_is(project, runs, name):
    runs(main, name)
    folder = PRETRAINED / name
    assert load_model(folder).config.untied_head == name.startswith("flan")
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("Resume: llueve en el norte.", return_tensors="pt").input_ids
    assert model.config.vocab_size >= len(tokenizer)
    assert model.generate(ids, max_new_tokens=3).shape[0] == 1


def test_provenance_says_who_it_stands_for_and_hashes_every_file(project, runs):
    runs(main, "flan-small")
    folder = PRETRAINED / "flan-small"
    provenance = read_json(folder / "provenance.json")
    assert provenance["source"] == "miniature"
    assert provenance["stands_for"] == "google/flan-t5-small"
    files = {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del files["provenance.json"]
    assert provenance["sha256"] == files


def test_equal_runs_give_equal_bytes(project, runs):
    output = []
    for _ in range(2):
        runs(main, "t5-small")
        output.append({path.name: path.read_bytes() for path in (PRETRAINED / "t5-small").iterdir()})
    assert output[0] == output[1]


@pytest.fixture
def own(project, tiny, set_params):
    """A local folder as checkpoint `own`, with things in it that are not to be copied."""
    folder = shutil.copytree(tiny["untied"], project / "own")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_own.py").write_text("raise SystemExit")
    set_params({"checkpoints.own": {"folder": "own"}})
    return folder


def test_a_local_folder_is_copied_without_pickles_and_code(own, runs):
    runs(main, "own")
    copied = {path.name for path in (PRETRAINED / "own").iterdir()}
    listed = {path.name for path in own.iterdir()} - {"pytorch_model.bin", "modeling_own.py"}
    assert copied == listed | {"provenance.json"}
    assert read_json(PRETRAINED / "own/provenance.json")["source"] == "folder"
    assert load_model(PRETRAINED / "own").config.untied_head


@pytest.mark.parametrize(
    ("removed", "pattern"),
    [("model.safetensors", "model*.safetensors"), ("config.json", "config.json"), ("tokenizer.json",) * 2],
)
def test_a_local_folder_that_lacks_a_file_is_refused(own, fails, removed, pattern):
    (own / "pytorch_model.bin").unlink()
    (own / removed).unlink()
    assert fails(main, "own") == f"own: lacks {pattern}; expected what save_pretrained writes"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pytorch_model.bin", "can run code when it is read"),
        ("flax_model.msgpack", "is another framework's"),
        ("tf_model.h5", "is another framework's"),
    ],
)
def test_weights_that_are_no_safetensors_are_told_by_their_name(own, fails, name, why):
    (own / "pytorch_model.bin").unlink()
    (own / "model.safetensors").rename(own / name)
    (own / "training_args.bin").write_bytes(b"of a training, no weights")
    assert fails(main, "own").startswith(f"own: has its weights as {name} only, which {why}; take a revision")


def test_what_a_training_leaves_is_not_taken_for_weights(own, fails):
    (own / "pytorch_model.bin").unlink()
    (own / "model.safetensors").unlink()
    (own / "training_args.bin").write_bytes(b"of a training, no weights")
    assert fails(main, "own") == "own: lacks model*.safetensors; expected what save_pretrained writes"


def test_a_local_folder_that_is_not_there_is_refused(own, fails):
    shutil.rmtree(own)
    assert fails(main, "own").startswith("own: lacks config.json; expected")


def replace_weights(folder: Path, files: dict[str, bytes]) -> None:
    (folder / "model.safetensors").unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", INCOMPLETE)
def test_a_local_folder_whose_weights_are_not_those_of_its_configuration_is_refused(own, fails, name):
    files, message = INCOMPLETE[name]
    replace_weights(own, files(load((own / "model.safetensors").read_bytes())))
    refused = fails(main, "own")
    assert refused.startswith("own")
    assert message in refused


@pytest.mark.parametrize("name", COMPLETE)
def test_weights_that_hold_all_of_a_t5_are_taken(own, runs, name):
    replace_weights(own, COMPLETE[name](load((own / "model.safetensors").read_bytes())))
    runs(main, "own")
    load_t5(PRETRAINED / "own", torch.float32, torch.device("cpu"))


def test_an_unknown_checkpoint_is_refused_with_the_nearest(project, fails):
    message = "params.yaml: checkpoints.flan-smal: no such checkpoint; did you mean flan-small?"
    assert fails(main, "flan-smal") == message


def test_a_checkpoint_without_a_miniature_is_left_out_with_a_line(set_params, runs, caplog):
    set_params({"checkpoints.flan-xl": {"repo": "google/flan-t5-xl", "revision": "main"}})
    runs(main, "flan-xl")
    assert caplog.messages[0].startswith("flan-xl: left out: weights is embedded, and no miniature of that")
    assert caplog.messages[0].endswith("; give it a folder, or set weights=hub")
    assert [path.name for path in Path("models/pretrained/flan-xl").iterdir()] == ["provenance.json"]
    assert reason_left_out(Path("models/pretrained/flan-xl")) in caplog.messages[0]


def test_a_hub_that_cannot_be_reached_is_said_with_a_way_out(set_params, fails):
    set_params({"weights": "hub"})
    commit = "df1b051c49625cf57a3d0d8d3863ed4d13564fe4"
    message = "HF_HUB_OFFLINE is set, and HF_HOME lacks it; unset it, or use profile=mini"
    assert fails(main, "t5-small") == f"google-t5/t5-small@{commit}: {message}"


@pytest.mark.parametrize(
    "entry", [{"repo": "a/b"}, {"revision": "main"}, {"repo": "a/b", "revision": "main", "folder": "own"}, {}]
)
def test_a_checkpoint_names_one_place(set_params, fails, entry):
    set_params({"checkpoints.own": entry})
    assert fails(main, "own").startswith(
        "params.yaml: checkpoints.own: expected repo and revision, or folder"
    )
