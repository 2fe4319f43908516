"""Hostile files: what tries to run, to escape or to lie is refused in a line, and not run."""

import json
import os
import pickle
import shutil
import struct
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from resumen.model.loading import load_t5
from resumen.runtime.errors import InputError
from resumen.runtime.guards import MAX_TOKENIZER
from resumen.training.pretrained import load_model
from tests.helpers.hostile import AUTO, CANARY, PICKLE, SHELL, sparse
from tests.helpers.paths import ROOT

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="no pipes there"),
    pytest.mark.usefixtures("nothing_ran"),
]


TAG = f"!!python/object/apply:os.system ['{SHELL}']"
LAUGHS = "a0: &a0 [ja, ja]\n" + "".join(
    f"a{number}: &a{number} [*a{number - 1}, *a{number - 1}]\n" for number in range(1, 60)
)
MERGED = "b0: &b0 {k: 1}\n" + "".join(
    f"b{number}: &b{number} {{<<: [{', '.join([f'*b{number - 1}'] * 9)}]}}\n" for number in range(1, 12)
)


def test_a_payload_that_runs_is_seen(project):
    pickle.loads(PICKLE)  # noqa: S301
    assert (project / CANARY).exists()
    (project / CANARY).unlink()


def change(path: Path, **values: Any) -> None:
    """Write `values` into a JSON object of a model folder."""
    content = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps(content), encoding="utf-8")


def header(**tensors: Any) -> bytes:
    """Return a safetensors file of this header, with 64 bytes of weights."""
    written = json.dumps(tensors).encode()
    return struct.pack("<Q", len(written)) + written + bytes(64)


def tensor(dtype: str, shape: list[int], start: int, stop: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


# ---- a model's folder: by `weights`, which copies it, and by `generate`, which runs the model in it

WEIGHTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a pickle alone": (
        lambda own: (own / "model.safetensors").unlink() or (own / "pytorch_model.bin").write_bytes(PICKLE),
        "own: has its weights as pytorch_model.bin only, which can run code when it is read; take a revision",
    ),
    "a pickle by another name": (
        lambda own: (own / "model.safetensors").write_bytes(PICKLE),
        "own: model.safetensors: not readable as safetensors: ",
    ),
    "an archive by another name": (
        lambda own: shutil.make_archive("own", "zip", own) and shutil.move("own.zip", own / "config.json"),
        "own/config.json: not JSON: ",
    ),
    "code behind config.json": (
        lambda own: change(own / "config.json", auto_map=AUTO),
        "own: config.json: auto_map: brings code of others along, which is never run here, got {'AutoConfig'",
    ),
    "code behind tokenizer_config.json": (
        lambda own: change(
            own / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]}
        ),
        "own: tokenizer_config.json: auto_map: brings code of others along, which is never run here, got",
    ),
    "a tokenizer of others": (
        lambda own: change(own / "tokenizer_config.json", tokenizer_class="OwnTokenizer"),
        "own: tokenizer_config.json: tokenizer_class: expected T5's own, got 'OwnTokenizer'; take the key",
    ),
    "a quantizer of others": (
        lambda own: change(own / "config.json", quantization_config={"quant_method": "own"}),
        "own: config.json: quantization_config: its weights are quantized, and only float32, float16 and bf",
    ),
    "a link to what is the user's": (
        lambda own: (own / "spiece.model").symlink_to(ROOT / "LICENSE"),
        "own/spiece.model: a link out of its folder, to ",
    ),
    "a pipe": (
        lambda own: (own / "config.json").unlink() or os.mkfifo(own / "config.json"),
        "own/config.json: expected a file, got a pipe or a device; name a file, or copy into one",
    ),
    "a tokenizer of 1 GB": (
        lambda own: sparse(own / "tokenizer.json"),
        f"own/tokenizer.json: expected at most {MAX_TOKENIZER:,} bytes, got more; is it the right file?",
    ),
    "a header of 2^60 bytes": (
        lambda own: (own / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + bytes(64)),
        "own: model.safetensors: not readable as safetensors: Error while deserializing header: header too l",
    ),
    "weights beyond the file": (
        lambda own: (own / "model.safetensors").write_bytes(header(a=tensor("F32", [256], 0, 1024))),
        "own: model.safetensors: not readable as safetensors: Error while deserializing header: ",
    ),
    "weights one over the other": (
        lambda own: (own / "model.safetensors").write_bytes(
            header(a=tensor("F32", [10], 0, 40), b=tensor("F32", [10], 24, 64))
        ),
        "own: model.safetensors: not readable as safetensors: Error while deserializing header: ",
    ),
    "a shape that is not its bytes": (
        lambda own: (own / "model.safetensors").write_bytes(header(a=tensor("F64", [16], 0, 64))),
        "own: model.safetensors: not readable as safetensors: Error while deserializing header: ",
    ),
    "a shape beyond counting": (
        lambda own: (own / "model.safetensors").write_bytes(
            header(a=tensor("F32", [2**40, 2**40, 2**40], 0, 64))
        ),
        "own: model.safetensors: not readable as safetensors: Error while deserializing header: ",
    ),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_models_folder_is_refused_before_it_is_copied(own, fails, name):
    plant, message = WEIGHTS[name]
    plant(own)
    assert fails(main_of("weights"), "own").startswith(message)
    assert not Path("models/pretrained/own").exists()


