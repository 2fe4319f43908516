"""Checkpoints: what load, repair, fine-tuning and saving do to a T5, against its file's tensors.

The forward pass is written here from the paper's formulas and the file, without transformers: T5 v1.0
(Raffel et al. 2020, https://arxiv.org/abs/1910.10683) and v1.1 (gated GELU, an untied head, no scaling).
"""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import gelu, relu, softmax
from transformers import T5Config, T5ForConditionalGeneration

from resumen.runtime.jsonfiles import read_json
from resumen.training.pretrained import init_letters, load_model, save_model
from resumen.vocabulary.spelling import add_letters, count_letters, unknown_letters
from resumen.vocabulary.tokenizer import (
    SPANISH_LETTERS,
    UNK,
    encode,
    load_tokenizer,
    normalized_text,
    round_trip,
)
from stages.finetune import main as finetune
from tests.helpers.paths import SHARED
from tests.helpers.reference import head_is_tied, transformers_model

GENUINE = SHARED / "flan-t5-small-files"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs ../shared/data, which does not come with the code"
)

KINDS = ["tied", "untied"]


def norm(states: Tensor, weight: Tensor) -> Tensor:
    """RMS norm: no mean is taken off and no bias is added."""
    return states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + 1e-6) * weight


def bucket(distance: int, *, both_ways: bool, num_buckets: int, max_distance: int) -> int:
    """Return the bucket of a relative position (key minus query): exact when near, logarithmic when far."""
    start = 0
    if both_ways:
        num_buckets //= 2
        start = num_buckets if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    exact = num_buckets // 2
    if distance < exact:
        return start + distance
    far = math.log(distance / exact) / math.log(max_distance / exact) * (num_buckets - exact)
    return start + min(exact + int(far), num_buckets - 1)


def position_bias(table: Tensor, length: int, config: dict, *, both_ways: bool) -> Tensor:
    """Return the bias of each head, query and key: (heads, length, length)."""
    rows = [
        [
            bucket(
                key - query,
                both_ways=both_ways,
                num_buckets=config["relative_attention_num_buckets"],
                max_distance=config.get("relative_attention_max_distance", 128),
            )
            for key in range(length)
        ]
        for query in range(length)
    ]
    return table[torch.tensor(rows)].permute(2, 0, 1)


