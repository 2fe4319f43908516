"""The benchmarks: all of them start; the same work for all, ratios of medians, errors and bounds."""

import json
import re
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median

import pytest
import torch

from benchmarks import generation, gpu, news, page, profiles, quality, training
from benchmarks.generation import check_written, gap_of
from benchmarks.harness.apart import check_lengths, in_turn, table, writes
from benchmarks.harness.ours import Ours, finetune_ours
from benchmarks.harness.peers import Counted, Trained, padded
from benchmarks.harness.results import check_parts
from benchmarks.harness.workload import NUM_PIECES, SHAPES, SOURCE_TOKENS, TARGET_TOKENS, made_up, rows
from benchmarks.rouge import check_scores
from benchmarks.training import check_trained, compiling
from resumen.runtime.errors import InputError
from resumen.schema.params import read_params
from tests.helpers.paths import ROOT
from tests.helpers.reference import transformers_model

MODULES = {path.stem: f"benchmarks.{path.stem}" for path in sorted(ROOT.glob("benchmarks/[a-z]*.py"))}
NAMING = [ROOT / "Makefile", ROOT / "LOG.md", ROOT / "benchmarks/RESULTS.md", *(ROOT / "docs").rglob("*.md")]
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_starts_and_has_the_options_that_are_named(name, monkeypatch, capsys):
    """Those of `make bench`, and of the pages that name a benchmark."""
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        import_module(MODULES[name]).main()
    known = capsys.readouterr().out
    for file in NAMING:
        for rest in re.findall(rf"python -m benchmarks\.{name}\b([^`\n]*)", file.read_text(encoding="utf-8")):
            assert [word for word in re.findall(r"--\w+", rest) if word not in known] == [], f"{file}: {rest}"


def test_every_benchmark_that_is_named_is_there():
    for file in NAMING:
        named = set(re.findall(r"python -m benchmarks\.(\w+)", file.read_text(encoding="utf-8")))
        assert named <= MODULES.keys(), file


def test_results_has_every_part_that_make_bench_and_the_gpu_write():
    cpu = [f"cpu {work}" for work in ("finetune", "greedy", "beams", "curve", "memory", "processes")]
    avx2 = [f"cpu AVX2 {work}" for work in ("finetune", "greedy", "beams")]
    cuda = [
        f"cuda {work}" for work in ("finetune", "greedy", "flan-base greedy", "flan-large greedy", "beams")
    ]
    check_parts(
        [*cpu, *avx2, *cuda, "course", "mlsum", "tokenizing", "tokenizing, genuine", "rouge", "scoring"]
    )


def test_rows_have_the_lengths_of_mlsum():
    output = rows(3_000, seed=1)
    sources, targets = ([len(row[name]) for row in output] for name in ("input_ids", "labels"))
    full = sum(length == SOURCE_TOKENS for length in sources) / len(output)
    assert (max(sources), round(full, 2)) == (SOURCE_TOKENS, 0.96)
    assert median(targets) in range(49, 54)
    assert sorted(targets)[int(0.95 * len(output))] in range(83, 92)
    assert max(targets) <= TARGET_TOKENS
    assert {row[name][-1] for row in output for name in row} == {1}  # </s>
    assert max(max(row["input_ids"]) for row in output) < NUM_PIECES


def test_equal_seeds_give_equal_rows():
    assert rows(3, seed=1) == rows(3, seed=1) != rows(3, seed=2)


def test_ratios_are_those_of_the_medians():
    rates = {"ours": [4.0, 1.0, 9.0], "peer": [2.0, 1.0, 3.0]}  # the machine is slow in the second round
    rates["first"] = [8.0]  # in the first round alone
    assert list(table("greedy", rates, {"ours": 1.5, "peer": 2.5, "first": 2.0}))[2:] == [
        "| ours | 4.00 |  |  | 1.50 |",
        "| peer | 2.00 | 2.00 × | 1.00 to 3.00 | 2.50 |",
        "| first | 8.00 | 0.50 × | one round | 2.00 |",
    ]


def test_each_round_begins_with_another():
    order = []
    who = {name: partial(order.append, name) for name in "abc"}
    in_turn(who, rounds=4)
    assert order == [*"abc", *"bca", *"cab", *"abc"]
    order.clear()
    in_turn(who, rounds=2, once="b")
    assert order == [*"abc", *"ca"]


