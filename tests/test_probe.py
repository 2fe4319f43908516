"""Probe: every system answers every prompt, in the order of the file."""

from pathlib import Path

from stages.probe import main
from stages.shared.files import read_jsonl
from stages.shared.probes import read_probes


def answers(name):
    return list(read_jsonl(Path(f"data/answers/{name}.jsonl"), ("id", "prompt", "answer")))


def test_every_probe_is_answered_in_the_order_of_the_file(base, runs):
    runs(main, "flan-small")
    _, probes = read_probes()
    assert [(row["id"], row["prompt"]) for row in answers("flan-small")] == [
        (name, probe.prompt) for name, probe in probes.items()
    ]


def test_a_shorter_list_changes_no_answer(base, write, runs):
    runs(main, "flan-small")
    every = {row["prompt"]: row["answer"] for row in answers("flan-small")}
    prompt = "Why do leaves fall in autumn?"
    write("stages/probes.yaml", f"max_new_tokens: 40\nprobes:\n  alone:\n    prompt: {prompt}\n")
    runs(main, "flan-small")
    assert answers("flan-small") == [{"id": "alone", "prompt": prompt, "answer": every[prompt]}]


def test_predictions_made_elsewhere_answer_nothing(project, write, set_params, runs):
    write("others/gpt.jsonl", "")
    set_params({"systems.gpt": {"from": "others/gpt.jsonl"}})
    runs(main, "gpt")
    assert answers("gpt") == []


def test_a_faulty_probe_is_refused(base, write, fails):
    write("stages/probes.yaml", "max_new_tokens: 5\nprobes:\n  a:\n    pront: x\n")
    assert fails(main, "flan-small") == "stages/probes.yaml: probes.a.prompt: missing; add it"


def test_an_unknown_system_is_refused(project, fails):
    assert "systems.flan-smal: no such system; did you mean flan-small?" in fails(main, "flan-smal")
