"""Hostile files: what tries to run, escape, hang or fill the memory is refused in a line, and not run."""

import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.shared.cli import InputError
from stages.shared.files import MOST_BYTES
from stages.shared.models import load_model, shape_of
from stages.shared.t5 import load_t5
from tests.conftest import ROOT
from tests.hub import Hub

resource = pytest.importorskip("resource")  # POSIX alone, as are pipes

CANARY = "canary"  # what every payload would make in the working directory
PAYLOAD = f"import pathlib; pathlib.Path({CANARY!r}).touch()\n"
SHELL = f"touch {CANARY}"


class Touch:
    """What makes the canary as it is read back from a pickle."""

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (SHELL,)


PICKLE = pickle.dumps(Touch())
assert b"system" in PICKLE

TAG = f"!!python/object/apply:os.system ['{SHELL}']"
LAUGHS = "a0: &a0 [ja, ja]\n" + "".join(
    f"a{number}: &a{number} [*a{number - 1}, *a{number - 1}]\n" for number in range(1, 60)
)
MERGED = "b0: &b0 {k: 1}\n" + "".join(
    f"b{number}: &b{number} {{<<: [{', '.join([f'*b{number - 1}'] * 9)}]}}\n" for number in range(1, 12)
)


@pytest.fixture(autouse=True)
def _nothing_ran(tmp_path) -> Iterator[None]:
    yield
    assert not (tmp_path / CANARY).exists(), "a payload ran"


def test_a_payload_that_runs_is_seen(project):
    pickle.loads(PICKLE)  # noqa: S301
    assert (project / CANARY).exists()
    (project / CANARY).unlink()


@pytest.fixture
def own(project, tiny, set_params) -> Path:
    """A model folder from elsewhere, as checkpoint `own` and as system `own`."""
    folder = shutil.copytree(tiny["untied"], project / "own")
    (folder / "modeling_own.py").write_text(PAYLOAD)
    set_params({"checkpoints.own": {"folder": "own"}, "systems.own": {"from": "own"}})
    return folder


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


def sparse(path: Path, size: int = 2**30) -> None:
    """Make `path` a file of `size` zero bytes that takes no room."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


# ---- a model's folder: by `weights`, which copies it, and by `generate`, which runs the model in it

AUTO = {"AutoConfig": "modeling_own.Config", "AutoModelForSeq2SeqLM": "modeling_own.Model"}
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
        "own: config.json: quantization_config: brings code of others along, which is never run here, got",
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
        f"own/tokenizer.json: expected at most {MOST_BYTES:,} bytes, got more; is it the right file?",
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
    assert load_t5(own, torch.float32, torch.device("cpu")).shape.eos == 1
    assert shape_of(load_model(own)).eos == 1


@pytest.mark.parametrize("name", ["hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim"])
def test_a_size_under_the_name_that_transformers_prefers_is_refused(own, name):
    change(own / "config.json", **{name: 1_000_000})
    with pytest.raises(InputError, match=r"own: transformers cannot load it: .*; fetch or save it anew$"):
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
    places = dict.fromkeys(names[::2], "model-00001-of-00002.safetensors") | dict.fromkeys(
        names[1::2], second
    )
    index = {"metadata": {}, "weight_map": places}
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
        "own/config.json: not JSON: the key 'model_type' occurs twice; make or fetch it anew",
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
        "{path}: not YAML: month must be in 1..12; mend it, or fetch",
    ),
    "a number of 100,000 digits": (f"a: {'7' * 100_000}\n", "{path}: not YAML: a number of 100,000 digits"),
    "a hex number of 10,000 digits": (
        f"a: 0x{'f' * 10_000}\n",
        "{path}: not YAML: a number of 10,002 digits; mend it",
    ),
    "a million characters": ("# " + "a" * 1_000_000, "{path}: expected at most 524,288 bytes, got more"),
}


@pytest.mark.parametrize("name", YAMLS)
@pytest.mark.parametrize(
    ("path", "stage"),
    [("params.yaml", "fetch"), ("stages/probes.yaml", "probe"), ("stages/templates.yaml", "format")],
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
    "a field of 35 MB": (
        "own.csv",
        "text,summary\n" + '"' + "Llueve\n" * 5_000_000,
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


@pytest.fixture
def use(set_params) -> Callable[[str], None]:
    """A function that makes a file the user's own."""
    return lambda path: set_params({"profile": "files", "profiles.files.data.path": path})


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_rows_is_refused(write, use, fails, name):
    path, content, message = FILES[name]
    write(path, content)
    use(path)
    assert fails(main_of("fetch")).startswith(message)


# ---- what would fill the memory or never end, each in a process of its own that may take 3 GB and 30 seconds

LIMIT = 3 * 2**30
SECONDS = 30  # the start of Python and its libraries included


