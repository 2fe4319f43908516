"""Probe: every system answers every prompt, in the order of the file, then the questions about news."""

from pathlib import Path

import pytest
import torch

from resumen.news.questions import news_probes
from resumen.schema.jsonl import read_jsonl
from resumen.schema.params import read_params
from resumen.schema.probes import read_probes
from stages.probe import main

COLUMNS = ["id", "kind", "prompt", "answer", "reference"]


@pytest.fixture
def few(base, set_params):
    """The tiny T5 as flan-small, and six questions about news of seed 5."""
    set_params({"probe.generated": 6, "probe.seed": 5})


def answers(name):
    rows = list(read_jsonl(Path(f"data/answers/{name}.jsonl"), COLUMNS))
    assert all(list(row) == COLUMNS for row in rows)
    return rows


def test_our_own_prompts_come_in_the_order_of_the_file_and_then_the_news(few, runs):
    runs(main, "flan-small")
    asked = read_probes()[1] | news_probes(6, 5)
    assert [(row["id"], row["kind"], row["prompt"], row["reference"]) for row in answers("flan-small")] == [
        (name, probe.kind, probe.prompt, probe.answer) for name, probe in asked.items()
    ]


def test_a_reference_is_null_where_no_answer_is_the_right_one(few, runs):
    runs(main, "flan-small")
    references = {row["id"]: row["reference"] for row in answers("flan-small")}
    assert references["open-question-leaves"] is None
    assert references["question-text-brother"] == "Cádiz"
    assert references["news-who-001"] == news_probes(1, 5)["news-who-001"].answer


@pytest.mark.parametrize(("profile", "num_news"), [("mini", 240), ("course", 0), ("mlsum", 0), ("files", 0)])
def test_the_profile_says_how_many_questions_about_news_there_are(project, profile, num_news):
    assert read_params()["profiles"][profile]["probe"] == {"generated": num_news}


def test_no_question_about_news_is_asked_where_the_profile_wants_none(base, set_params, runs):
    set_params({"profile": "course"})
    runs(main, "flan-small")
    assert [row["id"] for row in answers("flan-small")] == list(read_probes()[1])


def test_a_number_set_in_the_section_needs_none_of_the_profile(few, set_params, runs):
    set_params({"profiles.mini.probe": ...})
    runs(main, "flan-small")
    assert len(answers("flan-small")) == len(read_probes()[1]) + 6


def test_a_shorter_list_changes_no_answer(few, write, set_params, runs):
    runs(main, "flan-small")
    all_answers = {row["prompt"]: row["answer"] for row in answers("flan-small")}
    prompt = "Why do leaves fall in autumn?"
    entry = f"kind: open-question, prompt: {prompt}"
    write("prompts/probes.yaml", f"max_new_tokens: 40\nprobes:\n  alone: {{{entry}}}\n")
    set_params({"probe.generated": 0})
    runs(main, "flan-small")
    assert answers("flan-small") == [
        {
            "id": "alone",
            "kind": "open-question",
            "prompt": prompt,
            "answer": all_answers[prompt],
            "reference": None,
        }
    ]


def test_predictions_made_elsewhere_answer_nothing(project, write, set_params, runs):
    write("others/gpt.jsonl", "")
    set_params({"systems.gpt": {"from": "others/gpt.jsonl"}})
    runs(main, "gpt")
    assert answers("gpt") == []


def test_a_system_whose_checkpoint_was_left_out_answers_nothing(project, write, set_params, runs):
    write("models/pretrained/xl/provenance.json", '{"left_out": "no miniature", "sha256": {}}')
    set_params({"systems.xl": {"from": "models/pretrained/xl"}})
    runs(main, "xl")
    assert Path("data/answers/xl.jsonl").read_bytes() == b""


def test_a_faulty_probe_is_refused(base, write, fails):
    write("prompts/probes.yaml", "max_new_tokens: 5\nprobes:\n  a:\n    kind: open-question\n    pront: x\n")
    assert (
        fails(main, "flan-small") == "prompts/probes.yaml: probes.a.pront: unknown key; did you mean prompt?"
    )


PARAMS_FAULTS = [
    (
        {"profiles.mini.probe.generated": -1},
        "profiles.mini.probe.generated: expected greater than or equal to 0, got -1",
    ),
    ({"probe.generated": 2.5}, "probe.generated: expected a valid integer, got 2.5"),
    ({"probe.generated": "all"}, "probe.generated: expected a valid integer, got 'all'"),
    ({"probe.seed": -1}, "probe.seed: expected greater than or equal to 0, got -1"),
    ({"probe.sed": 1}, "probe.sed: unknown key; did you mean seed?"),
    ({"probe": ...}, "probe: missing; add the section"),
    ({"profiles.mini.probe": ...}, "probe.generated: no value here nor in profiles.mini.probe; set one"),
]


@pytest.mark.parametrize(("changes", "message"), PARAMS_FAULTS)
def test_a_faulty_parameter_is_refused(base, set_params, fails, changes, message):
    set_params(changes)
    assert fails(main, "flan-small") == f"params.yaml: {message}"


def test_an_unknown_system_is_refused(project, fails):
    assert "systems.flan-smal: no such system; did you mean flan-small?" in fails(main, "flan-smal")


def test_out_of_memory_is_one_line(few, fails, monkeypatch):
    def full(*given):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    for name in ("answers.generate_in_batches", "ours.load_t5"):
        monkeypatch.setattr(f"resumen.generation.{name}", full)
        assert fails(main, "flan-small").startswith(
            "probe: out of memory: 2.00 GiB more were asked for; take a"
        )