def main_of(stage: str) -> Callable[[], None]:
    return import_module(f"stages.{stage}").main


def tool(name: str) -> Callable[[], None]:
    return import_module(f"resumen.tools.{name}").main


def test_the_links_of_the_hubs_cache_are_followed(own, runs):
    """`folder` may be a snapshot there, which is links to blobs."""
    blobs, snapshot = Path("hub/blobs"), Path("hub/snapshots/abc")
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for file in [*own.glob("*.json"), *own.glob("*.safetensors")]:
        shutil.copyfile(file, blobs / file.name)
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    shutil.rmtree(own)
    own.symlink_to(snapshot)
    runs(main_of("weights"), "own")
    assert not Path("models/pretrained/own/config.json").is_symlink()


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "a width beyond the weights": ({"d_model": 10**9}, "d_model: expected at most 1,048,576, got 1000000000"),
    "a million layers": ({"num_layers": 10**6}, "num_layers: expected a whole number from 1 to 1,000, got 1"),
    "a negative size": ({"d_ff": -32}, "d_ff: expected a whole number from 1 to 1,048,576, got -32"),
    "a size as text": ({"d_kv": "8"}, "d_kv: expected a whole number from 1 to 1,048,576, got '8'"),
    "half a head": ({"num_heads": 2.5}, "num_heads: expected a whole number from 1 to 1,048,576, got 2.5"),
    "a truth for a size": ({"num_heads": True}, "num_heads: expected a whole number from 1 to"),
    "no number at all": ({"d_model": float("nan")}, "d_model: expected at most 1,048,576, got nan"),
    "a vocabulary of another size": ({"vocab_size": 2000}, "shared.weight: expected shape (2000, 16), got"),
    "an activation that is a number": ({"feed_forward_proj": 7}, "feed_forward_proj: expected one of relu"),
    "a norm that divides by zero": ({"layer_norm_epsilon": 0}, "layer_norm_epsilon: expected a small number"),
    "a start that is no token": (
        {"decoder_start_token_id": 99_999},
        "decoder_start_token_id: expected a who",
    ),
    "an end that is no token": ({"eos_token_id": [[1]]}, "eos_token_id: expected a whole number from 0 to"),
    "too few buckets": (
        {"relative_attention_num_buckets": 1},
        "relative_attention_num_buckets: expected a w",
    ),
}


def load_as_generate_does(folder: Path) -> None:
    load_t5(folder, torch.float32, torch.device("cpu"))


@pytest.mark.parametrize("load", [load_as_generate_does, load_model])
@pytest.mark.parametrize("name", LIES)
def test_a_configuration_that_lies_is_refused_before_memory_is_asked_for(own, load, name):
    values, message = LIES[name]
    change(own / "config.json", **values)
    with pytest.raises(InputError) as error:
        load(own)
    said = str(error.value).removeprefix(f"{own}: ").removeprefix("config.json: ")
    assert said.startswith(message)


def test_an_end_may_be_a_list_of_which_the_first_is_taken(own):
    change(own / "config.json", eos_token_id=[1, 106])
    assert load_t5(own, torch.float32, torch.device("cpu")).config.eos == 1
    assert load_model(own).config.eos == 1


@pytest.mark.parametrize("name", ["hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim"])
def test_a_size_under_the_name_that_transformers_prefers_is_refused(own, name):
    change(own / "config.json", **{name: 1_000_000})
    message = rf"own: config.json: {name}: expected what \w+ says, got 1000000; take another checkpoint$"
    with pytest.raises(InputError, match=message):
        load_model(own)


def nan_weights(own: Path) -> None:
    tensors = load_file(own / "model.safetensors")
    tensors["encoder.block.0.layer.0.SelfAttention.q.weight"][0, 0] = torch.nan
    save_file(tensors, own / "model.safetensors", metadata={"format": "pt"})


