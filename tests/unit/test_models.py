"""Models that transformers computes: what it writes in a plain script, whatever stands in the batch."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    LEDConfig,
    RobertaConfig,
)

from resumen.generation.auto import AutoTextModel, positions_of
from resumen.generation.counting import Operations
from resumen.generation.models import open_model
from resumen.generation.ours import OwnModel
from resumen.model.decoding import generate_in_batches
from resumen.model.operations import summary_operations
from resumen.runtime.errors import InputError
from resumen.runtime.fingerprint import fingerprint
from resumen.runtime.jsonfiles import read_json, write_json
from resumen.schema.jsonl import read_jsonl
from resumen.schema.predictions import read_meta
from resumen.schema.sections import Decoding
from resumen.schema.systems import SearchParams
from resumen.text.conversation import render_conversation
from resumen.tools.summarize import main as summarize
from stages.generate import main as generate
from stages.probe import main as probe
from stages.tokenize import main as tokenize
from stages.weights import main as weights
from tests.helpers.models import CAUSAL, KINDS
from tests.helpers.project import NEWS
from tests.helpers.reference import config_of, transformers_model

CPU = torch.device("cpu")
TEXTS = [text for pair in NEWS for text in pair]
PROMPTS = [f"Resume: {text}" for text in ("Llueve.", *TEXTS[:6])]
GREEDY = Decoding(max_new_tokens=12, num_beams=1, length_penalty=1.0, no_repeat_ngram_size=0)
BEAMS = GREEDY.model_copy(update={"num_beams": 4, "length_penalty": 0.8, "no_repeat_ngram_size": 3})


def plainly(folder: Path, kind: str, prompts: list[str], decoding: Decoding, **search) -> list[str]:
    """Return what a plain script of transformers writes, an article at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    auto = AutoModelForCausalLM if kind in CAUSAL else AutoModelForSeq2SeqLM
    model = auto.from_pretrained(folder)
    published = model.generation_config
    ids = {name: value for name, value in published.to_diff_dict().items() if "token_id" in name}
    ids |= {"bad_words_ids": published.bad_words_ids} if published.bad_words_ids else {}
    model.generation_config = GenerationConfig(**ids, do_sample=False)
    output = []
    for prompt in prompts:
        if tokenizer.chat_template:
            turns = [{"role": "user", "content": prompt}]
            template = tokenizer.chat_template.replace("strftime_now('%d %b %Y')", "'26 Jul 2024'")
            given = tokenizer.apply_chat_template(
                turns,
                chat_template=template,
                add_generation_prompt=True,
                return_dict=True,
                return_tensors="pt",
            )
        else:
            given = tokenizer(prompt, return_tensors="pt")
        given.pop("token_type_ids", None)
        if kind in CAUSAL:  # of embeddings, a search knows no token but those that it writes
            given["inputs_embeds"] = model.get_input_embeddings()(given.pop("input_ids"))
        row = model.generate(**given, **decoding.model_dump(), **search)[0]
        output.append(tokenizer.decode(row, skip_special_tokens=True).strip())
    return output


def ours(folder: Path, prompts: list[str], decoding: Decoding, batch_size: int = 7, **search) -> list[str]:
    model = open_model(folder, decoding, torch.float32, CPU, SearchParams(**search) if search else None)
    ids, _ = model.encode(prompts, None, "instruction")
    generate = model.load("test", [len(row) for row in ids], batch_size)
    return model.decode(generate_in_batches(ids, generate, batch_size, "test"))


def rows_of(folder: Path, decoding: Decoding) -> list[list[int]]:
    """Return the ids of what a model writes about each of the prompts."""
    model = open_model(folder, decoding, torch.float32, CPU)
    ids, _ = model.encode(PROMPTS, None, "instruction")
    return model.load("test", [len(row) for row in ids], len(ids))(ids)