def refusal(*command: str, cwd: Path, stdin: int = subprocess.DEVNULL) -> str:
    """Return the message of a stage that runs within the limits, and must fail."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RESUMEN_THREADS": "1"},
        stdin=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT)),
    )
    assert done.returncode == 1, done.stderr[-2_000:]
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().split("\n")
    assert lines[-1].startswith("error: ")
    assert len(lines[-1]) < 3_000
    return lines[-1].removeprefix("error: ")


def bomb(path: Path, value: str, count: int) -> None:
    """Write `count` rows of one `value`, which a dictionary and a run length make small."""
    indices = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([value]))
    table = pa.table({"text": indices, "summary": indices})
    pq.write_table(table, path, compression="zstd", row_group_size=count, dictionary_pagesize_limit=2**30)
    assert path.stat().st_size < len(value) * count / 1_000


def test_a_parquet_of_a_few_huge_rows_over_and_over_is_refused(project, use):
    bomb(project / "own.parquet", "Llueve. " * 5_000_000, 10_000)
    use("own.parquet")
    message = refusal("stages.fetch", cwd=project)
    assert message.startswith("own.parquet: row 1: expected at most 33,554,432 bytes, got 80,00")
    assert message.endswith("; this is no article")


def test_a_parquet_of_small_rows_without_end_is_refused(project, use):
    bomb(project / "own.parquet", "Llueve. " * 10_000, 1_000_000)
    use("own.parquet")
    message = refusal("stages.fetch", cwd=project)
    assert message.startswith("own.parquet: row ")
    assert message.endswith("got more; write it anew from where the rows came from")


def test_a_parquet_of_a_huge_page_is_refused_before_it_is_read(project, use):
    path = project / "own.parquet"
    rows = pa.array(["Llueve. " * 100] * 200_000)
    pq.write_table(
        pa.table({"text": rows, "summary": rows}),
        path,
        compression="zstd",
        use_dictionary=False,
        data_page_size=2**30,
        row_group_size=len(rows),
        max_rows_per_page=len(rows),
    )
    assert path.stat().st_size < 1_000_000
    use("own.parquet")
    assert re.fullmatch(
        r"own.parquet: expected a file of [\d,]+ bytes to hold at most 268,435,456, its footer says "
        r"3[\d,]{10}; write it anew from where the rows came from",
        refusal("stages.fetch", cwd=project),
    )


def test_a_parquet_that_claims_rows_without_end_has_those_that_are_there(project, use):
    path = project / "own.parquet"
    pq.write_table(pa.table({"text": ["Llueve."] * 3, "summary": ["Llueve."] * 3}), path)
    content = path.read_bytes()
    footer = content[-8 - int.from_bytes(content[-8:-4], "little") : -8]
    varint = bytes([6])  # zigzag of 3, the number of rows, of values and of the group's rows
    lying = footer.replace(b"\x16" + varint, b"\x16" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f")
    assert lying != footer
    path.write_bytes(content[: -8 - len(footer)] + lying + len(lying).to_bytes(4, "little") + b"PAR1")
    use("own.parquet")
    assert refusal("stages.fetch", cwd=project).startswith(
        "params.yaml: data.test: 0.1 of 3 rows is 0, and 3"
    )


def test_a_line_of_json_of_1_gb_is_refused(project, use):
    sparse(project / "own.jsonl")
    use("own.jsonl")
    assert refusal("stages.fetch", cwd=project) == (
        "own.jsonl:1: expected at most 33,554,432 bytes in a line, got more; part it"
    )


def test_an_article_of_1_gb_is_refused(project, own):
    sparse(project / "own.txt")
    assert refusal("stages.summarize", "--model", "own", "own.txt", cwd=project) == (
        "own.txt: expected at most 33,554,432 bytes, got more; is it the right file?"
    )


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"]
)
def test_predictions_and_articles_that_never_end_are_refused(project, news, set_params, make):
    make(project / "own.jsonl")
    set_params({"systems.gpt": {"from": "own.jsonl"}})
    said = "own.jsonl: expected a file, got a pipe or a device; name a file, or copy into one what it gives"
    assert refusal("stages.generate", "gpt", cwd=project) == said


def test_rows_that_never_end_are_refused(project, use):
    os.mkfifo(project / "own.csv")
    use("own.csv")
    assert refusal("stages.fetch", cwd=project).startswith("own.csv: not found; set profiles.files.data.path")


# ---- summaries made elsewhere, and articles to summarize

IDS = "".join(f'{{"id": "test-{number}", "prediction": "Llueve."}}\n' for number in range(1, 7))
SUMMARIES: dict[str, tuple[str, str]] = {
    "an id that is a command": (
        IDS.replace("test-6", "\\u001b[2J\\u202e"),
        "own.jsonl: system gpt: lacks 1 ids, such as 'test-6', of 6 articles; the ids are those of",
    ),
    "an id in brackets": (
        IDS.replace('"test-6"', "[" * 900 + "]" * 900),
        "own.jsonl:6: system gpt: id: expected text, got ",
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
    message = fails(main_of("summarize"), "--model", "own", "own.tar")
    assert message.startswith("own.tar:")
    assert message.endswith(("save the file as UTF-8", "save the file as UTF-8 and try again"))


def test_a_name_with_commands_for_the_terminal_is_printed_as_letters(own, fails, project):
    (project / "\x1b[2Jown\n.csv").write_text("título\n")
    message = fails(main_of("summarize"), "--model", "own", "\x1b[2Jown\n.csv")
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
    pq.write_table(pa.table({"a": [1]}), "a.parquet")
    scores = Path("a.parquet").read_bytes()
    content = {"params.yaml": b"a", "data/scores.parquet": scores, "metrics/evaluation.json": SIGNED}
    monkeypatch.setattr("dvc.api.read", lambda path, **_: (content | SCORED[name])[path])
    message = fails(main_of("compare"), "HEAD")
    assert message.startswith("HEAD: metrics/evaluation.json or data/scores.parquet is damaged (")
    assert message.endswith("); `dvc repro` it anew")


# ---- the hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        yield server


def from_hub(project: Path, hub: Hub, *command: str) -> str:
    """Return the message of a stage that asks `hub`, and must fail."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        | {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.url, "HF_HOME": str(project / "huggingface")},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().split("\n")[-1].removeprefix("error: ")


