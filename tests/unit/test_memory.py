"""Memory by plan: batches are split by shapes alone, and the plan is held against what is free beforehand."""

import re
from dataclasses import replace
from functools import partial
from operator import le
from random import Random
from typing import NamedTuple

import pytest
import torch

from resumen.checkpoint.config import ModelConfig
from resumen.model import distributed, memory
from resumen.model.decoding import (
    check_generation,
    encode_prompts,
    generate_in_batches,
    greedy,
    make_generate,
)
from resumen.model.device import DEVICE_KINDS
from resumen.model.loading import load_t5
from resumen.model.memory import (
    GIB,
    Need,
    budget_of,
    check_free,
    free_memory,
    generation_need,
    left_beside,
    split,
)
from resumen.model.operations import num_parameters
from resumen.model.t5 import T5
from resumen.runtime.errors import InputError
from resumen.runtime.jsonfiles import read_json
from resumen.schema.sections import Decoding, FinetuneParams
from resumen.training.loop import EpochSampler
from resumen.training.plan import (
    LiveBytes,
    check_training,
    held_in_training,
    largest_batches,
    step_bytes,
    training_bytes,
)
from resumen.vocabulary.tokenizer import load_tokenizer
from stages.finetune import main as finetune
from stages.generate import main as generate
from tests.helpers.reference import config_of, transformers_model

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
T4 = 14.6 * GIB  # of its 16 GB, to use


class Held(NamedTuple):
    """What a process holds already."""

    rss: int


@pytest.fixture(autouse=True)
def hold(monkeypatch):
    """A function that says how many bytes this process holds: none, before it is called."""

    def put(count):
        monkeypatch.setattr(memory.psutil.Process, "memory_info", lambda process: Held(count))

    put(0)
    return put


PROMPTS = [f"Resume: {'llueve mucho en Soria ' * number}" for number in range(1, 20)]
BEAMS = Decoding(max_new_tokens=96, num_beams=4, length_penalty=1.0, no_repeat_ngram_size=0)


def shape(d_model, d_ff, layers, heads, model_type="t5", gated=True, d_kv=64):
    """Return the config of a published model, and the rows of its embedding."""
    content = {
        "model_type": model_type,
        "d_model": d_model,
        "d_ff": d_ff,
        "d_kv": d_kv,
        "num_heads": heads,
        "num_layers": layers,
        "feed_forward_proj": "gated-gelu" if gated else "relu",
        "tie_word_embeddings": not gated,
        "vocab_size": {"t5": 32_128, "mt5": 250_112, "umt5": 256_384}[model_type],
    }
    return ModelConfig.of(content), content["vocab_size"]


FLAN_SMALL, FLAN_BASE = shape(512, 1024, 8, 6), shape(768, 2048, 12, 12)
FLAN_LARGE, MT5_SMALL = shape(1024, 2816, 24, 16), shape(512, 1024, 8, 6, "mt5")
UMT5_SMALL = shape(512, 1024, 8, 6, "umt5")
T5_SMALL, T5_BASE = shape(512, 2048, 6, 8, gated=False), shape(768, 3072, 12, 12, gated=False)