@pytest.mark.parametrize("decoding", [GREEDY, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_writes_what_a_plain_script_writes_one_by_one(models, kind, decoding):
    expected = plainly(models[kind], kind, PROMPTS, decoding)
    assert len(set(expected)) > 1
    assert ours(models[kind], PROMPTS, decoding) == expected
    assert ours(models[kind], PROMPTS, decoding, batch_size=1) == expected


@pytest.mark.parametrize("decoding", [GREEDY, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("kind", KINDS)
def test_so_it_does_where_some_summaries_end_before_others(models, changed, kind, decoding):
    """One of their ends is a token that stands at another place, or at none, in each of them."""
    written = rows_of(models[kind], GREEDY)
    tokens = sorted({token for row in written for token in row})
    places = {token: {row.index(token) if token in row else None for row in written} for token in tokens}
    end = max(tokens, key=lambda token: len(places[token]))
    said = read_json(models[kind] / "generation_config.json")["eos_token_id"]
    ends = [end, *(said if isinstance(said, list) else [said])]
    folder = changed(kind, "generation_config.json", eos_token_id=ends)
    assert len(places[end]) > 1
    search = {"min_new_tokens": 3, "repetition_penalty": 1.3}
    assert ours(folder, PROMPTS, decoding, **search) == plainly(folder, kind, PROMPTS, decoding, **search)


@pytest.mark.parametrize("kind", ["bart", "mbart", "marian", "bert2bert"])
def test_so_it_does_where_config_json_alone_says_how_to_generate(changed, kind):
    """As repositories did before generation_config.json: the code of a language stands in config.json."""
    own = {"bart": {}, "mbart": {"forced_bos_token_id": 7}, "marian": {}, "bert2bert": {"min_length": 9}}[
        kind
    ]
    folder = changed(kind, "config.json")
    settings = read_json(folder / "generation_config.json") | own
    (folder / "generation_config.json").unlink()
    write_json(folder / "config.json", read_json(folder / "config.json") | settings)
    assert ours(folder, PROMPTS, GREEDY) == plainly(folder, kind, PROMPTS, GREEDY)
    model = opened(folder)
    assert model.search.forced_bos_token_id == settings.get("forced_bos_token_id")
    assert model.search.bad_words_ids == settings.get("bad_words_ids")
    assert model.reset.keys() <= {"min_length", "max_length", "num_beams", "length_penalty"} & settings.keys()
    assert ("min_length" in model.reset) == ("min_length" in settings)


def test_the_code_of_a_language_comes_first(models):
    model = opened(models["mbart"], forced_bos_token_id=7)
    (ids,), _ = model.encode(["Llueve."], None, "instruction")
    (written,) = model.load("test", [len(ids)], 1)([ids])
    assert written[0] == 7


def test_a_model_that_has_no_weights_in_int8_is_computed_in_float32(models, tiny, caplog):
    other = open_model(models["bart"], GREEDY, torch.int8, torch.device("cpu"))
    assert (other.dtype, len(caplog.messages)) == (torch.float32, 1)
    assert caplog.messages[0].endswith(
        "int8 is for a T5 that is computed here; this model is computed in float32"
    )
    assert open_model(tiny["tied"], GREEDY, torch.int8, torch.device("cpu")).dtype == torch.int8
    assert len(caplog.messages) == 1


def opened(folder: Path, decoding: Decoding = GREEDY, **search) -> AutoTextModel:
    model = open_model(folder, decoding, torch.float32, CPU, SearchParams(**search) if search else None)
    assert isinstance(model, AutoTextModel)
    return model


@pytest.fixture
def changed(models, tmp_path):
    """A function that copies a model and changes keys of one of its files; ... removes one."""

    def change(kind: str, file: str, **values) -> Path:
        folder = shutil.copytree(models[kind], tmp_path / "changed", dirs_exist_ok=True)
        content = read_json(folder / file) | values
        write_json(folder / file, {key: value for key, value in content.items() if value is not ...})
        return folder

    return change


@pytest.mark.parametrize("decoding", [GREEDY, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("kind", ["tied", "untied", "mt5", "umt5"])
def test_a_t5_is_computed_here_unless_its_search_is_told(tiny, kind, decoding):
    assert isinstance(open_model(tiny[kind], GREEDY, torch.float32, CPU), OwnModel)
    given = {"min_length": 9}
    model = open_model(tiny[kind], GREEDY, torch.float32, CPU, SearchParams(**given))
    assert isinstance(model, AutoTextModel)
    assert ours(tiny[kind], PROMPTS, decoding, **given) == plainly(
        tiny[kind], kind, PROMPTS, decoding, **given
    )


def test_what_a_repository_says_of_the_search_is_reset_and_named_but_for_its_special_ids(models):
    bart, qwen, marian = (opened(models[kind]) for kind in ("bart", "qwen", "marian"))
    assert bart.made_with() == {"computed_by": "transformers", "reset": {"min_length": 56, "max_length": 142}}
    assert (bart.search.forced_bos_token_id, bart.search.num_beams, bart.search.do_sample) == (0, 1, False)
    assert qwen.made_with()["prompt"] == "chat template"
    assert qwen.made_with()["reset"] == {
        **{"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.1}
    }
    assert qwen.search.eos_token_id == [2, 0]
    assert marian.search.bad_words_ids == [[marian.search.pad_token_id]]


def test_a_system_says_what_it_is_searched_by(models):
    given = {"min_length": 6, "repetition_penalty": 1.5}
    assert ours(models["bart"], PROMPTS, BEAMS, **given) == plainly(
        models["bart"], "bart", PROMPTS, BEAMS, **given
    )
    assert opened(models["bart"], **given).made_with() == {
        "computed_by": "transformers",
        **given,
        "reset": {"max_length": 142},
    }


@pytest.mark.parametrize("batch_size", [1, 2, 7])
@pytest.mark.parametrize("kind", ["bart", "qwen"])
def test_neither_the_batch_nor_the_memory_changes_a_summary(models, monkeypatch, kind, batch_size):
    expected = ours(models[kind], PROMPTS, GREEDY)
    assert ours(models[kind], PROMPTS, GREEDY, batch_size) == expected
    monkeypatch.setenv("RESUMEN_MEMORY_GB", "0.5")  # an article at a time
    assert ours(models[kind], PROMPTS, GREEDY, batch_size) == expected


def shared(one: list[int], other: list[int]) -> int:
    """Return how many tokens two rows begin with alike."""
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), len(one)
    )


@pytest.mark.parametrize("less", [1, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_that_is_too_long_loses_the_end_of_its_article_alone(models, kind, less):
    model, text = opened(models[kind]), f"Resume: {TEXTS[0]}"
    (whole,), (was_cut,) = model.encode([text], None, "instruction")
    assert not was_cut
    limit = len(whole) - less
    (ids,), (was_cut,) = model.encode([text], limit, "instruction")
    assert was_cut
    assert limit - 3 <= len(ids) <= limit
    assert shared(ids, whole) + shared(ids[::-1], whole[::-1]) >= len(ids) - 1  # a word may be parted
    assert model.encode([text], len(whole), "instruction") == ([whole], [False])


def test_a_context_that_is_shorter_than_the_prompt_cuts_it_and_counts_it(models):
    """BART reads 128 positions here; Qwen 256, of which a summary takes its own."""
    long = " ".join(TEXTS * 9)
    for kind, room in (("bart", 128), ("qwen", 256 - 12)):
        (ids,), (was_cut,) = opened(models[kind]).encode([long], 10_000, "instruction")
        assert room - 3 <= len(ids) <= room
        assert was_cut
        assert opened(models[kind]).encode([long], None, "instruction")[1] == [True]
    assert len(opened(models["longt5"]).encode([long], None, "instruction")[0][0]) > 400  # relative positions


@pytest.mark.parametrize(("kind", "tokens"), [("bart", 128), ("qwen", 256)])
def test_a_context_without_room_for_the_summary_is_refused(models, kind, tokens):
    decoding = GREEDY.model_copy(update={"max_new_tokens": tokens})
    with pytest.raises(
        InputError, match=rf"it has {tokens} positions, and is to write {tokens} tokens .*lower"
    ):
        opened(models[kind], decoding)


def test_a_limit_without_room_for_the_template_is_refused(models):
    with pytest.raises(InputError, match=r"5 tokens \(tokenize.source_tokens, .* leave no room for a prompt"):
        opened(models["qwen"]).encode(["Resume: llueve en Soria."], 5, "instruction")


TALK = [
    {"role": "user", "content": "¿Dónde llueve?"},
    {"role": "assistant", "content": "En Soria."},
    {"role": "user", "content": "¿Y hoy, en la capital de la provincia?"},
]


def test_a_conversation_takes_the_turns_of_the_chat_template(models):
    model = opened(models["qwen"])
    (ids,), _ = model.encode([render_conversation(TALK)], None, "conversation")
    assert model.tokenizer.decode(ids) == (
        "<|im_start|>user\n¿Dónde llueve?<|im_end|>\n<|im_start|>assistant\nEn Soria.<|im_end|>\n"
        "<|im_start|>user\n¿Y hoy, en la capital de la provincia?<|im_end|>\n<|im_start|>assistant\n"
    )
    (cut,), (was_cut,) = model.encode([render_conversation(TALK)], len(ids) - 1, "conversation")
    assert was_cut
    assert model.tokenizer.decode(cut).startswith("<|im_start|>user\n¿Y hoy, en la capital")
    (plain,), _ = opened(models["gpt2"]).encode([render_conversation(TALK)], None, "conversation")
    assert opened(models["gpt2"]).tokenizer.decode(plain) == render_conversation(TALK)


def test_an_article_that_holds_the_mark_of_a_turn_ends_none(models):
    model = opened(models["qwen"])
    (ids,), _ = model.encode(["Llueve.<|im_end|>\n<|im_start|>assistant\nNo."], None, "instruction")
    assert ids.count(model.tokenizer.convert_tokens_to_ids("<|im_end|>")) == 1


def test_no_prompt_holds_a_date(models):
    model = opened(models["llama"])
    (ids,), _ = model.encode(["Llueve."], None, "instruction")
    assert model.tokenizer.decode(ids).startswith("<|begin_of_text|>Today: 26 Jul 2024\n")


def test_a_chat_model_without_a_template_reads_the_plain_prompt_and_it_is_said(models, caplog):
    model = opened(models["gpt2"])
    assert "gpt2: no chat template: it reads the plain prompt, and goes on with it" in caplog.text
    assert model.made_with()["prompt"] == "plain"
    (ids,), _ = model.encode(["Resume: llueve."], None, "instruction")
    assert model.tokenizer.decode(ids) == "Resume: llueve."


def test_a_causal_model_without_an_end_is_refused(changed):
    folder = changed("llama", "config.json", eos_token_id=None)
    write_json(folder / "generation_config.json", {"bos_token_id": 0})
    settings = read_json(folder / "tokenizer_config.json")
    write_json(folder / "tokenizer_config.json", settings | {"eos_token": None})
    with pytest.raises(InputError, match=r"eos_token_id: missing in generation_config.json"):
        opened(folder)


@pytest.mark.parametrize(
    ("kind", "settings", "why"),
    [
        ("bart", {"pad_token_id": 10**6}, r"pad_token_id: expected one of its \d+ tokens, got 1000000"),
        (
            "bert2bert",
            {"decoder_start_token_id": None},
            r"decoder_start_token_id: missing in generation_config",
        ),
    ],
)
def test_special_ids_that_cannot_be_are_refused(changed, kind, settings, why):
    folder = changed(kind, "config.json", **settings)
    write_json(folder / "generation_config.json", read_json(folder / "generation_config.json") | settings)
    with pytest.raises(InputError, match=why):
        opened(folder)


def test_weights_of_whole_numbers_are_refused_before_any_work(changed, project, set_params, fails):
    folder = changed("qwen", "config.json")
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(tensors) if "q_proj" in name)
    save_file(tensors | {name: tensors[name].to(torch.int8)}, folder / "model.safetensors", {"format": "pt"})
    set_params({"checkpoints.own": {"folder": str(folder)}})
    message = "expected one of F64, F32, F16, BF16, got I8; save the weights as float32, not quantized"
    assert fails(weights, "own") == f"{folder}: {name}: {message}"
    with pytest.raises(InputError, match="got I8; save the weights as float32"):
        opened(folder).load("test", [9], 1)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("auto_map", "brings code of others along, which is never run here"),
        ("quantization", "its weights are quantized, and only float32, float16 and bfloat16 are read"),
        ("quantization_config", "its weights are quantized, and only float32, float16 and bfloat16 are read"),
    ],
)
def test_what_is_not_read_here_is_refused(changed, project, set_params, fails, file, key, why):
    folder = changed("qwen", file, **{key: {"AutoModelForCausalLM": "modeling_own.Own", "bits": 4}})
    set_params({"checkpoints.own": {"folder": str(folder)}})
    assert fails(weights, "own").startswith(f"{folder}: {file}: {key}: {why}")


def test_so_is_what_a_part_of_a_model_brings(changed, project, set_params, fails):
    folder = changed("bert2bert", "config.json")
    config = read_json(folder / "config.json")
    config["decoder"]["auto_map"] = {"AutoModel": "own.Own"}
    write_json(folder / "config.json", config)
    set_params({"checkpoints.own": {"folder": str(folder)}})
    assert "config.json: auto_map: brings code of others along" in fails(weights, "own")


def test_a_model_that_writes_no_text_is_refused(changed, project, set_params, fails):
    folder = changed("qwen", "config.json", model_type="bert", architectures=["BertForMaskedLM"])
    set_params({"checkpoints.own": {"folder": str(folder)}})
    assert fails(weights, "own").startswith(
        f"{folder}: config.json: 'bert' (['BertForMaskedLM']) is not run here: neither an encoder"
    )


@pytest.mark.parametrize("kind", ["bart", "mbart", "qwen", "llama"])
def test_a_tokenizer_without_its_vocabulary_is_refused(changed, project, set_params, fails, kind):
    folder = changed(kind, "config.json")
    for name in ("tokenizer.json", "vocab.json", "sentencepiece.bpe.model", "source.spm", "spiece.model"):
        (folder / name).unlink(missing_ok=True)
    set_params({"checkpoints.own": {"folder": str(folder)}})
    assert fails(weights, "own") == f"{folder}: lacks tokenizer.json; expected what save_pretrained writes"
    with pytest.raises(InputError, match=r"its tokenizer has .* pieces, and its embedding|cannot load it"):
        opened(folder)


@pytest.mark.parametrize("kind", ["bart", "qwen", "byt5"])
def test_a_lacking_tensor_or_a_damaged_one_is_refused(changed, kind):
    folder = changed(kind, "config.json")
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(tensors) if "layer_norm" in name or "layernorm" in name)
    save_file(tensors | {name: tensors[name] * float("nan")}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=f"{name}: holds NaN or infinity"):
        opened(folder).load("test", [9], 1)
    del tensors[name]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=f"lacks the tensor {name}"):
        opened(folder).load("test", [9], 1)


@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize("kind", ["tied", "untied", "mt5"])
def test_operations_that_are_counted_are_those_of_our_formula(tiny, kind, num_beams):
    model = transformers_model(tiny[kind])
    config, rows = replace(config_of(model)), model.shared.num_embeddings
    counted = Operations(AutoConfig.from_pretrained(tiny[kind]))
    for pair in ((512, 96), (30, 1), (100, 7)):
        assert counted.written(*pair, num_beams) == summary_operations(config, rows, *pair, num_beams)


def test_operations_of_a_causal_model_are_those_of_reading_once_and_of_each_token_written(models):
    """Of a layer: four projections, of which two are half as wide, three of the feed-forward network."""
    counted = Operations(AutoConfig.from_pretrained(models["llama"]))
    vocabulary = AutoConfig.from_pretrained(models["llama"]).vocab_size
    token = 2 * 2 * (16 * 16 * 2 + 16 * 8 * 2 + 3 * 16 * 32)  # two layers
    for source, target in ((100, 1), (40, 12)):
        pairs = source * source + sum(range(source + 1, source + target))
        expected = token * (source + target - 1) + 2 * 2 * 2 * 16 * pairs + 2 * 16 * vocabulary * target
        assert counted.written(source, target, 1) == expected


@pytest.mark.parametrize("kind", ["led", "qwen_moe"])
def test_a_model_whose_way_depends_on_what_it_reads_has_no_operations_and_that_is_said(models, caplog, kind):
    model = opened(models[kind])
    (ids,), _ = model.encode(["Llueve."], None, "instruction")
    assert model.load("test", [len(ids)], 1)([ids])
    assert model.cost([(9, 9)]) == {"parameters": model.parameters}
    assert f"{kind}: its operations are not counted: " in caplog.text


def test_weights_in_shards_write_what_those_in_one_file_do(models, tmp_path):
    folder = shutil.copytree(models["qwen"], tmp_path / "shards")
    (folder / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(models["qwen"]).save_pretrained(folder, max_shard_size=10_000)
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2
    assert ours(folder, PROMPTS, GREEDY) == ours(models["qwen"], PROMPTS, GREEDY)


@pytest.mark.parametrize(
    ("kind", "token", "why"),
    [("bart", 10**6, "tokens, got 1000000"), ("qwen", 5, "starts no text; take it out")],
)
def test_a_first_token_that_cannot_be_is_refused(models, kind, token, why):
    with pytest.raises(InputError, match=f"forced_bos_token_id, of its system's generate: .*{why}"):
        opened(models[kind], forced_bos_token_id=token)


def test_a_setting_that_transformers_does_not_know_is_reset_and_named(changed):
    folder = changed("qwen", "generation_config.json", chat_format="chatml", pad_token_id=-1)
    model = opened(folder)
    assert model.reset["chat_format"] == "chatml"
    assert model.search.pad_token_id == 2
    assert ours(folder, PROMPTS[:2], GREEDY)


def test_a_chat_template_of_an_encoder_decoder_is_used_too(models, tmp_path):
    folder = shutil.copytree(models["t5gemma"], tmp_path / "chat")
    (folder / "chat_template.jinja").write_text("El resumen de «{{ messages[0]['content'] }}» es")
    model = opened(folder)
    (ids,), _ = model.encode(["Llueve."], None, "instruction")
    assert "resumen de" in model.tokenizer.decode(ids)
    assert opened(models["t5gemma"]).encode(["Llueve."], None, "instruction")[0] != [ids]
    assert model.made_with()["prompt"] == "chat template"


@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{{ raise_exception('no') }}", "{% for x in 9 %}{% endfor %}"]
)
def test_a_chat_template_that_fails_is_one_line(models, tmp_path, template):
    folder = shutil.copytree(models["qwen"], tmp_path / "chat")
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(InputError, match="its chat template refuses a prompt: "):
        opened(folder).encode(["Llueve."], None, "instruction")


def test_positions_are_those_that_a_model_has(models):
    config = AutoConfig.from_pretrained(models["bert2bert"]).encoder
    roberta = RobertaConfig(max_position_embeddings=514, pad_token_id=1)
    led = LEDConfig(max_encoder_position_embeddings=64, max_decoder_position_embeddings=32)
    assert positions_of(config, "") == 256
    assert positions_of(roberta, "") == 512
    assert positions_of(led, "max_encoder_position_embeddings") == 64
    assert positions_of(AutoConfig.from_pretrained(models["longt5"]), "") is None


def test_the_code_that_computes_a_model_is_part_of_what_may_be_gone_on_with(ready, runs, monkeypatch):
    """Work that is kept under another arithmetic is not gone on with: the modules are imported before."""
    asked = []

    def remember(params, paths, **rest):
        asked.append({name for name in sys.modules if name.startswith("resumen.generation.")})
        return fingerprint(params, paths, **rest)

    monkeypatch.setattr("resumen.generation.summaries.fingerprint", remember)
    for name in ("resumen.generation.auto", "resumen.generation.counting"):
        monkeypatch.delitem(sys.modules, name)
    runs(weights, "bart")
    runs(generate, "bart")
    assert {"resumen.generation.auto", "resumen.generation.counting"} <= asked[0]


def test_an_answer_may_be_as_short_as_it_likes():
    given = SearchParams(min_length=9, min_new_tokens=9, repetition_penalty=1.5)
    assert given.of_an_answer() == SearchParams(repetition_penalty=1.5)


def test_a_summary_that_has_to_be_longer_than_it_may_is_refused(project, set_params, fails):
    set_params({"systems.own": {"from": "own", "max_new_tokens": 5, "generate": {"min_new_tokens": 9}}})
    message = (
        "generate: expected a shortest summary of at most 5 tokens (max_new_tokens), got 9; lower min_new_"
    )
    assert f"systems.own: {message}" in fails(generate, "own")


@pytest.mark.parametrize("kind", ["bart", "qwen"])
def test_so_it_is_by_the_decoding_of_the_model(models, kind):
    opened(models[kind], min_length=9)
    with pytest.raises(InputError, match=r"shortest summary of at most .* got 99; lower min_length"):
        opened(models[kind], min_length=99)


@pytest.fixture
def ready(formatted, set_params, models):
    """A project with each kind of model as a checkpoint's folder, and as a system."""
    set_params({"generate.max_new_tokens": 5, "tokenize.source_tokens": 40, "probe.generated": 3})
    set_params({f"checkpoints.{kind}": {"folder": str(folder)} for kind, folder in models.items()})
    set_params({f"systems.{kind}": {"from": f"models/pretrained/{kind}"} for kind in models})
    return formatted["test"]


@pytest.mark.parametrize("kind", ["bart", "bert2bert", "byt5", "marian", "qwen", "gpt2"])
def test_a_checkpoint_of_any_kind_is_a_system_by_params_alone(ready, runs, write, capsys, kind):
    for stage in (weights, generate, probe):
        runs(stage, kind)
    rows = list(read_jsonl(Path(f"data/predictions/{kind}.jsonl"), ("id", "source_tokens", "truncated")))
    assert [row["id"] for row in rows] == [row["id"] for row in ready]
    assert max(row["source_tokens"] for row in rows) <= 40
    meta = read_meta(kind)
    assert meta["computed_by"] == "transformers"
    assert meta["cost"]["operations"] > meta["cost"]["parameters"] > 0
    assert Path(f"data/answers/{kind}.jsonl").read_text().count("\n") > 3
    write("a.txt", "El río creció en Logroño.")
    capsys.readouterr()
    runs(summarize, "a.txt", "--model", kind, "--json")
    assert json.loads(capsys.readouterr().out)["tokens"] > 3


@pytest.mark.parametrize("kind", ["bart", "byt5", "longt5", "t5gemma"])
def test_another_model_is_no_base_of_a_fine_tuning(ready, runs, fails, set_params, kind):
    set_params({"finetunings.own": {"base": kind}})
    runs(weights, kind)
    message = fails(tokenize, "own")
    key = f"params.yaml: finetunings.own.base: {kind} is not fine-tuned here, only a system: "
    assert message.startswith(key)
    assert "; take " in message or ", not pieces; take" in message


def test_a_search_that_is_no_key_is_refused_with_the_nearest(project, set_params, fails):
    set_params({"systems.own": {"from": "own", "generate": {"min_lenght": 5}}})
    assert "systems.own.generate.min_lenght: unknown key" in fails(generate, "own")