def attend(tensors: dict[str, Tensor], name: str, queries: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
    """Multi-head attention, not scaled by the width, of one sequence: (queries, width)."""
    heads = bias.shape[0]
    split = [
        (states @ tensors[f"{name}.{part}.weight"].T).unflatten(-1, (heads, -1)).transpose(0, 1)
        for part, states in (("q", queries), ("k", keys), ("v", keys))
    ]
    weights = softmax(split[0] @ split[1].transpose(1, 2) + bias, dim=-1)
    return (weights @ split[2]).transpose(0, 1).flatten(1) @ tensors[f"{name}.o.weight"].T


def feed_forward(tensors: dict[str, Tensor], name: str, states: Tensor) -> Tensor:
    if f"{name}.wi.weight" in tensors:  # v1.0
        hidden = relu(states @ tensors[f"{name}.wi.weight"].T)
    else:
        gate = gelu(states @ tensors[f"{name}.wi_0.weight"].T, approximate="tanh")
        hidden = gate * (states @ tensors[f"{name}.wi_1.weight"].T)
    return hidden @ tensors[f"{name}.wo.weight"].T


def run_stack(tensors: dict, config: dict, stack: str, states: Tensor, encoded: Tensor | None) -> Tensor:
    """Return the states after encoder or decoder, the last norm included."""
    layers, length = config["num_layers"], len(states)
    if stack == "decoder":
        layers = config.get("num_decoder_layers") or layers
    first = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    bias = position_bias(tensors[first], length, config, both_ways=encoded is None)
    if encoded is not None:
        bias = bias + torch.full((length, length), -math.inf).triu(1)
        none = torch.zeros(len(bias), length, len(encoded))
    for number in range(layers):
        block = f"{stack}.block.{number}.layer"
        queries = norm(states, tensors[f"{block}.0.layer_norm.weight"])
        states = states + attend(tensors, f"{block}.0.SelfAttention", queries, queries, bias)
        last = 1
        if encoded is not None:
            queries = norm(states, tensors[f"{block}.1.layer_norm.weight"])
            states = states + attend(tensors, f"{block}.1.EncDecAttention", queries, encoded, none)
            last = 2
        normed = norm(states, tensors[f"{block}.{last}.layer_norm.weight"])
        states = states + feed_forward(tensors, f"{block}.{last}.DenseReluDense", normed)
    return norm(states, tensors[f"{stack}.final_layer_norm.weight"])


def logits_of(folder: Path, source: list[int], target: list[int]) -> Tensor:
    """Return the logits of `target` after `source` from the file's tensors: (target, vocabulary)."""
    tensors, config = load_file(folder / "model.safetensors"), read_json(folder / "config.json")
    shared = tensors["shared.weight"]
    encoded = run_stack(tensors, config, "encoder", shared[torch.tensor(source)], None)
    decoded = run_stack(tensors, config, "decoder", shared[torch.tensor([0, *target[:-1]])], encoded)
    if "lm_head.weight" in tensors:
        return decoded @ tensors["lm_head.weight"].T
    return decoded * config["d_model"] ** -0.5 @ shared.T


SOURCE, TARGET = [*range(5, 75), 1], [9, 8, 30, 200, 7, 1]  # longer than the exact buckets


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_the_files_tensors(tiny, kind):
    with torch.no_grad():
        theirs = transformers_model(tiny[kind])(
            input_ids=torch.tensor([SOURCE]), labels=torch.tensor([TARGET])
        ).logits[0]
    torch.testing.assert_close(theirs, logits_of(tiny[kind], SOURCE, TARGET), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["t5-small", "flan-large"])
def test_logits_of_a_shipped_miniature_are_those_of_its_tensors(project, runs, name):
    from stages.weights import main

    runs(main, name)
    folder = Path(f"models/pretrained/{name}")
    with torch.no_grad():
        theirs = transformers_model(folder)(
            input_ids=torch.tensor([SOURCE]), labels=torch.tensor([TARGET])
        ).logits[0]
    torch.testing.assert_close(theirs, logits_of(folder, SOURCE, TARGET), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_finetuned_model_is_what_its_file_says(tokenized, base, tiny, set_params, runs, kind):
    """Load, repair, train, save: what is in the file gives the logits of what transformers loads from it."""
    shutil.rmtree(base)
    shutil.copytree(tiny[kind], base)
    set_params({"finetune.epochs": 1, "finetune.max_new_tokens": 4})
    runs(finetune, "flan-small")
    folder = Path("models/finetuned/flan-small")
    saved = transformers_model(folder)
    assert head_is_tied(saved) == (kind == "tied")
    assert read_json(folder / "config.json")["tie_word_embeddings"] == (kind == "tied")
    assert ("lm_head.weight" in load_file(folder / "model.safetensors")) == (kind == "untied")
    with torch.no_grad():
        theirs = saved(input_ids=torch.tensor([SOURCE]), labels=torch.tensor([TARGET])).logits[0]
    torch.testing.assert_close(theirs, logits_of(folder, SOURCE, TARGET), atol=1e-5, rtol=1e-5)


# ---- the genuine vocabulary and true shapes


@pytest.fixture(scope="module")
def flan_small(tmp_path_factory) -> Path:
    """A folder with the genuine files of flan-t5-small and random weights of its true shape."""
    folder = tmp_path_factory.mktemp("flan") / "flan-small"
    shutil.copytree(GENUINE, folder)
    torch.manual_seed(13)
    model = T5ForConditionalGeneration(T5Config(**read_json(GENUINE / "config.json")))
    tensors = {
        name: tensor.clone()
        for name, tensor in model.state_dict().items()
        if not name.endswith("embed_tokens.weight")
    }
    tensors["lm_head.weight"] = torch.randn_like(tensors["shared.weight"])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def repaired(flan_small, tmp_path_factory) -> Path:
    """The genuine tokenizer with the letters of Spanish."""
    folder = tmp_path_factory.mktemp("repaired")
    content = add_letters(read_json(GENUINE / "tokenizer.json"), list(SPANISH_LETTERS), -12.0)
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    shutil.copyfile(GENUINE / "tokenizer_config.json", folder / "tokenizer_config.json")
    return folder


@needs_shared
def test_flan_t5_small_keeps_its_parameters_and_its_head_to_the_byte(flan_small, repaired, tmp_path):
    model = load_model(flan_small)
    assert sum(parameter.numel() for parameter in model.parameters()) == 76_961_152
    init_letters(model, load_tokenizer(flan_small), load_tokenizer(repaired))
    save_model(model, repaired, tmp_path / "saved")
    before, after = (
        load_file(flan_small / "model.safetensors"),
        load_file(tmp_path / "saved/model.safetensors"),
    )
    assert before.keys() == after.keys()
    changed = slice(32_100, 32_100 + len(SPANISH_LETTERS))
    for name, tensor in before.items():
        rows = torch.ones(len(tensor), dtype=torch.bool)
        rows[changed] = name not in ("shared.weight", "lm_head.weight")
        assert torch.equal(after[name][rows], tensor[rows]), name
    again = transformers_model(tmp_path / "saved")
    assert sum(parameter.numel() for parameter in again.parameters()) == 76_961_152
    assert again.lm_head.weight.data_ptr() != again.shared.weight.data_ptr()
    assert read_json(tmp_path / "saved/config.json")["tie_word_embeddings"] is False


def texts_of(name: str) -> tuple[list[str], list[str]]:
    """Return the articles of real material, at most 500, and their summaries or headlines."""
    if name == "summaries-108":
        rows = pd.read_csv(SHARED / "articles-es/summaries-108.csv").dropna(subset=["Fuente", "Resumen"])
        return rows["Fuente"].tolist(), rows["Resumen"].tolist()
    if name == "headlines-1543":
        files, text, short = [SHARED / "articles-es/headlines-1543.jsonl"], "text", "headline"
    else:
        files, text, short = sorted((SHARED / name).iterdir()), "text", "summary"
    rows = [json.loads(line) for file in files for line in file.open(encoding="utf-8") if line.strip()]
    rows = [row for row in rows if row.get(short)][-500:]
    return [row[text] for row in rows], [row[short] for row in rows]


REAL = [("mlsum-es-15", 15, 0), ("summaries-108", 107, 0), ("headlines-1543", 500, 3)]


@needs_shared
@pytest.mark.parametrize(("name", "count", "lost"), REAL)
def test_real_summaries_survive_the_genuine_vocabulary_once_repaired(tmp_path, name, count, lost):
    articles, texts = texts_of(name)
    before = load_tokenizer(GENUINE)
    letters = unknown_letters(before, count_letters(before, articles), min_count=1)
    content = add_letters(read_json(GENUINE / "tokenizer.json"), letters[:28], -12.0)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    after = load_tokenizer(tmp_path)
    changed = [
        text
        for text, back in zip(texts, round_trip(after, texts), strict=True)
        if back != normalized_text(after, text)
    ]
    assert (len(texts) >= count, len(changed)) == (True, lost)
    assert all(after.token_to_id(UNK) in ids for ids in encode(after, changed))  # one found no spare row
    tokens = [sum(map(len, encode(tokenizer, articles + texts))) for tokenizer in (before, after)]
    assert tokens[0] <= tokens[1] <= 1.001 * tokens[0]