@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize("at_once", [1, 3, 16, 100])
def test_a_batch_is_parted_in_order_into_few_parts_of_about_a_size(count, at_once):
    batch = list(range(count))
    parts = list(split(batch, at_once))
    assert [row for part in parts for row in part] == batch
    assert max(map(len, parts)) <= at_once
    assert len(parts) == -(-count // at_once)


@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize("kind", ["tied", "untied", "mt5", "umt5"])
def test_tokens_are_the_same_under_any_budget(tiny, monkeypatch, kind, num_beams):
    t5, tokenizer = load_t5(tiny[kind], torch.float32, CPU), load_tokenizer(tiny[kind])
    ids, _ = encode_prompts(tokenizer, PROMPTS, max_tokens=None)
    decoding = Decoding(max_new_tokens=9, num_beams=num_beams, length_penalty=1.0, no_repeat_ngram_size=2)
    need = generation_need(t5.config, t5.num_rows, t5.dtype, CPU, max(map(len, ids)), decoding)
    outputs = []
    for at_once in (19, 7, 1):
        monkeypatch.setenv("RESUMEN_MEMORY_GB", str((need.of(at_once) + 0.5 * need.article) / GIB))
        parts = []
        monkeypatch.setattr(
            "resumen.model.decoding.split",
            lambda batch, most, parts=parts: parts.append(most) or split(batch, most),
        )
        outputs.append(generate_in_batches(ids, make_generate(t5, decoding), 19, "test"))
        assert min(parts) == at_once
    assert outputs[0] == outputs[1] == outputs[2]


def test_validation_is_the_same_under_any_budget(quick, runs, monkeypatch):
    quick(epochs=1)
    found = []
    for gigabytes in ("6", "0.1"):
        monkeypatch.setenv("RESUMEN_MEMORY_GB", gigabytes)
        runs(finetune, "flan-small")
        found.append(read_json(memory.Path("metrics/finetune/flan-small.json")))
    assert found[0]["validation_loss"] == pytest.approx(found[1]["validation_loss"], abs=1e-4)
    assert found[0]["validation_rougeL"] == found[1]["validation_rougeL"]


@pytest.mark.parametrize("given", ["much", "0", "-1", "nan", "inf"])
def test_a_budget_that_is_no_number_is_refused(monkeypatch, given):
    monkeypatch.setenv("RESUMEN_MEMORY_GB", given)
    with pytest.raises(InputError, match=f"RESUMEN_MEMORY_GB: expected a number of GiB over 0.*'{given}'"):
        budget_of(CPU)


def test_what_is_free_changes_no_byte(small_run, runs, monkeypatch):
    written = []
    for free in (400 * GIB, 2 * GIB):
        monkeypatch.setattr(memory, "free_memory", lambda device, free=free: free)
        runs(generate, "flan-small")
        written.append(memory.Path("data/predictions/flan-small.jsonl").read_bytes())
    assert written[0] == written[1]


def test_the_users_budget_is_named_in_what_the_summaries_are_made_with(small_run, runs, monkeypatch):
    monkeypatch.setenv("RESUMEN_MEMORY_GB", "2.5")
    runs(generate, "flan-small")
    assert read_json(memory.Path("data/predictions/flan-small.meta.json"))["memory_gb"] == 2.5


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.max": "max\n", "memory.current": "5\n", "memory.stat": ""}, []),
        (
            {
                "memory.max": "1000\n",
                "memory.current": "700\n",
                "memory.stat": "anon 600\ninactive_file 50\nactive_file 50\n",
            },
            [350],
        ),
        (
            {
                "memory/memory.limit_in_bytes": "1000\n",
                "memory/memory.usage_in_bytes": "1100\n",
                "memory/memory.stat": "total_inactive_file 20\n",
            },
            [0],
        ),
        (
            {
                "job/step/memory.max": "max\n",
                **{"job/memory.max": "900\n", "job/memory.current": "500\n", "job/memory.stat": ""},
                **{"other/memory.max": "9\n", "other/memory.current": "5\n", "other/memory.stat": ""},
            },
            [400],
        ),
        ({}, []),
    ],
)
def test_the_limit_of_a_container_or_a_batch_system_counts(tmp_path, monkeypatch, files, left):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "own").write_text("4:memory:/\n1:cpu:/other\n0::/job/step\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(memory, "OWN_CGROUP", tmp_path / "own")
    assert list(memory.container_memory()) == left
    assert (
        free_memory(CPU) == min([memory.psutil.virtual_memory().available, *left], key=lambda n: n)
        or not left
    )


def test_too_little_memory_for_generation_is_told_before_work_with_what_to_do(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device: 4 * GIB)
    need_of = partial(generation_need, *FLAN_LARGE, torch.float32, CPU, decoding=greedy(96))
    given = ("systems.flan-large.batch_size: flan-large", need_of, [512] * 64, 64, CPU)
    with pytest.raises(InputError) as error:
        check_generation(*given)
    assert re.fullmatch(
        r"systems\.flan-large\.batch_size: flan-large takes 5\.\d GiB, and 4\.0 GiB are free; "
        r"RESUMEN_MEMORY_GB=4 splits each batch so that it fits; work that is kept under \.resumen starts "
        "over",
        str(error.value),
    )
    monkeypatch.setenv("RESUMEN_MEMORY_GB", "4")
    check_generation(*given)
    monkeypatch.setattr(memory, "free_memory", lambda device: 2 * GIB)
    with pytest.raises(InputError, match=r"2\.0 GiB are free; take a smaller model$"):
        check_generation(*given)
    with pytest.raises(InputError, match=r"2\.0 GiB are free; use bf16$"):
        check_generation(*given, "use bf16")


def test_a_budget_below_what_an_article_takes_is_said_once(monkeypatch, caplog):
    need_of = partial(generation_need, *FLAN_LARGE, torch.float32, CPU, decoding=greedy(96))
    monkeypatch.setattr(memory, "free_memory", lambda device: 64 * GIB)
    for gigabytes, said in (("4", 0), ("1", 1), ("1", 1)):
        monkeypatch.setenv("RESUMEN_MEMORY_GB", gigabytes)
        check_generation("flan-large", need_of, [512] * 4, 4, CPU, "use bf16")
        assert len(caplog.messages) == said
    assert re.fullmatch(
        r"RESUMEN_MEMORY_GB leaves 1\.0 GiB, and an article at a time takes 3\.\d GiB; use bf16",
        caplog.messages[0],
    )


RECIPE = FinetuneParams.model_construct(
    batch_size=32, gradient_accumulation=1, label_smoothing=0.0, dropout=0.1
)


def test_too_little_memory_for_a_step_is_told_with_the_pair_that_fits(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device: 6 * GIB)
    shapes_of = partial(largest_batches, [512] * 64, [128] * 64, [*range(64)])
    given = ("flan-small", *FLAN_SMALL, torch.float32, CPU, shapes_of)
    keys = "finetune.batch_size", "finetune.gradient_accumulation"
    with pytest.raises(InputError) as error:
        check_training(*given, RECIPE, keys)
    pair = r"set finetune\.batch_size=(\d+) and finetune\.gradient_accumulation=(\d+)"
    batch_size, accumulation = map(int, re.search(pair, str(error.value)).groups())
    assert batch_size * accumulation == 32
    update = {"batch_size": batch_size, "gradient_accumulation": accumulation}
    check_training(*given, RECIPE.model_copy(update=update), keys)
    monkeypatch.setattr(memory, "free_memory", lambda device: GIB)
    with pytest.raises(InputError, match=r"take a smaller base, or lower tokenize\.source_tokens"):
        check_training(*given, RECIPE, keys)


def test_the_batch_of_the_most_articles_counts_too():
    """A batch has a budget of source tokens, and its targets take memory by its articles."""
    lengths, targets = [512] * 8 + [400] + [64] * 64, [10] * 8 + [99] + [90] * 64
    whole = largest_batches(lengths, targets, [*range(73)], 8)
    assert whole == {(8, 512, 99), (9, 448, 99), (16, 256, 90)}
    assert largest_batches(lengths, targets, [0, 70], 8) == {(8, 512, 90), (16, 256, 90)}
    assert largest_batches([512] * 20, [*range(20)], [*range(20)], 8) == {(8, 512, 19)}
    assert largest_batches([512] * 3, [7] * 3, [0, 1, 2], 8) == {(3, 512, 7)}


@pytest.mark.parametrize("chosen", [None, [*range(60, 73)], [0, 1, 40]])
def test_no_batch_of_a_training_takes_more_than_what_is_planned(chosen):
    draw = Random(5)
    lengths, targets = ([draw.randrange(20, 513) for _ in range(90)] for _ in range(2))
    sampler = EpochSampler(lengths, 4, seed=1, chosen=chosen)
    planned = largest_batches(lengths, targets, chosen or [*range(90)], 4)
    for batch in sampler:
        shape = len(batch), max(lengths[index] for index in batch), max(targets[index] for index in batch)
        assert any(all(map(le, shape, bound)) for bound in planned), shape


def test_no_batch_of_a_training_has_more_than_twice_the_articles_of_the_longest():
    sampler = EpochSampler([512] * 8 + [64] * 99 + [200] * 99, 8, seed=1)
    assert max(map(len, sampler)) == 16


def test_a_validation_that_takes_more_than_is_free_is_told_before_the_training(quick, fails, monkeypatch):
    quick()
    monkeypatch.setattr("resumen.training.finetuning.check_training", lambda *given: None)
    monkeypatch.setattr(memory, "free_memory", lambda device: GIB // 4)
    message = fails(finetune, "flan-small")
    assert re.match(r"flan-small: a validation takes 0\.\d GiB, and 0\.2 GiB are free; take a", message)


def test_waiting_gradients_and_dropout_count():
    def bytes_of(**changes):
        params = RECIPE.model_copy(update={"dropout": 0.0, **changes})
        return step_bytes(*FLAN_SMALL, torch.float32, (8, 256, 16), params)

    plain = bytes_of()
    assert bytes_of(gradient_accumulation=2) > plain
    assert bytes_of(dropout=0.1) > plain


def test_processes_of_one_machine_share_what_is_free(monkeypatch, hold):
    monkeypatch.setattr(memory, "free_memory", lambda device: 4 * GIB)
    check_free("it", 3 * GIB, CPU, str)
    monkeypatch.setitem(distributed.JOINED, "local", 2)
    hold(GIB // 2)
    with pytest.raises(InputError, match=r"it takes 3.0 GiB, and 2.5 GiB are free for each of 2 processes; "):
        check_free("it", 3 * GIB, CPU, lambda free: "do less")
    monkeypatch.setattr(memory, "all_gather", lambda free: [free, free + GIB, 3 * GIB])  # one answer for all
    with pytest.raises(InputError, match=r"2.5 GiB are free"):
        check_free("it", 3 * GIB, CPU, lambda free: "do less")
    check_free("it", 3 * GIB, CUDA, str)  # each has its own


META = torch.device("meta")


def generated(config, rows, dtype, count, source, decoding, target):
    """Return the most bytes beside the weights that are alive as a model reads, and writes a last token."""
    shapes = config.tensors(rows)
    if config.untied_head:
        shapes["lm_head.weight"] = shapes["shared.weight"]
    with torch.inference_mode():
        t5 = T5(lambda name: torch.empty(shapes[name], device=META), config, dtype)
        ids, mask = torch.ones(count, source, dtype=torch.long), torch.ones(count, source, dtype=torch.bool)
        mask[1:, -1:] = False
        with LiveBytes() as live:
            cache = t5.prefill(ids, mask, decoding.num_beams, decoding.max_new_tokens)
            if target:
                t5.cached_loss(cache, torch.ones(count, target, dtype=torch.long))
            cache.length = (decoding.max_new_tokens - 1) * decoding.num_beams
            tokens = torch.ones(count, decoding.num_beams, dtype=torch.long, device=META)
            scores = t5.step(cache, tokens).flatten(0, 1).float()
            if decoding.num_beams > 1:
                scores.log_softmax(-1).topk(2 * decoding.num_beams, dim=-1)
    return live.peak


COMPUTED = [(kind, dtype) for kind in ("cpu", "cuda") for dtype in (torch.float32, torch.bfloat16)]
WRITTEN = [
    (greedy(96), 0),
    (greedy(96), 128),
    (BEAMS, 0),
]  # and the loss of so many tokens
EACH = [(*how, *what) for how in COMPUTED for what in WRITTEN]
EACH += [("cpu", torch.int8, decoding, 0) for decoding in (greedy(96), BEAMS)]


@pytest.mark.parametrize(("kind", "dtype", "decoding", "target"), EACH)
@pytest.mark.parametrize("model", ["FLAN_SMALL", "FLAN_LARGE", "MT5_SMALL", "UMT5_SMALL"])
@pytest.mark.parametrize(("count", "source"), [(1, 512), (8, 512), (1, 2048)])
def test_the_plan_covers_what_generating_takes(
    monkeypatch, model, dtype, kind, decoding, target, count, source
):
    config, rows = globals()[model]
    monkeypatch.setitem(DEVICE_KINDS, "cpu", replace(DEVICE_KINDS[kind], pin_memory=False))
    need = generation_need(config, rows, dtype, CPU, source, decoding, target, held=0)
    taken = generated(config, rows, dtype, count, source, decoding, target)
    assert taken <= need.of(count)
    if count > 1:  # and is no wild guess
        assert need.of(count) - memory.PROGRAM <= 2.5 * taken


@pytest.mark.parametrize("kind", ["tied", "untied", "umt5"])
def test_the_bytes_of_a_step_are_those_of_its_tensors(tiny, kind):
    """The parameters and their gradients at least; and the activations, which grow with the batch."""
    model = transformers_model(tiny[kind])
    config, rows = config_of(model), model.shared.num_embeddings
    few, more = (step_bytes(config, rows, torch.float32, (count, 160, 48)) for count in (4, 8))
    assert few > 2 * 4 * num_parameters(config, rows)
    assert 1.5 * few < more < 2 * few
    assert step_bytes(config, rows, torch.bfloat16, (8, 160, 48)) < more


def test_live_bytes_are_counted_once_and_given_back():
    with LiveBytes() as live:
        first = torch.empty(1000, device="meta")
        view = first[:10]
        second = torch.empty(500, device="meta")
        del first
        assert live.now == 6000
        del view, second
        third = torch.empty(10, device="meta")
        assert (live.now, live.peak) == (40, 6000)
    assert third.numel() == 10


COURSE = [FLAN_SMALL, T5_SMALL, FLAN_BASE, T5_BASE, FLAN_LARGE, MT5_SMALL]


@pytest.mark.parametrize("model", COURSE, ids=["flan-s", "t5-s", "flan-b", "t5-b", "flan-l", "mt5-s"])
@pytest.mark.parametrize("decoding", [greedy(96), BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
def test_generation_of_course_and_mlsum_fits_8_gb_and_a_t4(model, decoding, device):
    need = generation_need(*model, torch.float32, device, 512, decoding)
    budget = DEVICE_KINDS[device.type].memory
    assert need.of(need.articles(budget)) <= budget <= (T4 - GIB if device is CUDA else 6 * GIB)
    assert need.articles(budget) >= 4


@pytest.mark.parametrize(
    ("model", "batch_size"),
    [(FLAN_SMALL, 8), (T5_SMALL, 8), (FLAN_SMALL, 32), (T5_SMALL, 32), (FLAN_BASE, 8), (MT5_SMALL, 8)],
    ids=["course", "course-t5", "mlsum", "mlsum-t5", "flan-base", "mt5"],
)
def test_training_of_course_and_mlsum_fits_a_t4(model, batch_size):
    config, rows = model
    for shape in ((batch_size, 512, 128), (2 * batch_size, 256, 128)):
        assert training_bytes(config, rows, torch.float32, shape, RECIPE, CUDA) < T4
    held = held_in_training(config, rows, torch.float32)
    need = generation_need(config, rows, torch.float32, CUDA, 512, greedy(96), 128, held=0)
    at_once = min(8 * batch_size, need.articles(left_beside(DEVICE_KINDS["cuda"].memory, held)))
    assert held + need.of(at_once) < T4
    assert at_once > 16


@pytest.mark.parametrize("model", [FLAN_SMALL, T5_SMALL], ids=["flan-small", "t5-small"])
def test_training_of_course_fits_8_gb(model):
    config, rows = model
    held = held_in_training(config, rows, torch.float32)
    need = generation_need(config, rows, torch.float32, CPU, 512, greedy(96), 128, held=0)
    at_once = min(8 * 8, need.articles(left_beside(DEVICE_KINDS["cpu"].memory, held)))
    for shape in ((8, 512, 128), (16, 256, 128)):
        assert training_bytes(config, rows, torch.float32, shape, RECIPE) < 6 * GIB
    assert held + need.of(at_once) < 6 * GIB


def test_a_large_models_validation_has_a_budget_beside_its_training():
    config, rows = FLAN_LARGE
    need = generation_need(config, rows, torch.float32, CPU, 512, greedy(96), 128, held=0)
    held = held_in_training(config, rows, torch.float32)
    assert need.articles(budget_of(CPU, held)) >= 8
    assert held > budget_of(CPU)


@pytest.mark.parametrize("free", [3 * GIB // 2, 2 * GIB, 5 * GIB])
def test_the_budget_that_is_proposed_beside_a_training_fits(monkeypatch, free):
    monkeypatch.setattr(memory, "free_memory", lambda device: free)
    held = 6 * GIB // 10
    need_of = partial(generation_need, *T5_BASE, torch.float32, CPU, decoding=greedy(96), held=0)
    given = ("it", need_of, [512] * 400, 400, CPU, "less", held)
    with pytest.raises(InputError, match="RESUMEN_MEMORY_GB=") as error:
        check_generation(*given)
    monkeypatch.setenv("RESUMEN_MEMORY_GB", re.search(r"GB=([\d.]+)", str(error.value))[1])
    check_generation(*given)


def test_the_largest_models_are_split_and_the_small_ones_are_not(tiny):
    t5 = load_t5(tiny["untied"], torch.float32, CPU)
    need = generation_need(t5.config, t5.num_rows, t5.dtype, CPU, 256, greedy(96))
    assert need.articles(budget_of(CPU)) > 1000
    assert generation_need(*FLAN_LARGE, torch.float32, CPU, 512, greedy(96)).articles(budget_of(CPU)) < 64
    assert Need(10, 3).articles(5) == 1