def test_trainings_that_differ_are_no_comparison():
    same = Trained([(8, 1.0), (8, 2.0)], targets=500, loss=10.0)
    message = check_trained({"ours": same, "peer": replace(same, loss=10.1)})
    assert (
        message == "Each saw the same 16 articles and 500 target tokens; their mean losses are within 1.0%."
    )
    for other in (replace(same, targets=499), replace(same, steps=[(8, 1.0)]), replace(same, loss=10.3)):
        with pytest.raises(SystemExit, match="not the same work"):
            check_trained({"ours": same, "peer": other})


def test_a_batch_counts_its_articles_and_targets():
    counted = Counted(padded)
    for batch in (rows(3, seed=1), rows(2, seed=2)):
        counted(batch)
    assert counted.articles == [3, 2]
    assert counted.targets == sum(len(row["labels"]) for seed in (1, 2) for row in rows(4 - seed, seed))


def test_summaries_must_be_as_long_as_they_are_to_be():
    check_lengths([[5, 6, 7], [5, 6, 7, 1]], 3)
    for short in ([5, 6], [5, 1, 6]):
        with pytest.raises(SystemExit, match="1 of 2 summaries are short"):
            check_lengths([[5, 6, 7], short], 3)


@pytest.mark.parametrize(("gap", "is_fault"), [(1e-6, False), (0.1, True)])
def test_other_summaries_than_transformers_must_be_ties(gap, is_fault, monkeypatch):
    monkeypatch.setattr(generation, "gap_of", lambda *_: gap)
    theirs = [[5, 6]] * 32
    who = {"ours": [[5, 7]] * 32, "ours, fp32": [[5, 7], *theirs[1:]], "transformers": theirs}
    if is_fault:
        with pytest.raises(SystemExit, match="article 0 came out"):
            check_written("beams", who, Path(), [[5]] * 32)
    else:
        message = check_written("beams", who, Path(), [[5]] * 32)
        assert message.startswith("In float32 31 of 32 are token for token")
        assert message.endswith("the same came out: ours 0.")


def test_a_gap_is_that_of_the_token_where_two_part(tiny):
    source = [5, 6, 7, 1]
    with torch.inference_mode():
        model = transformers_model(tiny["untied"])
        logits = model(input_ids=torch.tensor([source]), labels=torch.tensor([[9, 8]])).logits
    shares = logits[0].log_softmax(-1)
    assert gap_of(tiny["untied"], source, [9, 8], [9, 4], True) == pytest.approx(
        float(shares[1, 4] - shares[1, 8]), abs=1e-5
    )
    assert gap_of(tiny["untied"], source, [9, 8], [9, 4], False) == pytest.approx(
        float(shares[1, 4] - shares[1, 8]) / 2, abs=1e-5
    )


def test_compiling_pays_once_it_is_made_up_for():
    assert compiling(40.0, 4.0, 5.0) == "Compiling takes 40 s, which pays from 800 articles on."
    assert compiling(40.0, 4.0, 3.9).endswith("no later step makes up for it.")


def test_a_score_that_is_not_that_of_rouge_score_ends_the_comparison():
    check_scores([(50.0, 1.0)], [(50.0, 1.0)])
    with pytest.raises(SystemExit, match=r"scores differ by 1\.0e-03"):
        check_scores([(50.0, 1.0)], [(50.0, 1.001)])


def test_a_job_is_what_params_yaml_says():
    jobs = {name: profiles.job_of(name, read_params()) for name in profiles.SHARES}
    small, whole = jobs["course"], jobs["mlsum"]
    assert (small.articles, small.epochs, small.validation, small.test, small.compile) == (
        2 * 1_500, 4, 2 * 500, 200, False,  # two fine-tunings
    )  # fmt: skip
    assert (whole.articles, whole.validation, whole.test, whole.compile) == (
        2 * 266_367, 2 * 1_000, 13_920, True,
    )  # fmt: skip
    assert small.systems == {"flan-base": 2, "flan-large": 1, "flan-small": 2, "t5-base": 2, "t5-small": 2}
    assert set(small.systems) <= SHAPES.keys()