REPOSITORIES: dict[str, tuple[dict[str, bytes], str]] = {
    "a path out of the folder": (
        {"../../evil.safetensors": b"", "model.safetensors": b""},
        "lists '../../evil.safetensors', which leads out of a folder; take another",
    ),
    "a part out of the folder": (
        {"model-a/../../../evil-of-2.safetensors": b""},
        "lists 'model-a/../../../evil-of-2.safetensors', which leads out of a folder; take another",
    ),
    "an absolute path": (
        {"/etc/evil.safetensors": b""},
        "lists '/etc/evil.safetensors', which leads out of a folder; take another",
    ),
    "a path of Windows": (
        {"..\\evil.safetensors": b""},
        "lists '..\\\\evil.safetensors', which leads out of a folder; take another",
    ),
    "a drive of Windows": (
        {"C:evil.safetensors": b""},
        "lists 'C:evil.safetensors', which leads out of a folder; take another",
    ),
    "a pickle alone": (
        {"pytorch_model.bin": PICKLE},
        "has its weights as pytorch_model.bin only, which can run code when it is read; take",
    ),
    "code": (
        {
            "model.safetensors": b"",
            "modeling_own.py": PAYLOAD.encode(),
            "config.json": json.dumps({"model_type": "t5", "auto_map": AUTO}).encode(),
        },
        "config.json: auto_map: brings code of others along, which is never run here, got",
    ),
    "a pickle by another name": (
        {"model.safetensors": PICKLE},
        "model.safetensors: not readable as safetensors: ",
    ),
}


@pytest.mark.pipeline
@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_repository_with_a_model_is_refused(project, hub, tiny, set_params, name):
    files, message = REPOSITORIES[name]
    names = ("config.json", "tokenizer.json")
    hub.add("me/own", "1" * 40, {name: (tiny["untied"] / name).read_bytes() for name in names} | files)
    set_params({"weights": "hub", "checkpoints.own": {"repo": "me/own", "revision": "main"}})
    assert from_hub(project, hub, "stages.weights", "own").startswith(f"me/own@{'1' * 40}: {message}")
    assert not Path("models/pretrained/own").exists()
    assert not list(project.parent.rglob("evil*"))


@pytest.mark.pipeline
def test_a_tokenizer_of_1_gb_is_not_fetched(project, hub, tiny, set_params):
    sparse(project / "huge.json")
    files: dict[str, bytes | Path] = {"model.safetensors": b"", "tokenizer.json": project / "huge.json"}
    hub.add("me/own", "1" * 40, {"config.json": (tiny["untied"] / "config.json").read_bytes()} | files)
    set_params({"weights": "hub", "checkpoints.own": {"repo": "me/own", "revision": "main"}})
    message = from_hub(project, hub, "stages.weights", "own")
    assert message == (
        f"me/own@{'1' * 40}: tokenizer.json: expected at most {MOST_BYTES:,} bytes, got 1,073,741,824; take "
        "another repository"
    )
    assert not any("GET" in request and "tokenizer.json" in request for request in hub.requests)


@pytest.mark.pipeline
def test_a_loading_script_is_refused_and_not_run(project, hub, set_params):
    files = {"mlsum.py": PAYLOAD.encode(), "README.md": b"---\nlicense: other\n---\n"}
    hub.add("me/mlsum", "1" * 40, files, kind="datasets")
    set_params({"profile": "course"})
    for key, value in {"repo": "me/mlsum", "revision": "main"}.items():
        set_params({f"profiles.course.data.{key}": value})
    message = from_hub(project, hub, "stages.fetch")
    assert message.startswith(f"me/mlsum@{'1' * 40}: nothing for data_dir 'es': ")