def whole_weights(own: Path) -> None:
    tensors = load_file(own / "model.safetensors")
    tensors["decoder.final_layer_norm.weight"] = torch.ones(16, dtype=torch.int64)
    save_file(tensors, own / "model.safetensors", metadata={"format": "pt"})


def parted(own: Path, second: str) -> None:
    """Part the weights in two, of which an index calls the second `second`."""
    tensors = load_file(own / "model.safetensors")
    names = sorted(tensors)
    for number, part in ((1, names[::2]), (2, names[1::2])):
        file = own / f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, file, metadata={"format": "pt"})
    (own / "model.safetensors").unlink()
    indices = dict.fromkeys(names[::2], "model-00001-of-00002.safetensors") | dict.fromkeys(
        names[1::2], second
    )
    index = {"metadata": {}, "weight_map": indices}
    (own / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def tokenizer_with(own: Path, **parts: Any) -> None:
    change(own / "tokenizer.json", **parts)


SLOW = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": ""}
MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a part outside its folder": (
        lambda own: parted(own, "../../evil.safetensors"),
        "own/model.safetensors.index.json: weight_map: expected names of model-00001-of-00002.safetensors, ",
    ),
    "a part at an absolute path": (
        lambda own: parted(own, "/etc/evil.safetensors"),
        "own/model.safetensors.index.json: weight_map: expected names of model-00001-of-00002.safetensors, ",
    ),
    "the same tensor twice": (
        lambda own: shutil.copyfile(own / "model.safetensors", own / "model-00001-of-00001.safetensors"),
        "own/model.safetensors: decoder.block.0.layer.0.SelfAttention.k.weight: stands in another file too; ",
    ),
    "weights that are no numbers": (
        nan_weights,
        "own: encoder.block.0.layer.0.SelfAttention.q.weight: holds NaN or infinity; fetch it, or train it",
    ),
    "weights of another kind": (
        whole_weights,
        "own: decoder.final_layer_norm.weight: expected one of F64, F32, F16, BF16, got I64; save the weight",
    ),
    "weights behind a pipe": (
        lambda own: (own / "model.safetensors").unlink() or os.mkfifo(own / "model.safetensors"),
        "own/model.safetensors: expected a file, got a pipe or a device; name a file, or copy into one",
    ),
    "a configuration of 100,000 brackets": (
        lambda own: (own / "config.json").write_text("[" * 100_000),
        "own/config.json: not JSON: maximum recursion depth exceeded",
    ),
    "a configuration that says it twice": (
        lambda own: (own / "config.json").write_text('{"model_type": "t5", "model_type": "own"}'),
        "own/config.json: not JSON: the key 'model_type' occurs twice; make or fetch it again",
    ),
    "a pattern that gives up at an article": (
        lambda own: tokenizer_with(own, normalizer=SLOW),
        "own/tokenizer.json: expected no pattern but ' {2,}', got '(a+)+$'; take T5's own",
    ),
    "a vocabulary of no pieces": (
        lambda own: tokenizer_with(own, model={"type": "Unigram", "unk_id": 2, "vocab": []}),
        "own/tokenizer.json: not readable as a tokenizer: ",
    ),
    "a map of letters that is none": (
        lambda own: tokenizer_with(own, normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        "own/tokenizer.json: not readable as a tokenizer: ",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_models_folder_is_refused_before_it_answers(news, own, set_params, fails, name):
    plant, message = MODELS[name]
    plant(own)
    set_params({"systems.own": {"from": "own", "template": "{text}"}})
    assert fails(main_of("generate"), "own").startswith(message)


def test_a_checkpoint_in_parts_that_are_there_is_read(news, own, set_params, runs):
    parted(own, "model-00002-of-00002.safetensors")
    set_params({"systems.own": {"from": "own", "template": "{text}"}})
    runs(main_of("generate"), "own")


@pytest.mark.parametrize("key", ["../../evil", "/evil", "evil/../..", ".."])
@pytest.mark.parametrize(("stage", "section"), [("weights", "checkpoints"), ("generate", "systems")])
def test_a_key_that_would_be_written_elsewhere_is_refused(own, news, set_params, fails, stage, section, key):
    from ruamel.yaml import YAML

    yaml = YAML()
    params = yaml.load(Path("params.yaml"))
    params[section][key] = params[section]["own"]
    yaml.dump(params, Path("params.yaml"))
    message = fails(main_of(stage), key)
    assert message == (
        f"params.yaml: {section}.{key}: expected letters, digits, - and _ in a name, got {key!r}"
    )


# ---- params.yaml and the other YAML

YAMLS: dict[str, tuple[str, str]] = {
    "a tag of Python": (
        f"profile: {TAG}\n",
        "{path}:1: not YAML: could not determine a constructor for the t",
    ),
    "a module by tag": (
        "a: !!python/module:os\n",
        "{path}:1: not YAML: could not determine a constructor for",
    ),
    "an object by tag": (
        "a: !!python/object/new:os.system [ls]\n",
        "{path}:1: not YAML: could not determine",
    ),
    "a billion laughs": (LAUGHS, "{path}: over 524,288 characters with its aliases written out; use"),
    "a billion merged": (MERGED, "{path}: over 524,288 characters with its aliases written out; use"),
    "a list that holds itself": (
        "a: &a [*a]\n",
        "{path}: over 524,288 characters with its aliases written",
    ),
    "1,000 brackets": ("a: " + "[" * 1_000, "{path}: not YAML: maximum recursion depth exceeded"),
    "a date of no calendar": (
        "a: 2023-99-99\n",
        "{path}: not YAML: month must be in 1..12; fix it, or fetch",
    ),
    "a number of 100,000 digits": (f"a: {'7' * 100_000}\n", "{path}: not YAML: a number of 100,000 digits"),
    "a hex number of 10,000 digits": (
        f"a: 0x{'f' * 10_000}\n",
        "{path}: not YAML: a number of 10,002 digits; fix it",
    ),
    "a million characters": ("# " + "a" * 1_000_000, "{path}: expected at most 524,288 bytes, got more"),
}


@pytest.mark.parametrize("name", YAMLS)
@pytest.mark.parametrize(
    ("path", "stage"),
    [("params.yaml", "fetch"), ("prompts/probes.yaml", "probe"), ("prompts/templates.yaml", "format")],
)
def test_a_yaml_that_would_do_more_than_say_is_refused(base, write, set_params, fails, path, stage, name):
    content, message = YAMLS[name]
    set_params({"format.templates": "flan"})
    write(path, content)
    said = fails(main_of(stage), *(["flan-small"] if stage == "probe" else []))
    assert said.startswith(message.format(path=path))


def test_params_that_are_a_pipe_are_refused(project, fails):
    (project / "params.yaml").unlink()
    os.mkfifo(project / "params.yaml")
    assert fails(main_of("fetch")).startswith("params.yaml: expected a file, got a pipe or a device; name a")


# ---- the user's files, by `fetch`

ROW = '{"text": "Llueve en Logroño.", "summary": "Llueve."}\n'
FILES: dict[str, tuple[str, str | bytes, str]] = {
    "a quote that never closes": (
        "own.csv",
        'text,summary\n"Llueve,' + "en Logroño\n" * 10_000,
        "own.csv:2: broken CSV: unexpected end of data; a quote inside quotes is written twice",
    ),
    "a field of 40 MB": (
        "own.csv",
        "text,summary\n" + '"' + ("Llueve. " * 1_000 + "\n") * 5_000,
        "own.csv:2: broken CSV: field larger than field limit (33554432); a quote inside quotes is written t",
    ),
    "NUL bytes": (
        "own.csv",
        "text,summary\nLlueve,Llue\0ve\n",
        "own.csv:2: holds a NUL character, so it is no text; save the file as UTF-8",
    ),
    "a column twice": (
        "own.csv",
        "text,summary,text\nLlueve,Llueve,<b>\n",
        "own.csv: the column 'text' occurs twice; rename one",
    ),
    "100,000 brackets": (
        "own.jsonl",
        ROW + '{"text": ' + "[" * 100_000,
        "own.jsonl:2: not JSON: maximum recursion depth exceeded",
    ),
    "brackets that end": (
        "own.jsonl",
        ROW + '{"text": ' + "[" * 900 + "]" * 900 + ', "summary": "\\ud800"}\n',
        "own.jsonl:2: ",
    ),
    "a number of a million digits": (
        "own.jsonl",
        ROW + '{"text": ' + "7" * 1_000_000 + ', "summary": ""}\n',
        "own.jsonl:2: not JSON: Exceeds the limit",
    ),
    "a key twice": (
        "own.jsonl",
        ROW + '{"text": "Llueve", "summary": "", "text": "<b>"}\n',
        'own.jsonl:2: not JSON: the key \'text\' occurs twice, got \'{"text": "Llueve"',
    ),
    "half a character": (
        "own.jsonl",
        ROW + '{"text": "Llueve", "summary": "\\udc00"}\n',
        "own.jsonl:2: holds half a character, a surrogate; write it whole",
    ),
    "columns with commands for the terminal": (
        "own.jsonl",
        '{"\\u001b]0;own\\u0007": 1, "\\u202etxet": 2}\n',
        "own.jsonl: lacks columns ['text', 'summary'], has ['\\x1b]0;own\\x07', '\\u202etxet']; set",
    ),
    "marks that take the square of time": (
        "own.jsonl",
        ROW + '{"text": "' + "\\u0301\\u0327" * 200_000 + '", "summary": "Llueve"}\n',
        "own.jsonl:2: column 'text': expected at most 30 combining marks in a row, got more: ",
    ),
    "a pickle": ("own.parquet", PICKLE, "own.parquet: not readable as Parquet: "),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_rows_is_refused(write, use, fails, name):
    path, content, message = FILES[name]
    write(path, content)
    use(path)
    assert fails(main_of("fetch")).startswith(message)


# ---- summaries made elsewhere, and articles to summarize

IDS = "".join(f'{{"id": "test-{number}", "prediction": "Llueve."}}\n' for number in range(1, 7))
SUMMARIES: dict[str, tuple[str, str]] = {
    "an id that is a command": (
        IDS.replace("test-6", "\\u001b[2J\\u202e"),
        "own.jsonl: system gpt: lacks the ids of 1 of 6 articles, such as 'test-6', and has [",
    ),
    "an id in brackets": (
        IDS.replace('"test-6"', "[" * 900 + "]" * 900),
        "own.jsonl:6: system gpt: id: expected text or a whole number, got ",
    ),
    "a summary that is a command": (
        IDS.replace("Llueve", "\\u001b]52;c;own\\u0007", 1),
        "own.jsonl:1: system gpt, id 'test-1': prediction: expected no control character, got '\\x1b'; take",
    ),
    "marks that take the square of time": (
        IDS.replace("Llueve", "a" + "\\u0301\\u0327" * 40_000, 1),
        "own.jsonl:1: system gpt, id 'test-1': prediction: expected at most 30 combining marks in a row, got",
    ),
    "two summaries in one": (
        IDS.replace("}", ', "prediction": "No llueve."}', 1),
        'own.jsonl:1: not JSON: the key \'prediction\' occurs twice, got \'{"id": "test-1", ',
    ),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_summaries_made_elsewhere_are_refused(news, write, set_params, fails, name):
    content, message = SUMMARIES[name]
    write("own.jsonl", content)
    set_params({"systems.gpt": {"from": "own.jsonl"}})
    assert fails(main_of("generate"), "gpt").startswith(message)


def test_an_archive_as_an_article_is_refused(own, fails):
    shutil.make_archive("own", "tar", own)
    message = fails(tool("summarize"), "--model", "own", "own.tar")
    assert message.startswith("own.tar: expected a name that ends in .txt, ")
    Path("own.tar").rename("own.txt")
    message = fails(tool("summarize"), "--model", "own", "own.txt")
    assert message.startswith("own.txt:")
    assert message.endswith(("save the file as UTF-8", "save the file as UTF-8 and try again"))


def test_a_name_with_commands_for_the_terminal_is_printed_as_letters(own, fails, project):
    (project / "\x1b[2Jown\n.csv").write_text("título\n")
    message = fails(tool("summarize"), "--model", "own", "\x1b[2Jown\n.csv")
    assert message.startswith("\\x1b[2Jown\\n.csv: lacks columns ['text'], has ['título']; name the articles")


SIGNED = b'{"signature": ["rows:1"]}'
SCORED: dict[str, dict[str, bytes]] = {
    "a pickle for a table": {"data/scores.parquet": PICKLE},
    "a table of other columns": {"metrics/evaluation.json": SIGNED},
    "100,000 brackets": {"metrics/evaluation.json": b"[" * 100_000},
    "no signature": {"metrics/evaluation.json": b"[]"},
}


@pytest.mark.parametrize("name", SCORED)
def test_scores_of_another_revision_that_are_damaged_are_refused(project, fails, monkeypatch, name):
    subprocess.run(("git", "init", "--quiet"), check=True)
    pq.write_table(pa.table({"a": [1]}), "a.parquet")
    scores = Path("a.parquet").read_bytes()
    content = {"params.yaml": b"a", "data/scores.parquet": scores, "metrics/evaluation.json": SIGNED}
    monkeypatch.setattr("dvc.api.read", lambda path, **_: (content | SCORED[name])[path])
    message = fails(tool("compare"), "HEAD")
    assert message.startswith("HEAD: metrics/evaluation.json or data/scores.parquet is damaged (")
    assert message.endswith("); `dvc repro` it again")