def test_a_part_is_extrapolated_with_its_error():
    what, seconds, error = profiles.whole("all", [1.0, 2.0, 3.0, 2.0], 40)
    assert (what, seconds) == ("all", 80.0)
    assert error == pytest.approx(40 * 0.4082 * 3.182, abs=0.05)  # Student's t of three degrees


def test_a_bound_is_of_the_pairs_of_seeds():
    def runs(name, *scores):
        return [{"run": name, "seed": seed, "rougeL": score} for seed, score in enumerate(scores)]

    lines = quality.table([*runs("plain", 70.0, 71.0, 69.0), *runs("ours", 70.5, 70.5, 69.0, 60.0)])
    assert lines[2:] == [
        "| plain | 0: 70.00, 1: 71.00, 2: 69.00 | 70.00 | | |",
        "| ours | 0: 70.50, 1: 70.50, 2: 69.00 | 70.00 | +0.00 | -0.84 |",  # seed 3 has no pair
    ]
    with pytest.raises(InputError, match="plain, seed 0: stands there twice"):
        quality.table(runs("plain", 70.0) * 2)


def test_the_page_of_the_benchmark_holds_all_articles_and_systems(small_run):
    text = page.page_of(30)
    data = json.loads(text.split('id="explorer-data">')[1].split("</script>")[0])
    assert (len(data["articles"]), len(data["systems"])) == (30, page.NUM_SYSTEMS)
    assert len({article["topic"] for article in data["articles"]}) == 7


def test_ours_trains_and_writes_as_the_benchmarks_have_it(tmp_path):
    folder, data = made_up("flan-tiny", tmp_path / "tiny"), rows(16, seed=1)
    speed, (output, compiled) = training.trains(finetune_ours, folder, CPU, data)()
    assert (sum(count for count, _ in output.steps), compiled) == (16, 0.0)
    assert speed == output.rate(warming=1) > 0
    assert training.loading(data, batch_size=8) > 0
    articles = [row["input_ids"] for row in data[:2]]
    _, written = writes(partial(Ours, folder, CPU, "auto"), articles, 1, num_tokens=4)()
    assert [len(row) for row in written] == [4, 4]
    for tokens, operations in (training.costs(folder), generation.costs("beams", folder)):
        assert operations > tokens > SOURCE_TOKENS


def test_a_profile_is_measured_in_all_its_parts(tmp_path, monkeypatch):
    monkeypatch.setitem(SHAPES, "flan-small", SHAPES["flan-tiny"])
    monkeypatch.setattr(profiles, "CHECKPOINT", 100)
    monkeypatch.setattr(profiles, "NUM_TOKENS", 4)
    job = replace(profiles.job_of("course", read_params()), articles=32, share=1, epochs=1, batch_size=8)
    monkeypatch.setattr(profiles, "job_of", lambda *_: replace(job, systems={"flan-small": 2}))
    lines = list(profiles.results("course", CPU, tmp_path))
    assert [line.split("|")[1].split(",")[0].strip() for line in lines[2:]] == [
        "ROUGE of 2 systems", "fine-tuning", "2 checkpoints", "validation on 1", "flan-small", "all",
    ]  # fmt: skip


def test_the_gpu_is_asked_for_what_is_wanted_most_first():
    commands = gpu.commands(list(gpu.WORKS), gpu.MODELS, rounds=2)
    assert [command.split()[0] for command in commands] == [
        "training", "generation", "profiles", "generation", "generation", "generation",
    ]  # fmt: skip
    assert commands[4] == "generation --work greedy --rounds 2 --model flan-large"
    assert not gpu.finished([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.2)


def test_quality_and_difficulty_are_measured_on_a_finished_run(small_run):
    assert 0 <= quality.score("ours", 13, CPU) <= 100
    lines = list(quality.generation(CPU, count=4, systems=["flan-small"]))
    assert [line.split(" | ")[1] for line in lines[2:]] == ["bf16", "int8"]
    row = {"text": "Llueve en Soria. Nieva.", "summary": "Llueve.", "title": "", "topic": ""}
    assert len(news.tuned_on([row])) == 1
