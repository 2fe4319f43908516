"""A run that is killed at any moment, and started again, ends with the bytes of one that was not."""

import os
import random
import shutil
import sys
import time

import pytest

from stages.tokenize import main as tokenize
from tests.helpers.kills import survives
from tests.helpers.processes import ended, start, started_fresh
from tests.helpers.training import forget, outputs

KILLS = int(os.environ.get("RESUMEN_KILLS", "100"))  # of the slow test, in all


@pytest.mark.skipif(os.name == "nt" or not shutil.which("g++"), reason="needs process groups and g++")
def test_kills_of_a_compiled_training_change_no_byte(training, set_params, runs):
    set_params({"finetune.compile": True, "finetune.precision": "bf16", "tokenize.source_tokens": 16})
    runs(tokenize, "flan-small")
    survived, with_work = survives(["stages.finetune", "flan-small"], 4, random.Random(5), started_fresh)
    assert survived == 4
    assert with_work


@pytest.mark.skipif(os.name == "nt", reason="no process groups there")
def test_two_fine_tunings_at_once_killed_in_turn_change_no_byte(training, set_params, runs):
    """Each has a work folder of its own."""
    names, draw = ("flan-small", "few"), random.Random(7)
    set_params({"finetunings.few": {"base": "flan-small", "rows": 10}})
    runs(tokenize, "few")
    for name in names:
        ended(start("stages.finetune", name))
    whole = outputs()
    assert {f"models/finetuned/{name}/model.safetensors" for name in names} <= set(whole)
    for victim in names * 2:
        forget()
        both = {name: start("stages.finetune", name) for name in names}
        both[victim].wait_for("epoch 1:")
        time.sleep(draw.uniform(0, 0.2))
        both[victim].kill()
        both[victim].communicate()
        assert both[victim].returncode != 0
        assert "resuming" in ended(start("stages.finetune", victim))
        for name in set(names) - {victim}:
            ended(both[name])
        assert outputs() == whole


@pytest.mark.parametrize(
    ("stage", "share"),
    [(["stages.finetune", "flan-small"], 0.6), (["stages.generate", "flan-small"], 0.4)],
    ids=str,
)
@pytest.mark.skipif(os.name == "nt", reason="no process groups there")
def test_a_hundred_kills_change_no_byte(training, stage, share):
    kills = round(KILLS * share)
    survived, with_work = survives(stage, kills, random.Random(KILLS), started_fresh)
    sys.stderr.write(f"{' '.join(stage)}: {survived} of {kills}; {with_work} of the kills left work behind\n")
    assert survived == kills
    assert with_work >= kills / 3
