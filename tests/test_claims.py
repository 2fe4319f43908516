"""What the miniature experiment is to show, on the metrics of the last commit."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def committed(path: str) -> dict:
    """Return the JSON at `path` in the last commit: a run since then may have changed the working tree."""
    shown = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, check=False)
    if shown.returncode:
        pytest.skip("not a git checkout")
    return json.loads(shown.stdout)


def of(system: str, metric: str) -> float:
    return committed(f"metrics/systems/{system}.json")[metric]


@pytest.mark.xfail(
    strict=True, reason="asked for a summary, flan-small names the topic: LOG.md, not reached yet"
)
def test_instruction_tuning_helps():
    assert of("t5-small", "rougeL") < of("flan-small", "rougeL")


def test_fine_tuning_beats_every_pretrained_checkpoint():
    pretrained = ("t5-small", "t5-base", "flan-small", "flan-base", "flan-large")
    assert max(of(system, "rougeL") for system in pretrained) < of("finetuned", "rougeL")


def test_the_task_is_neither_out_of_reach_nor_solved():
    assert of("finetuned", "rougeL") >= of("lead-3", "rougeL") + 10
    assert of("finetuned", "rougeL") >= of("flan-small", "rougeL") + 15
    assert of("finetuned", "rougeL") <= 90
    assert of("oracle", "rougeL") > of("lead-3", "rougeL")


def test_instruction_tuned_miniatures_answer_and_the_others_do_not():
    assert max(of("t5-small", "probe_exact_pct"), of("t5-base", "probe_exact_pct")) <= 5
    assert of("flan-small", "probe_exact_pct") >= 50
    assert of("flan-large", "probe_exact_pct") >= 75
    probes = {row["system"]: row for row in committed("metrics/evaluation.json")["probes"]}
    asked = [kind["num_asked"] for kind in probes["flan-small"]["kinds"] if kind["kind"].startswith("news-")]
    assert sum(asked) >= 200


def test_only_the_repaired_vocabulary_writes_every_word():
    assert of("finetuned", "lost_words_pct") == 0
    assert of("flan-small", "lost_words_pct") > 5
