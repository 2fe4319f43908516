"""A sweep: a queue of learning rates and one that fails, two at a time."""

import json
import re
import sys
import time

from tests.helpers.clone import run

RATES = [round(1e-3 * (1 + number / 10), 5) for number in range(20)]
TOO_MANY = 10_000  # articles a step: more than there are
LIMIT = 3_000  # seconds


def queued(clone, *changes):
    arguments = [part for change in changes for part in ("-S", change)]
    run(clone, "dvc", "exp", "run", "--queue", *arguments)


def statuses(clone):
    """Return the state of each experiment of the queue, once all have ended."""
    begin = time.monotonic()
    while time.monotonic() - begin < LIMIT:
        time.sleep(1)
        message = run(clone, "dvc", "queue", "status")
        if not any(word in message for word in ("Queued", "Running")):
            return re.findall(r"\b(?:Success|Failed)\b", message)
    raise AssertionError(f"the queue did not end: {message}")


def rates_of(clone):
    """Return the learning rate and the finetuned ROUGE-L of every experiment that succeeded."""
    shown = json.loads(run(clone, "dvc", "exp", "show", "--json"))
    result = {}
    for baseline in shown:
        for experiment in baseline.get("experiments") or []:
            for revision in experiment["revs"]:
                data = revision["data"]
                if data and data.get("metrics") and revision["rev"] != "workspace":
                    rate = data["params"]["params.yaml"]["data"]["finetune"]["learning_rate"]
                    scores = data["metrics"]["metrics/systems/finetuned.json"]["data"]
                    if rate is not None:  # as the baseline has it
                        result[rate] = scores["rougeL"]
    return result


def sweep(clone, rates):
    """Run a queue of `rates` and one that fails, two at a time; see that all are accounted for."""
    before = (clone / "params.yaml").read_text(encoding="utf-8")
    for rate in rates[: len(rates) // 2]:
        queued(clone, f"finetune.learning_rate={rate}")
    queued(clone, f"finetune.batch_size={TOO_MANY}")
    for rate in rates[len(rates) // 2 :]:
        queued(clone, f"finetune.learning_rate={rate}")
    run(clone, "dvc", "queue", "start", "--jobs", "2", RESUMEN_THREADS="1")
    states = statuses(clone)
    assert sorted(states) == ["Failed"] + ["Success"] * len(rates), states
    scores = rates_of(clone)
    assert sorted(scores) == sorted(rates)
    assert (clone / "params.yaml").read_text(encoding="utf-8") == before
    assert run(clone, "git", "status", "--porcelain") == ""
    assert "no fault" in run(clone, sys.executable, "-m", "resumen", "doctor")
    return scores
